"""Several API keys, from a variable or a file that changes, with limits of their own."""

import json
from pathlib import Path

import pytest

from image_gen.errors import ImageGenError
from image_gen.serving.http.api_keys import ApiKey, ApiKeys, KeysInvalid, parse_keys
from image_gen.serving.http.key_limits import KeyLimits
from image_gen.serving.worker_environment import worker_environment

from .conftest import Server, StartServer

HASHED = "sha256:b07f6cf3f3ddef3ab3d7c8d4fa7fb2ae7b2a5a9e6ed0bd2d0dcbb5aeb0a8bdbf"


def test_lines_and_json_have_names_keys_and_limits() -> None:
    lines = parse_keys("# clients\n\nalice:first-key\n bob : second:key \n")
    assert [key.name for key in lines] == ["alice", "bob"]
    as_json = parse_keys(json.dumps({
        "alice": "first-key", "bob": {"key": "second:key", "requests_per_minute": 60, "concurrent": 2}, "carol": HASHED,
    }))  # fmt: skip
    assert [key.sha256 for key in as_json[:2]] == [key.sha256 for key in lines]
    assert (as_json[1].requests_per_minute, as_json[1].concurrent) == (60, 2)
    assert as_json[2].sha256.hex() == HASHED.removeprefix("sha256:")
    in_capitals = "sha256:" + HASHED.removeprefix("sha256:").upper()
    assert parse_keys(f"carol:{in_capitals}")[0] == as_json[2]


@pytest.mark.parametrize(
    "text",
    [
        "secret-without-a-name", "a b:secret-key", "alice:secret key", "alice:", "alice:secret-1\nalice:secret-2",
        "alice:secret-1\nbob:secret-1", "{", '{"alice": 5}', '{"alice": {"key": "secret-1", "limit": 5}}',
        '{"alice": {"key": "secret-1", "concurrent": 0}}', '{"alice": {"key": "secret-1", "concurrent": true}}',
        '{"alice": "secret-1", "alice": "secret-2"}', "alice:sha256:secret", f"alice:{HASHED[:-1]}",
    ],
)  # fmt: skip
def test_wrong_keys_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(KeysInvalid) as caught:
        parse_keys(text)
    assert "secret" not in str(caught.value)


def test_a_variable_is_one_key_or_json() -> None:
    assert ApiKeys("one:key", None).find(b"one:key") == ApiKey("default", ApiKeys("one:key", None)._keys[0].sha256)
    both = ApiKeys('{"alice": "a", "bob": "b"}', None)
    assert [getattr(both.find(key), "name", None) for key in (b"a", b"b", b"c", b"")] == ["alice", "bob", None, None]
    assert not ApiKeys("", None)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, now = tmp_path / "keys", [0.0]
    file.write_text("alice:first", encoding="utf-8")
    keys = ApiKeys("", file, clock=lambda: now[0])

    def name(given: bytes) -> str | None:
        now[0] += 2
        found = keys.find(given)
        return found and found.name

    assert name(b"first") == "alice"
    file.write_text("alice:second\nbob:third", encoding="utf-8")
    assert (name(b"first"), name(b"second"), name(b"third")) == (None, "alice", "bob")
    replaced = tmp_path / "new"
    replaced.write_text("carol:fourth", encoding="utf-8")
    replaced.replace(file)
    assert (name(b"second"), name(b"fourth")) == (None, "carol")
    for damage in (lambda: file.write_text("no colon", encoding="utf-8"), lambda: file.write_bytes(b""), file.unlink):
        damage()
        assert name(b"fourth") == "carol"
    assert keys


