"""`docs/reference/service.json`, from which the pages are made, is what the code says."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/reference"))

import service  # noqa: E402


def test_service_json_is_what_npm_run_docs_writes() -> None:
    written = json.loads((ROOT / "docs/reference/service.json").read_text(encoding="utf-8"))
    made = json.loads(json.dumps(service.document()))
    for part, facts in made.items():
        assert written[part] == facts, f"{part}: run `npm run docs`"
    assert written.keys() == made.keys()


def test_described_defaults_are_those_of_the_settings() -> None:
    """The table of variables states each default that the settings have, but for texts that depend on the image."""
    described = {row["name"]: row["default"] for row in service.environment()}
    names = {"port": "PORT", "host": "HOST", "queue_limit": "IMAGE_GEN_QUEUE_LIMIT", "max_size": "IMAGE_GEN_MAX_SIZE",
             "max_images": "IMAGE_GEN_MAX_IMAGES", "jobs": "IMAGE_GEN_JOBS", "jobs_keep": "IMAGE_GEN_JOBS_KEEP",
             "jobs_limit": "IMAGE_GEN_JOBS_LIMIT", "jobs_max_mb": "IMAGE_GEN_JOBS_MAX_MB",
             "request_timeout": "IMAGE_GEN_REQUEST_TIMEOUT", "drain_timeout": "IMAGE_GEN_DRAIN_TIMEOUT",
             "warmup_size": "IMAGE_GEN_WARMUP_SIZE", "device": "IMAGE_GEN_DEVICE", "dtype": "IMAGE_GEN_DTYPE",
             "endpoint": "HF_ENDPOINT", "read_timeout": "HF_HUB_DOWNLOAD_TIMEOUT"}  # fmt: skip
    defaults = service.defaults()
    for field, name in names.items():
        value = defaults[field]
        shown = str(int(value)) if isinstance(value, float) else str(value)
        assert described[name] == f"`{shown}`", name
