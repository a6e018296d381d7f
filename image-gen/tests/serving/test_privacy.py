"""Nothing prints a prompt: not a library in the engine, not an error, not a client that breaks off. And each of these
costs one line.
"""

import contextlib
import json
import socket
import time

import pytest

from .conftest import Server, StartServer

SECRET = "a very secret garden behind the seventh hedge, at night"


@pytest.mark.parametrize(
    "text",
    [
        "The following part of your input was truncated because CLIP can only handle sequences up to 77 tokens: ['owl']",  # noqa: E501
        "Token indices sequence length is longer than the specified maximum sequence length: owl",
        SECRET,
        SECRET.upper(),
        "['secret garden behind the seventh hedge , at']",
    ],
)
def test_what_the_engine_prints_of_a_prompt_is_not_in_the_log(server: Server, text: str) -> None:
    assert server.post({"prompt": f"print {text}", "negative_prompt": SECRET}).status == 200
    server.wait_log("left out: it quotes a prompt")
    time.sleep(0.1)
    assert "owl" not in server.log and "garden" not in server.log.lower()


def test_what_the_engine_prints_besides_is_in_the_log(server: Server) -> None:
    assert server.post({"prompt": "x", "n": 1}).status == 200
    server.wait_log("engine: painting")


def test_an_error_does_not_quote_the_prompt(server: Server) -> None:
    answer = server.post({"prompt": f"raise no token for {SECRET}"})
    assert answer.status == 500
    assert "garden" not in answer.body.decode()
    assert "garden" not in server.log


@pytest.mark.parametrize("prompt", [[SECRET], {"text": SECRET}, 5, None, True])
def test_a_prompt_of_the_wrong_type_is_not_quoted(server: Server, prompt: object) -> None:
    for name in ("prompt", "negative_prompt"):
        if name == "negative_prompt" and prompt is None:
            continue
        answer = server.post({"prompt": "x", name: prompt})
        assert answer.status == 400
        assert "garden" not in answer.body.decode()


def test_tokens_that_were_not_read_are_in_the_answer_and_in_the_log(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"truncated_tokens": {"prompt": 23}})
    server.wait_phase("ready")
    answer = server.post({"prompt": SECRET}, {"X-Request-ID": "r1"})
    assert answer.json["truncated_tokens"] == {"prompt": 23}
    assert "Request r1: prompt is too long for the model's text encoder: 23 tokens not read\n" in server.log
    assert "garden" not in server.log


def request_head(length: int, extra: str = "") -> bytes:
    head = f"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{extra}"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


def new_lines(server: Server, before: int) -> list[str]:
    time.sleep(0.4)
    return [line for line in server.log[before:].splitlines() if "engine: " not in line]


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_dies_while_it_sends_a_request_costs_one_line(server: Server, reset: bool) -> None:
    before = len(server.log)
    body = json.dumps({"prompt": SECRET}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request_head(1000) + body)
        time.sleep(0.2)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    lines = new_lines(server, before)
    assert len(lines) == 1 and "CLIENT_GONE before its body had arrived" in lines[0]


def test_a_client_that_dies_while_its_picture_is_made_costs_one_line(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 0.1})
    server.wait_phase("ready")
    before = len(server.log)
    body = json.dumps({"prompt": SECRET}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request_head(len(body)) + body)
        server.wait_log("painting")
    server.wait_log("CLIENT_GONE")
    assert [line for line in new_lines(server, before) if "CLIENT_GONE" not in line] == []


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 50,
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_costs_one_line(server: Server, sent: bytes) -> None:
    before = len(server.log)
    with socket.create_connection(("127.0.0.1", server.port)) as client, contextlib.suppress(OSError):
        client.sendall(sent)
        client.settimeout(5)
        client.recv(1000)
    lines = new_lines(server, before)
    assert len(lines) <= 1 and "Traceback" not in server.log
    assert server.get("/healthz").status == 200


def test_a_client_that_does_not_read_its_answer_costs_no_line(server: Server) -> None:
    before = len(server.log)
    body = json.dumps({"prompt": "x", "size": "512x512"}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request_head(len(body)) + body)
        server._wait(lambda: "512x512" in server.log[before:], 20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert len(new_lines(server, before)) == 1


def test_a_query_is_not_logged(server: Server) -> None:
    server.get("/v1/models?prompt=garden")
    server.get("/nothing?prompt=garden")
    assert "garden" not in server.log
