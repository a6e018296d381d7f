"""Archives that are damaged where no hash is, caches that are spread over disks, and odd targets."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
import threading
from pathlib import Path

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, Stage

_OFFLINE = {"HF_HUB_OFFLINE": "1"}
_BLOCK = tarfile.BLOCKSIZE


def _backup(stage: Stage, name: str = "backup.tar") -> Path:
    stage.prefetch().succeeded()
    archive = stage.folder / name
    stage.run("backup", "--output", str(archive)).succeeded()
    return archive


def _whole_or_refused(stage: Stage, archive: Path, *models: str, **options: Path) -> bool:
    """Raises when a restore ends with 0 and an empty cache has not all of the models then. Whether it restored."""
    other = {"HF_HOME": str(stage.folder / "other"), **_OFFLINE}
    if stage.run("restore", "--input", str(archive), env=other, **options).code:
        if list((stage.folder / "other").glob("hub/models--*")):
            raise FaultError("a refused archive left something in the cache")
        return False
    for model in models or (MODEL, BYSTANDER):
        stage.prefetch(model, env=other).succeeded()
        directory = stage.cached(model) / "snapshots" / stage.commit(model)
        stage.same_files(stage.repo(model), stage.folder / "other" / directory.relative_to(stage.home))
    return True


@family("archive that is damaged between its files", cause=2)
def between_files(stage: Stage) -> str:
    """A header has no hash but its own sum; the end of an archive, and of a compressed stream, is data too."""
    archive = _backup(stage)
    content = bytearray(archive.read_bytes())
    with tarfile.open(archive) as members:
        member = stage.noise.choice(members.getmembers())
    how = stage.noise.choice(["flip", "flip", "cut at a header", "cut in a header", "zeros to the end", "a hole"])
    if how == "flip":
        content[member.offset + stage.noise.randrange(_BLOCK)] ^= 1 << stage.noise.randrange(8)
    elif how.startswith("cut"):
        del content[member.offset + (stage.noise.randrange(1, _BLOCK) if how == "cut in a header" else 0) :]
    else:
        end = len(content) if how == "zeros to the end" else member.offset + _BLOCK
        content[member.offset : end] = bytes(end - member.offset)
    archive.write_bytes(content)
    packer = stage.noise.choice(["", "gzip", "xz", "bzip2"])
    if packer:
        subprocess.run([packer, str(archive)], check=True)
        archive = next(stage.folder.glob("backup.tar.*"))
    if _whole_or_refused(stage, archive):
        raise FaultError(f"{how} at {member.name} was taken for a whole archive")
    return f"{how} at {member.name}, {packer or 'plain'}"


@family("compressed archive without its end", cause=2)
def without_its_end(stage: Stage) -> str:
    kind = stage.noise.choice(["gz", "zst", "xz", "bz2"])
    archive = _backup(stage, f"backup.tar.{kind}" if kind in {"gz", "zst"} else "backup.tar")
    if kind in {"xz", "bz2"}:
        subprocess.run([{"xz": "xz", "bz2": "bzip2"}[kind], str(archive)], check=True)
        archive = archive.with_name(f"backup.tar.{kind}")
    content = bytearray(archive.read_bytes())
    cut = stage.noise.randrange(1, 9)
    how = stage.noise.choice(["cut", "flip"])
    if how == "cut":
        del content[-cut:]
    else:
        content[-cut] ^= 1 << stage.noise.randrange(8)
    archive.write_bytes(content)
    if _whole_or_refused(stage, archive):
        raise FaultError(f"{kind}, {how} {cut} bytes before its end, was taken for whole")
    return f"{kind}, {how} {cut} bytes before its end"


@family("archive in any form", cause=2)
def any_form(stage: Stage) -> str:
    """What restores: from a pipe, compressed by others, by the guide's tar; and never one of two in one file."""
    archive = _backup(stage)
    how = stage.noise.choice(["fifo", "standard input", "gzip", "xz", "bzip2", "two in one", "by tar", "two gzips"])
    if how == "by tar":
        subprocess.run(["tar", "cf", archive, "-C", stage.folder, "data/huggingface"], check=True)
    if how in {"gzip", "xz", "bzip2"}:
        subprocess.run([how, str(archive)], check=True)
        archive = next(stage.folder.glob("backup.tar.*"))
    if how == "two gzips":
        # One archive, compressed in two parts, as parallel compressors do.
        content, half = archive.read_bytes(), archive.stat().st_size // 2
        parts = [
            subprocess.run(["gzip", "-c"], input=part, check=True, stdout=subprocess.PIPE).stdout
            for part in (content[:half], content[half:])
        ]
        archive.write_bytes(b"".join(parts))
    if how == "two in one":
        archive.write_bytes(archive.read_bytes() * 2)
    options = {}
    if how == "standard input":
        archive, options = Path("-"), {"stdin": archive}
    if how == "fifo":
        content = archive.read_bytes()
        archive = stage.folder / "fifo"
        os.mkfifo(archive)
        threading.Thread(target=archive.write_bytes, args=(content,), daemon=True).start()
    if _whole_or_refused(stage, archive, **options) is (how == "two in one"):
        raise FaultError(f"{how}: restored or refused, where the other was right")
    return how


