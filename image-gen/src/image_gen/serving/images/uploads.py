"""Images that clients send: read within limits, turned as their camera says, and scaled to what the model is to paint.

Comes in: a form's files. Goes out: plain pixels. Raises `BadRequest` with one line that says what is wrong. Must not:
block the event loop, or decode an image before its size is checked.
"""

import asyncio
import io
import math
import warnings
from typing import Any, Final

from image_gen.serving.images.requests import BadRequest
from image_gen.threads import in_daemon_thread
from image_gen.worker.protocol import MIN_SIDE, STEP

_FORMATS: Final = ("PNG", "JPEG", "WEBP")
# Of 4096 x 4096: a decoded image has up to four bytes a pixel.
MAX_PIXELS: Final = 4096 * 4096
# So many are decoded at once, each for a part of a second.
_DECODERS: Final = 2


class Uploads:
    """Decodes images, a few at a time."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_DECODERS)

    async def opened(self, name: str, data: bytes) -> Any:
        """The image, upright."""
        async with self._places:
            return await in_daemon_thread("upload", lambda: open_image(name, data))

    async def pixels(self, image: Any, mask: Any, size: tuple[int, int]) -> bytes:
        """Three bytes a pixel, and with a mask one more for each, of which 255 is where to paint."""
        async with self._places:
            return await in_daemon_thread("upload", lambda: _fitted(image, size) + _fitted_mask(mask, size))


def open_image(name: str, data: bytes) -> Any:
    """Raises `BadRequest` for what is no image, too large, damaged or moves."""
    from PIL import Image, ImageOps

    if not data:
        raise BadRequest(f"{name}: expected an image, got an empty file.", name)
    try:
        with warnings.catch_warnings():
            # Its own limit is checked here, and is lower.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Any = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError:
        raise BadRequest(f"{name}: expected at most {MAX_PIXELS} pixels, got far more.", name) from None
    except Exception:
        message = f"{name}: expected a PNG, JPEG or WebP image, got a file of {len(data)} bytes that is none."
        raise BadRequest(message, name) from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadRequest(f"{name}: expected at most {MAX_PIXELS} pixels, got {width}x{height}.", name)
    # The further images of a camera's JPEG are of other sizes, or of depth: it is a still one, and they are not read.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise BadRequest(f"{name}: expected a still image, got {image.n_frames} frames.", name)
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except Exception:
        raise BadRequest(f"{name}: the image is damaged or not complete.", name) from None


def require_mask(mask: Any, image: Any) -> None:
    """Its transparent pixels say where to paint. Raises `BadRequest` for a mask without any, or of another size."""
    if mask.size != image.size:
        got = f"{mask.width}x{mask.height}"
        raise BadRequest(f"mask: expected the size of the image, {image.width}x{image.height}, got {got}.", "mask")
    if not mask.has_transparency_data or mask.convert("RGBA").getchannel("A").getextrema()[0] > 127:
        raise BadRequest(
            "mask: expected transparent pixels where to paint, got none: a mask is a PNG with an alpha channel.", "mask"
        )


def size_like(image: Any, own: tuple[int, int], max_side: int, step: int = STEP) -> tuple[int, int]:
    """The image's shape, with about as many pixels as the model's own size, within the limits and in multiples of
    `step`.
    """
    ratio = min(max(image.width / image.height, 1 / 16), 16.0)
    height = math.sqrt(own[0] * own[1] / ratio)
    width = height * ratio
    scale = min(1.0, max_side / max(width, height))
    return _side(width * scale, max_side, step), _side(height * scale, max_side, step)


def _side(length: float, most: int, step: int) -> int:
    return min(max(round(length / step), math.ceil(MIN_SIDE / step)), max(1, most // step)) * step


def _fitted(image: Any, size: tuple[int, int]) -> bytes:
    """Scaled to fill the size, and cropped evenly where its shape is another. On white where it is transparent."""
    from PIL import Image, ImageOps

    pixels: bytes = ImageOps.fit(_in_colour(image), size, Image.Resampling.LANCZOS).tobytes()
    return pixels


def _in_colour(image: Any) -> Any:
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        # 16 bits a pixel, which `convert` would cut off at 255.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    with_alpha = image.convert("RGBA")
    white = Image.new("RGBA", with_alpha.size, "white")
    return Image.alpha_composite(white, with_alpha).convert("RGB")


def _fitted_mask(mask: Any, size: tuple[int, int]) -> bytes:
    from PIL import Image, ImageChops, ImageOps

    if mask is None:
        return b""
    area = ImageChops.invert(mask.convert("RGBA").getchannel("A"))
    pixels: bytes = ImageOps.fit(area, size, Image.Resampling.LANCZOS).tobytes()
    return pixels
