"""Under which names the service may be asked, and which pages may ask it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from image_gen.errors import ImageGenError
from image_gen.settings import Settings

from .conftest import HERE, HttpResult, Server, _end, _start

APP = "https://app.example"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory, model_dir: Path) -> Iterator[Server]:
    env = {
        "MODEL_DIR": model_dir, "IMAGE_GEN_ALLOWED_HOSTS": "images.example,*.internal.example",
        "IMAGE_GEN_CORS_ORIGINS": APP, "IMAGE_GEN_API_KEY": "secret-0123",
    }  # fmt: skip
    running = _start(tmp_path_factory.mktemp("named"), str(HERE / "fake_worker.py"), env)
    running.wait_phase("ready")
    yield running
    _end(running)


def ask(server: Server, method: str, path: str, headers: Mapping[str, str]) -> HttpResult:
    return server._ask(method, path, None, headers)


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("images.example", "/", 200),
        ("IMAGES.example:443", "/", 200),
        ("a.internal.example", "/", 200),
        ("localhost:9", "/", 200),
        ("[::1]:8000", "/", 200),
        ("internal.example", "/", 421),
        ("evil.example", "/", 421),
        ("images.example.evil", "/", 421),
        ("", "/", 421),
        ("evil.example", "/healthz", 200),
        ("10.0.0.7", "/readyz", 200),
    ],
)
def test_a_request_for_another_name_is_refused(named: Server, host: str, path: str, status: int) -> None:
    answer = ask(named, "GET", path, {"Host": host})
    assert answer.status == status
    if status == 421:
        assert answer.json["error"]["code"] == "host_not_allowed"


def test_without_the_option_any_name_is_allowed_and_no_page_may_ask(server: Server) -> None:
    answer = ask(server, "GET", "/v1/models", {"Host": "any.example", "Origin": APP})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    question = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    assert ask(server, "OPTIONS", "/v1/images/generations", question).status == 405


def test_pages_of_an_allowed_origin_may_ask_and_others_may_not(named: Server) -> None:
    question = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = ask(named, "OPTIONS", "/v1/images/generations", {**question, "Origin": APP})
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, APP)
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    refused = ask(named, "OPTIONS", "/v1/images/generations", {**question, "Origin": "https://evil.example"})
    assert (refused.status, refused.headers.get("access-control-allow-origin")) == (400, None)
    without_key = ask(named, "GET", "/v1/models", {"Origin": APP})
    assert (without_key.status, without_key.headers["access-control-allow-origin"]) == (401, APP)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGE_GEN_ALLOWED_HOSTS", "https://images.example"),
        ("IMAGE_GEN_ALLOWED_HOSTS", "images.example:8000"),
        ("IMAGE_GEN_ALLOWED_HOSTS", "a.*.example"),
        ("IMAGE_GEN_CORS_ORIGINS", "app.example"),
        ("IMAGE_GEN_CORS_ORIGINS", "https://app.example/"),
        ("IMAGE_GEN_CORS_ORIGINS", ","),
    ],
)
def test_a_wrong_value_is_a_problem_of_the_start(name: str, value: str) -> None:
    with pytest.raises(ImageGenError, match=name):
        Settings.from_env({name: value})
