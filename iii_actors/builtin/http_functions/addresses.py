"""Internet addresses: which ones are private (core.md §5.2), in whatever spelling. Pure.

A name in a URL that *could* be an IPv4 address is one: ``2130706433``, ``0x7f.1``, ``0177.0.0.1`` and ``127.1`` all are
127.0.0.1, because that is what a resolver or the system's socket calls would make of them (WHATWG URL, "ends in a
number" and "IPv4 parser").
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

__all__ = ["Address", "NotAnAddress", "ipv4_of", "ipv6_of", "is_private", "looks_like_ipv4", "written"]

Address = IPv4Address | IPv6Address

_PRIVATE_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "0.0.0.0/32",
        "255.255.255.255/32",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
    )
)
_PRIVATE_V6: Final = tuple(IPv6Network(text) for text in ("::1/128", "::/128", "fc00::/7", "fe80::/10", "ff00::/8"))
_EMBEDDING: Final = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""Ranges that stand for IPv4, and how many bits from the right it stands in them: mapped, compatible, translated
(RFC 2765), NAT64 (RFC 6052), 6to4 (RFC 3056)."""

_NUMBER: Final = re.compile(r"(?:0x(?P<hex>[0-9a-f]*)|(?P<octal>0[0-9]+)|(?P<decimal>[0-9]+))", re.ASCII)
_MOST_PARTS: Final = 4
_MOST_DIGITS: Final = 64
"""Of one number in a host: longer ones are beyond any address, and costly to convert."""


class NotAnAddress(ValueError):
    """It looks like an IP address and is none."""


def looks_like_ipv4(host: str) -> bool:
    """Return whether a lower-case host "ends in a number" and so can only be an IPv4 address."""
    last = host.removesuffix(".").rpartition(".")[2]
    return last.isascii() and (last.isdigit() or re.fullmatch("0x[0-9a-f]*", last) is not None)


def ipv4_of(host: str) -> IPv4Address:
    """Return the address that a host which :func:`looks_like_ipv4` stands for, in any of its spellings.

    :raises NotAnAddress: too many parts, a part that is no number or too large.
    """
    parts = host.removesuffix(".").split(".")
    if len(parts) > _MOST_PARTS:
        raise NotAnAddress(host)
    *firsts, last = [_number(part) for part in parts]
    if any(first > 0xFF for first in firsts) or last >= 256 ** (_MOST_PARTS + 1 - len(parts)):  # noqa: PLR2004
        raise NotAnAddress(host)
    value = last
    for position, first in enumerate(firsts):
        value += first << (8 * (_MOST_PARTS - 1 - position))
    return IPv4Address(value)


def _number(text: str) -> int:
    match = _NUMBER.fullmatch(text)
    if match is None or len(text) > _MOST_DIGITS:
        raise NotAnAddress(text)
    try:
        if match["hex"] is not None:
            return int(match["hex"] or "0", 16)
        return int(text, 8 if match["octal"] else 10)
    except ValueError:
        raise NotAnAddress(text) from None


def ipv6_of(text: str) -> IPv6Address:
    """Return the address written between a URL's brackets.

    :raises NotAnAddress: no address, or one with a zone id, which names an interface of this machine.
    """
    try:
        if "%" in text:
            raise NotAnAddress(text)
        return IPv6Address(text)
    except ValueError:
        raise NotAnAddress(text) from None


def is_private(address: Address) -> bool:
    """Return whether an address is one of those that ``block_private_ips`` blocks, also as an IPv6 form of IPv4.

    Exactly the protocol's list and what stands for it: shared address space (100.64.0.0/10) and IPv4 multicast are not
    on it (core.md §5.2).
    """
    if isinstance(address, IPv4Address):
        return any(address in network for network in _PRIVATE_V4)
    value = IPv6Address(int(address))  # without a zone
    if any(value in network for network in _PRIVATE_V6):
        return True
    return any(
        is_private(IPv4Address(int(value) >> shift & 0xFFFFFFFF)) for network, shift in _EMBEDDING if value in network
    )


def written(text: str) -> Address:
    """Read one of a resolver's answers, which may have a zone (``fe80::1%eth0``). Raises :class:`NotAnAddress`."""
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except ValueError:
        raise NotAnAddress(text) from None
