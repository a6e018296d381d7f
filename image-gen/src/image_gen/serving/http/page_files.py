"""The page's files, as they are in `serving/page/`, with the headers that a browser needs.

Comes in: a path and what the browser has and takes. Goes out: a status, headers and bytes. Must not: open a file that
the folder did not have at the first request, nor wait for the import of Starlette: the page is there before the app.
"""

import base64
import gzip
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent.parent / "page"
PAGE: Final = "/"
FILES: Final = "/page/"
# Where a request's count and its line in the log have its route.
FILES_ROUTE: Final = "/page/{name:path}"
_TYPES: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
}
# The page needs nothing but itself, and the scripts that its document has; injected content is not loaded.
_POLICY: Final = (
    b"default-src 'none'; script-src %s; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Accept-Encoding"),
)
# The addresses of the files have the hash of all of them, so that none is asked for twice; the document has not.
_FOR_EVER, _ASK_AGAIN = b"public, max-age=31536000, immutable", b"no-cache"
Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class PageAnswer:
    """What is sent."""

    status: int
    headers: Sequence[Header]
    body: bytes


@dataclass(frozen=True)
class _File:
    plain: bytes
    packed: bytes
    kind: bytes
    etag: bytes


class PageFiles:
    """All files of a folder, read and compressed at the first request. `version` changes with any of them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._version = ""
        self._policy = b""
        self._files: dict[str, _File] = {}

    @property
    def version(self) -> str:
        """The hash that addresses have."""
        self._read()
        return self._version

    @property
    def paths(self) -> Sequence[str]:
        """Where each file is; the document is `/`."""
        self._read()
        return sorted(self._files)

    def answer(self, path: str, headers: Mapping[bytes, bytes]) -> PageAnswer | None:
        """None where the page has no such file. The names of `headers` are in lower case."""
        self._read()
        if (file := self._files.get(path)) is None:
            return None
        always = ((b"content-security-policy", self._policy), *_ALWAYS)
        caching = (b"etag", file.etag), (b"cache-control", _ASK_AGAIN if path == PAGE else _FOR_EVER)
        known = headers.get(b"if-none-match", b"")
        if file.etag in [each.strip() for each in known.split(b",")]:
            return PageAnswer(304, (*always, *caching), b"")
        packed = b"gzip" in headers.get(b"accept-encoding", b"")
        body = file.packed if packed else file.plain
        about = (b"content-type", file.kind), (b"content-length", b"%d" % len(body))
        encoding = ((b"content-encoding", b"gzip"),) if packed else ()
        return PageAnswer(200, (*always, *caching, *about, *encoding), body)

    def _read(self) -> None:
        if self._files:
            return
        found = {
            path.relative_to(self._folder).as_posix(): path.read_bytes()
            for path in sorted(self._folder.rglob("*"))
            if path.suffix in _TYPES and path.is_file()
        }
        self._version = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:12]
        scripts = _SCRIPT.findall(found["index.html"])
        hashes = [b"'sha256-%s'" % base64.b64encode(hashlib.sha256(script).digest()) for script in scripts]
        self._policy = _POLICY % b" ".join([b"'self'", *hashes])
        for name, content in found.items():
            if name == "index.html":
                path, plain = PAGE, content.replace(b'"page/', f'"page/{self._version}/'.encode())
            else:
                path, plain = f"{FILES}{self._version}/{name}", content
            # Weak: the same for the compressed bytes.
            etag = f'W/"{hashlib.sha256(plain).hexdigest()[:20]}"'.encode()
            self._files[path] = _File(plain, gzip.compress(plain, mtime=0), _TYPES[Path(name).suffix], etag)
