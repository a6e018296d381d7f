"""The messages between the server and its worker: frames of one JSON object and, for images, raw bytes.

A frame is two big-endian 32-bit lengths, the JSON and the bytes. Both ends are of one version of this package, so
there is no negotiation; a malformed frame means that the other end is broken, and closes the connection.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, get_args

from image_gen.engine_options import AUTO, NONE

_LENGTHS: Final = struct.Struct("!II")
MIN_SIDE: Final = 64
# Every side of a picture is a multiple of this, whatever the model.
STEP: Final = 8
MAX_HEADER: Final = 1 << 20
MAX_PAYLOAD: Final = 1 << 30


@dataclass(frozen=True)
class LoadRequest:
    """To the worker: load this pipeline. `files` are the model's, relative to `directory`, with their sizes in bytes.

    `warmup_size` is in pixels, 0 lets the worker choose; `max_size` bounds it and the pipeline's own size, 0 does not.
    `vae` is the directory of a VAE that replaces the pipeline's own, empty for none. With `compile_cache`, a directory,
    the pipeline is compiled; with `shares_compiled`, `ArtifactsRequest` asks for an archive of it. `loras` are files
    of weights, by the names that jobs use them by. With `checkpoint`, a kind, the one file is the whole pipeline.
    `offload` is auto, none, encoders, model or layers.
    `safety_checker` is the directory of one, empty for none. `options` are names of `engine_options`, or `auto`.
    `few_steps` is one of the modes there, or none.
    """

    directory: str
    pipeline: str | None
    variant: str | None
    load: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    dtype: str = "auto"
    warmup_size: int = 0
    max_size: int = 0
    vae: str = ""
    compile_cache: str = ""
    shares_compiled: bool = False
    loras: Mapping[str, str] = field(default_factory=dict)
    checkpoint: str = ""
    offload: str = "auto"
    safety_checker: str = ""
    options: Sequence[str] = (AUTO,)
    few_steps: str = NONE


@dataclass(frozen=True)
class PrepareRequest(LoadRequest):
    """To the worker: the same before the model is complete; `FileVerified` says which files may be loaded."""


@dataclass(frozen=True)
class FileVerified:
    """To the worker: this file, relative to the model's directory, may be opened."""

    path: str


@dataclass(frozen=True)
class ImageJob:
    """To the worker: one image. The same job gives the same image on the same device. `output_compression` is the
    quality of a JPEG or WebP, from 0 to 100. `previews` are asked for at so many steps, `progress` at each.

    `metadata` is a text for a PNG's file; `scheduler` a name of `PipelineReady`'s; `loras` are weights, by names of the
    request's.

    With `pixels`, the frame's payload, an image is changed: `width` x `height` pixels of three bytes, and with `masked`
    as many bytes more, of which 255 is where to paint. `strength` is how much of it is generated again, from 0 to 1.
    """

    id: str
    prompt: str
    seed: int
    steps: int
    width: int
    height: int
    output_format: str = "png"
    negative_prompt: str | None = None
    guidance_scale: float | None = None
    output_compression: int | None = None
    previews: int = 0
    progress: bool = False
    scheduler: str | None = None
    metadata: str = ""
    loras: Mapping[str, float] = field(default_factory=dict)
    strength: float | None = None
    masked: bool = False
    pixels: bytes = field(default=b"", repr=False)

    @property
    def steps_made(self) -> int:
        """Steps that are really made: an image that is changed has the first ones behind it."""
        return self.steps if self.strength is None else min(int(self.steps * self.strength), self.steps)


@dataclass(frozen=True)
class BatchJob:
    """To the worker: images of one request, by one call of the pipeline. Only ids, seeds and metadata differ."""

    jobs: Sequence[ImageJob]


@dataclass(frozen=True)
class CancelJob:
    """To the worker: end the job at its next step, and the batch that it is in."""

    id: str


@dataclass(frozen=True)
class Imported:
    """From the worker: torch and diffusers are imported, and the device is chosen."""

    device: str
    device_name: str
    torch: str
    seconds: float


@dataclass(frozen=True)
class ModelLoaded:
    """From the worker: the weights are loaded; `placement` is a line where they are not all on the GPU."""

    dtype: str
    seconds: float
    placement: str = ""


@dataclass(frozen=True)
class Compiling:
    """From the worker: the pipeline is compiled into the directory `cache`, or the reason why it is not."""

    cache: str
    why_not: str | None


@dataclass(frozen=True)
class ArtifactsRequest:
    """From the worker: a request for the archive of compiled blocks of this name, relative to `compile_cache`."""

    name: str


@dataclass(frozen=True)
class ArtifactsFetched:
    """To the worker: the archive exists now, or there is none."""


