"""Prefetch, verify and delete over HTTP: in the background, one at a time, and never what is served."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from image_gen.model_cache import CacheSettings, ModelCache
from image_gen_demo.hub import DemoHub
from tests.serving.conftest import Server, StartServer

from .conftest import KEYS, OTHER, SERVED, ask, begun, ended, hub_cache, models_of, operation_of

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"


def folder_of(server: Server, model_id: str) -> Path:
    return hub_cache(server) / f"models--{model_id.replace('/', '--')}"


def blob_of(server: Server, model_id: str) -> Path:
    return next((folder_of(server, model_id) / "snapshots").glob(f"*/{UNET}")).resolve()


def prefetched(server: Server, model_id: str = OTHER) -> Any:
    return ended(server, begun(server, "POST", "/v1/cache/prefetch", {"model": model_id}))


def test_a_prefetch_shows_how_far_it_is_and_ends_with_a_complete_model(cache_server: Server, hub: DemoHub) -> None:
    hub.panel.turn({"line_bytes_per_second": 3 << 20})
    operation_id = begun(cache_server, "POST", "/v1/cache/prefetch", {"model": OTHER})
    seen = []
    while (operation := operation_of(cache_server, operation_id))["status"] == "running":
        if operation["progress"]:
            seen.append(operation["progress"])
        time.sleep(0.05)
    assert (operation["status"], operation["kind"], operation["model"]) == ("succeeded", "prefetch", OTHER)
    assert operation["created_at"] <= operation["ended_at"]
    done = [each["bytes_done"] for each in seen]
    assert done == sorted(done) and len(set(done)) > 2
    assert any(each["bytes_per_second"] > 0 and each["eta_seconds"] is not None for each in seen)
    model = models_of(cache_server)[OTHER]
    assert (model["complete"], model["in_use"]) == (True, False)
    result = operation["result"]
    assert (result["id"], result["revision"], result["source"]) == (OTHER, model["revision"], "download")
    assert 3 << 20 < model["bytes"] <= result["bytes_fetched"] <= result["bytes_total"]
    assert f"prefetch of {OTHER} has begun, asked for by the API key admin" in cache_server.log
    again = prefetched(cache_server)
    assert (again["result"]["source"], again["result"]["bytes_fetched"]) == ("volume", 0)


def test_a_prefetch_that_fails_says_why_and_how_to_fix_it(cache_server: Server) -> None:
    operation = prefetched(cache_server, "test/nowhere")
    assert (operation["status"], operation["result"], operation["error"]["code"]) == ("failed", None, "MODEL_NOT_FOUND")
    assert "Fix: " in operation["error"]["message"]
    wrong = ended(cache_server, begun(cache_server, "POST", "/v1/cache/prefetch", {"model": OTHER, "revision": "v9"}))
    assert wrong["error"]["code"] == "REVISION_NOT_FOUND"


def test_two_operations_at_once_are_refused_and_the_first_continues(cache_server: Server, hub: DemoHub) -> None:
    hub.panel.turn({"line_bytes_per_second": 1 << 20})
    operation_id = begun(cache_server, "POST", "/v1/cache/prefetch", {"model": OTHER})
    assert ask(cache_server, "GET", "/v1/cache").json["operation"]["id"] == operation_id
    for method, path, body in (
        ("POST", "/v1/cache/prefetch", {"model": "test/third"}),
        ("POST", "/v1/cache/verify", {}),
        ("DELETE", f"/v1/cache/models/{OTHER}", None),
    ):
        refused = ask(cache_server, method, path, body)
        assert (refused.status, refused.json["error"]["code"]) == (409, "cache_busy"), path
        assert operation_id in refused.json["error"]["message"]
        assert refused.headers["retry-after"] == "15"
    hub.panel.turn({"line_bytes_per_second": None})
    assert ended(cache_server, operation_id)["status"] == "succeeded"
    listed = ask(cache_server, "GET", "/v1/cache/operations").json
    assert [each["id"] for each in listed["data"]] == [operation_id]


def test_a_cancelled_prefetch_is_continued_by_the_next(cache_server: Server, hub: DemoHub) -> None:
    hub.panel.turn({"line_bytes_per_second": 1 << 20})
    operation_id = begun(cache_server, "POST", "/v1/cache/prefetch", {"model": OTHER})
    cache_server._wait(
        lambda: ((operation_of(cache_server, operation_id)["progress"] or {}).get("bytes_done") or 0) > 1 << 20, 30
    )
    assert ask(cache_server, "POST", f"/v1/cache/operations/{operation_id}/cancel").status == 200
    operation = ended(cache_server, operation_id)
    assert (operation["status"], operation["error"]) == ("cancelled", None)
    assert models_of(cache_server)[OTHER]["bytes_partial"] > 0
    hub.panel.turn({"line_bytes_per_second": None})
    assert prefetched(cache_server)["status"] == "succeeded"
    assert models_of(cache_server)[OTHER]["complete"]
    late = ask(cache_server, "POST", f"/v1/cache/operations/{prefetched(cache_server)['id']}/cancel")
    assert (late.status, late.json["error"]["code"]) == (409, "operation_has_ended")


def test_verify_names_damage_and_repair_sets_it_aside(cache_server: Server) -> None:
    prefetched(cache_server)
    before = models_of(cache_server)[OTHER]["verified_at"]
    good = ended(cache_server, begun(cache_server, "POST", "/v1/cache/verify", {}))
    assert (good["status"], good["result"]["ok"], len(good["result"]["models"])) == ("succeeded", True, 2)
    assert good["progress"]["phase"] == "verifying"
    assert models_of(cache_server)[OTHER]["verified_at"] >= (before or 0)

    blob = blob_of(cache_server, OTHER)
    content = bytearray(blob.read_bytes())
    content[1 << 20] ^= 1
    blob.write_bytes(content)
    bad = ended(cache_server, begun(cache_server, "POST", "/v1/cache/verify", {"model": OTHER}))
    [model] = bad["result"]["models"]
    assert (bad["status"], bad["result"]["ok"], model["damaged"]) == ("succeeded", False, [UNET])
    assert (bad["result"]["repaired"], blob.exists()) == (False, True)
    repaired = ended(cache_server, begun(cache_server, "POST", "/v1/cache/verify", {"model": OTHER, "repair": True}))
    assert (repaired["result"]["repaired"], blob.exists()) == (True, False)
    assert models_of(cache_server)[OTHER]["missing"] == [UNET]
    assert prefetched(cache_server)["status"] == "succeeded"
    assert models_of(cache_server)[OTHER]["complete"]


def test_a_deletion_says_first_what_goes_and_then_deletes_it(cache_server: Server) -> None:
    prefetched(cache_server)
    stated = ask(cache_server, "DELETE", f"/v1/cache/models/{OTHER}?dry_run=true")
    assert (stated.status, stated.json["object"], stated.json["revision"]) == (200, "cache.deletion", None)
    assert stated.json["bytes_freed"] >= models_of(cache_server)[OTHER]["bytes"]
    assert blob_of(cache_server, OTHER).exists()
    operation = ended(cache_server, begun(cache_server, "DELETE", f"/v1/cache/models/{OTHER}"))
    assert operation["status"] == "succeeded"
    assert operation["result"]["bytes_freed"] == stated.json["bytes_freed"]
    assert not folder_of(cache_server, OTHER).exists()
    gone = ask(cache_server, "DELETE", f"/v1/cache/models/{OTHER}")
    assert (gone.status, gone.json["error"]["code"]) == (404, "model_not_cached")
    missing = ask(cache_server, "POST", "/v1/cache/verify", {"model": OTHER})
    assert (missing.status, missing.json["error"]["code"]) == (404, "model_not_cached")


def test_the_served_model_is_not_deleted(cache_server: Server) -> None:
    revision = cache_server.state()["revision"]
    for query in ("", "?dry_run=true", f"?revision={revision}", "?revision=main"):
        refused = ask(cache_server, "DELETE", f"/v1/cache/models/{SERVED}{query}")
        assert (refused.status, refused.json["error"]["code"]) == (409, "model_in_use"), query
        assert "Fix: serve another model" in refused.json["error"]["message"]
        assert "--force" not in refused.json["error"]["message"]
    assert blob_of(cache_server, SERVED).exists()
    assert models_of(cache_server)[SERVED]["complete"]


def test_the_model_of_a_start_that_still_downloads_is_not_deleted(
    start_server: StartServer, hub: DemoHub, make_repo: Any
) -> None:
    make_repo(SERVED)
    hub.panel.turn({"line_bytes_per_second": 1 << 20})
    server = start_server(MODEL_ID=SERVED, HF_ENDPOINT=hub.url, IMAGE_GEN_API_KEY=KEYS)
    server._wait(lambda: server.state()["bytes_done"] > 0, 60)
    refused = ask(server, "DELETE", f"/v1/cache/models/{SERVED}")
    assert (refused.status, refused.json["error"]["code"]) == (409, "model_in_use")
    hub.panel.turn({"line_bytes_per_second": None})
    server.wait_phase("ready")


def test_a_model_of_another_service_on_the_volume_is_not_deleted(cache_server: Server, tmp_path: Path) -> None:
    prefetched(cache_server)
    cache = ModelCache(CacheSettings(hf_home=tmp_path / "hf", hub_cache=hub_cache(cache_server)))
    model = cache.locate(OTHER)
    assert model is not None
    lease = cache.hold(model)
    refused = ask(cache_server, "DELETE", f"/v1/cache/models/{OTHER}")
    assert (refused.status, refused.json["error"]["code"]) == (409, "model_in_use")
    assert "Another service uses" in refused.json["error"]["message"]
    lease.release()
    assert ended(cache_server, begun(cache_server, "DELETE", f"/v1/cache/models/{OTHER}"))["status"] == "succeeded"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB for the cache."""
    place = tmp_path / "hf"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=False)


