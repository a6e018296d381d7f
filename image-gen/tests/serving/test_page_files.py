"""The files of the page: which there are, how they may be kept, and that they are there before the app."""

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, get_args

import pytest

from image_gen.model_cache.core.manifest import ModelSource
from image_gen.serving.http.page_files import FOLDER, PageFiles
from image_gen.serving.http.startup_app import StartupApp
from image_gen.serving.readiness import Readiness

from .conftest import Server

ALWAYS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "vary": "Accept-Encoding"}


def page_in(folder: Path, **files: str) -> PageFiles:
    for name, text in {"index.html": '<script src="page/main.js">', "main.js": "1", **files}.items():
        (folder / name).write_text(text)
    return PageFiles(folder)


def test_every_file_is_served_with_its_type_and_policy(server: Server) -> None:
    types = {".css": "text/css", ".js": "text/javascript", ".html": "text/html"}
    paths = PageFiles().paths
    assert len(paths) == len([path for path in FOLDER.rglob("*.*") if path.is_file()])
    for path in paths:
        answer = server.get(path)
        assert answer.status == 200
        kind = types[Path(path).suffix or ".html"]
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self' 'sha256-" in policy
        assert "; style-src 'self'; img-src 'self' data: blob:" in policy
        assert "unsafe" not in policy
        expected = "no-cache" if path == "/" else "public, max-age=31536000, immutable"
        assert answer.headers["cache-control"] == expected


def test_no_file_names_another_host_or_has_style_or_handlers_in_the_document(server: Server) -> None:
    for path in PageFiles().paths:
        text = server.get(path).body.decode()
        assert not re.search(r"""(src|href|from|import|url)[=( ]["']?(https?:)?//""", text), path
    document = server.get("/").body.decode()
    assert '<html lang="en">' in document
    assert not re.search(r"<style|\son[a-z]+=|\sstyle=", document)


def test_the_policy_names_each_script_of_the_document_by_its_hash(tmp_path: Path) -> None:
    page = page_in(tmp_path, **{"index.html": "<script>one()</script>text<script>\ntwo()\n</script>"})
    answer = page.answer("/", {})
    assert answer is not None
    hashes = [base64.b64encode(hashlib.sha256(each).digest()).decode() for each in (b"one()", b"\ntwo()\n")]
    expected = f"script-src 'self' 'sha256-{hashes[0]}' 'sha256-{hashes[1]}';"
    assert expected in dict(answer.headers)[b"content-security-policy"].decode()


@pytest.mark.parametrize("path", ["/page/", "/page/main.js", "/page/0/main.js", "/page/{}/../../app.py", "/page/{}/x"])
def test_other_paths_are_not_files(server: Server, path: str) -> None:
    answer = server.get(path.format(PageFiles().version))
    assert answer.status == 404
    assert answer.json["error"]["code"] == "not_found"


def test_another_content_has_another_address(tmp_path: Path) -> None:
    first = page_in(tmp_path)
    document = first.answer("/", {})
    assert document is not None
    assert document.body == f'<script src="page/{first.version}/main.js">'.encode()
    second = page_in(tmp_path, **{"main.js": "2"})
    assert second.version != first.version
    assert second.answer(f"/page/{first.version}/main.js", {}) is None


def test_a_browser_that_has_the_document_is_not_sent_it_again(tmp_path: Path) -> None:
    page = page_in(tmp_path)
    first = page.answer("/", {})
    assert first is not None
    etag = dict(first.headers)[b"etag"]
    again = page.answer("/", {b"if-none-match": b'W/"other", ' + etag})
    assert again is not None
    assert (again.status, again.body) == (304, b"")
    other = page.answer("/", {b"if-none-match": b'W/"other"'})
    assert other is not None
    assert other.status == 200


def test_a_browser_that_takes_gzip_gets_the_same_bytes_in_it(tmp_path: Path) -> None:
    page = page_in(tmp_path)
    path = f"/page/{page.version}/main.js"
    plain, packed = page.answer(path, {}), page.answer(path, {b"accept-encoding": b"br, gzip"})
    assert plain is not None
    assert packed is not None
    assert dict(packed.headers)[b"content-encoding"] == b"gzip"
    assert gzip.decompress(packed.body) == plain.body == b"1"
    assert b"content-encoding" not in dict(plain.headers)


def test_the_page_is_there_before_the_app() -> None:
    page = PageFiles()
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def nothing() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def ask() -> list[str]:
        app, routes = StartupApp(Readiness("model", None, "0"), page, dict), []
        for path in page.paths:
            scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": []}
            await asyncio.wait_for(app(scope, nothing, send), 10)
            routes.append(scope["route"].path)
        return routes

    routes = asyncio.run(ask())
    assert set(routes) == {"/", "/page/{name:path}"}
    assert [message["status"] for message in sent[::2]] == [200] * len(page.paths)
    assert b"<!doctype html>" in sent[1]["body"]


@pytest.mark.parametrize("source", get_args(ModelSource))
def test_the_page_has_words_for_each_place_that_files_come_from(source: str) -> None:
    text = (FOLDER / "model/facts.js").read_text(encoding="utf-8")
    assert re.search(rf'^  "?{source}"?: "', text, re.MULTILINE)
