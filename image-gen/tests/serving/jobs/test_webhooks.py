"""Webhooks: signed, repeated, and never to an address that is not public."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from image_gen.serving.jobs import webhook_request
from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.webhook_address import WebhookUrl, addresses_of, is_public, parse_webhook_url
from image_gen.serving.jobs.webhooks import Webhooks
from tests.serving.conftest import StartServer

from .conftest import new_job, post_job, wait_status
from .receiver import SECRET, Receiver, receiver, signature_of

__all__ = ["receiver"]


def test_a_webhook_is_signed_and_has_no_prompt_and_no_picture(start_server: StartServer, receiver: Receiver) -> None:
    server = start_server(IMAGE_GEN_WEBHOOK_SECRET=SECRET, IMAGE_GEN_WEBHOOK_PRIVATE=1)
    server.wait_phase("ready")
    job = new_job(server, prompt="a very secret garden", webhook_url=receiver.url)
    receiver.wait(1)
    path, headers, body = receiver.got[0]
    assert path == "/hook?token=hidden"
    assert headers["webhook-signature"] == signature_of(headers, body)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 30
    message = json.loads(body)
    assert (message["type"], message["data"]["id"], message["data"]["error"]) == ("job.succeeded", job, None)
    assert b"garden" not in body and len(body) < 1000
    assert wait_status(server, job, "succeeded")["result"] is not None
    assert SECRET not in server.log and "hidden" not in server.log


def test_a_webhook_is_repeated_with_one_id_and_no_redirect_is_followed(
    start_server: StartServer, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302, 204]
    server = start_server(IMAGE_GEN_WEBHOOK_SECRET=SECRET, IMAGE_GEN_WEBHOOK_PRIVATE=1, FAST="0.1")
    server.wait_phase("ready")
    new_job(server, prompt="raise something odd", webhook_url=receiver.url)
    receiver.wait(3)
    time.sleep(0.5)
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert json.loads(receiver.got[0][2])["data"]["error"]["code"] == "engine_error"
    server.wait_log("500 from 127.0.0.1")
    server.wait_log("302 from 127.0.0.1")


def test_a_webhook_that_was_not_delivered_is_sent_after_the_next_start(
    start_server: StartServer, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    settings = {"IMAGE_GEN_WEBHOOK_SECRET": SECRET, "IMAGE_GEN_WEBHOOK_PRIVATE": 1}
    server = start_server(**settings)
    server.wait_phase("ready")
    job = new_job(server, webhook_url=receiver.url)
    receiver.wait(1)
    server.process.kill()
    server.process.wait(60)
    receiver.statuses = [204]
    again = start_server(**settings)
    receiver.wait(2)
    assert json.loads(receiver.got[1][2])["data"]["id"] == job
    again.wait_phase("ready")
    again.signal()
    again.process.wait(60)
    start_server(**settings).wait_phase("ready")
    time.sleep(0.5)
    assert len(receiver.got) == 2


def test_an_address_that_is_not_public_gets_nothing(start_server: StartServer, receiver: Receiver) -> None:
    server = start_server(IMAGE_GEN_WEBHOOK_SECRET=SECRET)
    server.wait_phase("ready")
    assert post_job(server, {"prompt": "x", "webhook_url": receiver.url}).json["error"]["param"] == "webhook_url"
    private = f"https://localhost:{receiver.server_address[1]}/"
    wait_status(server, new_job(server, webhook_url=private), "succeeded")
    server.wait_log("an address that is not public from localhost")
    assert receiver.got == []


def test_without_a_secret_there_are_no_webhooks(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    answer = post_job(server, {"prompt": "x", "webhook_url": "https://example.com/"})
    assert (answer.status, answer.json["error"]["param"]) == (400, "webhook_url")


def test_a_secret_of_another_form_is_refused_and_not_shown(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_WEBHOOK_SECRET="too-simple")
    assert server.process.wait(60) == 2
    assert "IMAGE_GEN_WEBHOOK_SECRET: expected whsec_" in server.log and "too-simple" not in server.log


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "https://", "https://user:pw@example.com/", "https://example.com:99999/",
        "https://exa mple.com/", "https://a..b/", f"https://{'x' * 64}.com/", "https://.example.com/",
        "https://example.com/#x", "https://example.com\\@127.0.0.1/", "x" * 3000, 7, ["https://x"],
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: object) -> None:
    with pytest.raises(ValueError, match="an https address"):
        parse_webhook_url(url, allow_private=False)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("0.0.0.0", False), ("100.64.0.1", False),
        ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1%eth0", False),
        ("fd00:ec2::254", False), ("fec0::1", False),
        ("::ffff:127.0.0.1", False), ("64:ff9b::a9fe:a9fe", False), ("2002:7f00:1::", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


class _Slow(BaseHTTPRequestHandler):
    """Answers byte by byte, and for ever."""

    def do_POST(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x")
                time.sleep(0.05)

    def log_message(self, *_: object) -> None: ...


def test_an_answer_that_never_ends_keeps_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_request, "WHOLE_SECONDS", 0.5)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = WebhookUrl(False, "127.0.0.1", server.server_address[1], "/")
        sender = webhook_request.WebhookSender(b"secret", allow_private=True)
        assert asyncio.run(sender.attempt(url, "job_1", b"{}")) == "TimeoutError"
        end = time.monotonic() + 10
        while any(thread.name == "webhook" for thread in threading.enumerate()):
            assert time.monotonic() < end
            time.sleep(0.02)
        server.shutdown()


def test_an_address_that_is_not_allowed_any_more_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """Of before a change of IMAGE_GEN_WEBHOOK_PRIVATE, or of an earlier version of this service."""
    done: list[str] = []

    async def deliver(url: str) -> None:
        webhooks = Webhooks(b"secret", allow_private=False)

        async def on_done(job: Job) -> None:
            done.append(job.id)

        webhooks.on_done = on_done
        webhooks.send(Job("job_1", "", "{}", 1.0, 0, webhook_url=url, status="succeeded", ended=2.0))
        await asyncio.gather(*webhooks._tasks)

    with caplog.at_level("WARNING", "image_gen"):
        asyncio.run(deliver("http://127.0.0.1/hook?token=hidden"))
    assert done == ["job_1"]
    assert "given up" in caplog.text and "hidden" not in caplog.text


def test_a_name_that_no_resolver_takes_is_an_attempt_that_failed() -> None:
    sender = webhook_request.WebhookSender(b"secret", allow_private=False)
    assert asyncio.run(sender.attempt(WebhookUrl(True, "a..b", 443, "/"), "job_1", b"{}")) == "UnicodeError"


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (address, 443)) for address in ("1.1.1.1", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with pytest.raises(PermissionError):
        addresses_of(WebhookUrl(True, "both.example", 443, "/"), allow_private=False)
