"""Authorities, proxies and tokens that can't be used are named as what they are, with a fix, and no secret is shown."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from conftest import MakeCache, MakeRepo
from servers import MirrorResponse, forward_proxy, mirror

from image_gen import reader
from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core.filesystem import to_cache_error
from image_gen.model_cache.core.token import find_token
from image_gen.model_cache.sources.hub import HubClient
from image_gen.model_cache.sources.proxies import Proxies, Proxy
from image_gen.model_cache.sources.s3 import _check_keys
from image_gen_demo.hub import DemoHub

NOBODY = 65534


@pytest.fixture(autouse=True)
def short_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("image_gen.model_cache.core.retry._back_off", lambda failed: 0.01)


def refused(call: Callable[[], object]) -> ImageGenError:
    with pytest.raises(ImageGenError) as caught:
        call()
    assert "\n" not in caught.value.message and " Fix: " in caught.value.message
    return caught.value


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("authority")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=Test authority", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def _dangling(path: Path, _: Path) -> None:
    path.symlink_to(path.with_name("gone.pem"))


def _binary(path: Path, good: Path) -> None:
    path.write_bytes(ssl.PEM_cert_to_DER_cert(good.read_text()))


def _broken(path: Path, good: Path) -> None:
    path.write_text(good.read_text()[:200] + "\n-----END CERTIFICATE-----\n")


UNUSABLE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "missing": (lambda path, _: None, "no such file"),
    "a dangling link": (_dangling, "a link to"),
    "empty": (lambda path, _: path.write_text("\n"), "is empty"),
    "not PEM": (lambda path, _: path.write_text("hello"), "BEGIN CERTIFICATE"),
    "DER": (_binary, "openssl x509 -inform der"),
    "a broken certificate": (_broken, "can't be read"),
    "a directory": (lambda path, _: path.mkdir(), "SSL_CERT_DIR"),
}


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_file_of_authorities_that_cannot_be_used_is_named(
    make_cache: MakeCache, tmp_path: Path, authority: tuple[Path, Path], kind: str, variable: str
) -> None:
    make, why = UNUSABLE[kind]
    path = tmp_path / "authority.pem"
    make(path, authority[0])
    settings = CacheSettings.from_env({variable: str(path)})
    cache = make_cache(ca_file=settings.ca_file, ca_variable=settings.ca_variable)
    # As a process has it: the client's own defaults must not read it either.
    with mock.patch.dict(os.environ, {variable: str(path)}):
        error = refused(lambda: cache.ensure("test/model"))
    assert error.code == "SETTING_INVALID" and error.message.startswith(f"{variable}: {path} ")
    if kind != "a directory" or variable == "SSL_CERT_FILE":
        assert why in error.message
    assert "cache cleared" not in error.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_file_of_authorities_that_may_not_be_read_is_named(make_cache: MakeCache, tmp_path: Path) -> None:
    path = tmp_path / "authority.pem"
    path.write_text("-----BEGIN CERTIFICATE-----")
    path.chmod(0)
    settings = make_cache(ca_file=path).settings
    os.seteuid(NOBODY)
    try:
        error = refused(lambda: HubClient(settings))
    finally:
        os.seteuid(0)
    assert error.code == "SETTING_INVALID" and str(path) in error.message


def test_a_directory_of_authorities_is_used_or_named(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path, authority: tuple[Path, Path]
) -> None:
    make_repo()
    certificate, key = authority
    folder = tmp_path / "authorities"
    for value, why in ((str(folder), "no such directory"), (str(certificate), "not a directory")):
        error = refused(lambda value=value: make_cache(ca_directories=value).ensure("test/model"))  # type: ignore[misc]
        assert error.code == "SETTING_INVALID" and error.message.startswith("SSL_CERT_DIR: ") and why in error.message
    folder.mkdir()
    shutil.copy(certificate, folder / "mine.pem")
    assert "openssl rehash" in refused(lambda: make_cache(ca_directories=str(folder)).ensure("test/model")).message
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    hub.socket = context.wrap_socket(hub.socket, server_side=True)
    cache = make_cache(endpoint=hub.url.replace("http:", "https:"), ca_directories=f"/nowhere:{folder}")
    assert cache.ensure("test/model").source == "download"


def test_a_server_without_tls_and_an_untrusted_one_are_no_missing_network(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, authority: tuple[Path, Path], tmp_path: Path
) -> None:
    make_repo()
    endpoint = hub.url.replace("http:", "https:")
    error = refused(lambda: make_cache(endpoint=endpoint).ensure("test/model"))
    assert error.code == "CERTIFICATE_UNTRUSTED" and "does not speak TLS" in error.message and not error.retryable
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority)
    hub.socket = context.wrap_socket(hub.socket, server_side=True)
    error = refused(lambda: make_cache(endpoint=endpoint).ensure("test/model"))
    assert error.code == "CERTIFICATE_UNTRUSTED" and "SSL_CERT_FILE" in error.message and endpoint in error.message
    named = endpoint.replace("127.0.0.1", "localhost")
    error = refused(lambda: make_cache(endpoint=named, ca_file=authority[0]).ensure("test/model"))
    assert error.code == "CERTIFICATE_UNTRUSTED" and "another server's" in error.message


@pytest.mark.parametrize("error", [ssl.SSLError("x"), ConnectionResetError("x"), TimeoutError("x")], ids=type)
def test_errors_of_connections_are_none_of_the_disk(tmp_path: Path, error: OSError) -> None:
    assert to_cache_error(error, tmp_path, "fetching a/b").code == "HUB_UNREACHABLE"


def test_a_missing_file_elsewhere_does_not_blame_the_cache(tmp_path: Path) -> None:
    elsewhere = FileNotFoundError(2, "No such file or directory", "/etc/of/somebody/else.pem")
    error = to_cache_error(elsewhere, tmp_path, "fetching a/b")
    assert error.code == "CACHE_ERROR" and "/etc/of/somebody/else.pem" in error.message
    inside = FileNotFoundError(2, "No such file or directory", str(tmp_path / "hub/x"))
    assert to_cache_error(inside, tmp_path, "fetching a/b").code == "CACHE_CHANGED"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_that_refuses_is_blamed_itself(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    make_repo()
    with forward_proxy("anna:p@ss#1") as proxy:
        for login, words in (("", "requires a user name"), ("anna:wrong@", "does not accept")):
            monkeypatch.setenv(variable, proxy.url.replace("http://", f"http://{login}"))
            error = refused(lambda: make_cache().ensure("test/model"))
            assert error.code == "PROXY_FAILED" and not error.retryable and words in error.message
            assert f"{proxy.url} ({variable})" in error.message and "wrong" not in error.message
            assert "HF_ENDPOINT" not in error.message
        monkeypatch.setenv(variable, proxy.url.replace("http://", "http://anna:p%40ss%231@"))
        assert make_cache().ensure("test/model").source == "download"
        assert len(hub.requests) == len([each for each in proxy.asked if each[2] and "wrong" not in each[2]]) - 1


@pytest.mark.parametrize(
    ("status", "retried", "words"), [(407, False, "requires a user name"), (403, False, "403"), (502, True, "502")]
)
def test_a_proxy_that_makes_no_tunnel_is_blamed_itself(
    make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch, status: int, retried: bool, words: str
) -> None:
    with forward_proxy(status=status) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = refused(lambda: make_cache(endpoint="https://hub.invalid").ensure("test/model"))
    assert error.code == "PROXY_FAILED" and error.retryable is retried and words in error.message
    assert f"{proxy.url} (HTTPS_PROXY)" in error.message


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://proxy.invalid:3128"])
def test_a_proxy_that_is_not_there_is_blamed_itself(
    make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("https_proxy", address.replace("//", "//me:secret@"))
    error = refused(lambda: make_cache(endpoint="https://hub.invalid").ensure("test/model"))
    assert error.code == "PROXY_FAILED" and error.retryable and f"{address} (https_proxy)" in error.message
    assert "secret" not in error.message and "NO_PROXY=hub.invalid" in error.message


@pytest.mark.parametrize(
    "value",
    [
        "http://anna:se#cret@proxy:1", "http://anna:se/cret@proxy:1", "http://anna:se?cret@proxy:1", "http://a:se@cret@p:1",
        "http://anna:se%cret@proxy:1", "ftp://anna:secret@proxy:1", "socks5://anna:secret@proxy:1", "http://", "http://proxy:99999",
        "http://proxy:port", '"http://anna:secret@proxy:1"', "http://anna:se cret@proxy:1", "secret@://x", "http://[::1",
    ],
)  # fmt: skip
def test_a_proxy_address_that_cannot_be_used_is_named_without_its_password(value: str) -> None:
    error = refused(lambda: Proxies({"HTTPS_PROXY": value}).of("https", "hub", 443))
    assert error.code == "SETTING_INVALID" and error.message.startswith("HTTPS_PROXY is not a usable address")
    assert "cret" not in error.message


@pytest.mark.parametrize(
    ("excluded", "direct"),
    [
        ("*", True), ("hub.example.com", True), ("example.com", True), (".example.com", True), ("*.example.com", True),
        ("HUB.example.com", True), ("hub.example.com:443", True), ("hub.example.com:80", False), ("ample.com", False),
        ("other, example.com", True), ("other example.com", True), ("https://hub.example.com", True), ("", False),
        ("hub.example.com.", True),
    ],
)  # fmt: skip
def test_no_proxy_takes_every_usual_form(excluded: str, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        proxies = Proxies({"ALL_PROXY": "http://proxy:3128", name: excluded})
        assert (proxies.of("https", "hub.example.com", 443) is None) is direct


def test_no_proxy_takes_addresses_and_networks() -> None:
    proxies = Proxies({"http_proxy": "proxy:3128", "NO_PROXY": "10.0.0.0/8,192.168.1.5,[::1],fd00::/8"})
    excluded = ("10.1.2.3", "192.168.1.5", "::1", "fd00::2")
    assert all(proxies.of("http", host, 80) is None for host in excluded)
    assert proxies.of("http", "11.1.1.1", 80) is not None
    assert proxies.of("http", "hub", 80) == Proxy("http_proxy", "http://proxy:3128", "http://proxy:3128")
    assert proxies.of("https", "hub", 443) is None
    assert Proxies({"https_proxy": "", "HTTPS_PROXY": "http://proxy:1"}).of("https", "hub", 443) is None


def test_a_hub_of_our_own_takes_no_proxy(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    assert make_cache(direct=True).ensure("test/model").source == "download"


TOKENS = {
    "quotes": ('"hf_abcdef"', "quotes"),
    "inner spaces": ("hf_abc def", "spaces"),
    "two lines": ("hf_abc\nhf_def", "line breaks"),
    "other characters": ("hf_ü", "other characters"),
    "a header": ("Bearer hf_abcdef", "Bearer"),
    "blank": ("  ", "empty"),
    "a placeholder": ("<token>", "placeholder"),
}


@pytest.mark.parametrize("variable", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "login"])
@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_that_cannot_be_used_is_named_with_its_way_in(tmp_path: Path, kind: str, variable: str) -> None:
    text, why = TOKENS[kind]
    file = tmp_path / "token"
    env = {variable: text}
    if variable in {"HF_TOKEN_PATH", "login"}:
        file.write_text(text, encoding="utf-8")
        env = {"HF_TOKEN_PATH": str(file)} if variable == "HF_TOKEN_PATH" else {}
    found = find_token(env, file)
    assert found.value is None and why in found.problem and " Fix: " in found.problem
    assert (str(file) if variable == "login" else variable) in found.problem and "hf_abc" not in found.problem


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x80\x81\xff")
    (tmp_path / "folder").mkdir()
    for name, why in (("gone", "no such file"), ("binary", "not a text file"), ("folder", "is a directory")):
        found = find_token({"HF_TOKEN_PATH": str(tmp_path / name)}, tmp_path / "none")
        assert found.value is None and f"HF_TOKEN_PATH={tmp_path / name}" in found.problem and why in found.problem
    assert find_token({}, tmp_path / "none").problem == ""
    assert "HUGGINGFACE_TOKEN is not read" in find_token({"HUGGINGFACE_TOKEN": "hf_x"}, tmp_path / "none").problem
    assert find_token({"HF_TOKEN": " hf_abc\r\n"}, tmp_path / "none").value == "hf_abc"


def test_an_unusable_token_stops_no_public_model_and_explains_a_refusal(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, caplog: pytest.LogCaptureFixture
) -> None:
    make_repo()
    settings = CacheSettings.from_env({"HF_TOKEN": "'hf_secret'"})
    given = {"token_problem": settings.token_problem}
    assert make_cache(**given).ensure("test/model").source == "download"
    assert [record.message for record in caplog.records if "HF_TOKEN" in record.message]
    hub.panel.turn({"gated": True})
    make_repo("test/gated", seed=3)
    error = refused(lambda: make_cache(**given).ensure("test/gated"))
    assert error.code == "GATED_MODEL" and "quotes around it" in error.message and "hf_secret" not in error.message


def test_a_refused_token_is_named_with_its_way_in(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    hub.panel.turn({"token": "hf_right"})
    error = refused(lambda: make_cache(token="hf_wrong", token_from="HF_TOKEN_PATH=/x").ensure("test/model"))
    assert error.code == "UNAUTHORIZED" and "HF_TOKEN_PATH=/x" in error.message and "expired" in error.message
    assert "another server" in error.message


def test_the_token_goes_to_its_own_host_alone_and_again_when_a_redirect_leads_back(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()

    def back(handler: object, answer: MirrorResponse) -> MirrorResponse:
        path = handler.path  # type: ignore[attr-defined]
        return MirrorResponse(307, {"Location": f"{hub.url}{path}?back"}, b"")

    with mirror(hub.url, back) as elsewhere:
        hub.panel.turn({"token": "hf_mine"})

        def away(handler: object, answer: MirrorResponse) -> MirrorResponse:
            path = handler.path  # type: ignore[attr-defined]
            return MirrorResponse(302, {"Location": f"{elsewhere.url}{path}"}, b"") if "/resolve/" in path else answer

        with mirror(hub.url, away) as home:
            make_cache(endpoint=home.url, token="hf_mine").ensure("test/model")
            assert {given for _, _, given in home.asked} == {"Bearer hf_mine"}
            assert {given for _, _, given in elsewhere.asked} == {None}
    # The third server is another host for this token, however it was reached.
    assert not any(entry["authorized"] for entry in hub.requests if "?back" in entry["path"])


def test_credentials_in_the_endpoint_are_sent_there_and_never_shown(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    settings = CacheSettings.from_env({"HF_ENDPOINT": hub.url.replace("//", "//anna:pa%40ss@")})
    assert settings.endpoint == hub.url and "pass" not in repr(settings) and settings.endpoint_login == "anna:pa@ss"
    with mirror(hub.url, lambda _, answer: answer) as server:
        make_cache(endpoint=server.url, endpoint_login="anna:pa@ss").ensure("test/model")
        assert {given for _, _, given in server.asked} == {"Basic YW5uYTpwYUBzcw=="}


@pytest.mark.parametrize(
    "aws",
    [
        {"AWS_ACCESS_KEY_ID": "AKIA"}, {"AWS_SECRET_ACCESS_KEY": "s"}, {"AWS_SESSION_TOKEN": "t"},
        {"AWS_ACCESS_KEY_ID": "AKIA\n", "AWS_SECRET_ACCESS_KEY": "s"},
        {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": '"s"'},
    ],
)  # fmt: skip
def test_aws_keys_that_cannot_be_used_are_named(aws: dict[str, str]) -> None:
    error = refused(lambda: _check_keys(aws))
    assert error.code == "SETTING_INVALID" and error.message.startswith("AWS_")
    assert '"s"' not in error.message


def test_the_reader_gets_commands_and_settings_of_the_own_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_reader", reader.Reader())
    assert reader.cache_command("verify --repair") == "image-gen verify --repair"
    assert reader.setting("HF_ENDPOINT", "<address>") == "set HF_ENDPOINT=<address>"
    reader.address_reader({"IMAGE_GEN_COMMAND": "imagegen --stack aws-volume"})
    assert reader.cache_command("verify --repair") == "imagegen cache verify --repair --stack aws-volume"
    assert reader.cache_command("restore --input FILE") == "imagegen cache restore FILE --stack aws-volume"
    assert reader.cache_command("doctor") == "imagegen doctor --stack aws-volume"
    assert reader.setting("SSL_CERT_FILE", "<f>") == "imagegen up --stack aws-volume --config caFile=<f>"
    assert reader.setting("HF_HUB_OFFLINE", "") == "imagegen up --stack aws-volume --config offline=false"
    reader.address_reader({"IMAGE_GEN_COMMAND": "docker compose exec image-gen image-gen"})
    assert reader.cache_command("gc") == "docker compose exec image-gen image-gen gc"