@dataclass(frozen=True)
class PipelineReady:
    """From the worker: the warm-up image is done. The size, in pixels, is the model's own, or what `max_size` leaves;
    the warm-up's may be smaller. `previews`: whether a job can have some; `edits`: "image" and
    "mask", where a job can have them; `schedulers` and `loras`: those that can be chosen. `few_steps`: of a model that
    was distilled, its `mode`, `steps` and `guidance_scale`, and of a LoRA that makes it one `scheduler` and `lora`.
    `most_at_once`: how many jobs a batch may have. `options`: the engine's, each with the reason why it is not used, or
    nothing. `artifacts`: the name of the archive of compiled blocks, relative to `compile_cache`; empty for none.
    `size_multiple`: what the sides of a picture have to be a multiple of, itself a multiple of STEP.
    `reads_guidance`: whether `guidance_scale`, where it is accepted, changes a picture.
    """

    pipeline: str
    width: int
    height: int
    accepts: list[str]
    seconds: float
    gpu_bytes: int
    warmup_width: int = 64
    warmup_height: int = 64
    previews: bool = False
    edits: list[str] = field(default_factory=list)
    schedulers: list[str] = field(default_factory=list)
    loras: list[str] = field(default_factory=list)
    few_steps: Mapping[str, Any] | None = None
    most_at_once: int = 1
    options: Mapping[str, str] = field(default_factory=dict)
    artifacts: str = ""
    size_multiple: int = STEP
    reads_guidance: bool = True


@dataclass(frozen=True)
class ImageDone:
    """From the worker: the job's image, whose bytes are the frame's payload. `truncated_tokens`: how many tokens of a
    prompt no text encoder has read, by the prompt's field. `prompt_cached`: whether they were asked at all.
    """

    id: str
    seconds: float
    steps_per_second: float
    gpu_bytes: int
    truncated_tokens: Mapping[str, int] = field(default_factory=dict)
    prompt_cached: bool = False


@dataclass(frozen=True)
class ImageProgress:
    """From the worker: a step of a job is done. A preview of the picture, in the job's format and smaller than the
    picture, is the frame's payload; there may be none.
    """

    id: str
    step: int
    steps: int


@dataclass(frozen=True)
class Failed:
    """From the worker: a job failed, or the batch that begins with it, or with no id the start."""

    id: str | None
    code: str
    message: str
    retryable: bool


Message = (
    LoadRequest | FileVerified | ImageJob | BatchJob | CancelJob | ArtifactsFetched
    | Imported | ModelLoaded | Compiling | ArtifactsRequest | PipelineReady | ImageProgress | ImageDone | Failed
)  # fmt: skip
_TYPES: Final = {kind.__name__: kind for kind in (*get_args(Message), PrepareRequest)}


def preview_steps(steps: int, count: int) -> list[int]:
    """The steps after which there is a preview: evenly apart, none after the last, fewer where there are few steps."""
    return sorted({step for index in range(1, count + 1) if 0 < (step := steps * index // (count + 1)) < steps})


def encode(message: Message, payload: bytes = b"") -> bytes:
    """One frame."""
    content = {"type": type(message).__name__, **asdict(message)}
    payload = payload or content.pop("pixels", b"")
    for each in (content, *content.get("jobs", ())):
        each.pop("pixels", None)
    header = json.dumps(content, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(header), len(payload)) + header + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[Message, bytes]:
    """For the server. Raises `asyncio.IncompleteReadError` at the end, `ValueError` for a malformed frame."""
    header_length, payload_length = _checked(await reader.readexactly(_LENGTHS.size))
    header = await reader.readexactly(header_length)
    return _message(header), await reader.readexactly(payload_length)


def receive_frame(connection: socket.socket) -> Message | None:
    """For the worker, blocking; a payload is a job's pixels. None at the end of the connection."""
    lengths = connection.recv(_LENGTHS.size, socket.MSG_WAITALL)
    if len(lengths) < _LENGTHS.size:
        return None
    header_length, payload_length = _checked(lengths)
    frame = connection.recv(header_length + payload_length, socket.MSG_WAITALL)
    if len(frame) < header_length + payload_length:
        return None
    message = _message(frame[:header_length])
    return replace(message, pixels=frame[header_length:]) if isinstance(message, ImageJob) else message


def _checked(lengths: bytes) -> tuple[int, int]:
    header, payload = _LENGTHS.unpack(lengths)
    if header > MAX_HEADER or payload > MAX_PAYLOAD:
        raise ValueError(f"a frame of {header} + {payload} bytes is too large")
    return header, payload


def _message(header: bytes) -> Message:
    try:
        content = json.loads(header)
        message: Message = _TYPES[content.pop("type")](**content)
        if isinstance(message, BatchJob):
            message = BatchJob([ImageJob(**job) for job in content["jobs"]])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"unknown message: {error}") from error
    return message


def bounded_size(width: int, height: int, multiple: int, max_side: int) -> tuple[int, int]:
    """The model's own size, or the largest of its shape whose sides are at most `max_side`: in multiples of `multiple`
    where that leaves something, else of 8. 0 is no limit.
    """
    longest = max(width, height)
    if not max_side or longest <= max_side:
        return width, height
    step = multiple if multiple <= max_side else STEP

    def bounded(side: int) -> int:
        return max(side * max_side // longest // step * step, min(step, max_side), MIN_SIDE)

    return bounded(width), bounded(height)
