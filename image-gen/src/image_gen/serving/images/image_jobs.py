"""Turns a request into the worker's jobs, one for each image."""

from collections.abc import Callable

from image_gen.serving.images.requests import MAX_SEED, BadRequest, ImageRequest, parse_size
from image_gen.serving.worker_supervisor import PipelineInfo
from image_gen.worker.protocol import ImageJob


def make_jobs(
    request: ImageRequest,
    pipeline_info: PipelineInfo,
    *,
    max_side: int,
    request_id: str,
    random_seed: Callable[[], int],
) -> list[ImageJob]:
    """Picture i of a request has the seed plus i, so each can be made again alone. Raises `BadRequest`."""
    for name in ("negative_prompt", "guidance_scale"):
        if getattr(request, name) is not None and name not in pipeline_info.accepts:
            raise BadRequest(
                f"{name}: {pipeline_info.pipeline}, which is being served, does not take it; leave it out.", name
            )
    if request.size in {None, "auto"}:
        width, height = pipeline_info.width, pipeline_info.height
    else:
        width, height = parse_size(request.size or "", max_side)
    first = random_seed() if request.seed is None else request.seed
    return [
        ImageJob(
            id=f"{request_id}-{index}",
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            seed=(first + index) % (MAX_SEED + 1),
            steps=request.steps,
            guidance_scale=request.guidance_scale,
            width=width,
            height=height,
            output_format=request.output_format,
        )
        for index in range(request.n)
    ]
