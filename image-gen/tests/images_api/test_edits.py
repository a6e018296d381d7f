"""`images.edit` and `images.createVariation` by OpenAI's client; the engine gives back the pixels that it gets."""

import base64
import io
import json
import struct
import uuid
import zlib
from typing import Any

import openai
import pytest
from PIL import Image, ImageChops

from tests.serving.conftest import HttpResult, Server, StartServer

from .conftest import MakeClient


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    return image


def mask_of(size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Paint on the left."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    return mask


def post(
    server: Server, path: str, fields: dict[str, str], files: list[tuple[str, bytes]], **headers: str
) -> HttpResult:
    edge = uuid.uuid4().hex
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
    ]
    parts += [
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    body = b"".join(parts) + f"--{edge}--\r\n".encode()
    return server._ask("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={edge}", **headers})


def edit(server: Server, *files: tuple[str, bytes], **fields: str) -> HttpResult:
    return post(server, "/v1/images/edits", {"prompt": "x", **fields}, list(files))


def received(answer: Any) -> Image.Image:
    data = answer.json["data"][0]["b64_json"] if isinstance(answer, HttpResult) else answer.data[0].b64_json
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def test_the_official_client_edits_an_image(server: Server, official: MakeClient) -> None:
    answer = official(server).images.edit(
        image=("photo.png", encoded(halves())), prompt="x", n=2, quality="low", extra_body={"seed": 7}
    )
    assert [picture.seed for picture in answer.data or []] == [7, 8]  # type: ignore[attr-defined] # not of their types
    assert (answer.size, answer.output_format, answer.background) == ("64x64", "png", "opaque")
    assert answer.notes["steps"] == "12 of 15: the share that `strength` says, 0.8."
    assert received(answer).tobytes() == halves().tobytes()


def test_the_steps_of_edits_are_counted_as_they_are_made(server: Server) -> None:
    before = server.metric("image_gen_steps_total")
    assert edit(server, ("image", encoded(halves())), steps="10", strength="0.6", n="2").status == 200
    assert server.metric("image_gen_steps_total") - before == 12


def test_of_a_cameras_jpeg_with_a_preview_or_a_depth_map_the_photo_is_changed(server: Server) -> None:
    photo = encoded(halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (16, 16), "green")])
    answer = edit(server, ("image", photo))
    assert answer.status == 200, answer.body
    assert ImageChops.difference(received(answer), halves()).getextrema()[1][1] < 40
    moving = encoded(halves(), save_all=True, append_images=[Image.new("RGB", (64, 64), "green")])
    assert "got 2 frames" in edit(server, ("image", moving)).json["error"]["message"]


def test_the_official_client_sends_a_mask_and_a_stream(server: Server, official: MakeClient) -> None:
    images = official(server).images
    answer = images.edit(image=encoded(halves()), mask=encoded(mask_of()), prompt="x")
    made = received(answer)
    assert made.size == (64, 128)
    assert [made.getpixel((x, 100)) for x in (5, 60)] == [(255, 255, 255), (0, 0, 0)]
    events = list(images.edit(image=encoded(halves()), prompt="x", stream=True, partial_images=1))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert [type(event).__name__ for event in events] == ["ImageEditPartialImageEvent", "ImageEditCompletedEvent"]


def test_the_official_client_makes_variations(server: Server, official: MakeClient) -> None:
    answer = official(server).images.create_variation(image=encoded(halves()), n=2, size="256x256", user="u")
    assert len(answer.data or []) == 2
    assert received(answer).size == (256, 256)
    assert "0.6" in answer.notes["steps"] and "user" in answer.notes  # type: ignore[attr-defined] # not of their types


