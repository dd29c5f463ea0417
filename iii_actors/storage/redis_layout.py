"""Where values lie in Redis (state.md §7, stream.md §8).

A scope is one hash, its fields are the keys, its values JSON texts: ``state:<scope>`` and ``stream:<stream>:<group>``,
as other engines have it, whose data is used as it is found. What this engine knows beyond that is kept beside it, under
names that no listing of scopes meets:

- ``iii-actors:marks:<name of the hash>``: a hash, from key to ``<version>:<due>``; due in ms since the epoch by Redis'
  own clock, empty for never. A value without a mark was written by another program: its version is 1;
- ``iii-actors:version``: the last version given. The next is one more, or the microseconds since the epoch if that is
  more: so versions grow even over a ``FLUSHALL``;
- ``iii-actors:expiry:<state or stream>``: a sorted set of what has a due, by it.

In names of streams ``%`` and ``:`` are written ``%25`` and ``%3A``, or the stream ``a`` with the group ``b:c`` would be
the stream ``a:b`` with the group ``c``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from iii_actors.storage.contract import Scope

__all__ = ["FOREIGN", "LAYOUTS", "VERSION_KEY", "Layout", "as_bytes", "as_text"]

FOREIGN: Final = 1
"""The version of a value that has no mark."""
VERSION_KEY: Final = b"iii-actors:version"
_SPECIAL: Final = re.compile(rb"([*?\[\]\\^-])")


class Layout(NamedTuple):
    """How the scopes of one kind are named."""

    prefix: str
    parts: int
    """How many a scope has."""

    def name_of(self, scope: Scope) -> bytes:
        """Return the name of a scope's hash. Raises ``ValueError`` for one with another number of parts."""
        if len(scope) != self.parts:
            raise ValueError(f"a scope of {self.prefix} has {self.parts} parts, not {len(scope)}")
        *first, last = scope
        return as_bytes(":".join((self.prefix, *map(_escaped, first), last)))

    def scope_of(self, name: bytes) -> Scope | None:
        """Return the scope that a hash holds; None if it is not one of this kind."""
        prefix, *parts = as_text(name).split(":", self.parts)
        if prefix != self.prefix or len(parts) != self.parts:
            return None
        *first, last = parts
        return (*map(_unescaped, first), last)

    def pattern(self, under: Scope) -> bytes:
        """Return what the names match of the scopes that begin with ``under``, and perhaps of others."""
        start = as_bytes(":".join((self.prefix, *map(_escaped, under), ""))) if len(under) < self.parts else None
        return _SPECIAL.sub(rb"\\\1", self.name_of(under) if start is None else start) + (
            b"" if start is None else b"*"
        )

    def marks_of(self, scope: Scope) -> bytes:
        """Return the name of the hash with the marks."""
        return b"iii-actors:marks:" + self.name_of(scope)

    @property
    def expiry_key(self) -> bytes:
        return b"iii-actors:expiry:" + self.prefix.encode()


LAYOUTS: Final = {"state": Layout("state", 1), "stream": Layout("stream", 2)}
"""By what is kept."""


def as_bytes(text: str) -> bytes:
    """Return a name as it is written. Raises ``ValueError`` for one that is no Unicode text."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("keys and scopes are Unicode text, which has no lone surrogates") from None


def as_text(name: bytes) -> str:
    """Return what :func:`as_bytes` has written; what other programs wrote and is no UTF-8 shows replacement marks."""
    return name.decode("utf-8", "replace")


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace(":", "%3A")


def _unescaped(part: str) -> str:
    return part.replace("%3A", ":").replace("%25", "%")
