"""`response_format: "url"` behind gateways: addresses as of one host, which every gateway answers until they expire."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.fleet.conftest import Fleet, wait_for
from tests.serving.conftest import HttpResult, Server

from .conftest import StartGateway, official, post_job, start_worker

ASKED = {"prompt": "a secret garden", "response_format": "url", "seed": 5, "steps": 2, "size": "64x96"}


def url_of(gateway: Server, headers: dict[str, str] | None = None, **fields: object) -> str:
    answer = gateway.post({**ASKED, **fields}, headers)
    assert answer.status == 200, answer.body
    return str(answer.json["data"][0]["url"])


def fetched(gateway: Server, url: str, method: str = "GET") -> HttpResult:
    return gateway.get(urlsplit(url).path, method)


def red() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    return out.getvalue()


def test_the_official_client_gets_addresses_that_every_gateway_answers(
    fleet: Fleet, start_gateway: StartGateway
) -> None:
    one, other = (start_gateway(IMAGE_GEN_PICTURE_URL_SECONDS=60) for _ in range(2))
    start_worker(fleet, one)
    asked: Any = {"prompt": "x", "n": 2, "output_format": "jpeg", "extra_body": {"seed": 5, "steps": 2}}
    pictures = official(one).images.generate(response_format="url", **asked).data or []
    plain = official(one).images.generate(**asked).data or []
    assert [picture.b64_json for picture in pictures] == [None, None]
    assert [picture.seed for picture in pictures] == [5, 6]
    urls = [picture.url or "" for picture in pictures]
    pattern = rf"http://127\.0\.0\.1:{one.port}/v1/files/[A-Za-z0-9_-]{{43}}\.jpeg"
    assert all(re.fullmatch(pattern, url) for url in urls) and len(set(urls)) == 2
    for gateway in (one, other):
        got = fetched(gateway, urls[1])
        assert (got.status, got.headers["content-type"]) == (200, "image/jpeg")
        assert got.body == base64.b64decode(plain[1].b64_json or "")
        assert re.fullmatch(r"private, max-age=\d+, immutable", got.headers["cache-control"])
        head = fetched(gateway, urls[1], "HEAD")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(got.body)))
    # The job itself leaves nothing, and what is kept does not say whose it is.
    wait_for(lambda: fleet.names("jobs/") == [])
    assert len(fleet.names("files/")) == 2


def test_edits_and_variations_have_them_and_a_stream_has_its_pictures(
    fleet: Fleet, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(IMAGE_GEN_PICTURE_URL_SECONDS=60)
    start_worker(fleet, gateway)
    images = official(gateway).images
    for answer in (
        images.edit(image=red(), prompt="x", response_format="url"),
        images.create_variation(image=red(), response_format="url"),
    ):
        assert fetched(gateway, (answer.data or [])[0].url or "").body.startswith(b"\x89PNG")
    body = gateway.post({**ASKED, "stream": True}).body.decode()
    event = next(
        each
        for line in body.splitlines()
        if line.startswith("data: ")
        for each in [json.loads(line[6:])]
        if "b64_json" in each
    )
    assert event["b64_json"] and event["notes"]["response_format"].startswith("not used")


def test_an_altered_address_and_one_that_has_expired_are_not_found(fleet: Fleet, start_gateway: StartGateway) -> None:
    key = {"Authorization": "Bearer the-key"}
    gateway = start_gateway(IMAGE_GEN_PICTURE_URL_SECONDS=60, IMAGE_GEN_API_KEY="the-key")
    fleet.start(RECORD_EVERY="0.2").wait_phase("ready")
    wait_for(lambda: gateway.state()["engines"] > 0)
    url = url_of(gateway, key)
    # No key is needed.
    assert fetched(gateway, url).status == 200
    name = url.rpartition("/")[2]
    token = name.partition(".")[0]
    for other in (
        ("B" if token[0] == "A" else "A") + token[1:] + ".png",
        f"{token}.jpeg",
        f"{token[:-1]}.png",
        f"{token}.png.png",
    ):
        refused = fetched(gateway, f"/v1/files/{other}")
        assert (refused.status, refused.json["error"]["code"]) == (404, "picture_not_found")
    # A gateway with a shorter time keeps what was promised before.
    short = start_gateway(IMAGE_GEN_PICTURE_URL_SECONDS=2, IMAGE_GEN_API_KEY="the-key")
    soon = url_of(short, key)
    assert fetched(gateway, soon).status == 200
    wait_for(lambda: fetched(gateway, soon).status == 404)
    assert fetched(short, url).status == 200
    wait_for(lambda: len(fleet.names("files/")) == 1)
    assert (
        name[:20] not in gateway.log and "/v1/files/{name}" in gateway._ask("GET", "/metrics", None, key).body.decode()
    )


@pytest.mark.parametrize("env", [{}, {"IMAGE_GEN_PICTURE_URL_SECONDS": 60, "IMAGE_GEN_JOBS": "none"}])
def test_off_it_is_refused_as_by_one_host(fleet: Fleet, start_gateway: StartGateway, env: dict[str, object]) -> None:
    gateway = start_gateway(**env)
    start_worker(fleet, gateway)
    answer = gateway.post(ASKED)
    if env:  # of a worker's environment, which says nothing of a gateway's jobs
        assert answer.status == 200
        return
    assert (answer.status, answer.json["error"]["param"]) == (400, "response_format")
    assert "no picture is kept here, as IMAGE_GEN_PICTURE_URL_SECONDS is 0" in answer.json["error"]["message"]
    assert fleet.names("jobs/") == []
    assert gateway.get("/v1/files/x").status == 404


def test_a_job_keeps_its_pictures_itself(start_gateway: StartGateway) -> None:
    refused = post_job(start_gateway(IMAGE_GEN_PICTURE_URL_SECONDS=60), ASKED)
    assert (refused.status, refused.json["error"]["param"]) == (400, "response_format")


def test_a_store_that_fails_is_said_with_the_time_after_which_to_try_again(start_gateway: StartGateway) -> None:
    gateway = start_gateway(wait=False, IMAGE_GEN_PICTURE_URL_SECONDS=60, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")
    gateway.wait_log("No jobs can be accepted", 60)
    answer = gateway.get(f"/v1/files/{'a' * 43}.png")
    assert (answer.status, answer.json["error"]["code"]) == (503, "jobs_unavailable")
    assert int(answer.headers["retry-after"]) > 0
