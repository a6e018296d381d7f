"""What goes wrong between here and the hub becomes one line that says what to do, in a bounded time."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen_demo.hub import DemoHub


@pytest.fixture(autouse=True)
def short_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("image_gen.model_cache.core.retry._back_off", lambda failed: 0.01)


def refused(store_call: Callable[[], object]) -> ImageGenError:
    with pytest.raises(ImageGenError) as caught:
        store_call()
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, ("UNAUTHORIZED", False, 1)),
        (403, ("UNAUTHORIZED", False, 1)),
        (404, ("MODEL_NOT_FOUND", False, 1)),
        (429, ("RATE_LIMITED", True, 4)),
        (500, ("HUB_ERROR", True, 4)),
        (503, ("HUB_ERROR", True, 4)),
    ],
)
def test_hub_status_maps_to_an_error_and_a_number_of_tries(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, status: int, outcome: tuple[str, bool, int]
) -> None:
    make_repo()
    hub.panel.turn({"status": status})
    error = refused(lambda: make_cache().ensure("test/model"))
    assert (error.code, error.retryable, len(hub.requests)) == outcome


@pytest.mark.parametrize("status", [429, 500])
def test_hub_client_retries_temporary_errors(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, status: int
) -> None:
    make_repo()
    hub.panel.turn({"status": status, "times": 2})
    assert make_cache().ensure("test/model").source == "download"


def test_hub_client_waits_for_retry_after(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    hub.panel.turn({"status": 429, "retry_after": 1, "times": 1})
    began = time.monotonic()
    make_cache().ensure("test/model")
    assert time.monotonic() - began >= 1


def test_hub_client_does_not_wait_for_a_long_retry_after(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    hub.panel.turn({"status": 429, "retry_after": 3600})
    assert refused(lambda: make_cache().ensure("test/model")).code == "RATE_LIMITED"
    assert len(hub.requests) == 1


def test_a_gated_model_names_its_page(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    hub.panel.turn({"gated": True})
    error = refused(lambda: make_cache().ensure("test/model"))
    assert error.code == "GATED_MODEL" and f"{hub.url}/test/model" in error.message and "HF_TOKEN" in error.message
    model = make_cache(token="hf_right").ensure("test/model")
    assert make_cache().resolve("test/model").gated and model.source == "download"


def test_invalid_token_is_reported_and_never_shown(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    hub.panel.turn({"token": "hf_right"})
    store = make_cache(token="hf_wrong")
    error = refused(lambda: store.ensure("test/model"))
    assert error.code == "UNAUTHORIZED" and "settings/tokens" in error.message
    assert "hf_wrong" not in error.message and "hf_wrong" not in repr(store.settings)


def test_unknown_model_and_unknown_revision_have_their_own_errors(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    assert refused(lambda: make_cache().ensure("test/modle")).code == "MODEL_NOT_FOUND"
    assert refused(lambda: make_cache().ensure("test/model", revision="v9")).code == "REVISION_NOT_FOUND"
    asked = len(hub.requests)
    for nonsense in ("", "a/b/c", "../etc", "a b", "a/../b", "http://x/y", "a--b/c"):
        assert refused(partial(make_cache().ensure, nonsense)).code == "MODEL_ID_INVALID"
    assert len(hub.requests) == asked


def test_unreachable_hub_is_reported(make_cache: MakeCache) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = refused(lambda: make_cache(endpoint=endpoint).ensure("test/model"))
    assert error.code == "HUB_UNREACHABLE" and error.retryable and endpoint in error.message


def test_silent_hub_is_reported_after_two_timeouts(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    hub.panel.turn({"silent": True})
    error = refused(lambda: make_cache().ensure("test/model"))
    assert error.code == "HUB_SILENT" and error.retryable
    assert len(hub.requests) == 2


@pytest.mark.parametrize("trouble", [{"silent": True}, {"status": 500}, {"status": 401}])
def test_complete_model_needs_no_hub(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, trouble: dict[str, object]
) -> None:
    make_repo()
    make_cache().ensure("test/model")
    hub.panel.turn(trouble)
    hub.forget()
    assert make_cache().ensure("test/model").source == "volume"
    assert hub.requests == []


def test_hub_that_falls_silent_in_a_file_fails_and_keeps_the_partial_download(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    store = make_cache()
    store.registry.keep(store.resolve("test/model"), default=True)
    hub.panel.turn({"stall_after_bytes": 0})
    assert refused(lambda: store.ensure("test/model")).code == "HUB_SILENT"
    hub.panel.turn({"stall_after_bytes": 1_000_000})
    assert store.ensure("test/model").source == "download"


def test_a_redirect_does_not_carry_the_token_to_another_host(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo()
    elsewhere = DemoHub(tmp_path / "hub-root", "localhost")
    threading.Thread(target=elsewhere.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        hub.panel.turn({"redirect_to": f"http://localhost:{elsewhere.server_port}"})
        model = make_cache(token="hf_secret").ensure("test/model")
        assert all(entry["authorized"] for entry in hub.requests)
        assert elsewhere.requests and not any(entry["authorized"] for entry in elsewhere.requests)
        # The names of contents are the hub's own, though a CDN delivered them.
        assert len((model.directory / "unet/config.json").readlink().name) == 40
    finally:
        elsewhere.shutdown()
        elsewhere.server_close()


def test_https_proxy_is_used(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo()
    monkeypatch.setenv("http_proxy", hub.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert make_cache(endpoint="http://hub.invalid").ensure("test/model").source == "download"
    assert all(entry["path"].startswith("http://hub.invalid/") for entry in hub.requests)


def test_invalid_proxy_is_reported(make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "nonsense://proxy")
    assert refused(lambda: make_cache().ensure("test/model")).code == "SETTING_INVALID"


def test_private_certificate_authority_is_trusted_when_configured(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo()
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    hub.socket = context.wrap_socket(hub.socket, server_side=True)
    endpoint = hub.url.replace("http:", "https:")
    error = refused(lambda: make_cache(endpoint=endpoint).ensure("test/model"))
    assert error.code == "CERTIFICATE_UNTRUSTED" and "SSL_CERT_FILE" in error.message
    assert make_cache(endpoint=endpoint, ca_file=certificate).ensure("test/model").source == "download"
    missing = make_cache(endpoint=endpoint, ca_file=tmp_path / "none.pem")
    assert refused(lambda: missing.ensure("test/other")).code == "SETTING_INVALID"


def test_server_that_is_no_hub_is_reported(make_repo: MakeRepo, make_cache: MakeCache, hub: DemoHub) -> None:
    root = make_repo()
    (root / "model_index.json").write_text("not json")
    assert refused(lambda: make_cache().ensure("test/model")).code == "NOT_A_PIPELINE"


def test_pickle_is_rejected_before_any_download(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    root = make_repo()
    (root / UNET).rename(root / "unet/diffusion_pytorch_model.bin")
    error = refused(lambda: make_cache().ensure("test/model"))
    assert error.code == "UNSAFE_MODEL" and "unet/diffusion_pytorch_model.bin" in error.message
