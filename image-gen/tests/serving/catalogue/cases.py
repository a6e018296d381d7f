"""The catalogue: for each code, how the service gets there, and what its message's fix does."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from conftest import UNET
from free_port import free_port

from image_gen.model_cache import CacheSettings, ModelCache

from .surroundings import USER, Fix, Reach, Surroundings, printed, run_as_root

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
    "MANIFEST_NOT_FOUND": "`image-gen models check` alone",
    "MODEL_NOT_CACHED": "`image-gen verify` and `clear` alone",
    "MODEL_IN_USE": "`image-gen clear` alone",
    "CONTENT_POLICY_VIOLATION": "an answer of the images API",
    "CACHE_BUSY": "a start that waits for another download ends with it after 60 read timeouts without a byte",
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
    "JOBS_FULL": "an answer of the jobs API",
    "JOBS_STORAGE_FULL": "an answer of the jobs API",
    "JOBS_UNAVAILABLE": "an answer of the jobs API",
    "JOB_NOT_MADE": "the error of a job",
    "QUEUE_UNAVAILABLE": "of a fleet's programs alone: tests/fleet/gateway/test_gateway_service_slow.py",
    "NO_WORKER": "an answer of a fleet's gateway",
}


def _other_repo(around: Surroundings, _: str) -> None:
    around.make_repo("test/other")
    around.env["MODEL_ID"] = "test/other"


def _set(**variables: str | None) -> Reach:
    def reach(around: Surroundings) -> None:
        around.make_repo()
        around.env |= variables

    return reach


def _unset(*names: str) -> Fix:
    def fix(around: Surroundings, _: str) -> None:
        for name in names:
            around.env.pop(name)

    return fix


def _knobs(**knobs: object) -> Reach:
    def reach(around: Surroundings) -> None:
        around.make_repo()
        around.hub.panel.turn(dict(knobs))

    return reach


def _silent(around: Surroundings) -> None:
    _knobs(silent=True)(around)
    around.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "0.5"


def _turn(**knobs: object) -> Fix:
    return lambda around, _: around.hub.panel.turn(dict(knobs)) and None


def _engine(text: str) -> Reach:
    def reach(around: Surroundings) -> None:
        around.make_repo()
        around.fake(raise_after=[0, text])

    return reach


def _dies(around: Surroundings) -> None:
    around.make_repo()
    around.fake(die=True)


def _load_error(code: str, message: str) -> Reach:
    def reach(around: Surroundings) -> None:
        around.make_repo()
        around.fake(load_error={"code": code, "message": message, "retryable": False})

    return reach


def _fixed(around: Surroundings, _: str) -> None:
    around.fix()


def _without_fault(around: Surroundings, _: str) -> None:
    """For a fix that is another environment: the start with it meets no fault."""
    around.env.pop("FAKE_WORKER")


# --- settings of the network


def _no_authorities(around: Surroundings) -> None:
    _set(SSL_CERT_FILE=str(around.folder / "none.pem"))(around)


def _no_tls(around: Surroundings) -> None:
    _set(HF_ENDPOINT=around.hub.url.replace("http:", "https:"))(around)


def _plain(around: Surroundings, message: str) -> None:
    printed(message, "give an address with http://")
    around.env["HF_ENDPOINT"] = around.hub.url


def _proxy(around: Surroundings) -> None:
    """The hub in the place of a proxy, which wants a password."""
    _knobs(status=407)(around)
    around.env |= {"HTTP_PROXY": around.hub.url, "HF_ENDPOINT": "http://hub.invalid"}


def _password(around: Surroundings, message: str) -> None:
    variable, _, address = printed(message, r"Fix: set (HTTP_PROXY=\S+),").partition("=")
    around.env[variable] = address.replace("<user>:<password>", "me:right")
    _turn(status=None)(around, message)


# --- directories and manifests


def _no_directory(around: Surroundings) -> None:
    around.env["MODEL_DIR"] = str(around.folder / "own-model")


def _put_directory(around: Surroundings, message: str) -> None:
    printed(message, "Fix: set it to a directory with a model_index.json")
    shutil.copytree(around.model_dir, around.folder / "own-model")


def _unknown_vae(around: Surroundings) -> None:
    around.make_repo()
    place = around.folder / "hub-root" / "test" / "vae"
    place.mkdir(parents=True)
    (place / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    (place / "diffusion_pytorch_model.safetensors").write_bytes(b"w" * 1000)
    (around.folder / "manifests").mkdir()
    around.env |= {"VAE_ID": "test/vae", "IMAGE_GEN_MANIFESTS": str(around.folder / "manifests")}


def _lock_vae(around: Surroundings, message: str) -> None:
    command = printed(message, r"(models lock test/vae --output) FILE")
    around.run_command(f"image-gen {command} {around.folder / 'manifests' / 'test--vae.json'}")


def _no_lora(around: Surroundings) -> None:
    around.make_repo()
    around.env["IMAGE_GEN_LORAS"] = f"mine={around.folder / 'mine.safetensors'}"


def _no_checker(around: Surroundings) -> None:
    around.make_repo()
    around.env["IMAGE_GEN_SAFETY_CHECKER"] = "test/model"
    around.make_repo("test/other")
    around.env["MODEL_ID"] = "test/other"


def _without_checker(around: Surroundings, message: str) -> None:
    printed(message, "Fix: IMAGE_GEN_SAFETY_CHECKER=.*, or none")
    around.env["IMAGE_GEN_SAFETY_CHECKER"] = ""


def _put_lora(around: Surroundings, message: str) -> None:
    printed(message, "Fix: put a .safetensors there")
    (around.folder / "mine.safetensors").write_bytes(b"weights")


def _no_json(around: Surroundings) -> None:
    (around.make_repo() / "model_index.json").write_text("not json")


def _pickle(around: Surroundings) -> None:
    root = around.make_repo()
    (root / UNET).rename(root / "unet/diffusion_pytorch_model.bin")


def _bad_manifest(around: Surroundings) -> None:
    around.make_repo()
    (around.folder / "manifests").mkdir()
    (around.folder / "manifests" / "test--model.json").write_text("{")
    around.env["IMAGE_GEN_MANIFESTS"] = str(around.folder / "manifests")


def _write_manifest(around: Surroundings, message: str) -> None:
    file = Path(printed(message, r"(/\S+?test--model\.json)"))
    file.write_text(_cache(around).lock("test/model").manifest.to_json())


def _cache(around: Surroundings) -> ModelCache:
    place = around.folder / "another-cache"
    return ModelCache(CacheSettings(hf_home=place, hub_cache=place / "hub", endpoint=around.hub.url))


# --- the hub


def _nobody_listens(around: Surroundings) -> None:
    around.make_repo()
    around.env["HF_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"


def _listen(around: Surroundings, message: str) -> None:
    import threading

    from image_gen_demo.hub import DemoHub

    port = int(printed(message, r"http://127\.0\.0\.1:(\d+)"))
    server = DemoHub(around.folder / "hub-root", port=port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    around.ended.callback(server.server_close)
    around.ended.callback(server.shutdown)


def _wrong_token(around: Surroundings) -> None:
    around.make_repo()
    around.hub.panel.turn({"token": "hf_right"})
    around.home.mkdir(parents=True)
    (around.home / "token").write_text("hf_wrong")


def _gated(around: Surroundings) -> None:
    around.make_repo()
    around.hub.panel.turn({"gated": True})


def _write_token(around: Surroundings, message: str) -> None:
    """As `hf auth login` does it."""
    printed(message, "HF_TOKEN")
    around.home.mkdir(parents=True, exist_ok=True)
    (around.home / "token").write_text("hf_right")


def _later_model(_: Surroundings) -> None:
    """There is no such repository yet."""


def _upload(around: Surroundings, _: str) -> None:
    around.make_repo()


def _lacks_file(around: Surroundings) -> None:
    """The manifest names a file that the hub does not have."""
    around.make_repo()
    (around.folder / "manifests").mkdir()
    manifest = json.loads(_cache(around).lock("test/model").manifest.to_json())
    manifest["files"].append({"path": "unet/absent.json", "bytes": 2, "sha256": "0" * 64})
    (around.folder / "manifests" / "test--model.json").write_text(json.dumps(manifest))
    around.env["IMAGE_GEN_MANIFESTS"] = str(around.folder / "manifests")


def _correct_manifest(around: Surroundings, message: str) -> None:
    printed(message, "has no file unet/absent.json at revision")
    file = around.folder / "manifests" / "test--model.json"
    file.write_text(_cache(around).lock("test/model").manifest.to_json())


def _prefetch(around: Surroundings, _: str) -> None:
    around.run_command("image-gen prefetch --model test/model")


# --- the cache


def _damaged_offline(around: Surroundings) -> None:
    around.make_repo()
    around.run_command("image-gen prefetch --model test/model")
    blob = (around.home / "hub/models--test--model").rglob(UNET)
    with next(blob).resolve().open("r+b") as stream:
        stream.write(b"damage")
    around.env["HF_HUB_OFFLINE"] = "1"


def _read_only(around: Surroundings) -> None:
    around.make_repo()
    around.mount("ro,size=30m")


def _remount(around: Surroundings, message: str) -> None:
    printed(message, "mount it writable")
    run_as_root(f"mount -o remount,rw {around.folder / 'data'}")


def _full(around: Surroundings) -> None:
    around.make_repo()
    place = around.mount("size=30m")
    (place / "others").write_bytes(b"x" * (28 << 20))


def _free(around: Surroundings, message: str) -> None:
    printed(message, r"free some|[Ff]ree")
    (around.folder / "data" / "others").unlink()


def _others_folder(around: Surroundings) -> None:
    around.make_repo()
    around.home.mkdir(parents=True)
    os.chown(around.home, USER, USER)
    # Root without the capabilities to write in spite of a directory's mode: the service as another user.
    around.prefix = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner")


def _chown(_: Surroundings, message: str) -> None:
    run_as_root(printed(message, r"Fix[^:]*: ((?:sudo )?(?:mkdir -p \S+ && )?(?:sudo )?chown .*)$").rstrip("."))


def _loop(around: Surroundings) -> None:
    around.make_repo()
    around.home.parent.mkdir(parents=True)
    around.home.symlink_to(around.home)


def _break_loop(around: Surroundings, message: str) -> None:
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
import os, shutil, sys
if "image_gen_demo.model" in " ".join(sys.orig_argv):
    if not FIXED.exists():
        print("ImportError: libtorch_cpu.so: wrong ELF class", flush=True)
        os._exit(1)
    shutil.copytree({source!r}, sys.orig_argv[-1])
    os._exit(0)
"""


