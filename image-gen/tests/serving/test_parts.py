"""The pure parts: settings, wording, readiness, and the collecting of orphans."""

import base64
import logging
import os
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from image_gen.errors import EngineDiedError, GatedModelError, HubUnreachableError, ImageGenError
from image_gen.log import configure
from image_gen.model_cache import Progress
from image_gen.model_cache.core.filesystem import format_bytes
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import DEFAULT_MODEL
from image_gen.model_cache.manifests.lora_source import parse_loras
from image_gen.serving.engine_failures import restart_delay
from image_gen.serving.model_loader import duration, first_run_note, progress_line, retry_delay
from image_gen.serving.readiness import Readiness
from image_gen.serving.reaper import reap_once
from image_gen.settings import VERSION, Settings

ROOT = Path(__file__).parents[2]


def test_a_path_as_model_id_is_a_model_of_ones_own() -> None:
    for text in ("/data/photos.safetensors", "./photos", "../photos"):
        settings = Settings.from_env({"MODEL_ID": text})
        assert (settings.model_dir, settings.served_id) == (Path(text), str(Path(text)))
    assert Settings.from_env({"MODEL_ID": "/a", "MODEL_DIR": "/b"}).model_dir == Path("/b")


def test_settings_of_an_empty_environment_are_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"MODEL_ID": " ", "PORT": "", "HF_ENDPOINT": ""}) == Settings()
    assert Settings().model_id == DEFAULT_MODEL


SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
LORAS = f"mine=/m.safetensors,sketch=acme/sketch@{'0' * 40}"
# Each variable's text, with the field that it is read into, and its value there.
VARIABLES: dict[str, tuple[str, str, object]] = {
    "MODEL_ID": ("demo", "model_id", "demo"),
    "MODEL_REVISION": ("abc", "model_revision", "abc"),
    "MODEL_DIR": ("/m", "model_dir", Path("/m")),
    "HF_ENDPOINT": ("http://h", "hub_endpoint_overridden", True),
    "HOST": ("::1", "host", "::1"),
    "PORT": ("1", "port", 1),
    "IMAGE_GEN_DEVICE": ("CUDA", "device", "cuda"),
    "IMAGE_GEN_DTYPE": ("bfloat16", "dtype", "bfloat16"),
    "IMAGE_GEN_COMPILE_CACHE": ("s3://bucket/compiled", "compile_cache", S3Uri("bucket", "compiled")),
    "IMAGE_GEN_ENGINE_OPTIONS": ("auto,channels-last", "engine_options", ("auto", "channels-last")),
    "IMAGE_GEN_OFFLOAD": ("layers", "offload", "layers"),
    "IMAGE_GEN_QUEUE_LIMIT": ("0", "queue_limit", 0),
    "IMAGE_GEN_REQUEST_TIMEOUT": ("2", "request_timeout", 2.0),
    "IMAGE_GEN_DRAIN_TIMEOUT": ("3", "drain_timeout", 3.0),
    "IMAGE_GEN_WARMUP_SIZE": ("4", "warmup_size", 4),
    "IMAGE_GEN_MAX_SIZE": ("512", "max_size", 512),
    "IMAGE_GEN_MAX_IMAGES": ("5", "max_images", 5),
    "IMAGE_GEN_VERIFY": ("changed", "verify", "changed"),
    "VAE_ID": ("test/vae", "vae_id", "test/vae"),
    "IMAGE_GEN_COMPILE": ("1", "compile_enabled", True),
    "IMAGE_GEN_API_KEY": ("key", "api_key", "key"),
    "IMAGE_GEN_API_KEYS_FILE": ("/k", "api_keys_file", Path("/k")),
    "IMAGE_GEN_LOG_FORMAT": ("JSON", "log_format", "json"),
    "IMAGE_GEN_ALLOWED_HOSTS": (
        "images.example, *.internal,[::1]", "allowed_hosts", ("images.example", "*.internal", "[::1]")
    ),
    "IMAGE_GEN_CORS_ORIGINS": (
        "https://app.example,http://localhost:3000", "cors_origins", ("https://app.example", "http://localhost:3000")
    ),
    "IMAGE_GEN_ENGINES": ("2", "engines", 2),
    "IMAGE_GEN_JOBS": ("memory", "jobs", "memory"),
    "IMAGE_GEN_JOBS_KEEP": ("60", "jobs_keep", 60.0),
    "IMAGE_GEN_JOBS_LIMIT": ("6", "jobs_limit", 6),
    "IMAGE_GEN_JOBS_MAX_MB": ("7", "jobs_max_mb", 7),
    "IMAGE_GEN_WEBHOOK_SECRET": (SECRET, "webhook_secret", bytes(32)),
    "IMAGE_GEN_WEBHOOK_PRIVATE": ("1", "webhook_private", True),
    "IMAGE_GEN_PICTURE_URL_SECONDS": ("8", "picture_url_seconds", 8),
    "IMAGE_GEN_FEW_STEPS": ("lcm", "few_steps", "lcm"),
    "IMAGE_GEN_LORAS": (LORAS, "loras", parse_loras(LORAS)),
    "IMAGE_GEN_USD_PER_HOUR": ("0.8048", "usd_per_hour", 0.8048),
    "IMAGE_GEN_SAFETY_CHECKER": ("acme/checker", "safety_checker", "acme/checker"),
}  # fmt: skip


