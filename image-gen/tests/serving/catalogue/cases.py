"""The catalogue: for each code, how the service gets there, and what its message's fix does."""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from conftest import UNET

from image_gen.model_cache import CacheSettings, ModelCache

from .world import USER, Fix, Reach, World, printed, run_as_root

# How the service gets to know: by a signal, by a look of its own, by its retry, or by a start with other variables.
Way = Literal["signal", "itself", "retry", "restart"]


@dataclass(frozen=True)
class Case:
    code: str
    reach: Reach
    fix: Fix
    ways: tuple[Way, ...] = ("signal", "itself")
    needs_root: bool = False


# Codes that no start ends with, and why.
NOT_SHOWN: Final = {
    "USAGE": "arguments of the command",
    "SETTING_INVALID": "the process ends with exit code 2 before it listens: test_wrong_settings_are_reported_together",
    "MANIFEST_NOT_FOUND": "`image-gen models check` alone",
    "MODEL_NOT_CACHED": "`image-gen verify` and `clear` alone",
    "MODEL_IN_USE": "`image-gen clear` alone",
    "CACHE_BUSY": "`image-gen clear` and `gc` alone: a start waits for another download",
    "NOTHING_TO_BACK_UP": "`image-gen backup` alone",
    "BACKUP_FAILED": "`image-gen backup` alone",
    "BACKUP_INVALID": "`image-gen restore` alone",
    "BACKUP_UNSAFE": "`image-gen restore` alone",
    "CORRUPT_BACKUP": "`image-gen restore` alone",
    "ZSTD_MISSING": "`image-gen backup` and `restore` alone",
    "NOT_READY": "an answer of the images API",
    "QUEUE_FULL": "an answer of the images API",
    "STOPPING": "an answer of the images API",
    "CANCELLED": "an answer of the images API, and of an interrupted command",
    "TIMEOUT": "an answer of the images API",
    "CLIENT_GONE": "no answer at all",
}


def _other_repo(world: World, _: str) -> None:
    world.make_repo("test/other")
    world.env["MODEL_ID"] = "test/other"


def _set(**variables: str | None) -> Reach:
    def reach(world: World) -> None:
        world.make_repo()
        world.env |= variables

    return reach


def _unset(*names: str) -> Fix:
    def fix(world: World, _: str) -> None:
        for name in names:
            world.env.pop(name)

    return fix


def _knobs(**knobs: object) -> Reach:
    def reach(world: World) -> None:
        world.make_repo()
        world.hub.panel.turn(dict(knobs))

    return reach


def _turn(**knobs: object) -> Fix:
    return lambda world, _: world.hub.panel.turn(dict(knobs)) and None


def _engine(text: str) -> Reach:
    def reach(world: World) -> None:
        world.make_repo()
        world.fake(raise_after=[0, text])

    return reach


def _dies(world: World) -> None:
    world.make_repo()
    world.fake(die=True)


def _load_error(code: str, message: str) -> Reach:
    def reach(world: World) -> None:
        world.make_repo()
        world.fake(load_error={"code": code, "message": message, "retryable": False})

    return reach


def _fixed(world: World, _: str) -> None:
    world.fix()


def _without_fault(world: World, _: str) -> None:
    """For a fix that is another environment: the start with it meets no fault."""
    world.env.pop("FAKE_WORKER")


# --- directories and manifests


def _no_directory(world: World) -> None:
    world.env["MODEL_DIR"] = str(world.folder / "own-model")


def _put_directory(world: World, message: str) -> None:
    printed(message, "Fix: set it to a directory with a model_index.json")
    shutil.copytree(world.model_dir, world.folder / "own-model")


