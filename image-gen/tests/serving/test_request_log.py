"""A request's id, its line in the log, and its count by route."""

import json
from typing import Any

import pytest

from .conftest import Server, StartServer

SECRET = "a very secret garden behind the seventh hedge"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": SECRET, "steps": 0}, "400 invalid_value at POST /v1/images/generations, "),
        ({"prompt": SECRET, SECRET: 1}, "400 unknown_parameter at POST /v1/images/generations, "),
        (b"x" * 70_000, "413 body_too_large at POST /v1/images/generations, "),
    ],
)
def test_a_request_that_is_refused_is_one_line_without_what_it_sent(
    server: Server, body: object, expected: str
) -> None:
    before = len(server.log)
    answer = server.post(body, {"X-Request-ID": f"test-{len(expected)}"})
    assert answer.headers["x-request-id"] == f"test-{len(expected)}"
    server.wait_log(f"Request test-{len(expected)}: ")
    lines = [line for line in server.log[before:].splitlines() if f"test-{len(expected)}" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"[image-gen] Request test-{len(expected)}: {expected}")
    assert "garden" not in server.log


def test_an_unknown_path_is_not_shown_and_probes_are_not_logged(server: Server) -> None:
    before = len(server.log)
    assert server.get("/secret-garden").headers["x-request-id"]
    server.get("/healthz", "POST")
    server.get("/metrics")  # by then the line is there
    lines = server.log[before:].splitlines()
    assert [line.partition(": ")[2].rpartition(",")[0] for line in lines] == ["404 not_found at GET an unknown path"]


def test_an_error_of_the_engine_is_one_line(server: Server) -> None:
    before = len(server.log)
    assert server.post({"prompt": "out of memory"}, {"X-Request-ID": "oom"}).status == 500
    server.get("/metrics")
    assert [line for line in server.log[before:].splitlines() if "oom:" in line] == [
        line for line in server.log[before:].splitlines() if "Request oom: OUT_OF_MEMORY after " in line
    ]


def test_refusals_that_come_in_masses_leave_a_few_lines(server: Server) -> None:
    before = len(server.log)
    for _ in range(50):
        server.get("/v1/models/other/model")
    assert server.log[before:].count("404 model_not_found at GET /v1/models/{name:path}") <= 6


def test_requests_are_counted_by_the_routes_template(server: Server) -> None:
    def count(labels: str) -> float:
        name = f"image_gen_http_requests_total{{{labels}}}"
        return server.metric(name) if name.encode() in server.get("/metrics").body else 0

    unknown = 'method="GET",route="unknown",status="404"'
    model = 'method="GET",route="/v1/models/{name:path}",status="404"'
    picture = 'method="POST",route="/v1/images/generations",status="200"'
    before = [count(labels) for labels in (unknown, model, picture)]
    for path in ("/a", "/b"):
        server.get(path)
    server.get("/v1/models/a")
    server.post({"prompt": "x"})
    assert [count(labels) for labels in (unknown, model, picture)] == [before[0] + 2, before[1] + 1, before[2] + 1]
    route = 'method="POST",route="/v1/images/generations"'
    seconds = "image_gen_http_request_duration_seconds"
    assert server.metric(f'{seconds}_bucket{{le="+Inf",{route}}}') == server.metric(f"{seconds}_count{{{route}}}") > 0
    assert count('method="GET",route="/healthz",status="200"') >= 0


def test_a_log_of_json_has_one_object_a_line(start_server: StartServer) -> None:
    running = start_server(IMAGE_GEN_LOG_FORMAT="json", IMAGE_GEN_API_KEY='{"alice": "key-of-alice"}')
    running.wait_phase("ready")
    headers = {"Authorization": "Bearer key-of-alice", "X-Request-ID": "made"}
    assert running.post({"prompt": "raise x"}, headers).status == 500
    assert running.post({"prompt": "x", "steps": 0}, {**headers, "X-Request-ID": "wrong"}).status == 400
    running.wait_log('"wrong"')
    lines: list[dict[str, Any]] = [json.loads(line) for line in running.log_file.read_text("utf-8").splitlines()]
    assert all(line["time"].endswith("Z") and {"level", "logger", "message"} <= line.keys() for line in lines)
    [wrong] = [line for line in lines if line.get("request_id") == "wrong"]
    assert (wrong["level"], wrong["key"]) == ("info", "alice")
    assert wrong["message"].startswith("Request wrong: 400 invalid_value at POST /v1/images/generations, ")
    assert [line for line in lines if line.get("request_id") == "made"]
    assert running.process.poll() is None


def test_another_format_ends_the_start(start_server: StartServer) -> None:
    running = start_server(IMAGE_GEN_LOG_FORMAT="xml")
    assert running.process.wait(30) == 2
    assert "IMAGE_GEN_LOG_FORMAT: expected text or json" in running.log
