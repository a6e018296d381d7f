"""What a model's directory lacks, by the list of the hub's client, and by the pipeline itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache.cache.complete import check_files, manifest_of, read_tree

COMMIT = "a" * 40


def lacks(directory: Path, listed: dict[str, int] | None = None) -> tuple[str, ...]:
    """What the pipeline lacks, where the hub's client listed files with these sizes."""
    root = directory.parent
    if listed is not None:
        files = {path: {"size": size, "blob_id": "b" * 40} for path, size in listed.items()}
        (root / "trees").mkdir()
        (root / "trees" / f"{COMMIT}.json").write_text(json.dumps({"format_version": 1, "files": files}))
    manifest = manifest_of(directory, "test/model", COMMIT, read_tree(root, COMMIT))
    assert manifest is not None
    return check_files(directory, manifest.files).missing


@pytest.mark.parametrize("gone", ["model_index.json", "tokenizer/merges.txt", "scheduler/scheduler_config.json", UNET])
def test_without_a_list_the_pipeline_says_what_it_lacks(make_repo: MakeRepo, gone: str) -> None:
    repo = make_repo()
    assert lacks(repo) == ()
    (repo / gone).unlink()
    # No list says in which precision the weights were.
    assert lacks(repo) == (gone.replace(".fp16", ""),)


def test_with_a_list_every_file_of_a_tokenizer_is_needed(make_repo: MakeRepo) -> None:
    repo = make_repo()
    there = {path.relative_to(repo).as_posix(): path.stat().st_size for path in repo.rglob("*") if path.is_file()}
    assert lacks(repo, there | {"tokenizer/added_tokens.json": 5, "unet/model.onnx": 5, "other.ckpt": 5}) == (
        "tokenizer/added_tokens.json",
    )


def test_an_index_names_the_shards(make_repo: MakeRepo) -> None:
    repo = make_repo()
    shards = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = {"weight_map": {"a": shards[0], "b": shards[1]}}
    (repo / UNET).rename(repo / "unet" / shards[0])
    (repo / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    assert lacks(repo) == (f"unet/{shards[1]}",)


def test_a_file_that_is_cut_off_is_lacking(make_repo: MakeRepo) -> None:
    header = json.dumps({"w": {"dtype": "U8", "shape": [100], "data_offsets": [0, 100]}}).encode()
    repo = make_repo(**{UNET: len(header).to_bytes(8, "little") + header + bytes(99)})
    (repo / "vae/config.json").write_text('{"vae":')
    assert set(lacks(repo)) == {"unet/diffusion_pytorch_model.safetensors", "vae/config.json"}


def test_an_incomplete_model_dir_is_refused(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    (repo / "tokenizer_2/vocab.json").unlink()
    with pytest.raises(ImageGenError, match=r"lacks tokenizer_2/vocab\.json") as caught:
        make_cache().ensure("whatever", model_dir=repo)
    assert caught.value.code == "MODEL_DIR_INVALID"
