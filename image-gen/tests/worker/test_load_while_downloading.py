"""Models are loaded as their files get proven, while others are still on their way."""

import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_gen.worker import components, pipeline
from image_gen.worker.generate import generate_image
from image_gen.worker.protocol import LoadRequest, encode, load_message, prepare_message
from image_gen.worker.verified_files import SupersededError, VerifiedFiles
from image_gen.worker.worker import Worker

from .test_worker_process import ORDER, read, worker_process

PARTS = ["text_encoder", "text_encoder_2", "unet", "vae"]


def everything() -> VerifiedFiles:
    proven = VerifiedFiles()
    proven.add_all()
    return proven


def files_of(order: LoadRequest, part: str) -> list[str]:
    return [path for path in order.files if path.startswith(f"{part}/")]


def test_it_is_the_very_pipeline_that_a_plain_load_gives(load_order: LoadRequest) -> None:
    models = dict(components.load_components(load_order, "cpu", "float32", everything()))
    assert sorted(models) == PARTS
    assert next(iter(models)) == "unet"  # the largest first
    early = pipeline.load(load_order, "cpu", "float32", models)
    assert all(early.pipeline.components[name] is model for name, model in models.items())
    plain = pipeline.load(load_order, "cpu", "float32")
    for name, model in plain.pipeline.components.items():
        if hasattr(model, "state_dict"):
            ours = early.pipeline.components[name]
            assert type(ours) is type(model)
            assert not ours.training
            assert all(value.equal(ours.state_dict()[key]) for key, value in model.state_dict().items())
    assert generate_image(early, ORDER, lambda: False).data == generate_image(plain, ORDER, lambda: False).data


def test_what_the_order_replaces_or_does_not_tell_is_left_out(load_order: LoadRequest) -> None:
    def names(order: LoadRequest) -> list[str]:
        return sorted(name for name, _ in components.load_components(order, "cpu", "float32", everything()))

    without_vae = ["text_encoder", "text_encoder_2", "unet"]
    assert names(replace(load_order, load={"vae": None})) == without_vae
    assert names(replace(load_order, vae="/elsewhere")) == without_vae
    assert names(replace(load_order, files={})) == []


def test_nothing_is_opened_before_all_its_files_are_there_and_the_first_complete_one_is_next(
    load_order: LoadRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = replace(load_order, directory=str(tmp_path))
    proven = VerifiedFiles()
    opened: list[str] = []
    news = threading.Semaphore(0)
    load_one = components.load_one

    def watch(part: components.Part, *rest: Any) -> Any:
        assert {f"{part.name}/config.json"} < set(part.files)
        model = load_one(part, *rest)
        opened.append(part.name)
        news.release()
        return model

    def arrive(*paths: str) -> None:
        for path in paths:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            shutil.copy(Path(load_order.directory) / path, tmp_path / path)
            proven.add(path)

    monkeypatch.setattr(components, "load_one", watch)
    work = threading.Thread(target=lambda: list(components.load_components(order, "cpu", "float32", proven)))
    work.start()
    weights = next(path for path in files_of(order, "unet") if path.endswith(".safetensors"))
    arrive("model_index.json", *(path for path in files_of(order, "unet") if path != weights))
    for part in ("vae", "text_encoder_2"):
        arrive(*files_of(order, part))
        assert news.acquire(timeout=60)
    assert opened == ["vae", "text_encoder_2"]
    arrive(weights)
    assert news.acquire(timeout=60)
    arrive(*files_of(order, "text_encoder"))
    work.join(60)
    assert opened == ["vae", "text_encoder_2", "unet", "text_encoder"]


def test_who_waits_for_a_model_that_is_not_wanted_any_more_is_told() -> None:
    proven = VerifiedFiles()
    threading.Timer(0.05, proven.end).start()
    with pytest.raises(SupersededError):
        proven.wait_for_any([{"never"}])


def test_the_worker_uses_what_it_loaded_early(load_order: LoadRequest) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = Worker(theirs)
        worker._device = "cpu"
        worker._load_early(load_order, everything())
        assert worker._early is not None
        unet = worker._early[1]["unet"]
        worker._load(load_order)
        assert worker._loaded.pipeline.unet is unet
        worker._load_early(replace(load_order, directory="/nowhere"), everything())
        assert worker._early == (replace(load_order, directory="/nowhere"), {})


def test_a_model_that_the_server_wants_no_more_is_not_waited_for(load_order: LoadRequest, tmp_path: Path) -> None:
    with worker_process(tmp_path) as (ours, _):
        assert read(ours)[0]["type"] == "imported"
        for order in (replace(load_order, directory="/nowhere"), load_order):
            ours.sendall(encode(prepare_message(order)))
        ours.sendall(encode(load_message(load_order)))
        assert [read(ours)[0]["type"] for _ in range(2)] == ["loaded", "ready"]
