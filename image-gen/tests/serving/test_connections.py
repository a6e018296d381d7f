"""How many connections there may be, and how long a request may take to arrive."""

import contextlib
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO

import pytest

from image_gen.log import _Limit, configure
from image_gen.serving.http.connections import Connections, most_connections

from .conftest import HERE, Server, StartServer

WITH_256_FILES = ("bash", "-c", 'ulimit -n 256 && exec "$@"', "bash")
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n"


def test_a_flood_of_slow_and_idle_connections_leaves_the_service_reachable(start_server: StartServer) -> None:
    """100 that drip, 800 that idle, 256 open files: before, /healthz timed out, and the log grew by 44 MB."""
    running = start_server(prefix=WITH_256_FILES)
    running.wait_phase("ready")
    before = running.log_file.stat().st_size
    command = [sys.executable, str(HERE / "flood.py"), str(running.port), "50", "50", "800", "20"]
    answers: list[float] = []
    with subprocess.Popen(command) as flood:
        while flood.poll() is None:
            started = time.monotonic()
            # A load balancer waits for ten seconds, and for another answer after one that did not come.
            with contextlib.closing(running.connect(timeout=10)) as connection:
                connection.request("GET", "/healthz")
                assert connection.getresponse().status == 200
            answers.append(time.monotonic() - started)
            time.sleep(0.2)
    assert flood.returncode == 0
    assert len(answers) > 10, answers
    assert running.metric('image_gen_connections_closed_total{reason="limit"}') > 800
    assert running.log_file.stat().st_size - before < 100_000, running.log[-2000:]
    assert running.post({"prompt": "x"}).status == 200


