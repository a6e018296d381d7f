"""How many pictures of a request one call of the pipeline makes.

Comes in: the pipeline's class, the size of the pictures, what memory is free. Goes out: a number. Must not: make a
batch of what takes more memory than there is, as a CPU reports nothing then: the kernel ends the process.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from image_gen.worker.free_memory import free_bytes
from image_gen.worker.placement import peak_bytes

MOST_AT_ONCE: Final = 4
# A batch's pixels, where too much memory ends the process, or where what is free is unknown: those of one picture of
# SDXL, so that a batch takes no more than a request for one.
_MOST_PIXELS: Final = {"cpu": 1024 * 1024, "mps": 1024 * 1024}
# Classes whose pictures of a batch are tested to be those of requests for them alone. Others use the first generator
# for a part of all pictures (GLM-Image), or can't make batches (Kandinsky 2.2).
BATCHED: Final = frozenset(
    f"{family}Pipeline"
    for family in (
        "StableDiffusion", "StableDiffusionXL", "StableDiffusion3", "LatentConsistencyModel", "Flux", "FluxKontext",
        "Flux2Klein", "PixArtAlpha", "PixArtSigma", "ZImage",
    )
)  # fmt: skip


def most_at_once(options: Sequence[str], name: str, where: str) -> int:
    """For a pipeline of that class with its weights `where`; 1: no batches."""
    return MOST_AT_ONCE if "batches" in options and not why_no_batches(name, where) else 1


def why_no_batches(name: str, where: str) -> str:
    """Nothing where there can be batches."""
    if name not in BATCHED:
        return f"not tested with {name}"
    return "" if where in {"device", "encoders"} else "the model moves between the GPU and main memory"


def slice_vae(pipeline: Any) -> None:
    """Has the VAE decode a batch's pictures one after another, if it can: decoding takes most memory."""
    vae: Any = getattr(pipeline, "vae", None)
    if hasattr(vae, "use_slicing"):
        vae.enable_slicing()


def batches_of(loaded: Any, jobs: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """The jobs, which are of one size, in as many calls as the memory that is free now requires."""
    first = 0
    while first < len(jobs):
        count = _fitting(loaded, jobs[0].width * jobs[0].height, min(len(jobs) - first, MOST_AT_ONCE))
        yield jobs[first : first + count]
        first += count


def _fitting(loaded: Any, pixels: int, most: int) -> int:
    """As many of `most` as fit, and one in any case."""
    most = max(1, min(most, _MOST_PIXELS.get(loaded.device, most * pixels) // pixels))
    if most == 1 or (free := free_bytes(loaded.device)) is None:
        return most
    sliced = getattr(getattr(loaded.pipeline, "vae", None), "use_slicing", False)
    tiled, dtype = loaded.placement.tiled, loaded.dtype
    counts = range(most, 1, -1)
    return next((n for n in counts if peak_bytes(pixels, n, dtype, sliced=sliced, tiled=tiled) <= free), 1)