def test_a_prefetch_that_does_not_fit_is_an_error_and_the_service_continues(
    small_disk: Path, start_server: StartServer, hub: DemoHub, make_repo: Any
) -> None:
    make_repo(SERVED)
    make_repo("test/large", seed=2, unet_bytes=20 << 20)
    server = start_server(MODEL_ID=SERVED, HF_ENDPOINT=hub.url, IMAGE_GEN_API_KEY=KEYS)
    server.wait_phase("ready")
    operation = prefetched(server, "test/large")
    assert (operation["status"], operation["error"]["code"]) == ("failed", "DISK_FULL")
    assert "Fix: " in operation["error"]["message"]
    assert server.state()["phase"] == "ready"
    assert ask(server, "GET", "/v1/cache").json["volume"]["bytes_total"] == 12 << 20
    assert ask(server, "POST", "/v1/images/generations", {"prompt": "x"}).status == 200


def test_a_stop_ends_a_prefetch_and_keeps_what_has_arrived(cache_server: Server, hub: DemoHub, tmp_path: Path) -> None:
    hub.panel.turn({"line_bytes_per_second": 1 << 20})
    operation_id = begun(cache_server, "POST", "/v1/cache/prefetch", {"model": OTHER})
    cache_server._wait(
        lambda: ((operation_of(cache_server, operation_id)["progress"] or {}).get("bytes_done") or 0) > 1 << 20, 30
    )
    cache_server.signal()
    assert cache_server.process.wait(60) == 0
    assert f"prefetch of {OTHER} has been cancelled" in cache_server.log
    assert "Traceback" not in cache_server.log
    cache = ModelCache(CacheSettings(hf_home=tmp_path / "hf", hub_cache=hub_cache(cache_server)))
    assert {each.model_id: each.bytes_partial > 0 for each in cache.status().models}[OTHER]


