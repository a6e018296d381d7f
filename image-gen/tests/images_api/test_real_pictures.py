"""OpenAI's client for Python against the service with a real pipeline: the demo model on the CPU."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from tests.serving.conftest import Server, _end, _start

from .conftest import MakeClient
from .test_edits import encoded, halves, mask_of

QUICK = {"steps": 2, "seed": 7}


@pytest.fixture(scope="module")
def server(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests, as it takes seconds to load the model."""
    model = demo_models / "hub" / "image-gen" / "demo"
    running = _start(tmp_path_factory.mktemp("server"), "-", {"MODEL_DIR": model, "IMAGE_GEN_DEVICE": "cpu"})
    running.wait_phase("ready", seconds=300)
    yield running
    _end(running)


def picture(data: str | None) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data or ""))).convert("RGB")


def test_pictures_of_one_request_are_those_of_single_ones_but_for_rounding(
    server: Server, official: MakeClient
) -> None:
    images = official(server).images
    two = images.generate(prompt="a barn", n=2, extra_body=QUICK).data or []
    assert [picture(each.b64_json).size for each in two] == [(128, 128)] * 2
    for number, each in enumerate(two):
        [alone] = images.generate(prompt="a barn", extra_body={"steps": 2, "seed": 7 + number}).data or []
        apart = ImageChops.difference(picture(alone.b64_json), picture(each.b64_json))
        assert max(high for _, high in apart.getextrema()) <= 1


def test_a_stream_ends_with_the_same_picture(server: Server, official: MakeClient) -> None:
    images = official(server).images
    [plain] = images.generate(prompt="a barn", extra_body=QUICK).data or []
    preview, done = images.generate(prompt="a barn", stream=True, partial_images=1, extra_body=QUICK)
    assert picture(preview.b64_json).size == (16, 16)
    assert done.b64_json == plain.b64_json


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_compression_makes_a_smaller_file(server: Server, official: MakeClient, kind: Any) -> None:
    images = official(server).images

    def size(compression: int) -> int:
        answer = images.generate(prompt="x", output_format=kind, output_compression=compression, extra_body=QUICK)
        return len((answer.data or [])[0].b64_json or "")

    assert size(10) < size(90)


def test_a_mask_keeps_what_is_opaque(server: Server, official: MakeClient) -> None:
    image, mask = halves((128, 128)), mask_of((128, 128))
    answer = official(server).images.edit(
        image=encoded(image), mask=encoded(mask), prompt="a door", size="128x128", extra_body=QUICK
    )  # type: ignore[call-overload] # any size
    made = picture(answer.data[0].b64_json)
    assert made.crop((96, 0, 128, 128)).tobytes() == image.crop((96, 0, 128, 128)).tobytes()
    assert made.crop((0, 0, 32, 128)).tobytes() != image.crop((0, 0, 32, 128)).tobytes()


def test_edits_and_variations_follow_their_strength(server: Server, official: MakeClient) -> None:
    images, image = official(server).images, halves((128, 128))

    def distance(made: Any) -> float:
        pairs = zip(picture(made.data[0].b64_json).tobytes(), image.tobytes(), strict=True)
        return sum(abs(one - other) for one, other in pairs) / len(image.tobytes())

    def edited(strength: float) -> float:
        options = {"steps": 10, "seed": 7, "strength": strength}
        return distance(images.edit(image=encoded(image), prompt="x", extra_body=options))

    assert edited(0.1) < edited(1.0)
    variation = images.create_variation(image=encoded(image), n=2, size="256x256", extra_body=QUICK)
    assert [picture(each.b64_json).size for each in variation.data or []] == [(256, 256)] * 2
    assert (variation.data or [])[0].b64_json != (variation.data or [])[1].b64_json
