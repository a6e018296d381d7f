"""`response_format: "url"`: off by default; where it is on, an address that nobody can guess, for a time."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from image_gen.serving.jobs.job_database import JobDatabase
from tests.serving.conftest import HttpResult, Server, StartServer

from .conftest import MakeClient
from .test_edits import encoded, halves, post

ASKED = {"prompt": "a secret garden", "response_format": "url", "seed": 5}


def ready(start_server: StartServer, **settings: Any) -> Server:
    server = start_server(IMAGE_GEN_PICTURE_URL_SECONDS=60, **settings)
    server.wait_phase("ready")
    return server


def fetched(server: Server, url: str, method: str = "GET") -> HttpResult:
    return server.get(urlsplit(url).path, method)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "no picture is kept here, as IMAGE_GEN_PICTURE_URL_SECONDS is 0"),
        ({"IMAGE_GEN_PICTURE_URL_SECONDS": 60, "IMAGE_GEN_JOBS": "none"}, "as IMAGE_GEN_JOBS is none"),
    ],
)
def test_off_it_is_refused_with_the_reason(start_server: StartServer, settings: Any, why: str) -> None:
    server = start_server(**settings)
    server.wait_phase("ready")
    form = {"prompt": "x", "response_format": "url"}
    for answer in (
        server.post(ASKED),
        post(server, "/v1/images/edits", form, [("image", encoded(halves()))]),
        post(server, "/v1/images/variations", {"response_format": "url"}, [("image", encoded(halves()))]),
    ):
        assert (answer.status, answer.json["error"]["param"]) == (400, "response_format")
        assert why in answer.json["error"]["message"]
    assert "painting" not in server.log
    schema = server.get("/openapi.json").json
    assert "url" not in json.dumps(
        schema["paths"]["/v1/images/generations"]["post"]["requestBody"]["content"]["application/json"]["schema"][
            "properties"
        ]["response_format"]["anyOf"]
    )
    assert server.get("/v1/files/x").status == 404


def test_the_official_client_gets_addresses_of_its_pictures(start_server: StartServer, official: MakeClient) -> None:
    server = ready(start_server)
    answer = official(server).images.generate(
        prompt="x", n=2, response_format="url", output_format="jpeg", extra_body={"seed": 5}
    )
    pictures = answer.data or []
    assert [picture.b64_json for picture in pictures] == [None, None]
    assert [picture.seed for picture in pictures] == [5, 6]  # type: ignore[attr-defined] # not of their types
    plain = server.post({"prompt": "x", "seed": 6, "output_format": "jpeg"}).json["data"][0]["b64_json"]
    urls = [picture.url or "" for picture in pictures]
    pattern = rf"http://127\.0\.0\.1:{server.port}/v1/files/[A-Za-z0-9_-]{{43}}\.jpeg"
    assert all(re.fullmatch(pattern, url) for url in urls) and len(set(urls)) == 2
    got = fetched(server, urls[1])
    assert (got.status, got.headers["content-type"]) == (200, "image/jpeg")
    assert got.body == base64.b64decode(plain)
    assert re.fullmatch(r"private, max-age=\d+, immutable", got.headers["cache-control"])
    assert got.headers["x-content-type-options"] == "nosniff"
    head = fetched(server, urls[1], "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(got.body)))


def test_edits_and_variations_have_them_too(start_server: StartServer, official: MakeClient) -> None:
    images = official(server := ready(start_server)).images
    for answer in (
        images.edit(image=encoded(halves()), prompt="x", response_format="url"),
        images.create_variation(image=encoded(halves()), response_format="url"),
    ):
        assert fetched(server, (answer.data or [])[0].url or "").body.startswith(b"\x89PNG")


def test_no_key_is_needed_for_an_address_and_no_log_has_it(start_server: StartServer) -> None:
    server = ready(start_server, IMAGE_GEN_API_KEY="the-key")
    assert server.post(ASKED).status == 401
    url = server.post(ASKED, {"Authorization": "Bearer the-key"}).json["data"][0]["url"]
    assert fetched(server, url).status == 200
    gone = url[:-5] + "A.png" if url[-5] != "A" else url[:-5] + "B.png"
    refused = fetched(server, gone)
    assert (refused.status, refused.json["error"]["code"]) == (404, "picture_not_found")
    assert server._ask("DELETE", urlsplit(url).path, None, {}).status == 405
    name, other = (each.rpartition("/")[2] for each in (url, gone))
    for text in (server.log, server._ask("GET", "/metrics", None, {"Authorization": "Bearer the-key"}).body.decode()):
        assert name[:20] not in text and other not in text and "/v1/files/{name}" in text


@pytest.mark.parametrize("name", ["..", "%2e%2e", "x.png", "a" * 43 + ".svg", "%00", "a" * 10_000, "\u00e4.png"])
def test_other_names_are_not_found(start_server: StartServer, name: str) -> None:
    from urllib.parse import quote

    server = ready(start_server)
    answer = server.get("/v1/files/" + quote(name, safe="%"))
    assert answer.status in {404, 414, 400}
    assert "Traceback" not in server.log


def test_it_outlasts_the_service_and_then_expires(start_server: StartServer, tmp_path: Path) -> None:
    server = ready(start_server)
    url = server.post(ASKED).json["data"][0]["url"]
    data = fetched(server, url).body
    server.process.kill()
    server.process.wait(60)
    again = ready(start_server)
    assert fetched(again, url).body == data
    folder = tmp_path / "image-gen-jobs"
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())
    short = start_server(IMAGE_GEN_PICTURE_URL_SECONDS=1, FAST="0.2", HF_HOME=tmp_path / "other" / "hf")
    short.wait_phase("ready")
    url = short.post(ASKED).json["data"][0]["url"]
    short._wait(lambda: fetched(short, url).status == 404, 60)
    kept = tmp_path / "other" / "image-gen-jobs"
    short._wait(lambda: all(len(file.read_bytes()) < 60_000 for file in kept.iterdir()), 60)


def test_in_memory_nothing_is_written(start_server: StartServer, tmp_path: Path) -> None:
    server = ready(start_server, IMAGE_GEN_JOBS="memory")
    assert fetched(server, server.post(ASKED).json["data"][0]["url"]).status == 200
    assert not (tmp_path / "image-gen-jobs").exists()


def test_without_room_no_picture_is_made_for_nothing(start_server: StartServer) -> None:
    server = ready(start_server, IMAGE_GEN_JOBS_MAX_MB=1)
    # 512 x 512 may take 0.8 MB; so noise does.
    assert server.post({**ASKED, "size": "512x512", "steps": 1}).status == 200
    begun = server.log.count("painting")
    refused = server.post({**ASKED, "size": "512x512", "steps": 1})
    assert (refused.status, refused.json["error"]["code"]) == (507, "jobs_storage_full")
    assert server.log.count("painting") == begun
    assert server.post({"prompt": "x", "size": "512x512", "steps": 1}).status == 200


def test_a_stream_has_its_pictures_and_says_so(start_server: StartServer) -> None:
    server = ready(start_server)
    body = server.post({**ASKED, "stream": True}).body.decode()
    event = json.loads(body.partition("data: ")[2].splitlines()[0])
    assert event["b64_json"] and event["notes"]["response_format"].startswith("not used")


def test_a_job_keeps_its_pictures_itself(start_server: StartServer, official: MakeClient) -> None:
    client = official(ready(start_server))
    with pytest.raises(openai.BadRequestError, match="a job keeps its pictures"):
        client.post("/jobs", body=ASKED, cast_to=object)


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"Host": "images.example.com"}, "http://images.example.com/v1/files/"),
        ({"Host": "images.example.com", "X-Forwarded-Proto": "https"}, "https://images.example.com/v1/files/"),
        ({"Host": "[::1]:8000", "X-Forwarded-Proto": "javascript"}, "http://[::1]:8000/v1/files/"),
        ({"Host": "a b<script>"}, "http://127.0.0.1:"),
    ],
)
def test_the_address_is_the_one_that_the_client_has_asked(
    server_with_urls: Server, headers: dict[str, str], address: str
) -> None:
    assert server_with_urls.post(ASKED, headers).json["data"][0]["url"].startswith(address)


@pytest.fixture
def server_with_urls(start_server: StartServer) -> Server:
    return ready(start_server)


def test_a_file_of_an_earlier_version_continues_to_work(tmp_path: Path) -> None:
    folder = tmp_path / "image-gen-jobs"
    database = JobDatabase(folder)
    database._connection.execute("drop table pictures")
    database.close()
    again = JobDatabase(folder)
    again.add_pictures({"x.png": b"data"}, time.time() + 60)
    assert again.picture("x.png", time.time()) is not None
    assert again.picture("x.png", time.time() + 61) is None
    assert again.counts() == (0, 4)
    assert again.delete_expired(time.time() + 61) == 1
    again.close()
