"""The service that gets the requests: with room for all of them."""

import json
from pathlib import Path

from tests.serving import conftest
from tests.serving.conftest import Server, _start

from .request import KEY

SETTINGS = {
    "IMAGE_GEN_MAX_SIZE": 128, "IMAGE_GEN_MAX_IMAGES": 2, "IMAGE_GEN_QUEUE_LIMIT": 10_000, "IMAGE_GEN_DEVICE": "cpu",
    "IMAGE_GEN_JOBS_LIMIT": 100_000, "IMAGE_GEN_JOBS_MAX_MB": 1_000_000, "IMAGE_GEN_PICTURE_URL_SECONDS": 60,
}  # fmt: skip


# May change the cache, which has no hub to fetch from.
CACHE_KEY = {
    "IMAGE_GEN_API_KEY": json.dumps({"fuzzer": {"key": KEY, "permissions": ["cache"]}}),
    "HF_HUB_OFFLINE": 1,
}


def start(folder: Path, engine: str) -> Server:
    """Ready."""
    if engine == "demo":
        server = _start(folder, "-", {**SETTINGS, "IMAGE_GEN_API_KEY": KEY, "MODEL_ID": "demo"})
    else:
        model = folder / "model"
        (model / "unet").mkdir(parents=True)
        index = {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
        (model / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
        (model / "unet" / "config.json").write_text("{}", encoding="utf-8")
        (model / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
        server = _start(folder, str(conftest.HERE / "fake_worker.py"), {**SETTINGS, **CACHE_KEY, "MODEL_DIR": model})
    server.wait_phase("ready", seconds=300)
    return server