def test_a_file_that_is_wrong_at_the_start_ends_it(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret-without-a-name", encoding="utf-8")
    for file in (tmp_path / "keys", tmp_path / "none"):
        running = start_server(IMAGE_GEN_API_KEYS_FILE=file)
        assert running.process.wait(30) == 2
        assert f"Fix: correct {file}" in running.log
        assert "secret" not in running.log
    with pytest.raises(ImageGenError, match="IMAGE_GEN_API_KEY: a key's name"):
        ApiKeys('{"": "x"}', None)


def test_requests_a_minute_come_back_one_by_one() -> None:
    now = [0.0]
    limits, key = KeyLimits(clock=lambda: now[0]), ApiKey("alice", b"", requests_per_minute=6)
    for _ in range(6):
        assert limits.begin(key) is None
        limits.end(key)
    exceeded = limits.begin(key)
    assert exceeded is not None
    assert exceeded.retry_after == 10
    now[0] = 9.9
    assert limits.begin(key) is not None
    now[0] = 10.1
    assert limits.begin(key) is None
    assert dict(limits.headers(key))[b"x-ratelimit-remaining-requests"] == b"0"
    assert limits.begin(ApiKey("bob", b"")) is None


@pytest.fixture
def with_keys(start_server: StartServer, tmp_path: Path) -> Server:
    file = tmp_path / "keys"
    file.write_text(
        json.dumps({"alice": "key-of-alice", "bob": {"key": "key-of-bob", "requests_per_minute": 2}}), encoding="utf-8"
    )
    env = {
        "AWS_ACCESS_KEY_ID": "AKIAX",
        "AWS_SECRET_ACCESS_KEY": "geheim",
        "HTTPS_PROXY": "http://anna:geheim@proxy:3128",
    }
    running = start_server(IMAGE_GEN_API_KEYS_FILE=file, IMAGE_GEN_API_KEY="key-of-all", HF_TOKEN="hf_geheim", **env)
    running.wait_phase("ready")
    return running


def test_a_key_over_its_limit_gets_429_and_others_their_picture(with_keys: Server) -> None:
    def post(key: str) -> int:
        return with_keys.post({"prompt": "x"}, {"Authorization": f"Bearer {key}"}).status

    assert [post("key-of-bob") for _ in range(3)] == [200, 200, 429]
    assert [post(key) for key in ("key-of-alice", "key-of-all", "key-of-nobody")] == [200, 200, 401]
    refused = with_keys.post({"prompt": "x"}, {"Authorization": "Bearer key-of-bob"})
    assert refused.json["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert refused.headers["x-ratelimit-limit-requests"] == "2"


def test_no_key_and_no_credential_is_in_the_workers_environment(with_keys: Server) -> None:
    environment = Path(f"/proc/{with_keys.engine_pid()}/environ").read_bytes().decode()
    assert "PYTHONPATH=" in environment
    for secret in ("key-of", "geheim", "AKIAX", "IMAGE_GEN_API_KEY", "AWS_"):
        assert secret not in environment, secret
    assert "key-of" not in with_keys.log


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN", "IMAGE_GEN_API_KEY", "IMAGE_GEN_API_KEYS_FILE",
        "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS", "OTEL_EXPORTER_OTLP_HEADERS",
        "PGPASSWORD", "GITHUB_TOKEN", "OPENAI_API_KEY", "DOCKER_AUTH_CONFIG", "PULUMI_CONFIG_PASSPHRASE",
    ],
)  # fmt: skip
def test_a_variable_of_a_secret_does_not_reach_the_worker(name: str) -> None:
    assert worker_environment({name: "x", "HF_HOME": "/data"}) == {"HF_HOME": "/data"}


def test_what_the_worker_needs_reaches_it() -> None:
    needed = {
        "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0", "LD_LIBRARY_PATH": "/lib", "HF_HOME": "/data",
        "OMP_NUM_THREADS": "2", "TORCHINDUCTOR_CACHE_DIR": "/c", "TOKENIZERS_PARALLELISM": "0",
        "FAKE_WORKER": "{}", "HTTPS_PROXY": "http://proxy:3128", "KEYBOARD": "de",
    }  # fmt: skip
    assert worker_environment(needed | {"HTTP_PROXY": "http://anna:x@proxy"}) == needed
