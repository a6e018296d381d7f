"""With an API key, only the page, /healthz and /readyz are for everybody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from image_gen.serving.http.page_files import PageFiles
from image_gen.settings import Settings

from .conftest import HERE, Server, _end, _start


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, model_dir: Path) -> Iterator[Server]:
    env = {"MODEL_DIR": model_dir, "IMAGE_GEN_API_KEY": "secret-0123"}
    running = _start(tmp_path_factory.mktemp("locked"), str(HERE / "fake_worker.py"), env)
    running.wait_phase("ready")
    yield running
    _end(running)


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_page_and_probes_need_no_api_key(locked: Server, path: str) -> None:
    assert locked.get(path).status == 200


def test_the_files_of_the_page_need_no_api_key(locked: Server) -> None:
    found = [locked.get(path) for path in PageFiles().paths]
    assert len(found) > 10
    assert {answer.status for answer in found} == {200}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/x", "/metrics", "/openapi.json", "/nothing", "//", "/./"])
def test_api_requires_the_key(locked: Server, path: str) -> None:
    answer = locked.get(path)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("given", ["secret-0123", "Bearer secret-012", "Bearer secret-01234", "bearer", "Bearer ", "é"])
def test_wrong_api_key_is_rejected(locked: Server, given: str) -> None:
    assert locked.post({"prompt": "x"}, {"Authorization": given}).status == 401


def test_correct_api_key_is_accepted(locked: Server) -> None:
    assert locked.post({"prompt": "x"}, {"Authorization": "Bearer secret-0123"}).status == 200


def test_api_key_is_not_logged(locked: Server) -> None:
    assert "secret-0123" not in locked.log
    assert "secret-0123" not in repr(Settings.from_env({"IMAGE_GEN_API_KEY": "secret-0123"}))
