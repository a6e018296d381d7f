"""The list of pipelines that are served agrees with the library: what it calls text-to-image, and what its classes say
of themselves.
"""

import dataclasses
import inspect
import sys
from pathlib import Path
from typing import Any

import diffusers
from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

from image_gen.model_cache.manifests import select

# What every request has, and a pipeline of pictures takes.
ASKED = {"prompt", "width", "height", "num_inference_steps", "generator"}
# A picture of edges, depths or the like, without which the pipeline can't begin, though its default is None.
CONTROLS = {"control_image", "mask_image", "source_embeds"}
FRAMES = {"num_frames", "frames", "video_length", "video", "control_video"}
PICTURES = {"image", "images"}


def _is_served(name: str) -> bool:
    found = getattr(diffusers, name)
    try:
        call, parts = (inspect.signature(each).parameters for each in (found.__call__, found.__init__))
    except (ImportError, AttributeError, TypeError):
        return False
    needed = {key for key, value in call.items() if value.default is value.empty and value.kind.name != "VAR_KEYWORD"}
    if needed - {"self", "prompt"} or "controlnet" in parts or (CONTROLS | FRAMES) & call.keys():
        return False
    if not (inspect.isclass(found) and issubclass(found, diffusers.DiffusionPipeline) and _is_loaded_again(found)):
        return False
    if found in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values():
        return "prompt" in call
    return call.keys() >= ASKED and not PICTURES & call.keys() and _makes_pictures(found)


def _makes_pictures(found: Any) -> bool:
    """By the fields of what it returns: pictures, and not frames, sounds, or vectors for another pipeline."""
    outputs = [
        {field.name for field in dataclasses.fields(value)}
        for name, value in vars(sys.modules[found.__module__]).items()
        if name.endswith("Output") and dataclasses.is_dataclass(value)
    ]
    return any(PICTURES & fields for fields in outputs)


def _is_loaded_again(found: Any) -> bool:
    """diffusers names a part by its module, and no longer finds those of pipelines that it calls deprecated."""
    own = [
        part
        for parts in found._get_signature_types().values()
        for part in parts
        if getattr(part, "__module__", "").startswith("diffusers.pipelines.")
    ]
    return all(
        hasattr(getattr(diffusers.pipelines, part.__module__.split(".")[-2], None), part.__name__) for part in own
    )


def test_the_list_has_the_pipelines_that_make_pictures_from_text() -> None:
    """To renew it after an update of diffusers: write what this prints into the file."""
    names = sorted(name for name in dir(diffusers) if name.endswith("Pipeline") and _is_served(name))
    listed = Path(select.__file__).with_name("served_pipelines.txt").read_text(encoding="ascii").split()
    assert names == listed, "\n".join(names)


def test_what_diffusers_calls_text_to_image_is_served_or_needs_more_than_a_text() -> None:
    listed = Path(select.__file__).with_name("served_pipelines.txt").read_text(encoding="ascii").split()
    left_out = {found.__name__ for found in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()} - set(listed)
    videos = {"HeliosPipeline", "HeliosPyramidPipeline"}
    assert {name for name in left_out if "Control" not in name} == videos | {
        "StableCascadeCombinedPipeline",
        "WuerstchenCombinedPipeline",
    }