def test_a_stopping_service_begins_no_operation(cache_server: Server) -> None:
    """While its last picture is made."""
    from tests.serving.test_queue import in_background

    in_background(lambda: ask(cache_server, "POST", "/v1/images/generations", {"prompt": "hang"}))
    cache_server._wait(lambda: b"image_gen_busy 1.0" in ask(cache_server, "GET", "/metrics").body, 20)
    cache_server.signal()
    cache_server.wait_phase("stopping")
    refused = ask(cache_server, "POST", "/v1/cache/verify", {})
    assert (refused.status, refused.json["error"]["code"]) == (503, "stopping")
    cache_server.signal()
    cache_server.process.wait(60)


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "prefetch", {}, "model"),
        ("POST", "prefetch", {"model": "../etc"}, "model"),
        ("POST", "prefetch", {"model": "/etc"}, "model"),
        ("POST", "prefetch", {"model": "a/b/c"}, "model"),
        ("POST", "prefetch", {"model": 5}, "model"),
        ("POST", "prefetch", {"model": OTHER, "revision": "../x"}, "revision"),
        ("POST", "prefetch", {"model": OTHER, "force": True}, "force"),
        ("POST", "verify", {"revision": "main"}, "model"),
        ("POST", "verify", {"repair": "yes"}, "repair"),
        ("DELETE", f"models/{OTHER}?dry_run=yes", None, "dry_run"),
        ("DELETE", f"models/{OTHER}?revision=a..b", None, "revision"),
        ("DELETE", "models/..%2f..%2fetc", None, "model"),
    ],
)
def test_wrong_requests_name_the_parameter(
    cache_server: Server, method: str, path: str, body: object, param: str
) -> None:
    answer = ask(cache_server, method, f"/v1/cache/{path}", body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param), answer.body