def _unknown_vae(world: World) -> None:
    world.make_repo()
    place = world.folder / "hub-root" / "test" / "vae"
    place.mkdir(parents=True)
    (place / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    (place / "diffusion_pytorch_model.safetensors").write_bytes(b"w" * 1000)
    (world.folder / "manifests").mkdir()
    world.env |= {"VAE_ID": "test/vae", "IMAGE_GEN_MANIFESTS": str(world.folder / "manifests")}


def _lock_vae(world: World, message: str) -> None:
    command = printed(message, r"(models lock test/vae --output) FILE")
    world.run_command(f"image-gen {command} {world.folder / 'manifests' / 'test--vae.json'}")


def _no_json(world: World) -> None:
    (world.make_repo() / "model_index.json").write_text("not json")


def _pickle(world: World) -> None:
    root = world.make_repo()
    (root / UNET).rename(root / "unet/diffusion_pytorch_model.bin")


def _bad_manifest(world: World) -> None:
    world.make_repo()
    (world.folder / "manifests").mkdir()
    (world.folder / "manifests" / "test--model.json").write_text("{")
    world.env["IMAGE_GEN_MANIFESTS"] = str(world.folder / "manifests")


def _write_manifest(world: World, message: str) -> None:
    file = Path(printed(message, r"(/\S+?test--model\.json)"))
    file.write_text(_cache(world).lock("test/model").manifest.to_json())


def _cache(world: World) -> ModelCache:
    place = world.folder / "another-cache"
    return ModelCache(CacheSettings(hf_home=place, hub_cache=place / "hub", endpoint=world.hub.url))


# --- the hub


def _nobody_listens(world: World) -> None:
    world.make_repo()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world.env["HF_ENDPOINT"] = f"http://127.0.0.1:{port}"


def _listen(world: World, message: str) -> None:
    import threading

    from image_gen_demo.hub import DemoHub

    port = int(printed(message, r"http://127\.0\.0\.1:(\d+)"))
    server = DemoHub(world.folder / "hub-root", port=port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    world.ended.callback(server.server_close)
    world.ended.callback(server.shutdown)


def _wrong_token(world: World) -> None:
    world.make_repo()
    world.hub.panel.turn({"token": "hf_right"})
    world.home.mkdir(parents=True)
    (world.home / "token").write_text("hf_wrong")


def _gated(world: World) -> None:
    world.make_repo()
    world.hub.panel.turn({"gated": True})


def _write_token(world: World, message: str) -> None:
    """As `hf auth login` does it."""
    printed(message, "HF_TOKEN")
    world.home.mkdir(parents=True, exist_ok=True)
    (world.home / "token").write_text("hf_right")


def _later_model(_: World) -> None:
    """There is no such repository yet."""


def _upload(world: World, _: str) -> None:
    world.make_repo()


def _lacks_file(world: World) -> None:
    root = world.make_repo()
    (world.folder / "manifests").mkdir()
    manifest = _cache(world).lock("test/model").manifest.to_json()
    (world.folder / "manifests" / "test--model.json").write_text(manifest)
    (root / "unet/config.json").rename(world.folder / "kept")
    world.env["IMAGE_GEN_MANIFESTS"] = str(world.folder / "manifests")


def _put_file_back(world: World, message: str) -> None:
    printed(message, "unet/config.json")
    (world.folder / "kept").rename(world.folder / "hub-root/test/model/unet/config.json")


def _prefetch(world: World, _: str) -> None:
    world.run_command("image-gen prefetch --model test/model")


# --- the cache


def _damaged_offline(world: World) -> None:
    world.make_repo()
    world.run_command("image-gen prefetch --model test/model")
    blob = (world.home / "hub/models--test--model").rglob(UNET)
    with next(blob).resolve().open("r+b") as stream:
        stream.write(b"damage")
    world.env["HF_HUB_OFFLINE"] = "1"


def _read_only(world: World) -> None:
    world.make_repo()
    world.mount("ro,size=20m")


def _remount(world: World, message: str) -> None:
    printed(message, "mount it writable")
    run_as_root(f"mount -o remount,rw {world.folder / 'data'}")


def _full(world: World) -> None:
    world.make_repo()
    place = world.mount("size=6m")
    (place / "others").write_bytes(b"x" * (5 << 20))


def _free(world: World, message: str) -> None:
    printed(message, r"free some|[Ff]ree")
    (world.folder / "data" / "others").unlink()


def _others_folder(world: World) -> None:
    world.make_repo()
    place = world.open_folder()
    (place / "data").mkdir(mode=0o755)
    world.env["HF_HOME"] = str(place / "data" / "huggingface")
    (place / "data" / "huggingface").mkdir(mode=0o755)
    world.user = USER


def _chown(_: World, message: str) -> None:
    run_as_root(printed(message, r"Fix[^:]*: ((?:sudo )?(?:mkdir -p \S+ && )?(?:sudo )?chown .*)$").rstrip("."))


def _loop(world: World) -> None:
    world.make_repo()
    world.home.parent.mkdir(parents=True)
    world.home.symlink_to(world.home)


def _break_loop(world: World, message: str) -> None:
    Path(printed(message, r"(/\S*/huggingface)")).unlink()


_CHANGED: Final = """
from image_gen.model_cache.download import ensure
from image_gen.errors import CacheChangedError
real = ensure.Ensure.find_local
def find_local(self):
    if not FIXED.exists():
        raise CacheChangedError("/data/huggingface/hub was deleted during a download. Fix: start again.")
    return real(self)
ensure.Ensure.find_local = find_local
"""
_UNEXPECTED: Final = """
from image_gen.model_cache.download import ensure
real = ensure.Ensure.find_local
def find_local(self):
    if not FIXED.exists():
        raise KeyError("odd")
    return real(self)
ensure.Ensure.find_local = find_local
"""
_NO_DEMO: Final = """
import sys
if "image_gen_demo.model" in " ".join(sys.orig_argv):
    if not FIXED.exists():
        sys.exit("ImportError: libtorch_cpu.so: wrong ELF class")
    import shutil
    shutil.copytree({source!r}, sys.orig_argv[-1])
    sys.exit(0)
"""


def _inject(program: str) -> Reach:
    def reach(world: World) -> None:
        world.make_repo()
        world.inject(program)

    return reach


def _no_demo(world: World) -> None:
    source = world.make_repo()
    world.env["MODEL_ID"] = "demo"
    del world.env["HF_ENDPOINT"]
    world.inject(_NO_DEMO.format(source=str(source)))


# --- S3


def _refused(status: int, code: str) -> Reach:
    def reach(world: World) -> None:
        world.make_repo()
        world.env["_BUCKET"] = world.bucket((status, code))

    return reach


def _accepted(world: World, _: str) -> None:
    world.env["_BUCKET"].refusal = None


def _silent_bucket(world: World) -> None:
    world.make_repo()
    world.env["_BUCKET"] = world.bucket(None)
    world.env["_BUCKET"].silent = True
    world.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "0.5"


def _speak(world: World, _: str) -> None:
    world.env["_BUCKET"].silent = False


def _no_bucket(world: World) -> None:
    world.make_repo()
    server = world.bucket(None)
    world.env["AWS_ENDPOINT_URL"] = server.url
    server.shutdown()
    server.server_close()


def _open_bucket(world: World, _: str) -> None:
    from .world import Bucket

    server = Bucket(port=int(str(world.env["AWS_ENDPOINT_URL"]).rpartition(":")[2]))
    world.ended.callback(server.server_close)
    world.ended.callback(server.shutdown)


def _no_credentials(world: World) -> None:
    world.make_repo()
    world.bucket(None)
    del world.env["AWS_ACCESS_KEY_ID"], world.env["AWS_SECRET_ACCESS_KEY"]
    world.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(world.folder / "none")
    world.env["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/none"


def _credentials(world: World, message: str) -> None:
    printed(message, "AWS_ACCESS_KEY_ID")
    del world.env["AWS_WEB_IDENTITY_TOKEN_FILE"], world.env["AWS_ROLE_ARN"]
    world.env |= {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}


def _picture(world: World) -> None:
    message = "The picture has NaN. Fix: IMAGE_GEN_DTYPE=float32 (`imagegen up --config dtype=float32`)"
    _load_error("PICTURE_INVALID", message)(world)


def _dtype(world: World, message: str) -> None:
    name, _, value = printed(message, r"Fix: .*?(IMAGE_GEN_DTYPE=\w+)").partition("=")
    world.env[name] = value
    _without_fault(world, message)


CASES: Final = (
    Case("MODEL_DIR_INVALID", _no_directory, _put_directory),
    Case("MODEL_ID_INVALID", _set(MODEL_ID="a b/c"), _other_repo, ("restart",)),
    Case("VAE_INVALID", _unknown_vae, _lock_vae),
    Case("NOT_A_PIPELINE", _no_json, _other_repo, ("restart",)),
    Case("UNSAFE_MODEL", _pickle, _other_repo, ("restart",)),
    Case("MANIFEST_INVALID", _bad_manifest, _write_manifest),
    Case("DEMO_FAILED", _no_demo, _fixed),
    Case("HUB_ERROR", _knobs(status=500), _turn(status=None), ("retry", "signal")),
    Case("HUB_SILENT", _knobs(silent=True), _turn(silent=False), ("retry", "signal")),
    Case("HUB_UNREACHABLE", _nobody_listens, _listen, ("retry", "signal")),
    Case("RATE_LIMITED", _knobs(status=429, retry_after=3600), _turn(status=None), ("retry", "signal")),
    Case("OFFLINE", _set(HF_HUB_OFFLINE="1"), _prefetch),
    Case("UNAUTHORIZED", _wrong_token, _write_token),
    Case("GATED_MODEL", _gated, _write_token),
    Case("MODEL_NOT_FOUND", _later_model, _upload),
    Case("REVISION_NOT_FOUND", _set(MODEL_REVISION="v9"), _unset("MODEL_REVISION"), ("restart",)),
    Case("FILE_NOT_FOUND", _lacks_file, _put_file_back),
    Case("CORRUPT_DOWNLOAD", _knobs(corrupt="*config.json"), _turn(corrupt=None), ("signal",)),
    Case("CORRUPT_CACHE", _damaged_offline, _unset("HF_HUB_OFFLINE"), ("restart",)),
    Case("CACHE_CHANGED", _inject(_CHANGED), _fixed, ("retry", "signal")),
    Case("CACHE_READ_ONLY", _read_only, _remount, needs_root=True),
    Case("CACHE_NOT_WRITABLE", _others_folder, _chown, needs_root=True),
    Case("CACHE_ERROR", _loop, _break_loop),
    Case("DISK_FULL", _full, _free, needs_root=True),
    Case("S3_ERROR", _refused(400, "Odd"), _accepted),
    Case("S3_SILENT", _silent_bucket, _speak, ("retry", "signal")),
    Case("S3_UNREACHABLE", _no_bucket, _open_bucket, ("retry", "signal")),
    Case("S3_NO_CREDENTIALS", _no_credentials, _credentials, ("restart",)),
    Case("S3_EXPIRED", _refused(400, "ExpiredToken"), _accepted),
    Case("S3_DENIED", _refused(403, "AccessDenied"), _accepted),
    Case("S3_NOT_FOUND", _refused(404, "NoSuchBucket"), _accepted),
    Case("S3_REGION", _refused(301, "PermanentRedirect"), _accepted),
    Case("S3_CLOCK", _refused(403, "RequestTimeTooSkewed"), _accepted),
    Case("NO_GPU", _load_error("NO_GPU", "No GPU. Fix: set IMAGE_GEN_DEVICE=auto"), _without_fault, ("restart",)),
    Case("GPU_UNUSABLE", _load_error("GPU_UNUSABLE", "Fix: update the host's driver"), _without_fault, ("restart",)),
    Case("OUT_OF_MEMORY", _engine("CUDA out of memory. Tried to allocate 2 GiB"), _fixed, ("signal",)),
    Case("ENGINE_ERROR", _engine("Error while deserializing header"), _fixed, ("signal",)),
    Case("PICTURE_INVALID", _picture, _dtype, ("restart",)),
    Case("GPU_FAULT", _engine("CUDA error: unspecified launch failure"), _fixed, ("retry", "signal")),
    Case("ENGINE_DIED", _dies, _fixed, ("retry", "signal")),
    Case("INTERNAL_ERROR", _inject(_UNEXPECTED), _fixed, ("retry", "signal")),
)

IS_ROOT: Final = os.geteuid() == 0