def open_socket(server: Server, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(data)
    return connection


def received(connection: socket.socket) -> bytes:
    """All until the server closes it."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.fixture
def hurried(start_server: StartServer) -> Iterator[Server]:
    """A server whose deadlines are two seconds."""
    running = start_server(DEADLINE=2)
    running.wait_phase("ready")
    yield running


@pytest.mark.parametrize(
    ("line", "kind", "status"),
    [
        ("POST /v1/images/generations", "application/json", b"413"),
        ("POST /v1/images/generations", "text/plain", b"413"),
        ("POST /v1/jobs", "application/json", b"413"),
        ("POST /v1/images/edits", "application/json", b"415"),
        ("POST /v1/nothing", "application/json", b"404"),
        ("POST /v1/models", "application/json", b"405"),
        ("POST /healthz", "application/json", b"405"),
    ],
)
def test_an_answer_before_the_body_has_arrived_reaches_its_client(
    hurried: Server, line: str, kind: str, status: bytes
) -> None:
    """Before, the kernel reset the connection, and with it the answer."""
    body = b"x" * 3_000_000
    head = f"{line} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nConnection: close\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    for size in (len(body), len(body) - 1):  # whole, and one that does not end
        with contextlib.closing(open_socket(hurried, head.encode() + body[:size])) as connection:
            started = time.monotonic()
            assert received(connection).startswith(b"HTTP/1.1 " + status)
            assert time.monotonic() - started < 10


def drip(connection: socket.socket, data: bytes) -> bytes:
    """The answer to a request that comes a byte a tenth of a second."""
    with contextlib.suppress(OSError):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
    return received(connection)


def test_headers_that_drip_are_answered_with_408(hurried: Server) -> None:
    with open_socket(hurried) as connection:
        started = time.monotonic()
        answer = drip(connection, HEALTH)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"
    assert time.monotonic() - started < 20


def test_a_body_that_drips_is_answered_with_408(hurried: Server) -> None:
    with open_socket(hurried, POST + b"\r\n") as connection:
        assert drip(connection, b"x" * 100).startswith(b"HTTP/1.1 408 ")
    hurried.wait_log("CLIENT_GONE")
    assert hurried.metric('image_gen_connections_closed_total{reason="timeout"}') == 1


def test_the_body_of_an_answered_request_has_the_deadline_too(hurried: Server) -> None:
    with open_socket(hurried, POST.replace(b"/v1/images/generations", b"/nowhere") + b"\r\n") as connection:
        answer = drip(connection, b"x" * 100)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"408" not in answer


def healthy(connection: socket.socket) -> bool:
    """Whether the next answer of /healthz is the right one; its head and body may come one by one."""
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(4096)
        if not part:
            return False
        answer += part
    return answer.startswith(b"HTTP/1.1 200 ")


def test_a_connection_without_a_request_is_closed_and_one_after_a_request_is_not(hurried: Server) -> None:
    with open_socket(hurried) as silent, open_socket(hurried, HEALTH) as used:
        assert healthy(used)
        assert received(silent) == b""
        used.sendall(HEALTH)
        assert healthy(used)


def test_what_is_not_http_is_answered_in_the_shape_of_all_errors(server: Server) -> None:
    with open_socket(server, b"\x16\x03\x01 not HTTP\r\n\r\n") as connection:
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "invalid_http"
    with open_socket(server, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000) as connection:
        assert received(connection).startswith(b"HTTP/1.1 400 ")


def test_a_connection_that_waits_for_its_picture_is_never_closed_for_others(start_server: StartServer) -> None:
    """Room for 160 connections, and 300 idle ones."""
    running = start_server(prefix=WITH_256_FILES, FAKE_WORKER={"step_seconds": 2})
    running.wait_phase("ready")
    body = b'{"prompt": "x", "steps": 1}'
    head = POST.replace(b"60000", b"%d" % len(body))
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(open_socket(running, head + b"\r\n" + body))
        time.sleep(0.3)
        idle = [stack.enter_context(open_socket(running)) for _ in range(300)]
        assert running.get("/healthz").status == 200
        assert waiting.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert received(idle[0]) == b""
    assert running.metric('image_gen_connections_closed_total{reason="limit"}') >= 140


class Client:
    """Of a connection, what `Connections` uses."""

    def __init__(self) -> None:
        self.is_open = True

    def abort(self) -> None:
        self.is_open = False


def test_slow_ones_are_closed_first_then_idle_ones_by_their_last_use() -> None:
    connections = Connections(4)
    slow, first, second, answered, fresh = (Client() for _ in range(5))
    connections.enter(slow, "headers", 0)
    connections.enter(first, "idle", 1)
    connections.enter(second, "idle", 2)
    connections.enter(answered, "answer", 3)
    connections.enter(first, "idle", 4)
    closed = []
    for _ in range(4):
        connections.make_room(10)
        closed += [client for client in (slow, first, second, answered) if not client.is_open and client not in closed]
        connections.enter(Client(), "answer", 10)
    assert closed == [slow, second, first]
    assert len(connections) == 5
    connections.enter(fresh, "headers", 10)
    connections.make_room(11, 6)
    assert not fresh.is_open
    assert answered.is_open


@pytest.mark.parametrize(
    ("files", "waiting", "most"), [(256, 8, 160), (65_536, 8, 2048), (65_536, 10_000, 10_512), (64, 8, 16)]
)
def test_the_most_connections_follow_the_limit_of_open_files(files: int, waiting: int, most: int) -> None:
    assert most_connections(files, waiting) == most


def test_lines_that_a_client_can_cause_are_limited_and_counted() -> None:
    now = [0.0]
    stream = StringIO()
    logger = configure(stream=stream)
    handler = logger.handlers[0]
    handler.filters = [_Limit(clock=lambda: now[0])]
    for index in range(100):
        logger.info("refused %d", index, extra={"limited": "refused"})
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        logger.info("own")
    now[0] = 11
    logger.info("refused again", extra={"limited": "refused"})
    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if "refused" in line]) == 6
    assert len([line for line in lines if "Invalid" in line]) == 5
    assert len([line for line in lines if line.endswith("own")]) == 100
    assert lines[-1] == "[image-gen] refused again (95 lines like this one were left out)"
