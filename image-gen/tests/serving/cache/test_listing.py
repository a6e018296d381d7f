"""`GET /v1/cache`: the models that are kept, and the room on the disk."""

import asyncio
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen.serving.cache import cache_listing
from image_gen.serving.cache.cache_listing import CacheListing
from image_gen.serving.cache.served_models import ServedModels
from image_gen.serving.readiness import Readiness
from image_gen.settings import Settings
from tests.serving.conftest import Server

from .conftest import ADMIN, GUEST, OTHER, SERVED, ask, begun, ended, hub_cache, models_of


def test_a_model_is_listed_with_its_size_its_use_and_when_it_was_verified(cache_server: Server) -> None:
    before = time.time()
    listing = ask(cache_server, "GET", "/v1/cache").json
    room = shutil.disk_usage(hub_cache(cache_server))
    assert listing["volume"]["bytes_total"] == room.total
    assert 0 < listing["volume"]["bytes_free"] <= room.total
    assert (listing["object"], listing["bytes_orphaned"], listing["operation"]) == ("cache", 0, None)
    [model] = listing["models"]
    state = cache_server.state()
    assert (model["id"], model["revision"], model["source"]) == (SERVED, state["revision"], "volume")
    assert (model["complete"], model["missing"], model["bytes_lacking"]) == (True, [], 0)
    assert 3 << 20 < model["bytes"] <= state["bytes_total"]  # each content once
    assert (model["in_use"], model["served"], model["problem"]) == (True, True, None)
    assert before - 60 < model["verified_at"] <= before + 1
    assert before - 60 < model["last_used"] <= before + 1


def test_the_listing_is_that_of_the_command_without_the_places(cache_server: Server, tmp_path: Path) -> None:
    ended(cache_server, begun(cache_server, "POST", "/v1/cache/prefetch", {"model": OTHER}))
    status = ModelCache(CacheSettings(hf_home=tmp_path / "hf", hub_cache=hub_cache(cache_server))).status().as_json()
    answer = ask(cache_server, "GET", "/v1/cache")
    assert str(tmp_path).encode() not in answer.body
    for theirs, ours in zip(status["models"], answer.json["models"], strict=True):  # type: ignore[call-overload] # lists of objects
        same = theirs.keys() - {"mount", "verified_at", "last_used"}
        assert {name: theirs[name] for name in same} == {name: ours[name] for name in same}
    assert answer.json["bytes"] == status["bytes"]
    by_id = {model["id"]: model for model in answer.json["models"]}
    assert [by_id[name]["in_use"] for name in (SERVED, OTHER)] == [True, False]


def test_an_incomplete_model_is_listed_with_what_it_lacks(cache_server: Server) -> None:
    ended(cache_server, begun(cache_server, "POST", "/v1/cache/prefetch", {"model": OTHER}))
    snapshot = next((hub_cache(cache_server) / "models--test--other" / "snapshots").iterdir())
    lost = snapshot / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    size = lost.stat().st_size
    lost.resolve().unlink()
    model = models_of(cache_server)[OTHER]
    assert (model["complete"], model["bytes_lacking"]) == (False, size)
    assert model["missing"] == ["unet/diffusion_pytorch_model.fp16.safetensors"]


def test_every_key_reads_the_listing_and_only_the_permitted_one_the_operation(cache_server: Server) -> None:
    assert ask(cache_server, "GET", "/v1/cache", key=ADMIN).json["permissions"] == ["cache"]
    guest = ask(cache_server, "GET", "/v1/cache", key=GUEST)
    assert (guest.status, guest.json["permissions"], guest.headers["cache-control"]) == (200, [], "no-store")
    assert ask(cache_server, "GET", "/v1/cache", key="").status == 401


def listing_of(tmp_path: Path) -> CacheListing:
    settings = CacheSettings(hf_home=tmp_path, hub_cache=tmp_path / "hub", baked_dir=tmp_path / "baked")
    return CacheListing(settings, ServedModels(Settings(), settings, Readiness("m", None, "1")))


def test_those_who_ask_at_once_share_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go = [], threading.Event()
    real = ModelCache.status

    def slow(cache: ModelCache) -> Any:
        asked.append(1)
        go.wait(10)
        return real(cache)

    monkeypatch.setattr(ModelCache, "status", slow)

    async def run() -> list[Any]:
        listing = listing_of(tmp_path)
        readers = [asyncio.create_task(listing.as_json()) for _ in range(5)]
        while not asked:
            await asyncio.sleep(0.01)  # the loop continues while the disk is read
        go.set()
        return await asyncio.gather(*readers)

    assert [each["models"] for each in asyncio.run(run())] == [[]] * 5
    assert asked == [1]


def test_those_who_ask_again_and_again_have_each_the_reading_that_they_waited_for(tmp_path: Path) -> None:
    async def run() -> list[None]:
        listing = listing_of(tmp_path)

        async def reader() -> None:
            for _ in range(10):
                await listing.read()

        return await asyncio.gather(*(reader() for _ in range(5)))

    assert asyncio.run(run()) == [None] * 5


def test_a_disk_that_does_not_answer_is_an_error_and_blocks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    monkeypatch.setattr(ModelCache, "status", lambda _: go.wait(30))
    monkeypatch.setattr(cache_listing, "LONGEST_SECONDS", 0.2)
    with pytest.raises(ImageGenError) as caught:
        asyncio.run(listing_of(tmp_path).read())
    go.set()
    assert (caught.value.code, caught.value.http_status, caught.value.retryable) == ("CACHE_ERROR", 503, True)


def test_until_the_start_has_found_its_model_every_revision_of_it_is_in_use(tmp_path: Path) -> None:
    settings = CacheSettings(hf_home=tmp_path, hub_cache=tmp_path / "hub", baked_dir=tmp_path / "baked")
    readiness = Readiness("runwayml/stable-diffusion-v1-5", None, "1")
    given = Settings(
        model_id="runwayml/stable-diffusion-v1-5", vae_id="acme/vae", safety_checker="acme/checker@" + "0" * 40
    )
    served = ServedModels(given, settings, readiness)
    now = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert [served.uses(each, "a" * 40) for each in (now, "acme/vae", "acme/checker", "x/y")] == [
        True,
        True,
        True,
        False,
    ]
    readiness.source, readiness.revision = "volume", "a" * 40
    assert [served.uses(now, each) for each in ("a" * 40, None, "b" * 40)] == [True, True, False]
    readiness.source = "baked"
    assert not served.uses(now, None)
    assert (served.serves(now, "a" * 40, "baked"), served.serves(now, "a" * 40, "volume")) == (True, False)
