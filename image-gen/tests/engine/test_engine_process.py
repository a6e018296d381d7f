"""The real engine's process, spoken to over its socket as the server speaks to it."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from image_gen.engine.protocol import LoadOrder, PictureOrder, encode, load_message, picture_message

SOURCES = Path(__file__).parents[2] / "src"
ORDER = PictureOrder("one", "x", seed=1, steps=2, width=64, height=64)


def read(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """One frame, by other code than the engine's."""
    import json

    file = connection.makefile("rb")
    header, payload = (int.from_bytes(file.read(4), "big") for _ in range(2))
    return json.loads(file.read(header)), file.read(payload)


def read_until(connection: socket.socket, *kinds: str) -> tuple[dict[str, Any], bytes]:
    while True:
        message, payload = read(connection)
        if message["type"] in kinds:
            return message, payload


def test_its_life_from_import_to_the_end_of_the_socket(load_order: LoadOrder, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(120)
    log = tmp_path / "log"
    with theirs, log.open("wb") as output:
        engine = subprocess.Popen(
            [sys.executable, "-m", "image_gen.engine", "--fd", str(theirs.fileno()), "--device", "cpu"],
            pass_fds=[theirs.fileno()],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        )
    with ours:
        imported, _ = read(ours)
        assert (imported["type"], imported["device"]) == ("imported", "cpu")

        ours.sendall(encode(picture_message(ORDER)))
        refused, _ = read(ours)
        assert (refused["type"], refused["id"], refused["code"]) == ("error", "one", "NOT_READY")

        ours.sendall(encode(load_message(replace(load_order, pipeline="NoSuchPipeline"))))
        refused, _ = read(ours)
        assert (refused["id"], refused["code"], refused["retryable"]) == (None, "NOT_A_PIPELINE", False)

        ours.sendall(encode(load_message(load_order)))
        assert read(ours)[0]["type"] == "loaded"
        ready, _ = read(ours)
        assert (ready["type"], ready["width"], ready["height"]) == ("ready", 128, 128)

        ours.sendall(encode(picture_message(ORDER)))
        steps = [read(ours)[0], read(ours)[0]]
        assert [(step["type"], step["step"]) for step in steps] == [("step", 1), ("step", 2)]
        made, picture = read(ours)
        assert made["type"] == "picture"
        assert picture.startswith(b"\x89PNG")

        ours.sendall(encode(picture_message(replace(ORDER, id="long", steps=150))))
        read_until(ours, "step")
        ours.sendall(encode({"type": "cancel", "id": "long"}))
        ended, _ = read_until(ours, "error", "picture")
        assert (ended["id"], ended.get("code")) == ("long", "CANCELLED")

        ours.sendall(encode(picture_message(ORDER)))
        assert read_until(ours, "picture")[1] == picture
    assert engine.wait(10) == 0
    assert log.read_text(encoding="utf-8") == ""


def test_a_model_is_loaded_as_soon_as_its_files_are_proven_and_no_sooner(
    load_order: LoadOrder, tmp_path: Path, monkeypatch: Any
) -> None:
    from image_gen.engine import components, pipeline
    from image_gen.engine.protocol import LoadOrder as Order

    waited: list[str] = []
    opened: list[str] = []
    load_one = components.load_one

    def watch(part: components.Part, *rest: Any) -> Any:
        assert set(part.files) <= set(waited)
        opened.append(part.name)
        return load_one(part, *rest)

    monkeypatch.setattr(components, "load_one", watch)
    models = components.load_components(load_order, "cpu", "float32", waited.append)
    assert waited[0] == "model_index.json"
    assert sorted(opened) == ["text_encoder", "text_encoder_2", "unet", "vae"]
    assert opened[0] == "unet"
    early = pipeline.load(load_order, "cpu", "float32", models)
    assert all(early.pipeline.components[name] is model for name, model in models.items())
    plain = pipeline.load(load_order, "cpu", "float32")
    for name, model in plain.pipeline.components.items():
        if hasattr(model, "state_dict"):
            ours = early.pipeline.components[name]
            assert type(ours) is type(model)
            assert not ours.training
            assert all(value.equal(ours.state_dict()[key]) for key, value in model.state_dict().items())
    from image_gen.engine.painter import paint

    assert paint(early, ORDER, lambda: False).data == paint(plain, ORDER, lambda: False).data
    left_out = Order(load_order.directory, load_order.pipeline, "fp16", {"vae": None})
    assert "vae" not in components.load_components(left_out, "cpu", "float32", waited.append)


def test_the_worker_uses_what_it_loaded_early(load_order: LoadOrder) -> None:
    from image_gen.engine.worker import Worker

    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    worker = Worker(theirs)
    worker._device = "cpu"
    worker._proven.add("model_index.json")
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        for path in (Path(load_order.directory) / part).iterdir():
            worker._proven.add(f"{part}/{path.name}")
    worker._load_early(load_order)
    assert worker._early is not None
    early = worker._early[1]
    worker._load(load_order)
    assert worker._loaded.pipeline.unet is early["unet"]
    assert [read(ours)[0]["type"]] == ["loaded"]
    worker._load_early(replace(load_order, directory="/nowhere"))
    assert worker._early is None
    ours.close()
    theirs.close()
