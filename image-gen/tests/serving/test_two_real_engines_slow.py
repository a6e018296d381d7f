"""Two real workers on the CPU with one queue: a seed's bytes are the same from either of them."""

import os
import signal
from pathlib import Path
from typing import Any

from .conftest import Server, StartServer, children_of
from .test_queue import in_background

BODY = {"prompt": "a lighthouse", "seed": 7, "steps": 12, "size": "128x128"}


def picture(answer: Any) -> str:
    assert answer.status == 200, answer.body
    data: str = answer.json["data"][0]["b64_json"]
    return data


def are_ready(server: Server, *engines: int) -> bool:
    return all(server.metric(f'image_gen_engine_ready{{engine="{each}"}}') == 1 for each in engines)


def test_either_engine_makes_the_same_bytes_of_a_seed(start_server: StartServer, demo_models: Path) -> None:
    model = demo_models / "hub" / "image-gen" / "demo"
    server = start_server(worker="-", MODEL_DIR=model, IMAGE_GEN_ENGINES=2, IMAGE_GEN_DEVICE="cpu")
    server.wait_phase("ready", seconds=300)
    server._wait(lambda: are_ready(server, 0, 1), 300)
    asked = [in_background(lambda: server.post(BODY)) for _ in range(6)]
    server._wait(lambda: server.get("/v1/queue").json["running"] == 2, 60)
    for thread, _ in asked:
        thread.join(120)
    together = {picture(answers[0]) for _, answers in asked}
    assert len(together) == 1
    # Each alone, while the other one starts again, which takes the seconds of an import of torch.
    alone = []
    for engine in (0, 1):
        os.kill(children_of(server.process.pid, "--fd")[0], signal.SIGKILL)
        server._wait(lambda: not are_ready(server, 0, 1), 30)
        alone.append((are_ready(server, 0), are_ready(server, 1), picture(server.post(BODY))))
        server._wait(lambda: are_ready(server, 0, 1), 300)
        assert server.metric("image_gen_engine_restarts_total") == engine + 1
    assert sorted(each[:2] for each in alone) == [(False, True), (True, False)]
    assert {each[2] for each in alone} == together


def test_a_killed_engines_picture_is_made_by_the_other_one(start_server: StartServer, demo_models: Path) -> None:
    model = demo_models / "hub" / "image-gen" / "demo"
    server = start_server(worker="-", MODEL_DIR=model, IMAGE_GEN_ENGINES=2, IMAGE_GEN_DEVICE="cpu")
    server.wait_phase("ready", seconds=300)
    server._wait(lambda: are_ready(server, 0, 1), 300)
    expected = picture(server.post({**BODY, "steps": 100}))
    asked = [in_background(lambda: server.post({**BODY, "steps": 100})) for _ in range(2)]
    server._wait(lambda: server.get("/v1/queue").json["running"] == 2, 60)
    os.kill(children_of(server.process.pid, "--fd")[0], signal.SIGKILL)
    for thread, _ in asked:
        thread.join(120)
    assert {picture(answers[0]) for _, answers in asked} == {expected}
