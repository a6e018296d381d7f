"""What the server and the engine say to each other: frames of one JSON object and, for pictures, raw bytes.

A frame is two big-endian 32-bit lengths, the JSON and the bytes. Both ends belong to one version of this package, so
there is no negotiation; anything malformed means that the other end is broken, and the connection is given up.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

_LENGTHS: Final = struct.Struct("!II")
MAX_HEADER: Final = 1 << 20
MAX_PAYLOAD: Final = 1 << 30

Message = dict[str, Any]


@dataclass(frozen=True)
class LoadRequest:
    """Which pipeline to load from where, and onto what. `files` are the model's, relative to `directory`, with their
    bytes; `warmup_size` is in pixels, 0 leaves it to the engine; `vae` is the directory of a VAE that takes the place
    of the pipeline's own, empty for none. With `compile_cache`, a directory, the pipeline is compiled.
    """

    directory: str
    pipeline: str | None
    variant: str | None
    load: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    dtype: str = "auto"
    warmup_size: int = 0
    vae: str = ""
    compile_cache: str = ""


@dataclass(frozen=True)
class ImageJob:
    """One picture. The same order gives the same picture on the same device."""

    id: str
    prompt: str
    seed: int
    steps: int
    width: int
    height: int
    output_format: str = "png"
    negative_prompt: str | None = None
    guidance_scale: float | None = None


def load_message(order: LoadRequest) -> Message:
    """The frame's JSON for a `LoadRequest`."""
    return {"type": "load", **asdict(order)}


def prepare_message(order: LoadRequest) -> Message:
    """The same for models that may be loaded as soon as their files are proven, before the whole model is here."""
    return {"type": "prepare", **asdict(order)}


def proven_message(path: str) -> Message:
    """A file, relative to the model's directory, that may be opened."""
    return {"type": "proven", "path": path}


def picture_message(order: ImageJob) -> Message:
    """The frame's JSON for a `ImageJob`."""
    return {"type": "picture", **asdict(order)}


def encode(message: Message, payload: bytes = b"") -> bytes:
    """One frame."""
    header = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(header), len(payload)) + header + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[Message, bytes]:
    """The server's side. Raises `asyncio.IncompleteReadError` at the end, `ValueError` on nonsense."""
    header_length, payload_length = _checked(await reader.readexactly(_LENGTHS.size))
    header = await reader.readexactly(header_length)
    return _message(header), await reader.readexactly(payload_length)


def receive_frame(connection: socket.socket) -> Message | None:
    """The engine's side, blocking; orders carry no bytes. None at the end of the connection."""
    lengths = _receive_exactly(connection, _LENGTHS.size)
    if lengths is None:
        return None
    header_length, payload_length = _checked(lengths)
    header = _receive_exactly(connection, header_length + payload_length)
    return None if header is None else _message(header[:header_length])


def _checked(lengths: bytes) -> tuple[int, int]:
    header, payload = _LENGTHS.unpack(lengths)
    if header > MAX_HEADER or payload > MAX_PAYLOAD:
        raise ValueError(f"a frame of {header} + {payload} bytes is not one of ours")
    return header, payload


def _message(header: bytes) -> Message:
    message = json.loads(header)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("a frame without a type is not one of ours")
    return message


def _receive_exactly(connection: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
