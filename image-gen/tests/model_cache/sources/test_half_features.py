"""Mirrors and artifact stores answer ranges, lists and redirects in their own ways: that ends in a slower download."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from conftest import UNET, MakeCache, MakeRepo
from servers import MirrorResponse, compressed, is_file, mirror

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.sources.http import _retry_after_seconds
from image_gen_demo.hub import DemoHub

PIECE = 1 << 20
UPSTREAM = "http://upstream.invalid"


@pytest.fixture(autouse=True)
def short_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("image_gen.model_cache.core.retry._back_off", lambda failed: 0.01)


def _without(*names: str) -> Callable[[Any, MirrorResponse], MirrorResponse]:
    def change(_: Any, answer: MirrorResponse) -> MirrorResponse:
        kept = {name: value for name, value in answer.headers.items() if name not in names}
        return MirrorResponse(answer.status, kept, answer.body)

    return change


def _on_files(
    change: Callable[[Any, MirrorResponse], MirrorResponse],
) -> Callable[[Any, MirrorResponse], MirrorResponse]:
    return lambda handler, answer: change(handler, answer) if is_file(handler) else answer


def _wrong_range(_: Any, answer: MirrorResponse) -> MirrorResponse:
    if answer.status != 206:
        return answer
    size = answer.headers["Content-Range"].rpartition("/")[2]
    return MirrorResponse(
        206, answer.headers | {"Content-Range": f"bytes 7-{6 + len(answer.body)}/{size}"}, answer.body
    )


def _short_ranges(_: Any, answer: MirrorResponse) -> MirrorResponse:
    """At most 300,000 bytes at a time."""
    if answer.status != 206 or len(answer.body) <= 300_000:
        return answer
    start, _end, size = map(int, re.findall(r"\d+", answer.headers["Content-Range"]))
    headers = answer.headers | {"Content-Range": f"bytes {start}-{start + 299_999}/{size}"}
    return MirrorResponse(206, headers, answer.body[:300_000])


def _refuse_ranges(status: int) -> Callable[[Any, MirrorResponse], MirrorResponse]:
    return lambda handler, answer: MirrorResponse(status, {}, b"no") if handler.headers.get("Range") else answer


def _redirect(status: int) -> Callable[[Any, MirrorResponse], MirrorResponse]:
    """To a path of the same server, which has the file."""

    def change(handler: Any, answer: MirrorResponse) -> MirrorResponse:
        if "?blob" in handler.path:
            return answer
        return MirrorResponse(status, {"Location": f"{handler.path}?blob"}, b"")

    return change


def _chunked(_: Any, answer: MirrorResponse) -> MirrorResponse:
    return MirrorResponse(answer.status, answer.headers, answer.body, has_length=False)


def _closing(handler: Any, answer: MirrorResponse) -> MirrorResponse:
    """Closes every connection without saying so."""
    handler.close_connection = True
    return answer


FEATURES = {
    "no Content-Range": _without("Content-Range"),
    "a wrong Content-Range": _wrong_range,
    "ranges up to a size": _short_ranges,
    "416 for every range": _refuse_ranges(416),
    "400 for every range": _refuse_ranges(400),
    "501 for every range": _refuse_ranges(501),
    "no names of contents": _without("ETag", "X-Linked-Etag", "X-Linked-Size", "X-Repo-Commit"),
    "no length": _chunked,
    "gzip": lambda _, answer: compressed(answer),
    "302": _redirect(302),
    "303": _redirect(303),
    "307": _redirect(307),
    "308": _redirect(308),
    "connections that close": _closing,
}


@pytest.mark.parametrize("name", FEATURES)
def test_a_server_with_half_a_feature_ends_in_a_complete_model(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, name: str
) -> None:
    repo = make_repo()
    with mirror(hub.url, _on_files(FEATURES[name])) as server:
        model = make_cache(endpoint=server.url, piece_bytes=PIECE, read_timeout=10).ensure("test/model")
        assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()


@pytest.mark.parametrize("name", FEATURES)
def test_a_download_that_was_interrupted_continues_on_such_a_server(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, name: str
) -> None:
    repo = make_repo(unet_bytes=PIECE)
    content = (repo / UNET).read_bytes()
    unfinished = RepoLayout(make_cache().settings.hub_cache, "test/model").partial(hashlib.sha256(content).hexdigest())
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(content[:400_000])
    with mirror(hub.url, _on_files(FEATURES[name])) as server:
        model = make_cache(endpoint=server.url).ensure("test/model")
        assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()


def _listing(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any, MirrorResponse], MirrorResponse]:
    def change(handler: Any, answer: MirrorResponse) -> MirrorResponse:
        if "/tree/" not in handler.path:
            return answer
        lines = [edit(each) for each in json.loads(answer.body)]
        return MirrorResponse(answer.status, answer.headers, json.dumps(lines).encode())

    return change


@pytest.mark.parametrize(
    "lost", [("size",), ("lfs",), ("size", "lfs", "oid")], ids=["sizes", "large files", "sizes and hashes"]
)
@pytest.mark.parametrize("named", [True, False], ids=["with ETag", "without ETag"])
def test_a_list_without_sizes_or_hashes_is_completed_file_by_file(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, lost: tuple[str, ...], named: bool
) -> None:
    repo = make_repo()
    edit = _listing(lambda line: {name: value for name, value in line.items() if name not in lost})
    nameless = _without("ETag", "X-Linked-Etag", "X-Linked-Size")
    files = (lambda _, answer: answer) if named else _on_files(nameless)
    with mirror(hub.url, lambda handler, answer: files(handler, edit(handler, answer))) as server:
        model = make_cache(endpoint=server.url).ensure("test/model")
        assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
        assert all(file.content_key and file.size >= 0 for file in model.files)


@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("blobs", [True, False], ids=["with sizes", "names only"])
def test_a_mirror_without_tree_is_read_by_its_siblings(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, status: int, blobs: bool
) -> None:
    make_repo()
    repository = hub.repositories.find("test/model", "main")
    assert repository is not None
    known = {each.path: each for each in repository.files.values()}

    def change(handler: Any, answer: MirrorResponse) -> MirrorResponse:
        if "/tree/" in handler.path:
            return MirrorResponse(status, {}, b'{"errors":[]}')
        if "blobs=true" in handler.path and blobs:
            info = json.loads(answer.body)
            for each in info["siblings"]:
                file = known[each["rfilename"]]
                each.update({"size": file.size, "blobId": file.git_sha1})
                each.update({"lfs": {"sha256": file.sha256, "size": file.size}} if file.sha256 else {})
            return MirrorResponse(200, answer.headers, json.dumps(info).encode())
        return answer

    with mirror(hub.url, change) as server:
        assert make_cache(endpoint=server.url).ensure("test/model").source == "download"


def test_a_mirror_without_any_list_says_so(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()

    def change(handler: Any, answer: MirrorResponse) -> MirrorResponse:
        if "/tree/" in handler.path:
            return MirrorResponse(404, {}, b"{}")
        if "/revision/" in handler.path:
            info = {name: value for name, value in json.loads(answer.body).items() if name != "siblings"}
            return MirrorResponse(200, answer.headers, json.dumps(info).encode())
        return answer

    with mirror(hub.url, change) as server, pytest.raises(ImageGenError) as caught:
        make_cache(endpoint=server.url).ensure("test/model")
    assert caught.value.code == "HUB_ERROR" and "no list of its files" in caught.value.message
    assert "is private" not in caught.value.message and "has no model" not in caught.value.message.partition("(")[0]


@pytest.mark.parametrize(
    "form",
    ["<http://upstream.invalid/{path}?{query}>", "</{path}?{query}>", "<?{query}>", "<//other.invalid/x?{query}>"],
)
def test_the_next_page_is_asked_of_the_mirror_itself(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, form: str
) -> None:
    make_repo()
    hub.panel.turn({"page_size": 3})

    def change(_: Any, answer: MirrorResponse) -> MirrorResponse:
        if link := answer.headers.get("Link"):
            path, _, query = link.partition(">")[0].partition("://")[2].partition("/")[2].partition("?")
            answer.headers["Link"] = f'{form.format(path=path, query=query)}; rel="next"'
        return answer

    with mirror(hub.url, change, "/artifactory/api/repo") as server:
        assert make_cache(endpoint=server.url, token="hf_mine").ensure("test/model").source == "download"
        pages = [path for path, _, _ in server.asked if "/tree/" in path]
        assert len(pages) > 2 and all(path.startswith("/artifactory/api/repo/") for path in pages)


def test_a_list_that_repeats_its_page_ends(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()

    def change(handler: Any, answer: MirrorResponse) -> MirrorResponse:
        if "/tree/" in handler.path:
            count = len(server.asked)
            return MirrorResponse(200, {"Link": f'<{UPSTREAM}/x?cursor={count}>; rel="next"'}, answer.body)
        return answer

    with mirror(hub.url, change) as server:
        assert make_cache(endpoint=server.url).ensure("test/model").source == "download"


def test_retry_after_is_a_number_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)
    assert 25 < (_retry_after_seconds({"Retry-After": soon}) or 0) <= 30
    assert _retry_after_seconds({"Retry-After": past}) == 0
    assert _retry_after_seconds({"Retry-After": "1.5"}) == 1.5
    assert _retry_after_seconds({"Retry-After": "soon"}) is None
    assert _retry_after_seconds({"RateLimit": '"api";r=0;t=12'}) == 12
