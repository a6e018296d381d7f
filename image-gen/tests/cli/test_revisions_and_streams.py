"""Revisions as people give them, and streams and settings that a shell may hand over."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen.model_cache.core.manifest import check_revision


@pytest.fixture
def pair(make_repo: MakeRepo, make_cache: MakeCache) -> ModelCache:
    """A model at two revisions."""
    make_repo("test/model", seed=1)
    make_repo("test/model@v2", seed=2)
    cache = make_cache()
    cache.ensure("test/model")
    cache.ensure("test/model", revision="v2")
    return cache


def env_of(cache: ModelCache, **others: str) -> dict[str, str]:
    return {"HF_HOME": str(cache.settings.hf_home), "HF_ENDPOINT": cache.settings.endpoint} | others


@pytest.mark.parametrize("revision", ["", " ", "\t"])
def test_an_empty_revision_clears_nothing(pair: ModelCache, revision: str) -> None:
    assert main(["clear", "--model", "test/model", "--revision", revision, "--yes"], env_of(pair)) == 2
    assert len(pair.status().models) == 2


@pytest.mark.parametrize("digits", [1, 4, 6])
def test_few_digits_are_no_revision(pair: ModelCache, digits: int) -> None:
    commit = pair.status().models[0].revision or ""
    assert main(["clear", "--model", "test/model", "--revision", commit[:digits], "--yes"], env_of(pair)) == 1
    assert len(pair.status().models) == 2


@pytest.mark.parametrize(
    "pasted",
    ["test/model@v2", "https://huggingface.co/test/model/tree/v2", "https://huggingface.co/test/model/tree/main"],
)
def test_a_pasted_page_clears_its_revision_alone(pair: ModelCache, pasted: str) -> None:
    assert main(["clear", "--model", pasted, "--yes"], env_of(pair)) == 0
    (left,) = pair.status().models
    assert left.refs == (("v2",) if pasted.endswith("main") else ("main",))


@pytest.mark.parametrize("form", ["{:.12}", "{}", " {} ", "v2", " v2 ", "refs/heads/v2", "refs/tags/v2", "upper"])
def test_a_revision_is_understood_in_every_form(pair: ModelCache, form: str) -> None:
    commit = next(each.revision or "" for each in pair.status().models if each.refs == ("v2",))
    text = commit.upper() if form == "upper" else form.format(commit)
    found = pair.locate("test/model", text)
    assert found is not None and found.revision == commit
    assert main(["clear", "--model", "test/model", f"--revision={text}", "--yes"], env_of(pair)) == 0


@pytest.mark.parametrize("text", ["..", ".", "refs/../main", "a..b", "/etc", "a//b", "x/.y", "a b", "a\0b"])
def test_what_is_no_name_of_a_branch_is_refused(pair: ModelCache, text: str) -> None:
    with pytest.raises(ImageGenError) as caught:
        pair.ensure("test/model", revision=text)
    assert caught.value.code == "MODEL_ID_INVALID" and "Fix" in caught.value.message
    assert check_revision("refs/pr/1") == "refs/pr/1"


@pytest.mark.parametrize(
    ("model", "revision"),
    [("https://huggingface.co/test/model/tree/v2", ""), ("test/model@v2", ""), ("test/model", " v2 ")],
)
def test_gc_keeps_what_a_pasted_id_serves(pair: ModelCache, model: str, revision: str) -> None:
    env = env_of(pair, MODEL_ID=model, MODEL_REVISION=revision)
    main(["gc", "--keep-free", "9000TB"], env)
    assert [each.refs for each in pair.status().models] == [("v2",)]


@pytest.mark.parametrize("value", ["inf", "1e10", "nan", "0", "-1"])
def test_a_timeout_has_an_end(value: str) -> None:
    with pytest.raises(ImageGenError, match="seconds"):
        CacheSettings.from_env({"HF_HUB_DOWNLOAD_TIMEOUT": value})


@pytest.mark.parametrize("name", ["HF_HOME", "HF_HUB_CACHE", "IMAGE_GEN_HOST_CACHE", "SSL_CERT_FILE"])
def test_a_home_that_is_not_known_is_named(name: str) -> None:
    with pytest.raises(ImageGenError, match=f"{name}.*Fix"):
        CacheSettings.from_env({name: "~nobody-has-this-name/x"})


def run(shell: str, home: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"HF_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        ["bash", "-c", shell.replace("IMAGE_GEN", shlex.join([sys.executable, "-m", "image_gen"]))],
        check=False, capture_output=True, text=True, env=env, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shell", "code"),
    [
        ("IMAGE_GEN status > /dev/full", 1),
        ("IMAGE_GEN status --json > /dev/full", 1),
        ("IMAGE_GEN status >&-", 0),
        ("IMAGE_GEN backup >&-", 2),
        ("IMAGE_GEN restore <&-", 2),
        ("mkdir gone && cd gone && rmdir ../gone && HF_HOME=rel IMAGE_GEN status", 1),
    ],
)
def test_streams_that_are_full_or_closed_end_in_one_line(tmp_path: Path, shell: str, code: int) -> None:
    ended = run(f"cd {shlex.quote(str(tmp_path))} && {shell}", tmp_path / "home")
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr and "Exception" not in ended.stderr
    assert code == 0 or "Fix" in ended.stderr
