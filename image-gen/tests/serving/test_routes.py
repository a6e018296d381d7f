"""The other routes: the model, metrics, and the answers for what is not there."""

import contextlib
import time
from pathlib import Path

from image_gen.serving.disk_usage import measure

from .conftest import Server, StartServer


def test_healthz_and_readyz_of_a_ready_service(server: Server) -> None:
    assert server.get("/healthz").json == {"status": "alive"}
    ready = server.get("/readyz")
    assert ready.status == 200
    assert ready.headers["cache-control"] == "no-store"
    state = ready.json
    assert set(state) == {
        "phase", "bytes_done", "bytes_total", "eta_seconds", "error", "model", "revision", "source", "device", "file",
        "bytes_per_second", "phases", "started_at", "timeline", "version", "retries_on_sighup",
        "usage",
    }  # fmt: skip
    assert (state["phase"], state["error"], state["source"], state["device"]) == ("ready", None, "directory", "cpu")
    assert state["bytes_done"] == state["bytes_total"] > 0
    assert set(state["phases"]) == {"starting", "verifying", "loading", "warming"}
    assert {each["phase"] for each in state["timeline"]} == {*state["phases"], "importing"}
    starts = [each["start_seconds"] for each in state["timeline"]]
    assert starts[0] == 0 and starts == sorted(starts)
    assert 0 <= time.time() - state["started_at"] < 600
    assert server.get("/healthz", "HEAD").body == b""
    assert server.get("/readyz", "POST").status == 405


def test_an_idle_connection_stays_open(server: Server) -> None:
    """A load balancer sends its next request on it; after the five seconds that are usual it would answer with 502."""
    with contextlib.closing(server.connect()) as connection:
        for pause in (6, 0):
            connection.request("GET", "/healthz")
            # Without the connection, http.client would make another.
            connection.auto_open = 0
            assert connection.getresponse().read() == b'{"status": "alive"}'
            time.sleep(pause)


def test_models_route_describes_the_model(server: Server) -> None:
    listing = server.get("/v1/models").json
    assert listing["object"] == "list"
    [model] = listing["data"]
    assert (model["object"], model["owned_by"], model["default_size"]) == ("model", "local", "64x64")
    assert server.get(f"/v1/models/{model['id']}").json == model
    missing = server.get("/v1/models/other/model")
    assert missing.status == 404
    assert missing.json["error"]["code"] == "model_not_found"


def test_metrics_count_what_happens(server: Server) -> None:
    before = server.metric('image_gen_images_total{outcome="ok"}')
    server.post({"prompt": "x", "n": 2})
    server.post({"prompt": "out of memory"})
    assert server.metric('image_gen_images_total{outcome="ok"}') == before + 2
    assert server.metric('image_gen_images_total{outcome="failed"}') >= 1
    assert server.metric("image_gen_image_seconds_count") == before + 2
    assert server.metric("image_gen_queue_wait_seconds_count") >= 2
    assert server.metric("image_gen_ready") == 1
    assert server.metric('image_gen_phase{phase="ready"}') == 1
    assert server.metric('image_gen_startup_phase_seconds{phase="loading"}') >= 0
    assert server.metric('image_gen_engine_seconds{part="warming"}') == 0.3
    assert server.metric("image_gen_queue_depth") == 0
    assert server.metric("image_gen_engine_restarts_total") == 0
    assert server.metric("image_gen_cache_fetched_bytes_total") == 0
    assert server.metric("image_gen_cache_hit_bytes_total") == server.state()["bytes_total"]
    assert server.metric("image_gen_queue_limit") == 8


def test_metrics_show_memory_disk_steps_and_errors(server: Server) -> None:
    steps = server.metric("image_gen_steps_total")
    server.post({"prompt": "x", "n": 2, "steps": 5})
    assert server.metric("image_gen_steps_total") == steps + 10
    for name in ("process_resident_memory_bytes", "image_gen_engine_resident_memory_bytes", "process_open_fds"):
        assert server.metric(name) > 0, name
    size, free = server.metric("image_gen_disk_size_bytes"), server.metric("image_gen_disk_free_bytes")
    assert 0 < free < size
    assert server.metric("image_gen_connections") >= 1
    assert server.metric("image_gen_connections_limit") > 100


def test_the_last_error_is_in_the_metrics_after_it_is_over(start_server: StartServer) -> None:
    running = start_server(FAST=0.1)
    running.wait_phase("ready")
    before = time.time()
    running.post({"prompt": "die"})
    running.wait_phase("ready")
    assert before - 1 < running.metric('image_gen_last_error_timestamp_seconds{code="ENGINE_DIED"}') < time.time() + 1
    assert b"image_gen_error{" not in running.get("/metrics").body
    assert running.metric("image_gen_engine_restarts_total") >= 1


def test_the_cache_is_measured_each_file_once(tmp_path: Path) -> None:
    blob = tmp_path / "models--a--b" / "blobs" / "x"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"x" * 100_000)
    (blob.parent / "second").hardlink_to(blob)
    (tmp_path / "link").symlink_to(blob)
    numbers = measure(tmp_path)
    assert 100_000 <= numbers.cached < 200_000
    assert measure(tmp_path / "nowhere").cached == 0


def test_unknown_route_is_an_openai_error(server: Server) -> None:
    answer = server.get("/nothing")
    assert answer.status == 404
    assert answer.json["error"]["code"] == "not_found"
    assert server.get("/v1/images/generations").status == 405
    assert server.get("/docs").status == 404


def test_openapi_schema_describes_the_body(server: Server) -> None:
    operation = server.get("/openapi.json").json["paths"]["/v1/images/generations"]["post"]
    properties = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert properties["steps"]["anyOf"][0]["maximum"] == 150
