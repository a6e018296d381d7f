"""The guide's own program: a plain `from_pretrained` with the cache on, then everything onto the device."""

import os

from marks import FIRST_PICTURE, PICTURE_SIDE, PICTURE_STEPS, copy_weights, mark

mark("python")
import torch  # noqa: E402 - the marks tell how long it takes
from diffusers import StableDiffusionXLPipeline  # noqa: E402 - likewise

mark("imports")
pipeline = StableDiffusionXLPipeline.from_pretrained(
    os.environ["BENCH_MODEL"], dtype=torch.float16, variant="fp16", use_safetensors=True
)
mark("load")
for part in pipeline.to("cpu").components.values():
    copy_weights(part, set())
mark("copy")
pipeline("warm-up", num_inference_steps=PICTURE_STEPS, width=PICTURE_SIDE, height=PICTURE_SIDE)
mark(FIRST_PICTURE)
