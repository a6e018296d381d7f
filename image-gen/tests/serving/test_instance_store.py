"""Starts of the service on a host with an instance store: what is loaded, from where, and what is copied afterwards."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from image_gen.errors import ModelInUseError
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen_demo.hub import DemoHub

from .conftest import Server, StartServer


def stop(server: Server) -> None:
    server.signal()
    assert server.process.wait(60) == 0


def test_the_model_is_copied_after_a_start_and_the_next_one_loads_the_copy(
    start_server: StartServer, hub: DemoHub, make_repo: Any, tmp_path: Path
) -> None:
    make_repo()
    disk = tmp_path / "instance-store"
    disk.mkdir()
    (disk / ".instance-store").touch()
    env = {"MODEL_ID": "test/model", "HF_ENDPOINT": hub.url, "IMAGE_GEN_INSTANCE_STORE": disk}
    first = start_server(**env)
    assert first.wait_phase("ready")["source"] == "download"
    first.wait_log("The instance store has a copy of the model: ")
    assert first.log.index("Model ready on") < first.log.index("The instance store has a copy")
    stop(first)

    hub.forget()
    second = start_server(**env)
    state = second.wait_phase("ready")
    assert (state["source"], state["error"], hub.requests) == ("instance-store", None, [])
    assert "(from: instance-store)" in second.log and "NOTE" not in second.log
    assert second.post({"prompt": "a lighthouse", "size": "64x64"}).status == 200
    # What is served is on the volume, and must stay there.
    home = tmp_path / "hf"
    with pytest.raises(ModelInUseError):
        ModelCache(CacheSettings(hf_home=home, hub_cache=home / "hub")).clear("test/model")
    stop(second)

    # After a stop of the host the disk is another one, and blank.
    (disk / ".instance-store").unlink()
    third = start_server(**env)
    assert third.wait_phase("ready")["source"] == "volume"
    assert f"no instance store is mounted at {disk}" in third.log


def test_an_empty_copy_is_filled_from_the_mirror_at_the_start_or_left_alone(
    start_server: StartServer, hub: DemoHub, make_repo: Any, make_cache: Any, tmp_path: Path
) -> None:
    make_repo()
    make_cache(home=tmp_path / "connected").mirror("test/model", tmp_path / "mirror")
    make_cache(home=tmp_path / "hf").ensure("test/model")
    hub.forget()
    disk = tmp_path / "instance-store"
    disk.mkdir()
    (disk / ".instance-store").touch()
    env = {"MODEL_ID": "test/model", "HF_ENDPOINT": hub.url, "IMAGE_GEN_INSTANCE_STORE": disk}

    lost = start_server(IMAGE_GEN_MIRROR=f"file://{tmp_path}/nowhere", **env)
    assert lost.wait_phase("ready")["source"] == "volume"
    why = f"The copy on the instance store can't be used: The mirror {tmp_path}/nowhere has no test/model/"
    assert lost.log.count(why) == 1
    lost.wait_log("The instance store has a copy of the model: ")
    stop(lost)
    shutil.rmtree(disk / "hub")

    filled = start_server(IMAGE_GEN_MIRROR=f"file://{tmp_path}/mirror", **env)
    state = filled.wait_phase("ready")
    assert (state["source"], state["error"], hub.requests) == ("instance-store", None, [])
    assert filled.metric("image_gen_cache_fetched_bytes_total") > 3 << 20
    assert f"is filled from the mirror {tmp_path}/mirror." in filled.log and "NOTE" not in filled.log
    assert filled.post({"prompt": "a lighthouse", "size": "64x64"}).status == 200
