"""The service's settings, read once from the container's environment.

One error names every wrong variable with its valid values. Nothing here reads `os.environ`, files or the network.
"""

import base64
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, get_args

from image_gen.engine_options import AUTO, FEW_STEP_MODES, NONE, parse_options
from image_gen.errors import ModelIdInvalidError, SettingInvalidError, shown
from image_gen.model_cache.core.manifest import split_model_id
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import DEFAULT_MODEL, DEMO_ALIAS, DEMO_MODEL, Verify
from image_gen.model_cache.manifests.lora_source import LoraSource, parse_loras

VERSION: Final = "0.1.0"
# Longer than any load balancer waits: else it sends a request on a connection that is being closed.
KEEP_ALIVE_SECONDS: Final = 4020


def _read(variable: str, default: Any, parse: Callable[[str], Any] = str, **options: Any) -> Any:
    """A field that is read from a variable. `parse` raises ValueError that says what was expected."""
    return field(default=default, metadata={"variable": variable, "parse": parse}, **options)


def _whole(variable: str, default: float, low: int, high: int) -> Any:
    def parse(text: str) -> float:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return type(default)(text)

    return _read(variable, default, parse)


def _amount(variable: str) -> Any:
    def parse(text: str) -> float:
        amount = float(text) if re.fullmatch(r"\d{1,5}(\.\d{1,6})?", text, re.ASCII) else 0.0
        if amount <= 0:
            raise ValueError("a number above 0 and below 100000, such as 0.8048")
        return amount

    return _read(variable, 0.0, parse)


def _choice(variable: str, default: Any, *legal: str, parse: Callable[[str], Any] = str) -> Any:
    def choose(text: str) -> Any:
        if text.lower() not in legal:
            raise ValueError(f"{', '.join(legal[:-1])} or {legal[-1]}")
        return parse(text.lower())

    return _read(variable, default, choose)


def _list(variable: str, pattern: str, expected: str) -> Any:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(part.strip() for part in text.split(",") if part.strip())
        if not names or not all(re.fullmatch(pattern, name) for name in names):
            raise ValueError(expected)
        return names

    return _read(variable, (), parse)


def _s3_address(text: str) -> S3Uri:
    try:
        return S3Uri.parse(text, "")
    except SettingInvalidError:
        raise ValueError("s3://bucket/prefix") from None


def _engines(text: str) -> int | None:
    if text.lower() == "auto":
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 64:
        raise ValueError("auto or a whole number from 1 to 64")
    return int(text)


def _webhook_secret(text: str) -> bytes:
    """As Standard Webhooks writes it."""
    with suppress(ValueError):
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        if text.startswith("whsec_") and 24 <= len(secret) <= 64:
            return secret
    raise ValueError("whsec_ and 24 to 64 bytes in base64, such as `echo whsec_$(openssl rand -base64 32)` prints")


