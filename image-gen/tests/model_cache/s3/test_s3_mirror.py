"""A bucket is a mirror like a directory, and is fetched from like a hub: by ranges, resumed, proven, never trusted."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo
from fake_s3.fixtures import BUCKET
from fake_s3.proxy import S3Proxy

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.manifests.lora_source import parse_loras
from image_gen.model_cache.sources.s3 import _to_user_error
from image_gen_demo.hub import DemoHub

ID = "test/model"
ADDRESS = S3Uri(BUCKET, "our/models")
MB = 1 << 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("image_gen.model_cache.core.retry._back_off", lambda failed: 0.01)


@pytest.fixture
def filled(make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path, aws: dict[str, str], proxy: S3Proxy) -> str:
    """A bucket with one model, laid down by the store itself. Returns the model's commit."""
    make_repo(unet_bytes=6 * MB)
    report = make_cache(home=tmp_path / "connected", aws=aws).mirror(ID, ADDRESS)
    proxy.requests.clear()
    return report.revision


@pytest.fixture
def island(make_cache: MakeCache, aws: dict[str, str]) -> ModelCache:
    """A store that reaches the bucket and no hub."""
    return make_cache(mirror=ADDRESS, offline=True, aws=aws, piece_bytes=MB, read_timeout=5.0)


def test_a_bucket_serves_without_a_hub(filled: str, island: ModelCache, hub: DemoHub, proxy: S3Proxy) -> None:
    hub.forget()
    model = island.ensure(ID)
    assert (model.revision, model.source) == (filled, "download") and model.bytes_fetched > 6 * MB
    assert island.verify().ok and hub.requests == []
    assert all(each.signed for each in proxy.requests)
    assert len([each for each in proxy.reads(UNET) if each.range]) == 6
    proxy.requests.clear()
    assert island.ensure(ID).source == "volume" and proxy.requests == []


def test_broken_s3_connections_download_nothing_twice(filled: str, island: ModelCache, proxy: S3Proxy) -> None:
    proxy.drop_after, proxy.times = 700_000, 4
    model = island.ensure(ID)
    assert island.verify().ok
    assert proxy.times is not None and proxy.times < 0
    sent = sum(each.bytes for each in proxy.reads())
    assert sent <= 1.02 * model.bytes_total + 10_000


