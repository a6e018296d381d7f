"""MODEL_ID with a file: the service is that of the checkpoint, by the name that was asked for."""

from __future__ import annotations

import json
from pathlib import Path

from image_gen_demo.hub import DemoHub

from .conftest import StartServer

NAME = "test/files/own.safetensors"
WEIGHTS = (
    "model.diffusion_model.input_blocks.0.0.weight",
    "first_stage_model.decoder.conv_in.weight",
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
)


def test_a_service_of_a_checkpoint_on_the_hub(start_server: StartServer, hub: DemoHub, tmp_path: Path) -> None:
    header = json.dumps(
        {name: {"dtype": "U8", "shape": [1, 4], "data_offsets": [n, n + 1]} for n, name in enumerate(WEIGHTS)}
    ).encode()
    file = tmp_path / "hub-root" / NAME
    file.parent.mkdir(parents=True)
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"abc")
    env = {"MODEL_ID": f"https://huggingface.co/{NAME.replace('/own', '/blob/main/own')}", "HF_ENDPOINT": hub.url}
    for _ in range(2):
        server = start_server(**env)
        ready = server.wait_phase("ready")
        assert ready["model"] == NAME and len(ready["revision"]) == 40
        [model] = server.get("/v1/models").json["data"]
        assert (model["id"], model["owned_by"]) == (NAME, "test")
        assert server.post({"prompt": "x", "model": NAME}).status == 200
        assert server.post({"prompt": "x", "model": "test/files"}).status == 404
        [cached] = server.get("/v1/cache").json["models"]
        assert (cached["id"], cached["complete"], cached["served"]) == ("test/files", True, True)
        server.signal()
        server.process.wait(60)
        hub.forget()
    assert hub.requests == []