@dataclass(frozen=True)
class Settings:
    """What the operator decided. Times are in seconds, sizes in pixels; without `verify` it depends on the source, an
    empty `vae_id` is the model's own VAE. Without `api_key` and `api_keys_file` every client is allowed, without
    `allowed_hosts` every name of the service.
    """

    model_id: str = _read("MODEL_ID", DEFAULT_MODEL)
    model_revision: str | None = _read("MODEL_REVISION", None)
    model_dir: Path | None = _read("MODEL_DIR", None, Path)  # noqa: RUF009 -- `_read` makes a field
    hub_endpoint_overridden: bool = _read("HF_ENDPOINT", False, bool)
    # A container publishes its port, and the operator says to whom.
    host: str = _read("HOST", "0.0.0.0")  # noqa: S104 -- a container publishes its port
    port: int = _whole("PORT", 8000, 0, 65535)
    device: str = _choice("IMAGE_GEN_DEVICE", "auto", "auto", "cpu", "cuda", "mps")
    dtype: str = _choice("IMAGE_GEN_DTYPE", "auto", "auto", "float16", "bfloat16", "float32")
    offload: str = _choice("IMAGE_GEN_OFFLOAD", "auto", "auto", "none", "encoders", "model", "layers")
    queue_limit: int = _whole("IMAGE_GEN_QUEUE_LIMIT", 8, 0, 10_000)
    request_timeout: float = _whole("IMAGE_GEN_REQUEST_TIMEOUT", 600.0, 1, 86_400)
    drain_timeout: float = _whole("IMAGE_GEN_DRAIN_TIMEOUT", 20.0, 0, 3_600)
    warmup_size: int = _whole("IMAGE_GEN_WARMUP_SIZE", 0, 0, 4096)
    max_size: int = _whole("IMAGE_GEN_MAX_SIZE", 1536, 64, 8192)
    max_images: int = _whole("IMAGE_GEN_MAX_IMAGES", 10, 1, 32)
    verify: Verify | None = _choice("IMAGE_GEN_VERIFY", None, *get_args(Verify))  # noqa: RUF009 -- `_choice` makes a field
    vae_id: str = _read("VAE_ID", "")
    compile_enabled: bool = _choice("IMAGE_GEN_COMPILE", False, "0", "1", parse="1".__eq__)
    compile_cache: S3Uri | None = _read("IMAGE_GEN_COMPILE_CACHE", None, _s3_address)  # noqa: RUF009 -- `_read` makes a field
    engine_options: tuple[str, ...] = _read("IMAGE_GEN_ENGINE_OPTIONS", (AUTO,), parse_options)
    api_key: str = _read("IMAGE_GEN_API_KEY", "", repr=False)
    api_keys_file: Path | None = _read("IMAGE_GEN_API_KEYS_FILE", None, Path)  # noqa: RUF009 -- `_read` makes a field
    log_format: str = _choice("IMAGE_GEN_LOG_FORMAT", "text", "text", "json")
    allowed_hosts: tuple[str, ...] = _list(
        "IMAGE_GEN_ALLOWED_HOSTS",
        r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]",
        "names of hosts without a port, with commas between them, such as images.example.com,*.internal.example.com",
    )
    cors_origins: tuple[str, ...] = _list(
        "IMAGE_GEN_CORS_ORIGINS",
        r"\*|https?://[A-Za-z0-9_.-]+(:\d{1,5})?",
        "* or origins with commas between them, such as https://app.example.com,http://localhost:3000",
    )
    engines: int | None = _read("IMAGE_GEN_ENGINES", None, _engines)
    jobs: str = _choice("IMAGE_GEN_JOBS", "disk", "disk", "memory", "none")
    jobs_keep: float = _whole("IMAGE_GEN_JOBS_KEEP", 86_400.0, 1, 2_592_000)
    jobs_limit: int = _whole("IMAGE_GEN_JOBS_LIMIT", 1000, 1, 100_000)
    webhook_secret: bytes | None = _read("IMAGE_GEN_WEBHOOK_SECRET", None, _webhook_secret, repr=False)
    webhook_private: bool = _choice("IMAGE_GEN_WEBHOOK_PRIVATE", False, "0", "1", parse="1".__eq__)
    picture_url_seconds: int = _whole("IMAGE_GEN_PICTURE_URL_SECONDS", 0, 0, 2_592_000)
    jobs_max_mb: int = _whole("IMAGE_GEN_JOBS_MAX_MB", 1000, 1, 1_000_000)
    loras: tuple[LoraSource, ...] = _read("IMAGE_GEN_LORAS", (), parse_loras)
    few_steps: str = _choice("IMAGE_GEN_FEW_STEPS", NONE, NONE, *FEW_STEP_MODES)
    safety_checker: str = _read("IMAGE_GEN_SAFETY_CHECKER", "")
    usd_per_hour: float = _amount("IMAGE_GEN_USD_PER_HOUR")

    def verify_mode(self, source: str) -> Verify:
        """How a model is verified at a start. One in the image was verified when the image was built."""
        return self.verify or ("size" if source == "baked" else "recorded")

    @property
    def is_demo(self) -> bool:
        """Whether the model is the demo model."""
        return self.model_id in {DEMO_ALIAS, DEMO_MODEL}

    @property
    def served_id(self) -> str:
        """The name of what is served. A directory is named by its path: MODEL_ID, which always has a value in a
        container, says nothing about it.
        """
        if self.model_dir is not None:
            return str(self.model_dir)
        return DEMO_MODEL if self.is_demo else self.model_id

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Reads the variables of the container's contract; raises `ImageGenError` SETTING_INVALID naming all
        problems.
        """
        values, problems = {}, {}
        for each in fields(cls):
            variable, parse = each.metadata["variable"], each.metadata["parse"]
            if text := env.get(variable, "").strip():
                try:
                    values[each.name] = parse(text)
                except ValueError as error:
                    problems[variable] = (
                        f"{variable}: expected {error}, got {shown(text) if each.repr else 'another text'}"
                    )
        if values.get("loras") and values.get("compile_enabled"):
            problems["IMAGE_GEN_LORAS"] = (
                "IMAGE_GEN_LORAS: expected none with IMAGE_GEN_COMPILE=1: compiled blocks take none"
            )
        mode = values.get("few_steps", NONE)
        if mode != NONE and mode not in {lora.name for lora in values.get("loras", ())}:
            problems["IMAGE_GEN_FEW_STEPS"] = (
                f"IMAGE_GEN_FEW_STEPS: expected a LoRA of this name in IMAGE_GEN_LORAS, got {mode} without one"
            )
        if problems:
            raise SettingInvalidError(
                f"{'; '.join(problems.values())}. Fix: correct {' and '.join(problems)}, or leave out what is not "
                "needed, where the service gets its environment (the shell, Compose's .env, the key `environment` of a "
                "stack), and start it again."
            )
        if "model_dir" not in values and values.get("model_id", "").startswith(("/", "./", "../", "~/")):
            values["model_dir"] = Path(values.pop("model_id")).expanduser()
        if "model_id" in values and "model_dir" not in values:
            # What is no id at all is an error of the model, and not of the start.
            with suppress(ModelIdInvalidError):
                given = split_model_id(values["model_id"], values.get("model_revision"))
                values["model_id"], values["model_revision"] = given
        return cls(**values)
