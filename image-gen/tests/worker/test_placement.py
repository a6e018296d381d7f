"""Cards with little memory: what is chosen, by a table; and equal pictures, on the CPU in place of a GPU."""

import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from image_gen.errors import CancelledError
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pipeline import load
from image_gen.worker.placement import Placement, apply_placement, choose_placement, weight_bytes
from image_gen.worker.protocol import Compiling, LoadRequest, receive_frame
from image_gen.worker.worker import Worker

from .test_edits import EDIT, INPAINT, JOB
from .test_loras import write_lora

GB = 1_000_000_000
SDXL = {"unet": 5_135_000_000, "text_encoder_2": 1_389_000_000, "text_encoder": 246_000_000, "vae": 167_000_000}
SD15 = {"unet": 1_719_000_000, "text_encoder": 246_000_000, "vae": 167_000_000}


@pytest.mark.parametrize(
    ("weights", "side", "free", "where", "tiled"),
    [
        (SDXL, 1024, 80, "device", False),
        (SDXL, 1024, 12.6, "device", False),
        (SDXL, 1024, 11, "device", True),
        (SDXL, 1024, 10.7, "device", True),
        (SDXL, 1024, 8.4, "device", True),
        (SDXL, 1024, 8, "encoders", True),
        (SDXL, 1024, 6.7, "encoders", True),
        (SDXL, 1024, 6.5, "model", False),
        (SDXL, 1024, 5.6, "layers", False),
        (SDXL, 1024, 4, "layers", True),
        (SDXL, 512, 6.8, "encoders", False),
        (SDXL, 512, 6, "model", False),
        (SD15, 1024, 8, "device", False),
        (SD15, 1024, 4, "device", True),
        (SD15, 512, 4, "device", False),
        (SD15, 1024, 3, "model", True),
        (SD15, 1024, 2, "layers", True),
        ({}, 1024, 6, "device", False),
    ],
)
def test_the_choice_follows_from_what_is_free(
    weights: dict[str, int], side: int, free: float, where: str, tiled: bool
) -> None:
    found = choose_placement("auto", weights, side, int(free * GB))
    assert (found.where, found.tiled) == (where, tiled)
    assert bool(found.line) == (where != "device" or tiled)


@pytest.mark.parametrize(
    ("asked", "where"), [("none", "device"), ("encoders", "encoders"), ("model", "model"), ("layers", "layers")]
)
def test_what_is_asked_for_is_done(asked: str, where: str) -> None:
    assert {choose_placement(asked, SDXL, 1024, free * GB).where for free in (1, 8, 80)} == {where}


def test_the_line_says_what_there_is_and_what_is_done() -> None:
    assert choose_placement("encoders", SDXL, 1024, 11 * GB).line == (
        "The GPU has 11.0 GB free, model and picture take about 12.4 GB: text encoders are in main memory, and layer "
        "by layer on it for a prompt that is new."
    )
    assert choose_placement("model", SDXL, 1024, 8 * GB).line == (
        "The GPU has 8.0 GB free, model and picture take about 12.4 GB: each part of the model is on it while it works."
    )
    assert choose_placement("auto", SDXL, 1024, 4 * GB).line.endswith(
        "each layer is on it while it works, which is many times slower, and pictures above 512 pixels are decoded in "
        "tiles."
    )


def test_weights_count_in_the_number_type_that_they_are_loaded_in(load_request: LoadRequest, loaded: Any) -> None:
    parts = {"unet": loaded.pipeline.unet, "vae": loaded.pipeline.vae}
    for dtype, size in (("float32", 4), ("float16", 2)):
        found = weight_bytes(load_request, dtype)
        assert {"text_encoder", "text_encoder_2", "unet", "vae"} == set(found)
        for name, part in parts.items():
            assert found[name] == size * sum(weight.numel() for weight in part.parameters())


@pytest.mark.parametrize("where", ["encoders", "model", "layers"])
def test_pictures_and_edits_are_the_same(load_request: LoadRequest, loaded: Any, where: Any, monkeypatch: Any) -> None:
    chosen = Placement(where, True)
    monkeypatch.setattr("image_gen.worker.pipeline.placement_of", lambda *_, **__: chosen)
    moved = load(load_request, "cpu", "float32")
    assert moved.placement == chosen
    plain = [generate_image(replace(loaded, others={}), job, lambda: False).data for job in (JOB, EDIT, INPAINT, JOB)]
    again = [generate_image(moved, job, lambda: False).data for job in (JOB, EDIT, INPAINT, JOB)]
    assert again == plain


