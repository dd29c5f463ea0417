"""URLs of external functions: read strictly, checked against the rules (core.md §5.2).

One reader decides what the host is, and what it found is what is connected to: nothing later reads the text again. It
is stricter than browsers on purpose. Where two readers could understand two hosts (user information, back slashes,
control characters, percent signs in the host), the URL is refused.
"""

from __future__ import annotations

import fnmatch
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import idna

from iii_actors.builtin.http_functions.addresses import (
    Address,
    NotAnAddress,
    ipv4_of,
    ipv6_of,
    is_private,
    looks_like_ipv4,
    written,
)
from iii_actors.builtin.http_functions.errors import RequestFailed, UrlRefused
from iii_actors.config.http_functions import SecuritySettings
from iii_actors.limits import EXTERNAL_URL_CHARS

__all__ = ["Resolver", "Url", "check", "parse", "system_resolver"]

Resolver = Callable[[str, int], Sequence[str]]
"""Host name and port to addresses as text; raises ``OSError`` when there is no answer. May wait."""

HTTPS: Final = "https"
DEFAULT_PORTS: Final = {"http": 80, HTTPS: 443}
_SHAPE: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>[^#]*)(?:#.*)?")
_AUTHORITY: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]*)\]|(?P<host>[^\[\]:]*))(?::(?P<port>[0-9]{0,7}))?")
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_NAME: Final = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?")
_MOST_NAME_CHARS: Final = 254
_MOST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Url:
    """A URL, taken apart. The fragment is dropped."""

    text: str
    """As configured, for messages."""
    scheme: str
    """Lower-case."""
    host: str
    """Lower-case, in ASCII (punycode); of an IPv4 address the dotted form, of an IPv6 one without brackets."""
    port: int
    """0 for a scheme that has no default one here."""
    rest: str
    """Path and query."""
    address: Address | None
    """What the host stands for, if it is an address."""

    @property
    def bracketed(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def authority(self) -> str:
        """What goes into the ``Host`` header."""
        own = DEFAULT_PORTS.get(self.scheme)
        return self.bracketed if self.port == own else f"{self.bracketed}:{self.port}"

    @property
    def normalised(self) -> str:
        """The URL as it is requested."""
        return f"{self.scheme}://{self.authority}{self.rest if self.rest.startswith('/') else '/' + self.rest}"


def parse(text: str) -> Url:
    """Take a URL apart. Raises :class:`UrlRefused` (``Invalid URL``)."""
    if len(text) > EXTERNAL_URL_CHARS:
        raise UrlRefused.invalid(f"it is longer than {EXTERNAL_URL_CHARS} characters")
    match = _SHAPE.fullmatch(text)
    if match is None or _UNSAFE.search(text):
        raise UrlRefused.invalid("it is not of the form https://host/path, or has spaces or back slashes")
    scheme, authority = match["scheme"].lower(), match["authority"]
    if "@" in authority:
        raise UrlRefused.invalid("it has user information in front of the host; put credentials under `auth`")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise UrlRefused.invalid("what stands between // and the path is not host:port")
    port = int(parts["port"]) if parts["port"] else DEFAULT_PORTS.get(scheme, 0)
    if port > _MOST_PORT:
        raise UrlRefused.invalid(f"there is no port {port}")
    address: Address | None = None
    try:
        if parts["ipv6"] is not None:
            address = ipv6_of(parts["ipv6"])
            host = address.compressed
        else:
            host = _name(parts["host"])
            if looks_like_ipv4(host):
                address = ipv4_of(host)
                host = address.compressed
    except NotAnAddress:
        raise UrlRefused.invalid("its host looks like an IP address and is none") from None
    return Url(text, scheme, host, port, match["rest"], address)


def _name(host: str) -> str:
    """Return a host in lower-case ASCII; what only looks like ASCII (full-width digits, for example) becomes it."""
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise UrlRefused.invalid("its host is not a domain name") from None
    host = host.lower()
    if _NAME.fullmatch(host) is None or len(host) > _MOST_NAME_CHARS:
        raise UrlRefused.invalid("its host is not a domain name")
    return host


def check(url: Url, rules: SecuritySettings, resolver: Resolver) -> list[str]:
    """Apply the rules in the protocol's order; return the addresses that may be connected to, in the resolver's order.

    May wait for the resolver. Raises :class:`UrlRefused`, or :class:`RequestFailed` where a name that the rules do not
    look at has no address. An unsupported scheme that the rules let pass has no addresses either.
    """
    if rules.require_https and url.scheme != HTTPS:
        raise UrlRefused("HTTPS is required")
    if not _listed(url, rules.url_allowlist):
        raise UrlRefused("URL not in allowlist")
    if url.address is not None:
        if rules.block_private_ips and is_private(url.address):
            raise UrlRefused("Private IP blocked")
        return [url.host]
    try:
        answers = list(dict.fromkeys(resolver(url.host, url.port)))
    except (OSError, UnicodeError) as error:
        answers, reason = [], str(error)
    else:
        reason = "the name has no address"
    if not answers:
        if rules.block_private_ips:
            raise UrlRefused("DNS lookup failed")
        raise RequestFailed(url.text, f"dns error: {reason}")
    if rules.block_private_ips and any(_blocked(answer) for answer in answers):
        raise UrlRefused("Private IP blocked")
    return answers


def _listed(url: Url, globs: Sequence[str]) -> bool:
    """Return whether the host matches a glob; an IPv6 address counts with its brackets and without."""
    return not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs for name in {url.host, url.bracketed})


def _blocked(answer: str) -> bool:
    try:
        return is_private(written(answer))
    except NotAnAddress:
        return True


def system_resolver(host: str, port: int) -> list[str]:
    """Ask the system. May wait as long as the system's resolver is set to; raises ``OSError``."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for _, _, _, _, address in answers]
