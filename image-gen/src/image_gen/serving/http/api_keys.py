"""The API keys of the service: their names, their hashes and their limits.

Comes in: IMAGE_GEN_API_KEY, and a file that may change while the service runs. Goes out: which key a client has sent.
Must not: show a key.
"""

import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from image_gen.errors import SettingInvalidError

log = logging.getLogger(__name__)
# The name of a key that was given without one.
DEFAULT_NAME: Final = "default"
_EXPECTED: Final = (
    'expected a line name:key for each key, or JSON such as {"name": "key", "other": {"key": "…", '
    '"requests_per_minute": 60, "concurrent": 2, "permissions": ["cache"]}}'
)
# What a key may do beside making pictures. `cache`: prefetch, verify and delete models.
Permission = Literal["cache"]
PERMISSIONS: Final[tuple[Permission, ...]] = get_args(Permission)
_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,512}")
_HASH: Final = "sha256:"
_HASHED: Final = re.compile(rf"{_HASH}([0-9A-Fa-f]{{64}})")
# How often a file is looked at, which takes one call of `stat`.
_CHECK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class ApiKey:
    """A client's key. `requests_per_minute` and `concurrent` limit its requests for pictures; None: no limit.
    `permissions` are what it may do beside that.
    """

    name: str
    sha256: bytes
    requests_per_minute: int | None = None
    concurrent: int | None = None
    permissions: frozenset[Permission] = frozenset()


class KeysInvalid(Exception):  # noqa: N818 -- named as a state
    """What is wrong with a text of keys, without any of it."""


class ApiKeys:
    """The keys that are valid now. A file that has become wrong leaves those that were valid before."""

    def __init__(self, variable: str, file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises SettingInvalidError."""
        self._file = file
        self._clock = clock
        self._checked = clock()
        try:
            self._fixed = _from_variable(variable)
        except KeysInvalid as error:
            raise SettingInvalidError(f"IMAGE_GEN_API_KEY: {error}. Fix: correct it, and start again.") from None
        self._state = self._state_of_file()
        try:
            self._keys = self._all()
        except KeysInvalid as error:
            raise SettingInvalidError(
                f"IMAGE_GEN_API_KEYS_FILE: {error}. Fix: correct {file}, and start again."
            ) from None

    def __bool__(self) -> bool:
        """Whether a client needs a key. With a file it does, whatever is in the file."""
        return self._file is not None or bool(self._fixed)

    def find(self, given: bytes) -> ApiKey | None:
        """The key that a client has sent. Takes as long for each, so that the time reveals nothing about one."""
        self._read_again()
        digest = hashlib.sha256(given).digest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def _read_again(self) -> None:
        now = self._clock()
        if self._file is None or now - self._checked < _CHECK_SECONDS:
            return
        self._checked = now
        state = self._state_of_file()
        if state == self._state:
            return
        self._state = state
        try:
            before, self._keys = self._keys, self._all()
        except KeysInvalid as error:
            log.error("The API keys have not changed: %s. Fix: correct %s", error, self._file)
        else:
            came, gone = _names(self._keys, before), _names(before, self._keys)
            log.info("Read %d API keys: new %s; gone %s", len(self._keys), came or "none", gone or "none")

    def _all(self) -> tuple[ApiKey, ...]:
        if self._file is None:
            return self._fixed
        try:
            text = self._file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise KeysInvalid(f"{self._file} can't be read ({reason})") from None
        keys = parse_keys(text)
        if not keys:
            raise KeysInvalid(f"{self._file} has no key: {_EXPECTED}")
        return _unique((*self._fixed, *keys))

    def _state_of_file(self) -> object:
        try:
            status = self._file.stat() if self._file else None
        except OSError as error:
            return error.errno
        return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)


def _names(keys: Iterable[ApiKey], others: Iterable[ApiKey]) -> str:
    """Of keys that the others do not have."""
    known = set(others)
    return ", ".join(key.name for key in keys if key not in known)


def _from_variable(text: str) -> tuple[ApiKey, ...]:
    """One key, or the JSON of several."""
    if not text:
        return ()
    return parse_keys(text) if text.startswith("{") else (_key(DEFAULT_NAME, text, {}),)


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Raises KeysInvalid."""
    text = text.strip()
    if not text.startswith("{"):
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
        return _unique(tuple(_of_line(*each) for each in lines if each[1] and not each[1].startswith("#")))
    try:
        content: dict[str, Any] = json.loads(text, object_pairs_hook=_no_twice)
    except ValueError:
        raise KeysInvalid(f"not JSON; {_EXPECTED}") from None
    keys = []
    for name, value in content.items():
        about = value if isinstance(value, dict) else {"key": value}
        keys.append(_key(name, about.get("key"), {each: about[each] for each in about if each != "key"}))
    return _unique(tuple(keys))


def _of_line(number: int, line: str) -> ApiKey:
    name, colon, key = line.partition(":")
    if not colon:  # it may be a key alone
        raise KeysInvalid(f"line {number} is not name:key; {_EXPECTED}")
    return _key(name.strip(), key.strip(), {})


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise KeysInvalid("a name is there twice")
    return content


def _key(name: str, key: object, about: Mapping[str, object]) -> ApiKey:
    if not _NAME.fullmatch(name):
        # It may be a key that lacks its name, and is not shown.
        raise KeysInvalid(f"a key's name is not 1 to 64 letters, digits and . _ @ -; {_EXPECTED}")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise KeysInvalid(f"the key of {name} is not 1 to 512 characters without spaces; {_EXPECTED}")
    limits = {field: value for field, value in about.items() if field != "permissions"}
    for limit, value in limits.items():
        if limit not in {"requests_per_minute", "concurrent"}:
            raise KeysInvalid(
                f"{name} has a field that is neither key, requests_per_minute, concurrent nor permissions"
            )
        if type(value) is not int or not 1 <= value <= 1_000_000:
            raise KeysInvalid(f"{limit} of {name} is not a whole number from 1 to 1000000")
    hashed = _HASHED.fullmatch(key)
    if key.startswith(_HASH) and hashed is None:  # As a key, it would be what the file shows.
        raise KeysInvalid(f"the hash of {name} is not sha256: and 64 hex digits")
    sha256 = bytes.fromhex(hashed[1]) if hashed else hashlib.sha256(key.encode()).digest()
    permissions = _permissions(name, about.get("permissions", []))
    return ApiKey(name, sha256, permissions=permissions, **limits)  # type: ignore[arg-type]  # checked above


def _permissions(name: str, given: object) -> frozenset[Permission]:
    if not isinstance(given, list) or not all(isinstance(each, str) and each in PERMISSIONS for each in given):
        known = ", ".join(f'"{each}"' for each in PERMISSIONS)
        raise KeysInvalid(f"permissions of {name} is not a list of: {known}")
    return frozenset(given)


def _unique(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    if len({key.name for key in keys}) < len(keys):
        raise KeysInvalid("a name is there twice")
    if len({key.sha256 for key in keys}) < len(keys):
        raise KeysInvalid("two names have the same key")
    return keys