def test_every_field_of_the_clients_edit_is_known_and_null_is_as_not_given(
    server: Server, official: MakeClient
) -> None:
    nulls: dict[str, Any] = dict.fromkeys(
        ["background", "complexity", "frame_count", "frame_duration_ms", "input_fidelity", "model", "n",
         "output_compression", "output_format", "partial_images", "quality", "response_format", "safety_identifier",
         "size", "stream", "svg"]
    )  # fmt: skip
    assert official(server).images.edit(image=encoded(halves()), prompt="x", **nulls).data
    noted = official(server).images.edit(image=encoded(halves()), prompt="x", input_fidelity="high")
    assert noted.notes["input_fidelity"].startswith("not used")  # type: ignore[attr-defined] # not of their types
    for change in (
        {"background": "transparent"},
        {"output_format": "gif"},
        {"frame_count": 3},
        {"svg": {"model": "x"}},
    ):
        with pytest.raises(openai.BadRequestError):
            official(server).images.edit(image=encoded(halves()), prompt="x", **change)  # type: ignore[call-overload] # by name
    with pytest.raises(openai.BadRequestError, match="markup"):
        official(server).images.edit(image=encoded(halves()), prompt="x", markup=encoded(mask_of()))
    with pytest.raises(openai.BadRequestError, match="expected one file"):
        official(server).images.edit(image=[encoded(halves())] * 2, prompt="x")


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ((640, 640), (64, 64)),
        ((640, 320), (88, 64)),
        ((320, 640), (64, 88)),
        ((3000, 10), (256, 64)),
        ((1, 1), (64, 64)),
    ],
)
def test_without_a_size_the_picture_has_the_images_shape(
    server: Server, image: tuple[int, int], size: tuple[int, int]
) -> None:
    answer = edit(server, ("image", encoded(halves(image))))
    assert answer.json["size"] == f"{size[0]}x{size[1]}"


def test_another_shape_is_cropped_evenly(server: Server) -> None:
    made = received(edit(server, ("image", encoded(halves((128, 64)))), size="64x64"))
    assert [made.getpixel((x, 30)) for x in (2, 61)] == [(255, 0, 0), (0, 0, 255)]


def grey16() -> Image.Image:
    return Image.new("I;16", (64, 64), 40_000)


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (encoded(Image.new("RGB", (64, 64), (10, 200, 30))), (10, 200, 30)),
        (encoded(Image.new("L", (64, 64), 90)), (90, 90, 90)),
        (encoded(Image.new("1", (64, 64), 1)), (255, 255, 255)),
        (encoded(Image.new("LA", (64, 64), (90, 0))), (255, 255, 255)),
        (encoded(Image.new("RGBA", (64, 64), (255, 0, 0, 0))), (255, 255, 255)),
        (encoded(Image.new("RGB", (64, 64), "red").convert("P")), (255, 0, 0)),
        (encoded(grey16()), (156, 156, 156)),
        (encoded(Image.new("CMYK", (64, 64), (0, 0, 0, 0)), "JPEG"), (255, 255, 255)),
        (encoded(Image.new("RGB", (64, 64), "white"), "WEBP"), (255, 255, 255)),
    ],
    ids=["rgb", "grey", "1-bit", "grey-alpha", "rgba", "palette", "16-bit", "cmyk", "webp"],
)
def test_every_mode_of_an_image_is_read(server: Server, data: bytes, colour: tuple[int, int, int]) -> None:
    answer = edit(server, ("image", data))
    assert answer.status == 200, answer.body
    assert received(answer).getpixel((30, 30)) == colour