def _inject(program: str) -> Reach:
    def reach(around: Surroundings) -> None:
        around.make_repo()
        around.inject(program)

    return reach


def _no_demo(around: Surroundings) -> None:
    source = around.make_repo()
    around.env["MODEL_ID"] = "demo"
    del around.env["HF_ENDPOINT"]
    around.inject(_NO_DEMO.format(source=str(source)))


# --- S3


def _refused(status: int, code: str) -> Reach:
    def reach(around: Surroundings) -> None:
        around.make_repo()
        around.env["_BUCKET"] = around.bucket((status, code))

    return reach


def _accepted(around: Surroundings, _: str) -> None:
    around.env["_BUCKET"].refusal = None


def _silent_bucket(around: Surroundings) -> None:
    around.make_repo()
    around.env["_BUCKET"] = around.bucket(None)
    around.env["_BUCKET"].silent = True
    around.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "0.5"


def _speak(around: Surroundings, _: str) -> None:
    around.env["_BUCKET"].silent = False


def _no_bucket(around: Surroundings) -> None:
    around.make_repo()
    server = around.bucket(None)
    around.env["AWS_ENDPOINT_URL"] = server.url
    server.shutdown()
    server.server_close()


def _open_bucket(around: Surroundings, _: str) -> None:
    from .surroundings import Bucket

    server = Bucket(port=int(str(around.env["AWS_ENDPOINT_URL"]).rpartition(":")[2]))
    around.ended.callback(server.server_close)
    around.ended.callback(server.shutdown)