@pytest.mark.usefixtures("filled")
def test_killed_s3_download_resumes(
    island: ModelCache,
    proxy: S3Proxy,
    aws: dict[str, str],
    command: list[str],
    command_env: dict[str, str],
) -> None:
    proxy.bytes_per_second = MB
    env = command_env | aws | {"IMAGE_GEN_MIRROR": str(ADDRESS), "HF_HUB_OFFLINE": "1"}
    running = subprocess.Popen([*command, "prefetch", "--model", ID], env=env, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while sum(each.bytes for each in proxy.reads(UNET)) < 2 * MB and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = sum(each.bytes for each in proxy.reads(UNET))
    assert 2 * MB <= before < 6 * MB
    proxy.bytes_per_second = None
    proxy.requests.clear()
    assert main(["prefetch", "--model", ID], env) == 0
    again = sum(each.bytes for each in proxy.reads(UNET))
    # What the kernel held for a reader that died is lost: little of six megabytes at this rate.
    assert 0 < again <= 6 * MB - before + 4 * 600_000
    assert island.verify().ok


def test_a_missing_or_damaged_object_comes_from_the_hub(
    filled: str,
    make_cache: MakeCache,
    aws: dict[str, str],
    hub: DemoHub,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import obstore

    from image_gen.model_cache.sources.s3 import S3Bucket

    with S3Bucket(make_cache(aws=aws).settings, ADDRESS) as bucket:
        obstore.delete(bucket.s3_client, f"{ID}/{filled}/unet/config.json")
        obstore.put(bucket.s3_client, f"{ID}/{filled}/{UNET}", b"x" * 6 * MB)
    hub.forget()
    store = make_cache(mirror=ADDRESS, aws=aws, piece_bytes=MB)
    assert store.ensure(ID).source == "download" and store.verify().ok
    files = sorted({entry["path"].partition("/resolve/")[2].partition("/")[2] for entry in hub.requests})
    assert files == ["unet/config.json", UNET]
    assert "unet/config.json does not exist" in caplog.text and "arrived damaged" in caplog.text


@pytest.mark.parametrize("content", [None, b"x" * 100], ids=["without", "short copy"])
def test_a_bucket_without_the_largest_file_never_hangs(
    filled: str, make_cache: MakeCache, aws: dict[str, str], content: bytes | None
) -> None:
    import obstore

    from image_gen.model_cache.sources.s3 import S3Bucket

    with S3Bucket(make_cache(aws=aws).settings, ADDRESS) as bucket:
        path = f"{ID}/{filled}/{UNET}"
        obstore.put(bucket.s3_client, path, content) if content else obstore.delete(bucket.s3_client, path)
    store = make_cache(mirror=ADDRESS, aws=aws, piece_bytes=MB, read_timeout=5.0)
    assert store.ensure(ID).source == "download" and store.verify().ok


def test_damaged_file_is_repaired_from_the_bucket(filled: str, island: ModelCache, proxy: S3Proxy) -> None:
    island.ensure(ID)
    model = island.ensure(ID)  # what has just come was hashed on its way
    blob = (model.directory / UNET).resolve()
    with blob.open("r+b") as stream:
        stream.write(b"damage")
    proxy.requests.clear()
    repaired = island.verify_and_repair(model)
    assert island.verify().ok and repaired.bytes_fetched == 6 * MB
    assert {each.path.rpartition("/")[2] for each in proxy.reads()} >= {UNET.rpartition("/")[2]}
    assert not list(blob.parent.glob("*.damaged"))


def test_a_known_manifest_needs_none_in_the_bucket(
    filled: str, make_cache: MakeCache, island: ModelCache, aws: dict[str, str], hub: DemoHub
) -> None:
    """As after `aws s3 sync` of a plain directory."""
    import obstore

    from image_gen.model_cache.sources.s3 import S3Bucket

    with S3Bucket(make_cache(aws=aws).settings, ADDRESS) as bucket:
        obstore.delete(bucket.s3_client, f"{ID}/{filled}/manifest.json")
    kept = make_cache(mirror=None).ensure(ID)
    for path in kept.directory.parents[1].rglob("*"):
        if path.is_symlink() or path.parent.name == "blobs":
            path.unlink()
    hub.forget()
    assert island.ensure(ID).revision == filled and hub.requests == []


def test_objects_missing_in_the_bucket_are_logged(filled: str, island: ModelCache) -> None:
    with pytest.raises(ImageGenError) as caught:
        island.ensure("test/other")
    assert caught.value.code == "OFFLINE" and str(ADDRESS) in caught.value.message


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("refusal", "code", "fix"),
    [
        ((403, "AccessDenied"), "S3_DENIED", "grant s3:GetObject"),
        ((403, "InvalidAccessKeyId"), "S3_DENIED", "AWS_ACCESS_KEY_ID"),
        ((400, "ExpiredToken"), "S3_EXPIRED", "sign in again"),
        ((301, "PermanentRedirect"), "S3_REGION", "AWS_REGION=eu-west-1"),
        ((403, "RequestTimeTooSkewed"), "S3_CLOCK", "clock"),
        ((503, "SlowDown"), "S3_ERROR", "later"),
    ],
)
def test_s3_refusal_is_one_clear_line(
    island: ModelCache, proxy: S3Proxy, refusal: tuple[int, str], code: str, fix: str
) -> None:
    proxy.refusal = refusal
    with pytest.raises(ImageGenError) as caught:
        island.ensure(ID)
    assert caught.value.code == code and fix in caught.value.message and "\n" not in caught.value.message


def test_a_denied_key_has_another_fix_than_a_denied_object() -> None:
    text = (
        "<Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::1:assumed-role/mirror/image-gen is not authorized "
        "to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:1:key/x</Message></Error>"
    )
    error = _to_user_error(403, text, ADDRESS, "s3:GetObject", None)
    assert error.code == "S3_DENIED" and "kms:Decrypt" in error.message and "decryptKmsKeyArns" in error.message


def test_busy_bucket_is_retried(filled: str, island: ModelCache, proxy: S3Proxy) -> None:
    proxy.refusal, proxy.times = (503, "SlowDown"), 2
    assert island.ensure(ID).source == "download" and island.verify().ok


def test_missing_bucket_is_reported(make_cache: MakeCache, aws: dict[str, str]) -> None:
    with pytest.raises(ImageGenError) as caught:
        make_cache(mirror=S3Uri("nowhere", "x"), aws=aws).ensure(ID)
    assert caught.value.code == "S3_NOT_FOUND" and "nowhere" in caught.value.message


def test_unreachable_bucket_is_reported(make_cache: MakeCache, aws: dict[str, str]) -> None:
    aws["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9"
    with pytest.raises(ImageGenError) as caught:
        make_cache(mirror=ADDRESS, aws=aws).ensure(ID)
    assert caught.value.code == "S3_UNREACHABLE" and str(ADDRESS) in caught.value.message


def test_a_backup_to_an_unreachable_bucket_is_reported(
    make_repo: MakeRepo, make_cache: MakeCache, aws: dict[str, str]
) -> None:
    make_repo()
    aws["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9"
    store = make_cache(aws=aws)
    store.ensure(ID)
    with pytest.raises(ImageGenError) as caught:
        store.backup(ADDRESS)
    assert caught.value.code == "S3_UNREACHABLE" and f"s3://{BUCKET}" in caught.value.message


def test_missing_aws_credentials_are_reported(
    make_cache: MakeCache, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers where a machine's role would be asked for."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del aws[name]
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ImageGenError) as caught:
        make_cache(mirror=ADDRESS, aws=aws).ensure(ID)
    assert caught.value.code == "S3_NO_CREDENTIALS" and "AWS_ACCESS_KEY_ID" in caught.value.message


def test_the_hubs_token_stays_with_the_hub(filled: str, make_cache: MakeCache, aws: dict[str, str]) -> None:
    store = make_cache(mirror=ADDRESS, offline=True, aws=aws, token="hf_secret", read_timeout=5.0)
    seen: list[str | None] = []

    from fake_s3 import proxy as module

    original = module._Handler._pass

    def note(handler: module._Handler) -> None:
        seen.append(handler.headers.get("Authorization"))
        original(handler)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Handler, "do_GET", note)
        store.ensure(ID)
    assert seen and not any("hf_secret" in (value or "") for value in seen)


@pytest.mark.usefixtures("as_library")
def test_s3_mirror_command_exports_and_serves_a_model(
    make_repo: MakeRepo,
    command_env: dict[str, str],
    aws: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_repo()
    assert main(["mirror", "--model", ID, "--output", str(ADDRESS)], command_env | aws) == 0
    assert f"in {ADDRESS}/{ID}/" in capsys.readouterr().out
    offline = command_env | aws | {"HF_HOME": str(tmp_path / "island"), "HF_HUB_OFFLINE": "1"}
    offline["IMAGE_GEN_MIRROR"] = str(ADDRESS)
    assert main(["prefetch", "--model", ID], offline) == 0
    assert ModelCache(CacheSettings.from_env(offline)).verify().ok


def test_s3_mirror_setting_is_validated() -> None:
    assert CacheSettings.from_env({"IMAGE_GEN_MIRROR": "s3://models/our/models/"}).mirror == ADDRESS
    assert CacheSettings.from_env({"IMAGE_GEN_MIRROR": "s3://models"}).mirror == S3Uri("models")
    for wrong in ("s3://", "s3:///x", "s3://UPPER/x", "s3://models/../x", "s3://models/a//b"):
        with pytest.raises(ImageGenError) as caught:
            CacheSettings.from_env({"IMAGE_GEN_MIRROR": wrong})
        assert caught.value.code == "SETTING_INVALID" and "IMAGE_GEN_MIRROR" in caught.value.message
    assert "not-a-secret" not in repr(CacheSettings.from_env({"AWS_SECRET_ACCESS_KEY": "not-a-secret"}))


def test_loras_are_in_the_bucket_and_come_from_it_without_a_hub(
    make_cache: MakeCache, tmp_path: Path, aws: dict[str, str], island: ModelCache, proxy: S3Proxy
) -> None:
    repo = tmp_path / "hub-root" / "test" / "steps"
    repo.mkdir(parents=True)
    contents = {f"{name}.safetensors": name.encode() * 5000 for name in ("four", "eight")}
    for name, content in contents.items():
        (repo / name).write_bytes(content)
    connected = make_cache(home=tmp_path / "connected", aws=aws)
    sources = parse_loras("four=test/steps/four.safetensors,eight=test/steps/eight.safetensors")
    for source in sources:
        connected.mirror_loras([source], ADDRESS)
    proxy.requests.clear()
    assert island.ensure_lora(sources[0])[1].read_bytes() == contents["four.safetensors"]
    assert not proxy.reads("eight.safetensors")
    assert island.ensure_lora(sources[1])[1].read_bytes() == contents["eight.safetensors"]
    assert island.verify().ok
    proxy.requests.clear()
    assert island.ensure_lora(sources[0])[0].source == "volume" and proxy.requests == []