@pytest.mark.parametrize("where", ["encoders", "model", "layers"])
def test_pictures_with_loras_are_the_same(
    load_request: LoadRequest, loaded: Any, where: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    files = {"mine": str(write_lora(load(load_request, "cpu", "float32").pipeline, tmp_path, seed=3, text=True))}
    request = replace(load_request, loras=files)
    whole = load(request, "cpu", "float32")
    monkeypatch.setattr("image_gen.worker.pipeline.placement_of", lambda *_, **__: Placement(where, True))
    moved = load(request, "cpu", "float32")
    jobs = [replace(JOB, loras=loras) for loras in ({"mine": 1.0}, {}, {"mine": 0.5}, {})]
    expected, found = ([generate_image(each, job, lambda: False).data for job in jobs] for each in (whole, moved))
    assert found == expected and len(set(found)) == 3
    assert found[1] == generate_image(replace(loaded, others={}), JOB, lambda: False).data


def test_a_part_that_was_at_work_leaves_the_gpu_when_a_picture_is_cancelled(
    load_request: LoadRequest, monkeypatch: Any
) -> None:
    monkeypatch.setattr("image_gen.worker.pipeline.placement_of", lambda *_, **__: Placement("model", False))
    moved = load(load_request, "cpu", "float32")
    for job in (JOB, EDIT):
        plain = generate_image(moved, job, lambda: False).data
        pipeline = moved.others["image"] if job is EDIT else moved.pipeline
        freed: list[bool] = []
        original = pipeline.maybe_free_model_hooks
        monkeypatch.setattr(
            pipeline, "maybe_free_model_hooks", lambda to=original, freed=freed: (freed.append(True), to())
        )
        with pytest.raises(CancelledError):
            generate_image(moved, job, iter([False, True]).__next__)
        assert freed == [True]
        assert generate_image(moved, job, lambda: False).data == plain


def test_the_vae_decodes_large_pictures_in_tiles(load_request: LoadRequest) -> None:
    moved = load(load_request, "cpu", "float32")
    apply_placement(moved.pipeline, Placement("device", True), "cpu")
    vae = moved.pipeline.vae
    assert vae.use_tiling and vae.tile_sample_min_size <= 512
    assert vae.tile_latent_min_size * moved.pipeline.vae_scale_factor == vae.tile_sample_min_size


def test_text_encoders_alone_are_in_main_memory(load_request: LoadRequest, monkeypatch: Any) -> None:
    chosen = Placement("encoders", False)
    monkeypatch.setattr("image_gen.worker.pipeline.placement_of", lambda *_, **__: chosen)
    pipeline = load(load_request, "cpu", "float32").pipeline

    def moved(part: Any) -> bool:
        return any(hasattr(module, "_diffusers_hook") for module in part.modules())

    assert {name for name, part in pipeline.components.items() if hasattr(part, "modules") and moved(part)} == {
        "text_encoder", "text_encoder_2",
    }  # fmt: skip


def test_a_checkpoints_text_encoders_are_known_by_their_names() -> None:
    parts = {"model.diffusion_model": 5_135_000_000, "conditioner.embedders": 1_635_000_000, "first_stage_model.x": 1}
    assert choose_placement("auto", parts, 1024, 7 * GB).where == "encoders"


@pytest.mark.parametrize(
    ("where", "compiled"), [("device", True), ("encoders", True), ("model", False), ("layers", False)]
)
def test_what_stays_on_the_gpu_is_compiled(where: Any, compiled: bool, monkeypatch: Any) -> None:
    ours, servers = socket.socketpair()
    worker = Worker(ours)
    worker._loaded = SimpleNamespace(placement=Placement(where), pipeline="the pipeline")
    asked: list[Any] = []
    monkeypatch.setattr("image_gen.worker.speed.compiled.compile_blocks", lambda pipeline, *_: asked.append(pipeline))
    worker._compile(LoadRequest("/model", None, None, compile_cache="/compiled"), "float16")
    message = receive_frame(servers)
    assert isinstance(message, Compiling)
    assert asked == (["the pipeline"] if compiled else [])
    assert (message.why_not is None) == compiled
