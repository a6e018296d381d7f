"""`POST /v1/images/edits` and `/v1/images/variations`: from a form to a change of an image.

Comes in: a form. Goes out: its fields, checked, and the image in the size of the picture. Raises `BadRequest`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from image_gen.serving.images.image_jobs import Change, asked_size, steps_of
from image_gen.serving.images.requests import BadRequest, EditRequest, VariationRequest
from image_gen.serving.images.uploads import Uploads, require_mask, size_like
from image_gen.settings import Settings
from image_gen.worker.protocol import PipelineReady

# Without the field `strength`: an edit follows its prompt, and a variation its image.
EDIT_STRENGTH: Final = 0.8
MASK_STRENGTH: Final = 1.0
VARIATION_STRENGTH: Final = 0.6
_LIST: Final = "image[]"


class Edits:
    """Reads what an edit or a variation needs."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._uploads = settings, Uploads()

    async def change_of(
        self, request: EditRequest, files: Sequence[tuple[str, bytes]], pipeline: PipelineReady
    ) -> Change:
        """What is to be done to the image."""
        change, image, mask = await self._checked(request, files, pipeline)
        return replace(change, pixels=await self._uploads.pixels(image, mask, change.size))

    async def change_without_pixels(
        self, request: EditRequest, files: Sequence[tuple[str, bytes]], pipeline: PipelineReady
    ) -> Change:
        """The same, checked in the same way, for who passes the files on to another host."""
        return (await self._checked(request, files, pipeline))[0]

    async def _checked(
        self, request: EditRequest, files: Sequence[tuple[str, bytes]], pipeline: PipelineReady
    ) -> tuple[Change, Any, Any]:
        is_variation = isinstance(request, VariationRequest)
        uploads = uploads_of(request, files)
        image_data, mask_data = uploads["image"], uploads.get("mask")
        kind = "image" if mask_data is None else "mask"
        if kind not in pipeline.edits:
            raise BadRequest(f"{kind}: {pipeline.pipeline}, which is being served, has no edits with it.", kind)
        image = await self._uploads.opened("image", image_data)
        mask = None if mask_data is None else await self._uploads.opened("mask", mask_data)
        if mask is not None:
            require_mask(mask, image)
        own = (pipeline.width, pipeline.height)
        most, step = self._settings.max_size, pipeline.size_multiple
        size = asked_size(request, self._settings, pipeline) or size_like(image, own, most, step)
        usual = VARIATION_STRENGTH if is_variation else EDIT_STRENGTH if mask is None else MASK_STRENGTH
        strength = usual if request.strength is None else request.strength
        # One step at least. A little more than its share, as the product must not round to less than one.
        strength = min(1.0, max(strength, 1.000001 / steps_of(request, pipeline)))
        return Change(b"", size, mask is not None, strength), image, mask


def uploads_of(request: EditRequest, files: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    """The form's `image`, and its `mask` where there is one."""
    with_mask = not isinstance(request, VariationRequest)
    known = {"image", _LIST, "mask"} if with_mask else {"image"}
    for name, _ in files:
        if name == "markup" and with_mask:
            raise BadRequest("markup: not served: the model reads no drawings. Send a mask.", "markup")
        if name not in known:
            raise BadRequest(f"{name[:60]!r} is not a file of this request; these are: image, mask.", name[:60])
    images = [data for name, data in files if name in {"image", _LIST}]
    masks = [data for name, data in files if name == "mask"]
    if not images:
        raise BadRequest("image: required, expected a file.", "image", code="missing_required_parameter")
    if len(images) > 1 or len(masks) > 1:
        name = "image" if len(images) > 1 else "mask"
        raise BadRequest(f"{name}: expected one file, got several: the model changes one image.", name)
    return {"image": images[0], **({"mask": masks[0]} if masks else {})}
