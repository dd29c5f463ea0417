"""Patterns of files: ``src/**/*.{ts,js}``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

__all__ = ["Patterns", "regex"]

_SPECIAL = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|\{[^{}]*\}")


class Patterns:
    """Which files are meant. Paths are relative to the working directory, with ``/`` between their parts."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._whole = [re.compile(regex(one.removeprefix("./"))) for one in patterns]
        self.folders = sorted({_fixed(one.removeprefix("./")) for one in patterns})
        """Where such files can be: each pattern's part before its first ``*``, ``.`` if there is none."""

    def match(self, path: str) -> bool:
        """Return whether a file is meant."""
        return any(one.fullmatch(path) for one in self._whole)


def regex(pattern: str) -> str:
    """Return a pattern as a regular expression: ``*`` and ``?`` stay within one name, ``**`` crosses folders."""
    return "".join(_translated(pattern))


def _translated(pattern: str) -> Iterator[str]:
    at = 0
    for special in _SPECIAL.finditer(pattern):
        yield re.escape(pattern[at : special.start()])
        at = special.end()
        text = special[0]
        if text == "**/":
            yield "(?:[^/]+/)*"
        elif text == "**":
            yield ".*"
        elif text == "*":
            yield "[^/]*"
        elif text == "?":
            yield "[^/]"
        elif text[0] == "[":
            inner = text[1:-1].replace("\\", r"\\")
            yield f"[^/{inner[1:]}]" if inner[0] == "!" else f"[{inner}]"
        else:
            yield "(?:" + "|".join(regex(one) for one in text[1:-1].split(",")) + ")"
    yield re.escape(pattern[at:])


def _fixed(pattern: str) -> str:
    """Return the folder in front of the first name that is not fixed."""
    parts = []
    for part in PurePath(pattern).parts[:-1]:
        if _SPECIAL.search(part):
            break
        parts.append(part)
    return str(PurePath(*parts)) if parts else "."
