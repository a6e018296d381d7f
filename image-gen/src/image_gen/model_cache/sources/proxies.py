"""Which proxy a request takes, by the environment: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case.

The address is checked here, so that a wrong one is an error of its variable. Nobody prints a password: messages show
scheme, host and port.
"""

import importlib.util
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from image_gen import reader
from image_gen.errors import SettingInvalidError

_PLACE = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]@]+)(?::(\d+))?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Proxy:
    """`shown` is the address without user and password."""

    variable: str
    shown: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.shown} ({self.variable})"

    @property
    def has_password(self) -> bool:
        return "@" in self.url

    @property
    def is_tls(self) -> bool:
        return self.url.startswith("https:")

    def exclude(self, host: str) -> str:
        """How the reader sends requests to a host past the proxy."""
        return reader.setting("NO_PROXY", host)

    def correct(self) -> str:
        """How the reader sets the proxy with a name and a password."""
        scheme, _, place = self.shown.partition("://")
        variable = self.variable if self.variable.isupper() else self.variable.upper()
        variable = variable if variable.endswith("_PROXY") else "HTTPS_PROXY"
        right = reader.setting(variable, f"{scheme}://<user>:<password>@{place}")
        return f"{right}, with @ : / ? # % in the password percent-encoded (# is %23)"


class Proxies:
    """The proxies of an environment."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._by_scheme: dict[str, tuple[str, str]] = {}
        for scheme in ("http", "https", "all"):
            # As everywhere, the variable in small letters wins, even when it is empty.
            names = [name for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY") if name in env]
            if names and env[names[0]].strip():
                self._by_scheme[scheme] = (names[0], env[names[0]].strip())
        excluded = env.get("no_proxy", env.get("NO_PROXY", ""))
        self._excluded = [each.lower() for each in re.split(r"[\s,]+", excluded) if each]

    def of(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for an address; None for a direct connection. Raises SETTING_INVALID."""
        named = self._by_scheme.get(scheme) or self._by_scheme.get("all")
        if named is None or any(_matches(each, host.lower().rstrip("."), port) for each in self._excluded):
            return None
        return _parse(*named)


def _matches(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means a host: `*`, a domain with or without a dot or `*.`, an IP address, a network,
    each with or without a port.
    """
    if entry == "*":
        return True
    entry = entry.partition("://")[2] or entry
    host = host.strip("[]")
    with_port = re.fullmatch(r"(\[[^\]]+\]|[^:]+):(\d+)", entry)
    if with_port:
        entry = with_port[1]
        if int(with_port[2]) != port:
            return False
    entry = entry.strip("[]")
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        name = entry.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False


def _parse(variable: str, value: str) -> Proxy:
    scheme, mark, rest = value.partition("://")
    if not mark:
        scheme, rest = "http", value
    end = re.search(r"[/?#]", rest)
    authority, after = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    user, at, place = authority.rpartition("@")
    found = _PLACE.fullmatch(place)
    if "@" in after:
        problem = f"the character {after[0]} in the user name or password is not percent-encoded ({_escape(after[0])})"
    elif "@" in user:
        problem = f"the character @ in the user name or password is not percent-encoded ({_escape('@')})"
    elif _BAD_ESCAPE.search(user):
        problem = f"the character % in the user name or password is not percent-encoded ({_escape('%')})"
    elif not value.isprintable() or " " in value or value[0] in "\"'":
        problem = "it contains spaces, quotes or control characters"
    elif scheme.lower() not in {"http", "https", "socks5", "socks5h"}:
        problem = f"expected http:// or https://, got {_safe(scheme)}://"
    elif scheme.lower().startswith("socks") and importlib.util.find_spec("socksio") is None:
        problem = "SOCKS proxies are not supported here; expected http:// or https://"
    elif not found or not 0 < int(found[2] or 1) <= 65535:
        problem = "expected http://<host>:<port>"
    else:
        shown = f"{scheme.lower()}://{place}"
        return Proxy(variable, shown, f"{scheme.lower()}://{user}{at}{place}")
    known = variable.upper() if variable.upper() in {"HTTP_PROXY", "HTTPS_PROXY"} else variable
    fix = reader.setting(known, "http://<user>:<password>@<host>:<port>")
    raise SettingInvalidError(
        f"{variable} is not a usable address: {problem}. Fix: {fix}, with @ : / ? # % in the user name and password "
        "percent-encoded (# is %23, @ is %40)."
    )


def _escape(character: str) -> str:
    return f"%{ord(character):02X}"


def _safe(scheme: str) -> str:
    """A scheme can be printed; anything else may be part of a password."""
    return scheme if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,15}", scheme) else "something else"