def test_an_image_is_turned_as_its_camera_says(server: Server) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    made = received(edit(server, ("image", encoded(halves(), "JPEG", exif=exif, quality=100))))
    # What was on the left is at the top.
    assert made.getpixel((30, 5))[0] > 200 and made.getpixel((30, 60))[2] > 200  # type: ignore[index] # three bands


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it is huge."""
    chunks = [
        (b"IHDR", struct.pack("!IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def animated() -> bytes:
    return encoded(halves(), "WEBP", save_all=True, append_images=[mask_of().convert("RGB")])


@pytest.mark.parametrize(
    ("files", "fields", "param", "text"),
    [
        ([], {}, "image", "required, expected a file"),
        ([("image", b"")], {}, "image", "got an empty file"),
        ([("image", b"GIF89a")], {}, "image", "expected a PNG, JPEG or WebP image, got a file of 6 bytes"),
        ([("image", encoded(halves(), "BMP"))], {}, "image", "expected a PNG, JPEG or WebP image"),
        ([("image", encoded(halves())[:80])], {}, "image", "damaged or not complete"),
        ([("image", bomb(100_000))], {}, "image", "expected at most 16777216 pixels, got far more"),
        ([("image", bomb(8000))], {}, "image", "got 8000x8000"),
        ([("image", animated())], {}, "image", "expected a still image, got 2 frames"),
        ([("image", encoded(halves())), ("mask", encoded(mask_of((8, 8))))], {}, "mask", "64x64, got 8x8"),
        ([("image", encoded(halves())), ("mask", encoded(halves()))], {}, "mask", "transparent pixels"),
        ([("image", encoded(halves())), ("mask", encoded(halves().convert("RGBA")))], {}, "mask", "transparent pixels"),
        ([("image", encoded(halves())), ("other", b"x")], {}, "other", "is not a file of this request"),
        ([("image", encoded(halves()))], {"strength": "0"}, "strength", "a number above 0 up to 1"),
        ([("image", encoded(halves()))], {"strength": "x"}, "strength", 'got "x"'),
        ([("image", encoded(halves()))], {"n": "two"}, "n", 'got "two"'),
        ([("image", encoded(halves()))], {"stream": "yes"}, "stream", 'got "yes"'),
        ([("image", encoded(halves()))], {"cfg": "1"}, "cfg", "is not a parameter"),
        ([("image", encoded(halves()))], {"size": "63x64"}, "size", "multiples of 8"),
    ],
)
def test_what_is_wrong_is_one_line(
    server: Server, files: list[tuple[str, bytes]], fields: dict[str, str], param: str, text: str
) -> None:
    answer = edit(server, *files, **fields)
    assert answer.status == 400
    assert answer.json["error"]["param"] == param
    assert text in answer.json["error"]["message"]


def test_a_variation_has_neither_prompt_nor_mask(server: Server) -> None:
    image = ("image", encoded(halves()))
    assert post(server, "/v1/images/variations", {}, [image]).status == 200
    refused = post(server, "/v1/images/variations", {"prompt": "x"}, [image])
    assert refused.json["error"]["param"] == "prompt" and refused.status == 400
    assert post(server, "/v1/images/variations", {}, [image, ("mask", encoded(mask_of()))]).status == 400


def test_bodies_that_are_no_forms_and_too_large_ones_are_refused(server: Server) -> None:
    path = "/v1/images/edits"
    assert server._ask("POST", path, b"{}", {"Content-Type": "application/json"}).status == 415
    for kind in ("multipart/form-data", "multipart/form-data; boundary=a"):
        answer = server._ask("POST", path, b"garbage", {"Content-Type": kind})
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_form")
    large = post(server, path, {"prompt": "x"}, [("image", bytes(51 * 1024 * 1024))])
    assert (large.status, large.json["error"]["code"]) == (413, "body_too_large")


def test_a_form_of_another_sites_page_is_refused(server: Server) -> None:
    image = [("image", encoded(halves()))]
    refused = post(server, "/v1/images/edits", {"prompt": "x"}, image, Origin="https://elsewhere.example")
    assert (refused.status, refused.json["error"]["code"]) == (403, "cross_origin")
    own = post(server, "/v1/images/edits", {"prompt": "x"}, image, Origin=f"http://127.0.0.1:{server.port}")
    assert own.status == 200


def test_a_page_of_a_configured_site_may_send_a_form(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_CORS_ORIGINS="https://app.example.com")
    server.wait_phase("ready")
    image = [("image", encoded(halves()))]
    for origin, status in (
        ("https://app.example.com", 200),
        ("https://elsewhere.example", 403),
        ("http://[", 403),
        ("null", 403),
    ):
        assert post(server, "/v1/images/edits", {"prompt": "x"}, image, Origin=origin).status == status


def test_a_model_without_edits_says_so(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"edits": []})
    server.wait_phase("ready")
    refused = edit(server, ("image", encoded(halves())))
    assert refused.status == 400
    assert refused.json["error"]["message"] == "image: FakePipeline, which is being served, has no edits with it."


def test_a_prompt_of_an_edit_is_not_logged(server: Server) -> None:
    edit(server, ("image", encoded(halves())), prompt="a very secret garden", user="anna-example")
    edit(server, ("image", b"secret garden"), prompt="a very secret garden")
    assert "garden" not in server.log and "anna" not in server.log
    assert json.loads(edit(server, ("image", encoded(halves()))).body)["data"]
