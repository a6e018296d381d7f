"""Which addresses a webhook may have: https, and no host of this machine or of its networks.

Comes in: a URL. Goes out: the addresses to connect to, which were checked and are not resolved again. Must not: send.
"""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_LONGEST: Final = 2048
# Addresses of the IPv4 internet as IPv6: what counts is the one inside.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class WebhookUrl:
    """A URL in its parts. `target` is the path with the query."""

    is_tls: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def parse_webhook_url(text: object, *, allow_private: bool) -> WebhookUrl:
    """Raises ValueError that says what was expected."""
    expected = f"an https address of up to {_LONGEST} characters, without a user, such as https://example.com/hook"
    if not isinstance(text, str) or len(text) > _LONGEST or not all("!" <= letter <= "~" for letter in text):
        raise ValueError(expected)
    try:
        parts = urlsplit(text)
        port = parts.port
        # As the resolver does: a part of a name has 1 to 63 characters.
        (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValueError(expected) from None
    schemes = {"https", "http"} if allow_private else {"https"}
    if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc or parts.fragment or "\\" in text:
        raise ValueError(expected)
    is_tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookUrl(is_tls, parts.hostname, port or (443 if is_tls else 80), target)


def addresses_of(url: WebhookUrl, *, allow_private: bool) -> list[str]:
    """All addresses of the host. Raises OSError where it has none, PermissionError where one is not public."""
    found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    # One that is not public is enough: a name that has both kinds is made to get past this check.
    if not allow_private and not all(map(is_public, addresses)):
        raise PermissionError(f"{url.host} is not a public address")
    return addresses


def is_public(text: str) -> bool:
    """Whether an address is one of the internet, and not of this machine, its networks or the cloud's metadata."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour or address.teredo:
            return False
        inner = address.ipv4_mapped or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
        address = inner or address
    if getattr(address, "is_site_local", False):  # IPv6's former private addresses
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified
