"""The whole of it, with the real engine: the demo model is made, served, fetched, loaded; the next start finds it
cached.
"""

from .conftest import StartServer
from .test_generations import size_of


def test_the_demo_model_from_nothing_and_again_from_the_cache(start_server: StartServer) -> None:
    order = {"prompt": "a lighthouse", "seed": 4, "steps": 2}
    server = start_server(worker="-", MODEL_ID="demo", IMAGE_GEN_DEVICE="cpu")
    alive = server.wait_alive()
    assert server.state()["phase"] == "starting"
    state = server.wait_phase("ready", seconds=300)
    assert (state["model"], state["source"], state["device"]) == ("image-gen/demo", "download", "cpu")
    assert {"starting", "fetching", "loading", "warming"} <= set(state["phases"])
    first = server.post(order).json
    assert size_of(first["data"][0]["b64_json"]) == (128, 128)
    assert server.post({**order, "model": "demo"}).status == 200
    assert "serving it from a hub of its own on loopback" in server.log
    assert "engine: " not in server.log
    server.signal()
    assert server.process.wait(60) == 0

    server = start_server(worker="-", MODEL_ID="demo", IMAGE_GEN_DEVICE="cpu")
    alive_cached = server.wait_alive()
    state = server.wait_phase("ready", seconds=300)
    assert state["source"] == "volume"
    assert "fetching" not in state["phases"]
    assert "hub of its own" not in server.log
    assert server.post(order).json["data"] == first["data"]
    times = f"/healthz after {alive:.2f} s and {alive_cached:.2f} s"
    print(f"{times}, cached start {state['phases']}")  # noqa: T201 - a figure