def _no_credentials(around: Surroundings) -> None:
    around.make_repo()
    around.bucket(None)
    del around.env["AWS_ACCESS_KEY_ID"], around.env["AWS_SECRET_ACCESS_KEY"]


def _credentials(around: Surroundings, message: str) -> None:
    printed(message, "AWS_ACCESS_KEY_ID")
    around.env |= {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}


def _picture(around: Surroundings) -> None:
    message = "The picture has NaN. Fix: IMAGE_GEN_DTYPE=float32 (`imagegen up --config dtype=float32`)"
    _load_error("PICTURE_INVALID", message)(around)


def _dtype(around: Surroundings, message: str) -> None:
    name, _, value = printed(message, r"Fix: .*?(IMAGE_GEN_DTYPE=\w+)").partition("=")
    around.env[name] = value
    _without_fault(around, message)


CASES: Final = (
    Case("MODEL_DIR_INVALID", _no_directory, _put_directory),
    Case("MODEL_ID_INVALID", _set(MODEL_ID="a b/c"), _other_repo, ("restart",)),
    Case("LORA_INVALID", _no_lora, _put_lora),
    Case("SAFETY_CHECKER_INVALID", _no_checker, _without_checker, ("restart",)),
    Case("VAE_INVALID", _unknown_vae, _lock_vae),
    Case("NOT_A_PIPELINE", _no_json, _other_repo, ("restart",)),
    Case("UNSAFE_MODEL", _pickle, _other_repo, ("restart",)),
    Case("MANIFEST_INVALID", _bad_manifest, _write_manifest),
    Case("DEMO_FAILED", _no_demo, _fixed),
    Case("HUB_ERROR", _knobs(status=500), _turn(status=None), ("retry", "signal")),
    Case("HUB_SILENT", _silent, _turn(silent=False), ("retry", "signal")),
    Case("HUB_UNREACHABLE", _nobody_listens, _listen, ("retry", "signal")),
    Case("SETTING_INVALID", _no_authorities, _unset("SSL_CERT_FILE"), ("restart",)),
    Case("PROXY_FAILED", _proxy, _password, ("restart",)),
    Case("CERTIFICATE_UNTRUSTED", _no_tls, _plain, ("restart",)),
    Case("RATE_LIMITED", _knobs(status=429, retry_after=3600), _turn(status=None), ("retry", "signal")),
    Case("OFFLINE", _set(HF_HUB_OFFLINE="1"), _prefetch),
    Case("UNAUTHORIZED", _wrong_token, _write_token),
    Case("GATED_MODEL", _gated, _write_token),
    Case("MODEL_NOT_FOUND", _later_model, _upload),
    Case("REVISION_NOT_FOUND", _set(MODEL_REVISION="v9"), _unset("MODEL_REVISION"), ("restart",)),
    Case("FILE_NOT_FOUND", _lacks_file, _correct_manifest),
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
