"""Files that the hub keeps in Xet storage: it redirects to another host, which sends plain ranges of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen_demo.hub import DemoHub

MB = 1 << 20


@pytest.fixture
def bridge(tmp_path: Path, hub: DemoHub) -> Iterator[DemoHub]:
    """The other host, under another name; the hub tells of Xet and redirects to it."""
    server = DemoHub(tmp_path / "hub-root")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    hub.panel.turn({"redirect_to": server.url.replace("127.0.0.1", "localhost"), "xet": True})
    yield server
    server.shutdown()
    server.server_close()


def test_xet_redirect_is_followed_without_the_token(
    hub: DemoHub, bridge: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo(unet_bytes=4 * MB)
    store = make_cache(token="hf_secret", piece_bytes=MB)
    model = store.ensure("test/model")
    assert store.verify().ok
    pieces = [each for each in bridge.requests if each["path"].endswith(UNET)]
    assert sorted(each["range"] for each in pieces) == [
        f"bytes={start * MB}-{(start + 1) * MB - 1}" for start in range(4)
    ]
    assert sum(each["bytes"] for each in pieces) == 4 * MB
    assert all(each["authorized"] for each in hub.requests) and hub.requests
    assert not any(each["authorized"] for each in bridge.requests)
    # The hub's name of the content, not Xet's and not the other host's, so that its own tools know the file.
    assert len((model.directory / UNET).readlink().name) == 64
    assert not [each for each in hub.requests if "xet-read-token" in each["path"]]


def test_xet_transfer_resumes_after_an_interruption(
    bridge: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo(unet_bytes=4 * MB)
    bridge.panel.turn({"drop_after_bytes": 600_000, "times": 3})
    store = make_cache(piece_bytes=MB)
    model = store.ensure("test/model")
    assert store.verify().ok
    assert sum(each["bytes"] for each in bridge.requests) <= 1.02 * model.bytes_total
