"""The environment of every program that a bench starts: of this shell what a process needs, and no network."""

from __future__ import annotations

import os


def environment() -> dict[str, str]:
    """What each contestant gets, and no more."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return kept | {
        "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error",
        "DIFFUSERS_VERBOSITY": "error", "OMP_WAIT_POLICY": "PASSIVE",
    }  # fmt: skip
