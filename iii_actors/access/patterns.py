"""Patterns of function ids: ``*`` stands for any run of characters, all else for itself (core.md §10.1)."""

from __future__ import annotations

from iii_actors.config.access import wildcard

__all__ = ["Pattern", "grant"]


class Pattern:
    """A pattern. Matching takes time in proportion to the text, whatever the pattern is: ids are what clients say."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts = text.split("*")

    def matches(self, text: str) -> bool:
        """Return whether the whole of ``text`` matches, upper and lower case as written."""
        first, *rest = self._parts
        if not rest:
            return text == first
        *middle, last = rest
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return False
        at = len(first)
        for part in middle:
            at = text.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True


def grant(text: str) -> Pattern:
    """Return the pattern of a grant, which is written bare or as ``match("...")`` (core.md §10.2)."""
    inner = wildcard(text)
    return Pattern(text if inner is None else inner)
