"""Generates one image with a loaded pipeline. No state is kept: the seed and the job alone determine the image."""

import inspect
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from PIL.PngImagePlugin import PngInfo

from image_gen.errors import CancelledError, OutOfMemoryError
from image_gen.library_errors import out_of_memory
from image_gen.worker.failures import one_line
from image_gen.worker.loras import with_loras
from image_gen.worker.pictures.edits import for_edit, with_unmasked
from image_gen.worker.pictures.long_prompts import encoded_prompts, reads_long_prompts
from image_gen.worker.pictures.picture_check import Numbers, require_picture, watch_numbers
from image_gen.worker.pictures.previews import preview, watch_estimates
from image_gen.worker.pictures.schedulers import with_scheduler
from image_gen.worker.pipeline import LoadedPipeline
from image_gen.worker.protocol import ImageJob, preview_steps

_TOKENIZERS: Final = ("tokenizer", "tokenizer_2", "tokenizer_3", "tokenizer_4")
_UNLIMITED: Final = 1 << 30
_CANCELLED: Final = "The image was cancelled."
_ENCODINGS: Final[dict[str, dict[str, Any]]] = {
    "png": {"format": "PNG", "compress_level": 4},
    "jpeg": {"format": "JPEG", "quality": 95},
    "webp": {"format": "WEBP", "quality": 95},
}


@dataclass(frozen=True)
class EncodedImage:
    """An encoded picture; `denoising_seconds` is the time until the last step's end, `truncated_tokens` what was not
    read of each prompt.
    """

    data: bytes
    seconds: float
    denoising_seconds: float
    truncated_tokens: Mapping[str, int] = field(default_factory=dict)


OnStep = Callable[[int, bytes], None]


def generate_image(
    loaded: LoadedPipeline, job: ImageJob, cancelled: Callable[[], bool], on_step: OnStep = lambda _step, _preview: None
) -> EncodedImage:
    """Raises CANCELLED at the end of the step during which `cancelled` became true, OUT_OF_MEMORY, and PICTURE_INVALID
    for what is no picture. `on_step` gets the steps that the job asks for, from 1, each with its preview or nothing.
    """
    started = time.monotonic()
    last_step = started
    numbers = Numbers()

    pipeline, edit = for_edit(loaded, job) if job.pixels else (loaded.pipeline, {})
    accepts = frozenset(inspect.signature(type(pipeline).__call__).parameters) if edit else loaded.accepts
    with_preview = preview_steps(job.steps_made, job.previews)

    def after_step(_pipeline: Any, step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        nonlocal last_step
        last_step = time.monotonic()
        numbers.latents = values.get("latents")
        if cancelled():
            raise CancelledError(_CANCELLED)
        if step + 1 in with_preview:
            shown = estimates.latest if estimates.latest is not None else numbers.latents
            on_step(step + 1, encoded(preview(pipeline, shown), job))
        elif job.progress:
            on_step(step + 1, b"")
        return values

    arguments: dict[str, Any] = {
        "num_inference_steps": job.steps,
        # On the CPU, whose numbers are the same on every machine.
        "generator": torch.Generator("cpu").manual_seed(job.seed),
    }
    # Some pipelines that change an image have its size.
    arguments |= {name: value for name, value in (("width", job.width), ("height", job.height)) if name in accepts}
    # Some would paint the job's shape at the model's own size.
    arguments |= {"max_area": job.width * job.height} if "max_area" in accepts else {}
    chosen = {"guidance_scale": job.guidance_scale, **edit}
    arguments |= {name: value for name, value in chosen.items() if value is not None}
    if "callback_on_step_end" in accepts:
        arguments["callback_on_step_end"] = after_step
    if cancelled():
        raise CancelledError(_CANCELLED)
    try:
        with (
            torch.inference_mode(),
            with_loras(loaded, job.loras),
            with_scheduler(pipeline, job.scheduler, job.steps),
            watch_numbers(pipeline) as numbers,
            watch_estimates(pipeline, wanted=bool(with_preview)) as estimates,
        ):
            arguments |= prompts_for(pipeline, job)
            result = pipeline(**arguments)
    except Exception as error:
        if not out_of_memory(error):
            raise
        _free_memory()
        raise OutOfMemoryError(
            f"There is not enough memory for a picture of {job.width}x{job.height}: ask for a smaller size. "
            f"({one_line(error, job.prompt, job.negative_prompt)})"
        ) from None
    image = (result.images if hasattr(result, "images") else result.image)[0]
    flagged = getattr(result, "nsfw_content_detected", None)
    require_picture(image, numbers, loaded, withheld=bool(flagged and flagged[0]))
    if loaded.checker is not None:
        loaded.checker.require_safe(image)
    data = encoded(with_unmasked(image, job) if job.masked else image, job)
    truncated = truncated_tokens(loaded, {"prompt": job.prompt, "negative_prompt": job.negative_prompt})
    return EncodedImage(data, time.monotonic() - started, last_step - started, truncated)


def prompts_for(pipeline: Any, job: ImageJob) -> dict[str, Any]:
    """The prompts as the pipeline takes them: as texts, or encoded where they are longer than it would read."""
    if long := encoded_prompts(pipeline, job.prompt, job.negative_prompt):
        return long
    return {"prompt": job.prompt} | ({} if job.negative_prompt is None else {"negative_prompt": job.negative_prompt})


def encoded(image: Any, job: ImageJob) -> bytes:
    """In the job's format; nothing for no picture."""
    if image is None:
        return b""
    chosen = dict(_ENCODINGS[job.output_format])
    if job.output_compression is not None and "quality" in chosen:
        # 0 is none to Pillow's JPEG encoder, which would take its own default.
        chosen["quality"] = max(1, job.output_compression)
    if job.metadata and job.output_format == "png":
        chosen["pnginfo"] = PngInfo()
        chosen["pnginfo"].add_itxt("parameters", job.metadata)
    buffer = io.BytesIO()
    image.save(buffer, **chosen)
    return buffer.getvalue()


def truncated_tokens(loaded: LoadedPipeline, prompts: Mapping[str, str | None]) -> dict[str, int]:
    """How many tokens of each prompt none of the text encoders reads; prompts that are read whole are left out."""
    if reads_long_prompts(loaded.pipeline):
        return {}
    tokenizers = [getattr(loaded.pipeline, name, None) for name in _TOKENIZERS]
    counts = {
        name: min((_excess(loaded, tokenizer, prompt) for tokenizer in tokenizers if callable(tokenizer)), default=0)
        for name, prompt in prompts.items()
        if prompt and name in loaded.accepts
    }
    return {name: count for name, count in counts.items() if count}


def _excess(loaded: LoadedPipeline, tokenizer: Any, prompt: str) -> int:
    """Tokens beyond what the text encoder takes. T5 and the like take as many as the pipeline lets them."""
    limit = getattr(tokenizer, "model_max_length", _UNLIMITED)
    if "max_sequence_length" in loaded.accepts and not type(tokenizer).__name__.startswith("CLIP"):
        asked = inspect.signature(type(loaded.pipeline).__call__).parameters["max_sequence_length"].default
        limit = min(limit, asked) if isinstance(asked, int) else limit
    try:
        return max(0, len(tokenizer(prompt, truncation=False, verbose=False).input_ids) - limit)
    except Exception:
        return 0  # A note is not worth a picture.


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
