"""How far two pictures are apart."""

from __future__ import annotations

import io


def unlike(one: bytes, other: bytes) -> int:
    """The largest difference between two pictures, 0 to 255."""
    import numpy as np
    from PIL import Image

    first, second = (np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), dtype=np.int16) for each in (one, other))
    return int(np.abs(first - second).max())
