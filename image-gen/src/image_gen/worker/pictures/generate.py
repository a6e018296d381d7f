"""Generates images with a loaded pipeline. The seed and the job alone determine an image, and to within rounding how
many are made in one call; only what the text encoders made of a prompt is kept.
"""

import inspect
import io
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import torch
from PIL.PngImagePlugin import PngInfo

from image_gen.errors import CancelledError, OutOfMemoryError
from image_gen.library_errors import out_of_memory
from image_gen.worker.failures import one_line
from image_gen.worker.loras import with_loras
from image_gen.worker.pictures.edits import for_edit, steps_asked, with_unmasked
from image_gen.worker.pictures.long_prompts import encoded_prompts, has_long_prompt, reads_long_prompts
from image_gen.worker.pictures.picture_check import Numbers, require_picture, watch_numbers
from image_gen.worker.pictures.previews import preview, watch_estimates
from image_gen.worker.pictures.schedulers import with_scheduler
from image_gen.worker.pipeline import LoadedPipeline
from image_gen.worker.protocol import ImageJob, preview_steps
from image_gen.worker.speed.prompt_cache import PromptCache, with_prompt_cache

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
    read of each prompt. Of a batch, `seconds` are this image's share. `prompt_cached`: no text encoder was asked.
    """

    data: bytes
    seconds: float
    denoising_seconds: float
    truncated_tokens: Mapping[str, int] = field(default_factory=dict)
    prompt_cached: bool = False


OnStep = Callable[[int, bytes], None]


def generate_image(
    loaded: LoadedPipeline, job: ImageJob, cancelled: Callable[[], bool], on_step: OnStep = lambda _step, _preview: None
) -> EncodedImage:
    """Raises CANCELLED at the end of the step during which `cancelled` became true, OUT_OF_MEMORY, and PICTURE_INVALID
    for what is no picture. `on_step` gets the steps that the job asks for, from 1, each with its preview or nothing.
    """
    return generate_images(loaded, [job], cancelled, on_step)[0]


def generate_images(
    loaded: LoadedPipeline,
    jobs: Sequence[ImageJob],
    cancelled: Callable[[], bool],
    on_step: OnStep = lambda _step, _preview: None,
) -> list[EncodedImage]:
    """The same for jobs that differ in nothing but seed, id and metadata, by one call of the pipeline."""
    job, count = jobs[0], len(jobs)
    before = loaded.prompts.counts if loaded.prompts else (0, 0)
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

    # On the CPU, whose numbers are the same on every machine.
    generators = [torch.Generator("cpu").manual_seed(each.seed) for each in jobs]
    arguments: dict[str, Any] = {"num_inference_steps": steps_asked(pipeline, job), "generator": generators[0]}
    if count > 1:
        arguments |= {"generator": generators, "num_images_per_prompt": count}
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
            with_prompt_cache(loaded.prompts, pipeline, job.loras),
            watch_numbers(pipeline) as numbers,
            watch_estimates(pipeline, wanted=bool(with_preview)) as estimates,
        ):
            arguments |= prompts_for(pipeline, job, loaded.prompts)
            result = pipeline(**arguments)
    except Exception as error:
        _offload_last_part(pipeline, loaded)
        if not out_of_memory(error):
            raise
        _free_memory()
        what = f"{count} pictures" if count > 1 else "a picture"
        raise OutOfMemoryError(
            f"There is not enough memory for {what} of {job.width}x{job.height}: ask for a smaller size. "
            f"({one_line(error, job.prompt, job.negative_prompt)})"
        ) from None
    images = _checked(result, numbers, loaded)
    encoded_images = [
        encoded(with_unmasked(image, each) if each.masked else image, each)
        for image, each in zip(images, jobs, strict=True)
    ]
    truncated = truncated_tokens(loaded, {"prompt": job.prompt, "negative_prompt": job.negative_prompt})
    share = (time.monotonic() - started) / count, (last_step - started) / count
    hits, misses = loaded.prompts.counts if loaded.prompts else (0, 0)
    # Some pipelines encode both prompts apart.
    is_cached = hits > before[0] and misses == before[1]
    return [EncodedImage(data, *share, truncated, is_cached) for data in encoded_images]


def _checked(result: Any, numbers: Numbers, loaded: LoadedPipeline) -> list[Any]:
    """The pictures of a pipeline's result. Raises PICTURE_INVALID and CONTENT_POLICY_VIOLATION."""
    images = list(result.images if hasattr(result, "images") else result.image)
    flagged = getattr(result, "nsfw_content_detected", None) or [False] * len(images)
    for image, is_flagged in zip(images, flagged, strict=True):
        require_picture(image, numbers, loaded, withheld=bool(is_flagged))
        if loaded.checker is not None:
            loaded.checker.require_safe(image)
    return images


def prompts_for(pipeline: Any, job: ImageJob, cache: PromptCache | None = None) -> dict[str, Any]:
    """The prompts as the pipeline takes them: as texts, or encoded where they are longer than it would read."""
    if has_long_prompt(pipeline, job.prompt, job.negative_prompt):
        facts = ("pieces", type(pipeline).__name__, sorted(job.loras.items()), job.prompt, job.negative_prompt)

        encode = partial(encoded_prompts, pipeline, job.prompt, job.negative_prompt)
        return encode() if cache is None else dict(cache.result(facts, encode))
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


def _offload_last_part(pipeline: Any, loaded: LoadedPipeline) -> None:
    """With model offloading, diffusers takes the last part off the GPU only at the end of a picture."""
    if loaded.placement.where == "model":
        with suppress(Exception):  # The first error says more.
            pipeline.maybe_free_model_hooks()


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
