"""Pictures by one call: those of requests for each alone, and no more at once than the memory allows."""

import io
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from image_gen.engine_options import AUTO
from image_gen.errors import CancelledError, OutOfMemoryError
from image_gen.worker import protocol
from image_gen.worker.free_memory import free_main_bytes
from image_gen.worker.pictures.generate import EncodedImage, generate_image, generate_images
from image_gen.worker.placement import Placement
from image_gen.worker.protocol import BatchJob, LoadRequest
from image_gen.worker.speed import batches
from image_gen.worker.speed.batches import batches_of, most_at_once, why_no_batches
from image_gen.worker.worker import Worker

from .engines import JOB, difference, with_options


def test_the_pictures_of_a_batch_are_those_of_requests_alone_but_for_rounding(
    plain: Any, load_request: LoadRequest
) -> None:
    batched = with_options(load_request, "batches")
    assert (plain.most_at_once, batched.most_at_once) == (1, 4)
    jobs = [replace(JOB, id=str(seed), seed=seed, metadata=f"seed {seed}") for seed in range(4)]
    together = generate_images(batched, jobs, lambda: False)
    alone = [generate_image(plain, job, lambda: False) for job in jobs]
    assert max(difference(one.data, other.data) for one, other in zip(together, alone, strict=True)) <= 1
    assert len({image.data for image in together}) == 4
    assert [Image.open(io.BytesIO(image.data)).text["parameters"] for image in together] == [
        f"seed {seed}" for seed in range(4)
    ]


def test_a_batch_is_cancelled_as_a_whole(plain: Any) -> None:
    with pytest.raises(CancelledError):
        generate_images(plain, [JOB, replace(JOB, seed=6)], iter([False, True]).__next__)


def test_a_batch_with_a_long_prompt_has_the_pictures_of_requests_alone(plain: Any) -> None:
    jobs = [replace(JOB, prompt="lighthouse " * 100, seed=seed) for seed in (5, 6)]
    together = generate_images(plain, jobs, lambda: False)
    for image, job in zip(together, jobs, strict=True):
        assert difference(image.data, generate_image(plain, job, lambda: False).data) <= 1


@pytest.mark.parametrize(
    ("name", "where", "reason"),
    [
        ("StableDiffusionXLPipeline", "device", ""),
        ("StableDiffusionXLPipeline", "encoders", ""),
        ("StableDiffusionXLPipeline", "model", "the model moves between the GPU and main memory"),
        ("StableDiffusionXLPipeline", "layers", "the model moves between the GPU and main memory"),
        ("GlmImagePipeline", "device", "not tested with GlmImagePipeline"),
        ("KandinskyV22CombinedPipeline", "device", "not tested with KandinskyV22CombinedPipeline"),
    ],
)
def test_batches_need_a_tested_pipeline_and_a_model_that_stays_where_it_is(name: str, where: str, reason: str) -> None:
    assert why_no_batches(name, where) == reason
    assert most_at_once(["batches"], name, where) == (1 if reason else 4)
    assert most_at_once(["prompt-cache"], name, where) == 1