def test_settings_read_every_variable() -> None:
    assert set(VARIABLES) == {each.metadata["variable"] for each in fields(Settings)}
    for variable, (text, name, value) in VARIABLES.items():
        # A mode needs its LoRA.
        more = {"IMAGE_GEN_LORAS": "lcm=/m.safetensors"} if name == "few_steps" else {}
        read, without = Settings.from_env({variable: text, **more}), Settings.from_env(more)
        assert getattr(read, name) == value
        assert [each for each in vars(read) if vars(read)[each] != vars(without)[each]] == [name]
    assert Settings.from_env({"MODEL_ID": "demo"}).is_demo


@pytest.mark.parametrize("value", ["x", "-1", "65536", "8_000", "٣", "1e3"])
def test_invalid_port_is_reported(value: str) -> None:
    with pytest.raises(ImageGenError, match="PORT: expected a whole number from 0 to 65535") as caught:
        Settings.from_env({"PORT": value})
    assert caught.value.code == "SETTING_INVALID"


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == VERSION


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (9_996, "10 kB"), (524_619, "525 kB"), (999_600, "1 MB"),
     (6_941_187_536, "6.94 GB"), (71.63 * 2**30, "76.9 GB"), (5e15, "5000 TB")],
)  # fmt: skip
def test_format_bytes_uses_decimal_units(count: float, text: str) -> None:
    assert format_bytes(count) == text


def test_the_guides_note_holds_the_real_size_and_its_time() -> None:
    assert first_run_note(6_941_187_536) == (
        "NOTE: First run will download ~6.94 GB model files - this can take 5-15 minutes!"
    )
    assert first_run_note(2_134_194_125) == (
        "NOTE: First run will download ~2.13 GB model files - this can take 2-5 minutes!"
    )
    assert first_run_note(3_000_000).endswith("this takes less than a minute.")


def test_progress_line_and_duration() -> None:
    half = Progress("fetching", 500, 1000, "f", 100.0, 5.0)
    assert progress_line(half) == "Downloading: 50% (500 B of 1 kB), 100 B/s, 5 s left"
    assert progress_line(Progress("verifying", 0, 0, None, 0.0, None)) == "Verifying: 100% (0 B of 0 B), 0 B/s"
    assert [duration(seconds) for seconds in (59.4, 60, 3599, 3600, 90_000)] == [
        "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "25 h 0 min",
    ]  # fmt: skip


def test_retry_and_restart_delays_grow_to_a_limit() -> None:
    assert [retry_delay(n) for n in (1, 2, 3, 7, 30)] == [5, 10, 20, 300, 300]
    assert [restart_delay(n) for n in (1, 2, 3, 7, 30)] == [1, 2, 4, 60, 60]


def test_the_seconds_of_each_phase_add_up() -> None:
    now = [0.0]
    readiness = Readiness("m", None, "1", clock=lambda: now[0])
    now[0] = 1.0
    readiness.enter("fetching")
    now[0] = 3.0
    readiness.fail(HubUnreachableError("down"))
    now[0] = 10.0
    readiness.enter("fetching")
    assert readiness.error is None
    now[0] = 11.5
    assert readiness.phase_seconds() == {"starting": 1.0, "fetching": 3.5}


