"""Errors in OpenAI's shape, whatever the route and method, and retries that succeed."""

import threading
import time

import openai
import pytest

from tests.serving.conftest import HttpResult, Server, StartServer
from tests.serving.test_queue import in_background, wait_metric

from .conftest import MakeClient, unanswered


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/images/generations", 405, "POST"),
        ("PUT", "/v1/images/generations", 405, "POST"),
        ("POST", "/v1/models", 405, "GET"),
        ("DELETE", "/v1/models/x", 405, "GET"),
        ("POST", "/metrics", 405, "GET"),
        ("GET", "/v1/images", 404, None),
        ("POST", "/v1/chat/completions", 404, None),
    ],
)
def test_wrong_paths_and_methods_have_openais_shape(
    server: Server, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = server._ask(method, path, None, {})
    assert answer.status == status
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    assert answer.headers.get("allow") == allow


def test_the_clients_exceptions(server: Server, official: MakeClient) -> None:
    client = official(server)
    with pytest.raises(openai.NotFoundError) as missing:
        client.images.generate(prompt="x", model="gpt-image-2")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.InternalServerError) as failed:
        official(server, max_retries=0).images.generate(prompt="out of memory")
    assert failed.value.code == "out_of_memory"
    assert client.images.generate(prompt="x", model=client.models.list().data[0].id).data


def test_a_refused_request_learns_when_its_place_is_free(start_server: StartServer) -> None:
    """Each one later than the one before: at once, all would be refused again."""
    server = start_server(IMAGE_GEN_QUEUE_LIMIT=1, FAKE_WORKER={"step_seconds": 0.1})
    server.wait_phase("ready")
    server.post({"prompt": "x", "steps": 20})
    threads = [in_background(lambda: server.post({"prompt": "x", "steps": 20}))[0]]
    wait_metric(server, "image_gen_busy", 1)
    threads.append(in_background(lambda: server.post({"prompt": "x", "steps": 20}))[0])
    wait_metric(server, "image_gen_queue_depth", 1)
    refused = [server.post({"prompt": "x"}) for _ in range(3)]
    assert [answer.status for answer in refused] == [429] * 3
    waits = [int(answer.headers["retry-after"]) for answer in refused]
    assert 1 < waits[0] < waits[1] < waits[2] < 30
    for thread in threads:
        thread.join(60)


def test_twenty_default_clients_at_once_all_get_their_picture(start_server: StartServer, official: MakeClient) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 0.3})
    server.wait_phase("ready")
    assert unanswered(server, official, clients=20, each=1) == []


def test_a_restart_under_way_is_in_retry_after(start_server: StartServer, official: MakeClient) -> None:
    server = start_server(FAKE_WORKER={"import_seconds": 1})
    server.wait_phase("ready")
    died = server.post({"prompt": "die"})
    assert died.status == 503 and died.json["error"]["code"] == "engine_died"
    # One second's pause, and about what the last start took.
    assert 1 <= int(died.headers["retry-after"]) <= 4
    meanwhile = server.post({"prompt": "x"})
    assert meanwhile.status == 503 and 1 <= int(meanwhile.headers["retry-after"]) <= 4
    started = time.monotonic()
    assert official(server).images.generate(prompt="x").data
    assert time.monotonic() - started < 20


def test_a_client_without_the_header_gets_its_place_too(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_QUEUE_LIMIT=2, FAKE_WORKER={"step_seconds": 0.5})
    server.wait_phase("ready")
    answers: list[HttpResult] = []

    def work() -> None:
        for _ in range(4):
            answer = server.post({"prompt": "x", "steps": 1})
            if answer.status != 429:
                break
            time.sleep(int(answer.headers["retry-after"]))
        answers.append(answer)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 8
