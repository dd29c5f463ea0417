"""How results look on a terminal: JSON, tables, and text that cannot command the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

__all__ = ["plain", "pretty", "table"]

_GAP = "  "


def pretty(value: Any) -> str:
    """Return JSON indented by two spaces, in its own characters."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def plain(value: object) -> str:
    """Return a value as one line of printable text; ``-`` for none.

    Names and descriptions come from other programs, so that control characters are shown and not sent to the terminal.
    """
    if value is None or value == "":
        return "-"
    text = " ".join(str(value).split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows under headings, each column as wide as its widest cell; numbers are set to the right."""
    cells = [[plain(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    right = [bool(rows) and all(isinstance(row[at], int) for row in rows) for at in range(len(headings))]
    lines = [
        _GAP.join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in (list(headings), *cells)
    ]
    return "\n".join(lines)
