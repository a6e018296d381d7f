"""A hub on loopback for the demo model, so that its first start is a real first start.

The model is made in a separate process, because that needs torch. Both are removed when the context ends.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from image_gen.errors import DemoFailedError, OutOfMemoryError
from image_gen.library_errors import says_out_of_memory
from image_gen.model_cache.core.settings import DEMO_MODEL, CacheSettings

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 3.0
# By SIGKILL, which nobody but the kernel sends it, or with a shell's code for that.
_KILLED: Final = (-9, 137)


def ask_loopback(settings: CacheSettings, endpoint: str) -> CacheSettings:
    """The settings for a hub of our own: no token, and no proxy, whatever the environment says of loopback."""
    return replace(settings, endpoint=endpoint, endpoint_login="", token=None, token_problem="", direct=True)


class DemoHubProcess:
    """`async with DemoHubProcess() as endpoint`. Raises `ImageGenError` DEMO_FAILED."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="image-gen-demo-", ignore_cleanup_errors=True)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> str:
        try:
            root = Path(self._folder.name)
            await self._make_model(root / "hub" / DEMO_MODEL)
            return await self._serve(root / "hub", root / "port")
        except BaseException:
            await self.__aexit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            # Not by asyncio.timeout: in a task that is cancelled, that of Python 3.11.2 ends by the cancellation.
            end = asyncio.create_task(process.wait())
            if not (await asyncio.wait([end], timeout=_END_SECONDS))[0]:
                process.kill()
                await end
        self._folder.cleanup()

    @property
    def pid(self) -> int | None:
        """The process at work."""
        return None if self._process is None else self._process.pid

    async def _make_model(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True)
        process = await self._run("image_gen_demo.model", str(folder))
        output, _ = await process.communicate()
        if process.returncode != 0:
            text = output.decode(errors="replace").strip()
            last = " ".join(text.splitlines()[-1:])[:300]
            if process.returncode in _KILLED or says_out_of_memory(last):
                raise OutOfMemoryError(
                    f"There is not enough memory to make the demo model ({last or 'its process was killed'}). Fix: "
                    "give the container or Docker Desktop more memory: `imagegen up --config memoryMb=<more>`",
                    retryable=True,
                )
            raise DemoFailedError(f"The demo model could not be made: {last or 'no reason given'}")

    async def _serve(self, root: Path, port_file: Path) -> str:
        await self._run(
            "image_gen_demo.hub",
            *("--root", str(root), "--host", "127.0.0.1", "--port", "0", "--port-file", str(port_file)),
            quiet=True,
        )
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while asyncio.get_running_loop().time() < deadline and self._process.returncode is None:
            if port_file.exists() and (port := port_file.read_text(encoding="ascii").strip()):
                return f"http://127.0.0.1:{port}"
            await asyncio.sleep(0.05)
        raise DemoFailedError("The demo model's hub on loopback did not start.", retryable=True)

    async def _run(self, module: str, *arguments: str, quiet: bool = False) -> asyncio.subprocess.Process:
        output = asyncio.subprocess.DEVNULL if quiet else asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
            env={key: value for key, value in os.environ.items() if not key.startswith("HF_TOKEN")},
        )  # fmt: skip
        return self._process
