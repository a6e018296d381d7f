"""Forms of `/v1/images/edits` and `/v1/images/variations`, and the images in them."""

import io
import struct
import zlib
from random import Random

from PIL import Image, PngImagePlugin

from image_gen.serving.images.requests import EditRequest

from .request import Request

FIELDS = (*EditRequest.model_fields, "other", "", "image", "mask", "_charset_", "prompt[]", "x" * 200)
TEXTS = (
    b"", b"x", b"1", b"0", b"-1", b"1.5", b"1e400", b"nan", b"inf", b"null", b"true", b"False", b"[1]", b"{}",
    b"9" * 400,
    b"64x64", b"auto", b"\xff\xfe", b"\x00", "é".encode(), "é".encode("latin-1"), b"a" * 5000, b"a" * 70_000,
    b"\r\n--", b"url",
    "\u0661".encode(), b" 1", b"1_0", b"+1", b"1e2",
)  # fmt: skip
EDGES = ("edge", "-" * 60, "a b", "e" * 70, "e" * 300, "'()+_,-./:=?", "é")


def encoded(random: Random) -> bytes:
    """A small image of some kind."""
    mode = random.choice(("RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK"))
    kind = {"CMYK": "JPEG"}.get(mode, random.choice(("PNG", "PNG", "WEBP", "JPEG", "BMP", "GIF")))
    if kind == "JPEG" and mode not in {"RGB", "L", "CMYK"}:
        mode = "RGB"
    if kind in {"WEBP", "BMP", "GIF"}:
        mode = "RGB"
    image = Image.new(mode, (random.choice((1, 8, 64, 65, 200)), random.choice((1, 8, 64, 65, 200))))
    buffer = io.BytesIO()
    options: dict[str, object] = {}
    if kind == "PNG" and random.random() < 0.2:
        text = PngImagePlugin.PngInfo()
        text.add_text("parameters", "a" * random.choice((10, 100_000, 3_000_000)), zip=True)
        options["pnginfo"] = text
    if kind in {"PNG", "JPEG", "WEBP"} and random.random() < 0.3:
        options["exif"] = b"Exif\x00\x00" + random.choice((b"", b"MM\x00*", random.randbytes(40)))
        options["icc_profile"] = random.choice((b"", random.randbytes(200)))
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_that_says(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    chunks = [
        (b"IHDR", struct.pack("!IIBBBBB", width, height, depth, colour, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""),
    ]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def image_bytes(random: Random) -> bytes:
    kind = random.randrange(14)
    data = encoded(random)
    if kind > 9:
        side = random.choice((64, 65, 200))
        buffer = io.BytesIO()
        Image.new("RGBA", (side, 64)).save(buffer, "PNG")
        return buffer.getvalue()
    if kind < 4:
        return data
    if kind < 6:
        return data[: random.randint(0, len(data))]
    if kind < 8:
        changed = bytearray(data)
        for _ in range(random.choice((1, 3, 20))):
            changed[random.randrange(len(changed))] = random.randrange(256)
        return bytes(changed)
    if kind == 8:
        return random.choice(
            (b"", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"\xff\xd8\xff", b"GIF89a", b"<svg/>")
        )
    sides = (0, 1, 64, 4096, 5000, 2**31 - 1, 2**32 - 1)
    pixels = zlib.compress(bytes(random.choice((0, 100, 1_000_000))))
    return png_that_says(
        random.choice(sides), random.choice(sides), random.choice((1, 8, 16, 3)), random.choice((0, 2, 3, 6, 7)), pixels
    )


def part(random: Random, name: str, value: bytes, *, is_file: bool) -> bytes:
    """A part of a form; one in ten is written as none should be."""
    quoted = f'name="{name}"'
    head = f"Content-Disposition: form-data; {quoted}"
    if is_file:
        head += random.choice(
            ('; filename="f.png"', '; filename="f"', '; filename=""', "; filename*=UTF-8''%e2%82", '; filename="é\\""')
        )
    if random.random() < 0.1:
        head = random.choice(
            ("", "Content-Disposition: form-data", f"Content-Disposition: attachment; {quoted}", "X: y",
            head + "; name=other",
             f"content-disposition:form-data;{quoted}", "Content-Disposition: form-data; name", head[:-1], ": x",
             "\x00",
             head + "\r\nContent-Transfer-Encoding: base64", head + "\r\nContent-Type: multipart/mixed; boundary=edge",
             head + "\r\nContent-Type: text/plain; charset=utf-16", head + "\r\n" + "X: " + "y" * 10_000)
        )  # fmt: skip
    if is_file and random.random() < 0.5:
        head += "\r\nContent-Type: " + random.choice(("image/png", "image/jpeg", "text/html", ""))
    return head.encode("utf-8") + b"\r\n\r\n" + value + b"\r\n"


def form_request(random: Random) -> Request:
    path = random.choice(("/v1/images/edits", "/v1/images/variations"))
    edge = random.choice(EDGES) if random.random() < 0.2 else "edge"
    parts = []
    if random.random() < 0.9:
        parts.append(
            part(
                random,
                random.choice(("image", "image", "image[]")),
                image_bytes(random),
                is_file=random.random() < 0.95,
            )
        )
    if random.random() < 0.3:
        parts.append(part(random, "mask", image_bytes(random), is_file=random.random() < 0.95))
    if path.endswith("edits") and random.random() < 0.9:
        parts.append(part(random, "prompt", b"x", is_file=random.random() < 0.05))
    if random.random() < 0.8:
        parts.append(part(random, "steps", b"1", is_file=False))
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 5, 70))):
        parts.append(part(random, random.choice(FIELDS), random.choice(TEXTS), is_file=random.random() < 0.1))
    random.shuffle(parts)
    border = edge.encode()
    body = b"".join(b"--" + border + b"\r\n" + each for each in parts) + b"--" + border + b"--\r\n"
    change = random.randrange(20)
    if change == 0:
        body = body[: random.randint(0, len(body))]
    elif change == 1:
        body = body.replace(b"\r\n", b"\n")
    elif change == 2:
        body = b"preamble\r\n" + body + b"epilogue" * 100
    elif change == 3:
        at = random.randrange(len(body))
        body = body[:at] + random.randbytes(5) + body[at + 5 :]
    elif change == 4:
        body = random.choice((b"", b"--", b"--edge", b"--edge--", b"\r\n", random.randbytes(500), b"--edge\r\n" * 2000))
    kind = f"multipart/form-data; boundary={edge}"
    if random.random() < 0.1:
        kind = random.choice(
            ("multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="edge',
            "multipart/mixed; boundary=edge",
             "multipart/form-data; boundary=other", "multipart/form-data; boundary=edge; boundary=x",
             "application/json",
             "application/x-www-form-urlencoded", "multipart/form-data; charset=utf-16; boundary=edge", "",
             f'multipart/form-data; boundary="{edge}"', "multipart/form-data; BOUNDARY=edge; charset=no-such")
        )  # fmt: skip
    return Request(path, body, [("Content-Type", kind)] if kind else [])
