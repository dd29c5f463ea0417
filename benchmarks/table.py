"""Lines of the table, what was measured for them, and the table as text, reStructuredText and JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from statistics import median
from typing import Any, Final

__all__ = ["Goal", "Line", "Of", "Result", "Sample", "as_json", "as_rst", "as_text"]

_HEADS: Final = (
    "row",
    "engine",
    "unit",
    "relay",
    "ratio",
    "target",
    "reached",
    "p50 us",
    "p99 us",
    "errors",
    "lost",
    "relay 4x4",
)
_LEFT: Final = frozenset({"row", "unit", "target", "reached"})


class Of(Enum):
    """What a goal speaks of."""

    VALUE = "value"
    """The engine's own figure."""
    RELAY = "relay"
    """Its share of the relay's figure, same shape, same round."""
    PLAIN = "plain"
    """Its share of the engine's figure in the same round without the extra load of this line."""


@dataclass(frozen=True)
class Goal:
    """The target of a line."""

    limit: float
    of: Of = Of.VALUE
    at_most: bool = False
    plain: str = "4x4 alone"
    """What the figure without the extra load is called."""

    def reached(self, measured: float) -> bool:
        return measured <= self.limit if self.at_most else measured >= self.limit

    def text(self, measured: float | None) -> str:
        """Return the target in words; a share that has no column of its own is told with it."""
        bound = f"{'<=' if self.at_most else '>='} {number(self.limit)}"
        if self.of is Of.RELAY:
            return f"ratio {bound}"
        if self.of is Of.PLAIN:
            return f"{bound} of {self.plain}" + ("" if measured is None else f" (is {measured:.2f})")
        return bound


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    title: str
    unit: str
    goal: Goal


@dataclass(frozen=True)
class Sample:
    """What one round measured for one line; None is "does not apply"."""

    value: float
    """The engine's figure, in the line's unit."""
    relay: float | None = None
    """The relay's, same shape."""
    plain: float | None = None
    """The engine's, without the extra load."""
    yardstick: float | None = None
    """The relay's calls/s, 4x4, 16 in flight, 64 B, measured in the same round: how fast the machine was just then."""
    p50_us: float | None = None
    p99_us: float | None = None
    errors: int | None = None
    lost: int | None = None


@dataclass(frozen=True)
class Result:
    """A line with its rounds; without any it could not be measured."""

    line: Line
    samples: Sequence[Sample]

    def median(self, field: str) -> float | None:
        """Return the median of one field of the samples, or None if it does not apply."""
        values = [value for sample in self.samples if (value := getattr(sample, field)) is not None]
        return median(values) if values else None

    def total(self, field: str) -> int | None:
        values = [value for sample in self.samples if (value := getattr(sample, field)) is not None]
        return sum(values) if values else None

    def share(self, of: Of) -> float | None:
        """Return the median of the rounds' shares: each compares what was measured in the same minute."""
        shares = [sample.value / base for sample in self.samples if (base := getattr(sample, of.value))]
        return median(shares) if shares else None

    @property
    def judged(self) -> float | None:
        """The figure that the goal speaks of."""
        return self.median("value") if self.line.goal.of is Of.VALUE else self.share(self.line.goal.of)

    @property
    def reached(self) -> bool:
        """Whether the goal is reached; with a call in error or unanswered it never is."""
        measured = self.judged
        faults = (self.total("errors") or 0) + (self.total("lost") or 0)
        return measured is not None and self.line.goal.reached(measured) and not faults

    def cells(self) -> list[str]:
        """Return the line's text, one string per column."""
        ratio = self.share(Of.RELAY)
        return [
            self.line.title,
            number(self.median("value")),
            self.line.unit,
            number(self.median("relay")),
            "" if ratio is None else f"{ratio:.2f}",
            self.line.goal.text(self.judged),
            ("yes" if self.reached else "NO") if self.samples else "failed",
            number(self.median("p50_us")),
            number(self.median("p99_us")),
            number(self.total("errors")),
            number(self.total("lost")),
            number(self.median("yardstick")),
        ]


def number(value: float | None) -> str:
    """Return a figure with three digits at least, thousands marked; None is empty."""
    if value is None:
        return ""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def as_text(results: Iterable[Result]) -> str:
    """Return the table for a terminal."""
    rows = _aligned([list(_HEADS), *(result.cells() for result in results)])
    return "\n".join("  ".join(cells).rstrip() for cells in rows)


def as_rst(results: Iterable[Result]) -> str:
    """Return the table as a simple table of reStructuredText (the first column, the title, is never empty)."""
    aligned = _aligned([list(_HEADS), *(result.cells() for result in results)])
    rule = "  ".join("=" * len(cell) for cell in aligned[0])
    lines = ["  ".join(cells).rstrip() for cells in aligned]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def _aligned(rows: list[list[str]]) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [
            cell.ljust(width) if head in _LEFT else cell.rjust(width)
            for cell, width, head in zip(row, widths, _HEADS, strict=True)
        ]
        for row in rows
    ]


def as_json(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return every line with its medians and its single rounds, as JSON-able values."""
    return [
        {
            "row": result.line.title,
            "unit": result.line.unit,
            "engine": result.median("value"),
            "relay": result.median("relay"),
            "ratio": result.share(Of.RELAY),
            "target": {
                "of": result.line.goal.of.value,
                "limit": result.line.goal.limit,
                "at_most": result.line.goal.at_most,
            },
            "judged": result.judged,
            "reached": result.reached,
            "p50_us": result.median("p50_us"),
            "p99_us": result.median("p99_us"),
            "errors": result.total("errors"),
            "lost": result.total("lost"),
            "relay_4x4": result.median("yardstick"),
            "rounds": [asdict(sample) for sample in result.samples],
        }
        for result in results
    ]
