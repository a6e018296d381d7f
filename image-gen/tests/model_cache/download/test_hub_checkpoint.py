"""A checkpoint inside a repository of the hub: that file alone is downloaded, and is kept like every model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.manifests.lora_source import LoraSource
from image_gen_demo.hub import DemoHub

ID, FILE = "test/files", "own.safetensors"
NAME = f"{ID}/{FILE}"
UNET = "model.diffusion_model.input_blocks.0.0.weight"
VAE = "first_stage_model.decoder.conv_in.weight"
CLIP_XL = "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight"
OPEN_CLIP_XL = "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias"
CLIP = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"


def content(names: Sequence[str] = (UNET, VAE, CLIP), weights: int = 700_000) -> bytes:
    """A file with the header of a checkpoint."""
    header = {
        name: {"dtype": "U8", "shape": [320, 4, 3, 3], "data_offsets": [index * weights, (index + 1) * weights]}
        for index, name in enumerate(names)
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(len(names) * weights)


@pytest.fixture
def repo(hub: DemoHub, tmp_path: Path) -> Path:
    """A repository with a checkpoint, one in a folder, and what must not be downloaded."""
    del hub
    place = tmp_path / "hub-root" / ID
    (place / "old").mkdir(parents=True)
    (place / FILE).write_bytes(content())
    (place / "old" / "first.safetensors").write_bytes(content(weights=900))
    (place / "other.safetensors").write_bytes(b"x" * 5000)
    (place / "own.ckpt").write_bytes(b"\x80\x02")
    (place / "README.md").write_text("---\nlicense: mit\n---\n")
    return place


def resolved(hub: DemoHub) -> set[str]:
    return {
        each["path"].partition("/resolve/")[2].partition("/")[2] for each in hub.requests if "resolve" in each["path"]
    }


@pytest.mark.usefixtures("repo")
def test_only_the_file_is_downloaded_once(make_cache: MakeCache, hub: DemoHub) -> None:
    model = make_cache().ensure(NAME)
    assert (model.name, model.model_id, model.source) == (NAME, ID, "download")
    assert (model.checkpoint, model.pipeline, dict(model.load)) == ("stable-diffusion", "StableDiffusionPipeline", {})
    assert [each.path for each in model.files] == [FILE] and model.verified == {FILE} and model.licence == "mit"
    assert resolved(hub) == {FILE}
    hub.forget()
    again = make_cache().ensure(NAME)
    assert (again.checkpoint, again.source, again.revision) == ("stable-diffusion", "volume", model.revision)
    assert make_cache().verify().ok and all(each.complete for each in make_cache().status().models)
    assert hub.requests == []
    # Another file of the same commit.
    assert make_cache().ensure(f"{ID}/old/first.safetensors").files[0].path == "old/first.safetensors"
    assert make_cache(offline=True).ensure(NAME).source == "volume" and resolved(hub) == {"old/first.safetensors"}


@pytest.mark.parametrize("revision", ["commit", "main", "v2"])
def test_it_is_pinned_by_a_revision(
    repo: Path, make_cache: MakeCache, tmp_path: Path, revision: str, hub: DemoHub
) -> None:
    second = tmp_path / "hub-root" / f"{ID}@v2"
    second.mkdir()
    (second / FILE).write_bytes(content(weights=800))
    commit = make_cache().ensure(NAME).revision
    found = make_cache().ensure(NAME, revision=commit if revision == "commit" else revision)
    assert (found.revision == commit) == (revision != "v2")
    assert (found.directory / FILE).read_bytes() == ((second if revision == "v2" else repo) / FILE).read_bytes()
    (repo / FILE).write_bytes(content(weights=600))
    hub.forget()
    assert make_cache().ensure(NAME, revision=commit).revision == commit and hub.requests == []


@pytest.mark.usefixtures("repo")
def test_a_damaged_one_is_repaired(make_cache: MakeCache, hub: DemoHub) -> None:
    cache = make_cache()
    model = cache.ensure(NAME)
    with (model.directory / FILE).resolve().open("r+b") as stream:
        stream.write(b"damage")
    hub.forget()
    repaired = cache.verify_and_repair(cache.ensure(NAME), verify="full")
    assert (repaired.checkpoint, repaired.pipeline) == ("stable-diffusion", "StableDiffusionPipeline")
    assert (repaired.directory / FILE).read_bytes() == content() and resolved(hub) == {FILE}


@pytest.mark.parametrize(
    ("data", "code", "why"),
    [
        (content((UNET, VAE)), "NOT_A_PIPELINE", "it is a UNet alone"),
        (content((UNET, CLIP)), "NOT_A_PIPELINE", "it has no VAE"),
        (content()[:-1], "NOT_A_PIPELINE", "is cut off"),
        (b"PK\x03\x04" + b"x" * 50, "UNSAFE_MODEL", "is a pickle"),
        (b"<html>", "NOT_A_PIPELINE", "does not begin as one"),
    ],
)
def test_another_kind_is_refused_before_it_is_downloaded(
    repo: Path, make_cache: MakeCache, data: bytes, code: str, why: str
) -> None:
    (repo / FILE).write_bytes(data)
    cache = make_cache()
    with pytest.raises(ImageGenError) as caught:
        cache.ensure(NAME)
    assert caught.value.code == code and why in caught.value.message
    assert caught.value.message.startswith(f"MODEL_ID: {FILE} of {ID} ")
    assert not list(cache.settings.hub_cache.rglob("blobs/*"))


@pytest.mark.usefixtures("repo")
def test_a_file_that_is_not_there_and_a_repository_without_one_say_what_there_is(make_cache: MakeCache) -> None:
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure(f"{ID}/none.safetensors")
    assert caught.value.code == "MODEL_NOT_FOUND" and "old/first.safetensors, other.safetensors" in caught.value.message
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure(ID)
    assert f"MODEL_ID={ID}/<file>.safetensors serves a checkpoint in it: other.safetensors, {FILE})" in (
        caught.value.message
    )
    with pytest.raises(ImageGenError, match="is a pickle"):
        make_cache().ensure(f"{ID}/own.ckpt")


@pytest.mark.usefixtures("repo")
def test_a_server_without_ranges_serves_it_too(make_cache: MakeCache, hub: DemoHub) -> None:
    hub.panel.turn({"ignore_range": True})
    assert make_cache().ensure(NAME).checkpoint == "stable-diffusion" and make_cache().verify().ok


@pytest.mark.usefixtures("repo")
def test_a_pipeline_a_lora_and_a_checkpoint_of_one_repository(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo(ID)
    cache = make_cache()
    names = [ID, NAME, f"{ID}/old/first.safetensors"]
    found = [cache.ensure(each) for each in names]
    assert [make_cache(offline=True).ensure(each).source for each in names] == ["volume"] * 3
    [verified] = cache.verify(NAME).models
    assert verified.ok and verified.files == sum(len(each.files) for each in found)
    archive = tmp_path / "backup.tar"
    cache.backup(archive, model_id=NAME)
    other = make_cache(home=tmp_path / "other" / "huggingface", offline=True)
    other.restore(archive)
    assert [other.ensure(each).source for each in names] == ["volume"] * 3


@pytest.mark.usefixtures("repo")
def test_it_stays_where_another_tool_moves_the_branch(make_cache: MakeCache) -> None:
    cache, lora = make_cache(), LoraSource("old", ID, None, "old/first.safetensors")
    first = cache.ensure(NAME).revision
    assert cache.ensure_lora(lora)[0].revision == first
    layout, newer = RepoLayout(cache.settings.hub_cache, ID), "d" * 40
    layout.snapshot(newer).mkdir()
    (layout.snapshot(newer) / "README.md").write_text("x")
    layout.ref("main").write_text(newer)
    for asked in (NAME, ID):
        # Named as a model, and as a LoRA of the repository.
        cache.collect_garbage(older_than=0, keep=[(asked, None)])
        layout.ref("main").write_text(newer)
        offline = make_cache(offline=True)
        assert offline.ensure(NAME).revision == offline.ensure_lora(lora)[0].revision == first


def test_each_of_several_has_its_own_kind(repo: Path, make_cache: MakeCache, tmp_path: Path) -> None:
    (repo / "xl.safetensors").write_bytes(content((UNET, VAE, CLIP_XL, OPEN_CLIP_XL), weights=900))
    kinds = {
        NAME: "stable-diffusion",
        f"{ID}/xl.safetensors": "stable-diffusion-xl",
        f"{ID}/old/first.safetensors": "stable-diffusion",
    }
    full = make_cache()
    assert {name: full.ensure(name).checkpoint for name in kinds} == kinds
    for name in kinds:
        full.mirror(name, tmp_path / "mirror")
    full.backup(tmp_path / "backup.tar")
    restored = make_cache(home=tmp_path / "restored", offline=True)
    restored.restore(tmp_path / "backup.tar")
    mirrored = make_cache(home=tmp_path / "mirrored", mirror=tmp_path / "mirror", offline=True)
    for cache in (make_cache(offline=True), restored, mirrored, mirrored):
        assert {name: cache.ensure(name).checkpoint for name in kinds} == kinds


@pytest.mark.usefixtures("repo")
def test_an_older_backup_takes_none_away(make_cache: MakeCache, tmp_path: Path) -> None:
    cache, later = make_cache(), f"{ID}/old/first.safetensors"
    cache.ensure(NAME)
    cache.backup(tmp_path / "backup.tar")
    cache.ensure(later)
    cache.restore(tmp_path / "backup.tar")
    assert [make_cache(offline=True).ensure(each).source for each in (NAME, later)] == ["volume"] * 2


@pytest.mark.usefixtures("repo")
@pytest.mark.parametrize("revision", [None, "main"])
def test_a_mirror_and_an_image_have_it_and_need_no_hub(
    make_cache: MakeCache, hub: DemoHub, tmp_path: Path, revision: str | None
) -> None:
    full = make_cache(home=tmp_path / "connected")
    full.mirror(NAME, tmp_path / "mirror", revision=revision)
    full.bake(NAME, tmp_path / "image", revision=revision)
    hub.forget()
    mirrored = make_cache(mirror=tmp_path / "mirror", offline=True)
    baked = make_cache(baked_dir=tmp_path / "image", home=tmp_path / "none", offline=True)
    sources: list[tuple[ModelCache, str]] = [(mirrored, "download"), (baked, "baked")]
    for cache, source in sources:
        # By none as well, as an image is asked that was built by hand. A mirror knows commits alone.
        for asked in {revision, None} if cache is baked else [None]:
            model = cache.ensure(NAME, revision=asked)
            assert (model.checkpoint, model.name) == ("stable-diffusion", NAME)
            assert model.source in {source, "volume"}
            assert (model.directory / FILE).read_bytes() == content()
        assert cache.verify().ok
    assert baked.ensure(NAME).source == "baked" and not list((tmp_path / "image").rglob("other.safetensors"))
    assert hub.requests == []


@pytest.mark.usefixtures("repo")
def test_commands_take_it_as_a_model(
    command_env: dict[str, str], make_cache: MakeCache, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def run(*arguments: str, **env: str) -> tuple[int, str, str]:
        code = main(arguments, command_env | env)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    address = f"https://huggingface.co/{ID}/blob/main/{FILE}"
    assert run("doctor", MODEL_ID=NAME)[0] == 0
    code, out, _ = run("prefetch", "--json", MODEL_ID=address)
    assert code == 0 and json.loads(out)["id"] == NAME
    assert json.loads(run("resolve", "--model", NAME)[1])["component"] == "checkpoint"
    assert run("verify", "--model", NAME)[0] == run("doctor", MODEL_ID=NAME, HF_HUB_OFFLINE="1")[0] == 0
    assert run("gc", "--older-than", "0m", MODEL_ID=f"{ID}@main/{FILE}")[0] == 0
    assert make_cache(offline=True).ensure(NAME).source == "volume"
    code, _, err = run("clear", "--model", NAME, "--yes")
    assert code != 0 and f"Fix: name {ID}." in err
    assert make_cache(offline=True).ensure(NAME).source == "volume"
    code, _, err = run("models", "lock", NAME)
    assert code != 0 and "a manifest is of a whole model" in err
    assert run("mirror", "--output", str(tmp_path / "mirror"), MODEL_ID=NAME)[0] == 0
    assert run("clear", "--model", ID, "--yes")[0] == 0 and not make_cache().status().models
