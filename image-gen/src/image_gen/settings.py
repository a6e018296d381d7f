"""The service's settings, read once from the container's environment.

One error names every wrong variable with its valid values. Nothing here reads `os.environ`, files or the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast, get_args

from image_gen.errors import SettingInvalidError
from image_gen.model_cache.core.settings import DEFAULT_MODEL, DEMO_ALIAS, DEMO_MODEL, Verify

VERSION: Final = "0.1.0"


@dataclass(frozen=True)
class Settings:
    """What the operator decided. Times are in seconds, sizes in pixels; without `verify` it depends on the source, an
    empty `vae_id` is the model's own VAE, an empty `api_key` allows every client.
    """

    model_id: str = DEFAULT_MODEL
    model_revision: str | None = None
    model_dir: Path | None = None
    hub_endpoint_overridden: bool = False
    host: str = "0.0.0.0"  # noqa: S104 - a container publishes its port, the operator says to whom
    port: int = 8000
    device: str = "auto"
    dtype: str = "auto"
    queue_limit: int = 8
    request_timeout: float = 600.0
    drain_timeout: float = 20.0
    warmup_size: int = 0
    max_size: int = 1536
    verify: Verify | None = None
    vae_id: str = ""
    compile_enabled: bool = False
    api_key: str = field(default="", repr=False)

    def verify_mode(self, source: str) -> Verify:
        """How much of a model is hashed at a start. A model in the image was verified when the image was built."""
        return self.verify or ("size" if source == "baked" else "full")

    @property
    def is_demo(self) -> bool:
        """Whether the model is the demo model."""
        return self.model_id in {DEMO_ALIAS, DEMO_MODEL}

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Reads the variables of the container's contract; raises `ImageGenError` SETTING_INVALID naming all
        problems.
        """
        reader = _Reader(env)
        settings = cls(
            model_id=reader.text("MODEL_ID", cls.model_id),
            model_revision=reader.text("MODEL_REVISION", "") or None,
            model_dir=Path(path) if (path := reader.text("MODEL_DIR", "")) else None,
            compile_enabled=reader.choice("IMAGE_GEN_COMPILE", ("0", "1")) == "1",
            vae_id=reader.text("VAE_ID", ""),
            api_key=reader.text("IMAGE_GEN_API_KEY", ""),
            hub_endpoint_overridden=bool(reader.text("HF_ENDPOINT", "")),
            host=reader.text("HOST", cls.host),
            port=reader.whole("PORT", cls.port, 0, 65535),
            device=reader.choice("IMAGE_GEN_DEVICE", ("auto", "cpu", "cuda", "mps")),
            dtype=reader.choice("IMAGE_GEN_DTYPE", ("auto", "float16", "bfloat16", "float32")),
            queue_limit=reader.whole("IMAGE_GEN_QUEUE_LIMIT", cls.queue_limit, 0, 10_000),
            request_timeout=float(reader.whole("IMAGE_GEN_REQUEST_TIMEOUT", int(cls.request_timeout), 1, 86_400)),
            drain_timeout=float(reader.whole("IMAGE_GEN_DRAIN_TIMEOUT", int(cls.drain_timeout), 0, 3_600)),
            warmup_size=reader.whole("IMAGE_GEN_WARMUP_SIZE", cls.warmup_size, 0, 4096),
            verify=cast("Verify | None", reader.choice("IMAGE_GEN_VERIFY", get_args(Verify), unset="") or None),
            max_size=reader.whole("IMAGE_GEN_MAX_SIZE", cls.max_size, 64, 8192),
        )
        if reader.problems:
            raise SettingInvalidError("; ".join(reader.problems) + ". Fix: correct the environment and restart.")
        return settings


class _Reader:
    """Reads single variables and collects all problems, so that they are reported together."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._env.get(name, "").strip() or default

    def choice(self, name: str, legal: tuple[str, ...], unset: str | None = None) -> str:
        """One of `legal`; without a value `unset`, or else the first of them."""
        value = self.text(name, legal[0] if unset is None else unset).lower()
        if value not in {*legal, unset}:
            self.problems.append(f"{name}: expected {', '.join(legal[:-1])} or {legal[-1]}, got {value!r}")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        raw = self.text(name, str(default))
        if not raw.isascii() or not raw.isdigit() or not low <= int(raw) <= high:
            self.problems.append(f"{name}: expected a whole number from {low} to {high}, got {raw!r}")
            return default
        return int(raw)
