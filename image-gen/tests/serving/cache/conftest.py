"""The cache of a real server, with an engine that paints without torch and a hub on loopback."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from image_gen_demo.hub import DemoHub
from tests.serving.conftest import HttpResult, Server, StartServer, model_dir, start_server

__all__ = ["model_dir", "start_server"]

ADMIN, GUEST = "key-of-admin", "key-of-guest"
KEYS = {"admin": {"key": ADMIN, "permissions": ["cache"]}, "guest": GUEST}
SERVED, OTHER = "test/model", "test/other"


def ask(server: Server, method: str, path: str, body: object = None, key: str = ADMIN) -> HttpResult:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    return server._ask(method, path, data, headers)


def begun(server: Server, method: str, path: str, body: object = None) -> str:
    """The id of an operation that has begun."""
    answer = ask(server, method, path, body)
    assert answer.status == 202, answer.body
    assert answer.headers["location"] == f"/v1/cache/operations/{answer.json['id']}"
    return str(answer.json["id"])


def operation_of(server: Server, operation_id: str) -> Any:
    answer = ask(server, "GET", f"/v1/cache/operations/{operation_id}")
    assert answer.status == 200, answer.body
    return answer.json


def ended(server: Server, operation_id: str, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while (operation := operation_of(server, operation_id))["status"] == "running":
        assert time.monotonic() < end, (operation, server.log)
        time.sleep(0.05)
    return operation


def models_of(server: Server) -> dict[str, Any]:
    answer = ask(server, "GET", "/v1/cache")
    assert answer.status == 200, answer.body
    return {model["id"]: model for model in answer.json["models"]}


def hub_cache(server: Server) -> Path:
    return server.log_file.parent / "hf" / "hub"


@pytest.fixture
def cache_server(start_server: StartServer, hub: DemoHub, make_repo: Any) -> Server:
    """Ready with one model; the hub has another."""
    make_repo(SERVED)
    make_repo(OTHER, seed=1)
    server = start_server(MODEL_ID=SERVED, HF_ENDPOINT=hub.url, IMAGE_GEN_API_KEY=KEYS)
    server.wait_phase("ready")
    return server