def test_a_model_without_batches_names_the_reason(load_request: LoadRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCHED", frozenset())
    loaded = with_options(load_request, "batches")
    assert loaded.options == {"batches": "not tested with StableDiffusionXLPipeline"}
    assert loaded.most_at_once == 1 and not loaded.pipeline.vae.use_slicing


def test_the_vae_decodes_the_pictures_of_a_batch_one_after_another(load_request: LoadRequest) -> None:
    loaded = with_options(load_request, "batches")
    counts: list[int] = []
    loaded.pipeline.vae.decoder.register_forward_pre_hook(lambda _, values: counts.append(len(values[0])))
    generate_images(loaded, [replace(JOB, seed=seed) for seed in range(3)], lambda: False)
    assert counts == [1, 1, 1]


def split(loaded: Any, side: int, count: int) -> list[int]:
    jobs = [replace(JOB, id=str(seed), width=side, height=side) for seed in range(count)]
    parts = list(batches_of(loaded, jobs))
    assert [job.id for part in parts for job in part] == [job.id for job in jobs]
    return [len(part) for part in parts]


def engine(device: str = "cpu", dtype: str = "float32", *, sliced: bool = True, tiled: bool = False) -> Any:
    vae = SimpleNamespace(use_slicing=sliced)
    placement = Placement("device", tiled)
    return SimpleNamespace(device=device, dtype=dtype, pipeline=SimpleNamespace(vae=vae), placement=placement)


@pytest.mark.parametrize(
    ("side", "free", "counts"),
    [
        (64, 64.0, [4]),
        (512, 64.0, [4]),
        (576, 64.0, [3, 1]),
        (640, 64.0, [2, 2]),
        (1024, 64.0, [1, 1, 1, 1]),  # whatever there is
        (512, 2.7, [4]),  # one of them decoded takes 2.7 GB, in 32 bits
        (512, 2.0, [1, 1, 1, 1]),
        (64, 0.0, [1, 1, 1, 1]),
        (512, None, [4]),
    ],
)
def test_a_batch_on_a_cpu_takes_no_more_than_a_picture_of_1024_and_than_is_free(
    side: int, free: float | None, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = None if free is None else int(free * 1.03e9)
    monkeypatch.setattr(batches, "free_bytes", lambda _: there)
    assert split(engine(), side, 4) == counts


@pytest.mark.parametrize(
    ("loaded", "free", "counts"),
    [
        (engine("cuda", "float16"), 6, [4]),
        (engine("cuda", "float16"), 5, [1, 1, 1, 1]),
        (engine("cuda", "float16", tiled=True), 4.5, [4]),
        (engine("cuda", "float16", tiled=True), 3.5, [3, 1]),
        (engine("cuda", "float16", sliced=False), 16, [2, 2]),
        (engine("cuda", "float32"), 11, [4]),
        (engine("mps", "float16"), None, [1, 1, 1, 1]),
    ],
)
def test_a_batch_on_a_gpu_takes_what_is_free(
    loaded: Any, free: float | None, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "free_bytes", lambda _: free and int(free * 1e9))
    assert split(loaded, 1024, 4) == counts


def test_four_small_pictures_are_one_call_on_this_cpu_by_default(load_request: LoadRequest) -> None:
    assert split(with_options(load_request, AUTO), 64, 4) == [4]


def files(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n"}
V2 = {
    "sys/fs/cgroup/memory.max": "5000000\n", "sys/fs/cgroup/memory.current": "3000000\n",
    "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 500000\n",
}  # fmt: skip
V1 = {
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000000\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "3000000\n",
    "sys/fs/cgroup/memory/memory.stat": "inactive_file 7\ntotal_inactive_file 200000\n",
}


@pytest.mark.parametrize(
    ("texts", "free"),
    [
        (MACHINE, 8_192_000),
        (MACHINE | V2, 2_500_000),
        (MACHINE | V1, 1_200_000),
        (V2, 2_500_000),
        (MACHINE | V2 | {"sys/fs/cgroup/memory.max": "max\n"}, 8_192_000),
        (MACHINE | V2 | {"sys/fs/cgroup/memory.current": "9000000\n"}, 0),
        (MACHINE | V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 8_192_000),
        ({}, None),
    ],
)
def test_free_memory_is_the_machines_or_what_the_containers_limit_leaves(
    texts: dict[str, str], free: int | None, tmp_path: Path
) -> None:
    assert free_main_bytes(files(tmp_path, texts)) == free


def sent(worker_socket: socket.socket) -> list[Any]:
    """What a worker has sent until its socket was closed."""
    found = []
    while (message := protocol.receive_frame(worker_socket)) is not None:
        found.append(message)
    return found


@pytest.mark.parametrize("fails", [False, True])
def test_a_batch_that_is_made_in_parts_is_answered_as_a_whole(
    plain: Any, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    ours, servers = socket.socketpair()
    worker = Worker(ours)
    worker._loaded = plain
    monkeypatch.setattr(batches, "_fitting", lambda *_: 2)
    made: list[list[str]] = []

    def generate(loaded: Any, jobs: Any, *_: Any) -> list[EncodedImage]:
        made.append([job.id for job in jobs])
        if fails and len(made) == 2:
            raise OutOfMemoryError("too much")
        return [EncodedImage(b"x", 1.0, 0.5)] * len(jobs)

    monkeypatch.setattr("image_gen.worker.pictures.generate.generate_images", generate)
    jobs = [replace(JOB, id=name) for name in "abc"]
    worker._guarded(jobs[0], lambda: worker._generate(jobs))
    ours.close()
    assert made == [["a", "b"], ["c"]]
    answers = [(type(each).__name__, each.id) for each in sent(servers)]
    assert answers == ([("Failed", "a")] if fails else [("ImageDone", name) for name in "abc"])


def test_a_batch_reaches_the_worker_as_it_was_sent() -> None:
    batch = BatchJob([JOB, replace(JOB, id="q", seed=6)])
    frame = protocol.encode(batch)
    assert protocol._message(frame[8:]) == batch
