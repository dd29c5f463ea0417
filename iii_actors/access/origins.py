"""Which web pages may connect: browsers say where a script comes from, and nothing else stops it (RFC 6455 §10.2)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Origins"]


class Origins:
    """What a port's setting ``allowed_origins`` lets in."""

    __slots__ = ("_all", "_listed")

    def __init__(self, listed: Sequence[str]) -> None:
        self._listed = frozenset(listed)
        self._all = "*" in self._listed

    def allow(self, headers: Sequence[tuple[str, str]]) -> bool:
        """Return whether a request with these headers may go on. One without an origin is no browser's."""
        return self._all or all(value in self._listed for name, value in headers if name == "origin")