def test_the_timeline_has_each_phase_of_this_start_and_what_happened_beside_them() -> None:
    now = [100.0]
    readiness = Readiness("m", None, "1", clock=lambda: now[0])

    def timeline() -> list[tuple[object, ...]]:
        return [tuple(each.values()) for each in readiness.as_json()["timeline"]]  # type: ignore[attr-defined] # a list of objects

    now[0] = 101.0
    readiness.enter("fetching")
    now[0] = 103.0
    readiness.timeline.imported(2.5)
    readiness.fail(HubUnreachableError("down"))
    readiness.fail(HubUnreachableError("down again"))
    now[0] = 108.0
    readiness.enter("fetching")
    now[0] = 109.0
    expected = [
        ("starting", 0.0, 1.0, None), ("importing", 0.5, 2.5, None), ("fetching", 1.0, 2.0, None),
        ("failed", 3.0, 5.0, "HUB_UNREACHABLE"), ("fetching", 8.0, 1.0, None),
    ]  # fmt: skip
    assert timeline() == expected
    readiness.enter("ready")
    now[0] = 500.0
    assert timeline() == expected
    readiness.fail(EngineDiedError("it was ended"))
    now[0] = 501.0
    readiness.enter("loading")
    assert timeline() == [("failed", 0.0, 1.0, "ENGINE_DIED"), ("loading", 1.0, 0.0, None)]


def test_the_timeline_of_a_start_that_fails_for_days_has_a_limit() -> None:
    readiness = Readiness("m", None, "1")
    for _ in range(100):
        readiness.fail(HubUnreachableError("down"))
        readiness.timeline.imported(0.0)
        readiness.clear_failure()
    assert len(readiness.timeline.as_json()) <= 42
    assert readiness.timeline.as_json()[-1]["phase"] == "starting"


def test_a_lasting_error_is_not_forgotten_and_stopping_is_the_end() -> None:
    readiness = Readiness("m", None, "1")
    readiness.fail(GatedModelError("no"))
    readiness.enter("fetching")
    assert readiness.as_json()["phase"] == "failed"
    assert readiness.as_json()["error"] == {"code": "GATED_MODEL", "message": "no", "retryable": False}
    readiness.enter("stopping")
    readiness.enter("ready")
    readiness.fail(EngineDiedError("it was ended"))
    assert readiness.phase == "stopping"


def test_a_line_of_the_log_is_prefixed_and_keeps_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    log = configure(["hf_secret_token", ""], stream=sys.stdout)
    log.warning("with hf_secret_token\nsecond")
    assert capsys.readouterr().out == "[image-gen] WARNING: with ***\n[image-gen] second\n"


def test_a_line_of_a_plain_file_begins_with_its_time_in_utc(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        log = configure([], stream=stream)
        record = log.makeRecord(log.name, logging.INFO, "", 0, "first\nsecond", (), None)
        record.created = 1_700_000_000.25
        log.handle(record)
    configure()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == [f"2023-11-14T22:13:20.250Z [image-gen] {word}" for word in ("first", "second")]


def test_a_trace_in_the_log_has_places_and_not_the_exceptions_text(capsys: pytest.CaptureFixture[str]) -> None:
    log = configure(stream=sys.stdout)
    try:
        raise ValueError("a very secret garden")
    except ValueError as error:
        log.error("It failed", exc_info=error)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "[image-gen] ERROR: It failed"
    assert "test_parts.py:" in shown[1] and shown[-1] == "[image-gen] ValueError"
    assert "garden" not in "".join(shown)


def test_orphans_are_collected_and_own_children_are_not() -> None:
    with subprocess.Popen(["true"]) as own:
        os.waitid(os.P_PID, own.pid, os.WEXITED | os.WNOWAIT)
        assert reap_once(lambda pid: pid == own.pid) == 0
        assert own.wait() == 0
    orphan = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)
    assert reap_once(lambda _: False) == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(orphan, 0)


def test_the_server_never_imports_torch_and_the_first_answer_never_starlette() -> None:
    code = (
        "import sys, image_gen.serving.main; heavy = {'torch', 'diffusers', 'transformers', 'huggingface_hub', "
        "'starlette', 'pydantic', 'prometheus_client', 'httpx2'} & set(sys.modules); print(sorted(heavy)); "
        "import image_gen.serving.app; print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout == "[]\n[]\n"
