"""Who may change the cache: a key with the permission, and nobody without keys."""

import json
from pathlib import Path

import pytest

from image_gen.serving.http.api_keys import KeysInvalid, parse_keys
from tests.serving.conftest import HttpResult, Server, StartServer

from .conftest import ADMIN, GUEST, SERVED, ask

ACTIONS = (
    ("POST", "/v1/cache/prefetch", {"model": SERVED}),
    ("POST", "/v1/cache/verify", {}),
    ("DELETE", f"/v1/cache/models/{SERVED}", None),
    ("DELETE", f"/v1/cache/models/{SERVED}?dry_run=true", None),
    ("GET", "/v1/cache/operations", None),
    ("GET", "/v1/cache/operations/cacheop_0", None),
    ("POST", "/v1/cache/operations/cacheop_0/cancel", None),
)


def refused(answer: HttpResult) -> str:
    error = answer.json["error"]
    assert (answer.status, error["type"], error["code"]) == (403, "permission_error", "permission_denied")
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["message"])


def test_a_key_without_the_permission_changes_nothing_and_no_key_is_401(cache_server: Server) -> None:
    for method, path, body in ACTIONS:
        assert 'Fix: give it "permissions": ["cache"]' in refused(ask(cache_server, method, path, body, GUEST)), path
        for key in ("", "key-of-nobody"):
            answer = ask(cache_server, method, path, body, key)
            assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key"), path
    assert ask(cache_server, "GET", "/v1/cache/operations", key=ADMIN).json == {"object": "list", "data": []}
    assert ask(cache_server, "GET", "/v1/cache/operations/cacheop_0").json["error"]["code"] == "operation_not_found"


def test_without_keys_nobody_changes_the_cache_not_even_on_loopback(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    for method, path, body in ACTIONS:
        assert "Without API keys nobody" in refused(ask(server, method, path, body, key="")), path
    listing = ask(server, "GET", "/v1/cache", key="")
    assert (listing.status, listing.json["permissions"], listing.json["operation"]) == (200, [], None)


def test_one_key_without_a_name_has_no_permission(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_API_KEY="one-key")
    server.wait_phase("ready")
    assert refused(ask(server, "POST", "/v1/cache/verify", {}, "one-key"))


def test_a_permission_that_is_taken_away_in_the_file_is_gone(start_server: StartServer, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(json.dumps({"admin": {"key": ADMIN, "permissions": ["cache"]}}), encoding="utf-8")
    server = start_server(IMAGE_GEN_API_KEYS_FILE=file)
    server.wait_phase("ready")
    assert ask(server, "GET", "/v1/cache/operations").status == 200
    file.write_text(json.dumps({"admin": {"key": ADMIN, "permissions": []}}), encoding="utf-8")
    server._wait(lambda: ask(server, "GET", "/v1/cache/operations").status == 403, 20)


def test_limits_for_pictures_do_not_count_work_on_the_cache(start_server: StartServer) -> None:
    key = {"key": ADMIN, "permissions": ["cache"], "requests_per_minute": 1}
    server = start_server(IMAGE_GEN_API_KEY={"admin": key})
    server.wait_phase("ready")
    answers = [ask(server, "POST", "/v1/cache/prefetch", {}).status for _ in range(3)]
    assert answers == [400, 400, 400]
    assert ask(server, "POST", "/v1/images/generations", {"prompt": "x"}).status == 200


@pytest.mark.parametrize("permissions", ['"cache"', "[1]", '["all"]', '{"cache": true}', "null"])
def test_wrong_permissions_are_refused(permissions: str) -> None:
    with pytest.raises(KeysInvalid, match="permissions of alice is not a list of"):
        parse_keys('{"alice": {"key": "secret-1", "permissions": ' + permissions + "}}")


def test_permissions_are_read_and_none_is_the_default() -> None:
    keys = parse_keys('{"alice": {"key": "secret-1", "permissions": ["cache"]}, "bob": "secret-2"}')
    assert [set(key.permissions) for key in keys] == [{"cache"}, set()]
    assert parse_keys("carol:secret-3")[0].permissions == frozenset()
