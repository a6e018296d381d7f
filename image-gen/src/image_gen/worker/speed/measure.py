"""Measures what a start does with the libraries of the engine; run as a program.

Comes in, as arguments: when it was started, on the monotonic clock, and the device, the number type and the side of the
warm-up's picture (0: the default one). Goes out: one JSON object, with the rates or with `error`. Must not: touch the
cache, or take more memory than a small model.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from image_gen.errors import ImageGenError
from image_gen.worker.lean_imports import diffusers_class, without_dynamo

# Weights that are copied: what is new memory for the process is its slowest.
_COPIED_BYTES: Final = 1 << 30
_PART_BYTES: Final = 1 << 26
# Blocks of SDXL's UNet at its depth, where nine tenths of its weights are: five of transformers to one of convolutions,
# as there; and layers as wide as those of its larger text encoder. So many that no processor cache holds the weights.
_WIDTH: Final = 1280
_LAYER: Final = {"dim": _WIDTH, "num_attention_heads": 20, "attention_head_dim": 64, "activation_fn": "geglu"}
_PROMPT_WIDTH: Final = 2048
_TRANSFORMERS, _LAYERS, _RUNS = 5, 6, 7
_PROMPT_TOKENS: Final = 77
# A block at its depth sees one token for so many pixels of a side.
_PIXELS_A_TOKEN: Final = 32
_FILE_BYTES_A_WEIGHT: Final = 2


def _median(work: Callable[[], object]) -> float:
    """Seconds of a run, after a first one."""
    seconds = []
    for _ in range(_RUNS + 1):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def _load_rate(torch: Any, device: str, dtype: Any) -> float:
    """Bytes of fp16 files a second that become weights on the device."""
    source, kept = torch.ones(_PART_BYTES // _FILE_BYTES_A_WEIGHT, dtype=torch.float16), []
    begin = time.perf_counter()
    for _ in range(_COPIED_BYTES // _PART_BYTES):
        kept.append(source.to(device, dtype, copy=True))
    _wait(torch, device)
    return _COPIED_BYTES / (time.perf_counter() - begin)


class _Weights:
    """Bytes of weights, as fp16, that are used a second."""

    def __init__(self, torch: Any, device: str, dtype: Any) -> None:
        from diffusers.models.attention import BasicTransformerBlock
        from diffusers.models.resnet import ResnetBlock2D

        self._torch, self._device, self._dtype = torch, device, dtype
        self._transformer, self._convolution = BasicTransformerBlock, ResnetBlock2D

    def denoiser_rate(self, side: int) -> int:
        """By one pass for a picture of `side` pixels and its negative prompt."""
        transformers = [
            self._placed(self._transformer(**_LAYER, cross_attention_dim=_PROMPT_WIDTH)) for _ in range(_TRANSFORMERS)
        ]
        channels = {"in_channels": _WIDTH, "out_channels": _WIDTH, "temb_channels": _WIDTH}
        convolution = self._placed(self._convolution(**channels))
        places = max(1, side // _PIXELS_A_TOKEN)
        latents, embedding = self._random(2, _WIDTH, places, places), self._random(2, _WIDTH)
        tokens, prompts = self._random(2, places**2, _WIDTH), self._random(2, _PROMPT_TOKENS, _PROMPT_WIDTH)

        def denoise() -> None:
            convolution(latents, embedding)
            for block in transformers:
                block(tokens, encoder_hidden_states=prompts)

        return self._rate([convolution, *transformers], denoise)

    def text_encoder_rate(self) -> int:
        """For one prompt."""
        layers = [self._placed(self._transformer(**_LAYER)) for _ in range(_LAYERS)]
        prompt = self._random(1, _PROMPT_TOKENS, _WIDTH)

        def encode() -> None:
            for layer in layers:
                layer(prompt)

        return self._rate(layers, encode)

    def _placed(self, part: Any) -> Any:
        return part.to(self._device, self._dtype).eval()

    def _random(self, *shape: int) -> Any:
        return self._torch.randn(*shape).to(self._device, self._dtype)

    def _rate(self, parts: list[Any], work: Callable[[], None]) -> int:
        def run() -> None:
            with self._torch.inference_mode():
                work()
            _wait(self._torch, self._device)

        count: int = sum(weight.numel() for part in parts for weight in part.parameters())
        return round(count * _FILE_BYTES_A_WEIGHT / _median(run))


def _wait(torch: Any, device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> int:
    """Prints the rates."""
    started, asked, dtype, side = sys.argv[1:]
    diffusers_class("StableDiffusionXLPipeline")
    imported = round(time.monotonic() - float(started), 2)
    try:
        rates: dict[str, Any] = {"import_seconds": imported, **_rates(asked, dtype, int(side))}
    except ImageGenError as error:
        rates = {"error": error.message}
    sys.stdout.write(json.dumps(rates) + "\n")
    return 0


def _rates(asked: str, asked_dtype: str, asked_side: int) -> dict[str, Any]:
    """Raises NO_GPU and GPU_UNUSABLE."""
    import torch

    from image_gen.worker.device import choose_device, choose_dtype
    from image_gen.worker.device_probe import probe_device

    device = choose_device(asked, probe_device()).kind
    name = choose_dtype(asked_dtype, device)
    dtype = getattr(torch, name)
    side = asked_side or (256 if device == "cpu" else 1024)
    weights = without_dynamo(lambda: _Weights(torch, device, dtype))
    return {
        "device": device,
        "dtype": name,
        "warmup_side": side,
        "load_bytes_per_second": round(_load_rate(torch, device, dtype)),
        "pass_bytes_per_second": weights.denoiser_rate(side),
        "prompt_bytes_per_second": weights.text_encoder_rate(),
    }


if __name__ == "__main__":
    sys.exit(main())
