"""Models are loaded as their files get verified, while others are still on their way."""

import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_gen.worker import components, pipeline
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.protocol import LoadRequest, PrepareRequest, encode
from image_gen.worker.verified_files import SupersededError, VerifiedFiles
from image_gen.worker.worker import Worker

from .test_worker_process import ORDER, read, worker_process

PARTS = ["text_encoder", "text_encoder_2", "unet", "vae"]


def everything() -> VerifiedFiles:
    verified = VerifiedFiles()
    verified.add_all()
    return verified


def files_of(order: LoadRequest, part: str) -> list[str]:
    return [path for path in order.files if path.startswith(f"{part}/")]


def test_early_loaded_components_give_the_same_pipeline(load_request: LoadRequest) -> None:
    models = dict(components.load_components(load_request, "cpu", "float32", everything()))
    assert sorted(models) == PARTS
    assert next(iter(models)) == "unet"  # the largest first
    early = pipeline.load(load_request, "cpu", "float32", models)
    assert all(early.pipeline.components[name] is model for name, model in models.items())
    plain = pipeline.load(load_request, "cpu", "float32")
    for name, model in plain.pipeline.components.items():
        if hasattr(model, "state_dict"):
            ours = early.pipeline.components[name]
            assert type(ours) is type(model)
            assert not ours.training
            assert all(value.equal(ours.state_dict()[key]) for key, value in model.state_dict().items())
    assert generate_image(early, ORDER, lambda: False).data == generate_image(plain, ORDER, lambda: False).data


def test_load_components_skips_replaced_and_unlisted_components(load_request: LoadRequest) -> None:
    def names(order: LoadRequest) -> list[str]:
        return sorted(name for name, _ in components.load_components(order, "cpu", "float32", everything()))

    without_vae = ["text_encoder", "text_encoder_2", "unet"]
    assert names(replace(load_request, load={"vae": None})) == without_vae
    assert names(replace(load_request, vae="/elsewhere")) == without_vae
    assert names(replace(load_request, files={})) == []


def test_load_components_opens_no_component_before_its_files_are_verified(
    load_request: LoadRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = replace(load_request, directory=str(tmp_path))
    verified = VerifiedFiles()
    opened: list[str] = []
    news = threading.Semaphore(0)
    load_one = components.load_one

    def watch(part: components.Component, *rest: Any) -> Any:
        assert {f"{part.name}/config.json"} < set(part.files)
        model = load_one(part, *rest)
        opened.append(part.name)
        news.release()
        return model

    def arrive(*paths: str) -> None:
        for path in paths:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            shutil.copy(Path(load_request.directory) / path, tmp_path / path)
            verified.add(path)

    monkeypatch.setattr(components, "load_one", watch)
    work = threading.Thread(target=lambda: list(components.load_components(order, "cpu", "float32", verified)))
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


def test_verified_files_end_the_wait_for_a_superseded_model() -> None:
    verified = VerifiedFiles()
    threading.Timer(0.05, verified.end).start()
    with pytest.raises(SupersededError):
        verified.wait_for_any([{"never"}])


def test_worker_uses_components_that_it_loaded_early(load_request: LoadRequest) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = Worker(theirs)
        worker._device = "cpu"
        worker._load_early(PrepareRequest(**vars(load_request)), everything())
        assert worker._early is not None
        unet = worker._early[1]["unet"]
        worker._load(load_request)
        assert worker._loaded.pipeline.unet is unet
        worker._load_early(PrepareRequest(**vars(replace(load_request, directory="/nowhere"))), everything())
        assert worker._early == (replace(load_request, directory="/nowhere"), {})


def test_worker_does_not_wait_for_a_superseded_model(load_request: LoadRequest, tmp_path: Path) -> None:
    with worker_process(tmp_path) as (ours, _):
        assert read(ours)[0]["type"] == "Imported"
        for order in (replace(load_request, directory="/nowhere"), load_request):
            ours.sendall(encode(PrepareRequest(**vars(order))))
        ours.sendall(encode(load_request))
        assert [read(ours)[0]["type"] for _ in range(2)] == ["ModelLoaded", "PipelineReady"]
