"""Compares what `image-gen` and a client of Hugging Face tell of one cache."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.faults.stage import Stage
from tests.hf_clients.clients import Client

Line = dict[str, Any]


def check_agreement(stage: Stage, client: Client, *, changed: bool = True) -> None:
    """Raises unless both list the same models, revisions, files and sizes, and the client finds nothing corrupted.

    `changed` is False where the cache is as it was the last time.
    """
    if changed:
        _lines.cache_clear()
    theirs = client.scan(stage)
    assert theirs.problems == [], f"{client.version}: {theirs.problems}"
    status, verified = _lines(stage, "status"), _lines(stage, "verify")
    assert status.keys() == verified.keys() == theirs.revisions.keys()
    for name, revision in theirs.revisions.items():
        ours = status[name]
        assert (ours["files"], ours["bytes"]) == (len(revision.files), revision.size), f"{name}: {ours}, {revision}"
        assert ours["complete"] == (not ours["missing"]) == (not verified[name]["missing"])
        for path, size in revision.files.items():
            source = stage.repo(name[0]) / path
            assert not ours["complete"] or not source.is_file() or size == source.stat().st_size


@cache
def _lines(stage: Stage, command: str) -> dict[tuple[str, str], Line]:
    models: list[Line] = stage.run(command, "--json").json["models"]
    return {(each["id"], each["revision"]): each for each in models if each["revision"]}