@family("cache on several disks", cause=2)
def several_disks(stage: Stage) -> str:
    """A backup restores where a directory of the cache is on another file system, and from there."""
    archive = _backup(stage)
    parts = ["", "blobs", "snapshots", "refs", f"snapshots/{stage.commit()}", f"snapshots/{stage.commit()}/unet"]
    what = stage.noise.choice(["HF_HUB_CACHE", "image-gen", *parts])
    disk = stage.folder / "disk"
    disk.mkdir()
    with stage.mounted("-t", "tmpfs", "tmpfs", place=disk):
        env = dict(_OFFLINE)
        if what == "HF_HUB_CACHE":
            env |= {"HF_HOME": str(stage.folder / "home"), "HF_HUB_CACHE": str(disk / "hub")}
        else:
            here = stage.home / "image-gen" if what == "image-gen" else stage.cached() / what
            target = disk / "moved"
            # Links in it, which lead out of it, stay valid as files.
            shutil.copytree(here, target, symlinks=what in {"", "image-gen"})
            shutil.rmtree(here)
            here.symlink_to(target)
        stage.run("restore", "--input", str(archive), env=env).succeeded()
        stage.prefetch(env=env).succeeded()
        stage.run("verify", env=env).succeeded()
        again = stage.folder / "again.tar"
        stage.run("backup", "--output", str(again), env=env).succeeded()
        _whole_or_refused(stage, again) or _raise("a backup that ended with 0 does not restore")
    # That disk is gone now, and what is left refers to it.
    shutil.rmtree(stage.home)
    stage.after = "any"
    stage.bystander = False
    return what or "the model"


@family("backup of what another tool made", cause=2)
def made_by_others(stage: Stage) -> str:
    """A backup that ended with 0 restores: what a restore would not take is not in it."""
    stage.prefetch().succeeded()
    if without_manifest := stage.noise.random() < 0.5:
        shutil.rmtree(stage.home / "image-gen")
    snapshot = stage.snapshot()
    how = stage.noise.choice(
        ["named by a branch", "files, named by a branch", "a damaged README", "odd names", "linked"]
    )
    if how.endswith("named by a branch"):
        shutil.copytree(snapshot, snapshot.parent / "main", symlinks=not how.startswith("files"))
    elif how == "a damaged README":
        blob = stage.cached() / "blobs" / ("3" * 40)
        blob.write_bytes(stage.noise.randbytes(400))
        (snapshot / "README.md").symlink_to(os.path.relpath(blob, snapshot))
    elif how == "odd names":
        for name in ("a\nb.json", "ünet.json", " blank .json", "-x.json"):
            (snapshot / name).write_bytes(b"{}")
    else:
        shutil.copytree(snapshot / "unet", stage.folder / "elsewhere")
        shutil.rmtree(snapshot / "unet")
        (snapshot / "unet").symlink_to(stage.folder / "elsewhere")
    archive = stage.folder / "backup.tar"
    ended = stage.run("backup", "--output", str(archive))
    if ended.code == 0:
        _whole_or_refused(stage, archive, BYSTANDER) or _raise("a backup that ended with 0 does not restore")
    elif not without_manifest:
        raise FaultError(f"no backup of a model that is whole: {ended.error}")
    if how == "linked":
        (snapshot / "unet").unlink()
    return f"{how}, {'no' if without_manifest else 'own'} manifest, exit {ended.code}"


def _raise(text: str) -> None:
    raise FaultError(text)


@family("backup into what is no plain file", cause=2)
def odd_target(stage: Stage) -> str:
    stage.prefetch().succeeded()
    target, how = (
        stage.folder / "target",
        stage.noise.choice(["device", "fifo", "link", "dangling link", "no directory"]),
    )
    real = stage.folder / "real.tar"
    read: list[bytes] = []
    if how == "device":
        stage.machine("mknod", str(target), "c", "1", "3")
    elif how == "fifo":
        os.mkfifo(target)
        threading.Thread(target=lambda: read.append(target.read_bytes()), daemon=True).start()
    elif how == "no directory":
        target = stage.folder / "none" / "backup.tar"
    else:
        target.symlink_to(real)
        if how == "link":
            real.write_bytes(b"older")
    before = target.lstat().st_mode if how != "no directory" else 0
    ended = stage.run("backup", "--output", str(target))
    if how == "no directory":
        ended.failed()
        return how
    ended.succeeded()
    if stat.S_IFMT(target.lstat().st_mode) != stat.S_IFMT(before):
        raise FaultError(f"the {how} was replaced")
    if how == "fifo":
        real.write_bytes(read[0])
    if how != "device" and not _whole_or_refused(stage, real):
        raise FaultError(f"what was written through the {how} does not restore")
    return how
