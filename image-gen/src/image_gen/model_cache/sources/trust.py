"""Which authorities are trusted: those of the system, and those that the operator's variables name.

A variable that can't be used is an error that names it, as an address that nobody can be asked at would blame the hub.
"""

import os
import re
import ssl
from pathlib import Path

from image_gen import reader
from image_gen.errors import SettingInvalidError
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.mounts import is_reachable

_PEM = b"-----BEGIN "
_CERTIFICATE = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----")
# How OpenSSL finds a certificate in a directory: by the hash of its subject.
_HASHED = re.compile(r"[0-9a-fA-F]{8}\.\d+")


def load_authorities(trust: ssl.SSLContext, settings: CacheSettings) -> None:
    """Adds the operator's authorities. Raises SETTING_INVALID."""
    if settings.ca_file:
        # The variables of requests and curl may name a directory too; that of OpenSSL may not.
        if settings.ca_variable != "SSL_CERT_FILE" and is_reachable(settings.ca_file) and settings.ca_file.is_dir():
            _load_directories(trust, settings.ca_variable, str(settings.ca_file))
        else:
            _load_file(trust, settings.ca_variable, settings.ca_file)
    if settings.ca_directories:
        _load_directories(trust, "SSL_CERT_DIR", settings.ca_directories)


def _load_file(trust: ssl.SSLContext, variable: str, path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _invalid(variable, path, _why_unreadable(path, error)) from error
    if not content.strip():
        raise _invalid(variable, path, "it is empty")
    if not _CERTIFICATE.search(content):
        if content[:1] == b"\x30" and _PEM not in content:
            pem = f"openssl x509 -inform der -in {reader.place(path)} -out {reader.place(path.with_suffix('.pem'))}"
            raise _invalid(variable, path, "it is in the binary form (DER), and PEM is expected", pem)
        raise _invalid(variable, path, "it has no line -----BEGIN CERTIFICATE-----")
    try:
        trust.load_verify_locations(cafile=path)
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or error  # an ssl.SSLError has the first
        raise _invalid(variable, path, f"a certificate in it can't be read ({reason})") from error


def _load_directories(trust: ssl.SSLContext, variable: str, value: str) -> None:
    """One or more directories. It is enough if one of them has certificates."""
    problems = []
    for path in (Path(each) for each in value.split(os.pathsep) if each):
        try:
            names = [each.name for each in path.iterdir()]
        except OSError as error:
            problems.append(_invalid(variable, path, _why_unreadable(path, error, directory=True)))
            continue
        if any(map(_HASHED.fullmatch, names)):
            trust.load_verify_locations(capath=path)
            return
        why = "no certificate in it has the name that OpenSSL looks for (its hash)"
        problems.append(_invalid(variable, path, why, f"openssl rehash {reader.place(path)}"))
    if problems:
        raise problems[0]


def _why_unreadable(path: Path, error: OSError, *, directory: bool = False) -> str:
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return f"it is a link to {path.readlink()}, which is not there"
        return "there is no such directory" if directory else "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a directory, and a file of certificates (PEM) is expected; SSL_CERT_DIR takes directories"
    if isinstance(error, NotADirectoryError) and directory:
        return "it is not a directory; SSL_CERT_FILE takes a file"
    if isinstance(error, PermissionError):
        return f"user {os.geteuid()}:{os.getegid()} may not read it"
    return f"it can't be read ({error.strerror or error})"


def _invalid(variable: str, path: Path, why: str, command: str = "") -> SettingInvalidError:
    right = reader.setting(variable, "<a readable PEM file of your authority>")
    fix = command or f"{right}, or leave it out"
    return SettingInvalidError(f"{variable}: {reader.place(path)} can't be used as certificates: {why}. Fix: {fix}.")
