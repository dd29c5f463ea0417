"""A row of the table, and how one is entered."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

__all__ = ["KIB", "MIB", "Limit", "limit", "rows"]

KIB: Final = 1024
MIB: Final = 1024 * KIB

_Value = TypeVar("_Value", int, float, str)


class Limit(NamedTuple):
    """One row of the table."""

    name: str
    """The constant's name in :mod:`iii_actors.limits`."""
    value: int | float | str
    """The value, in :attr:`unit`."""
    unit: str
    """``ms``, ``s``, ``bytes``, or what is counted."""
    reason: str
    """Why this value and not another."""


_rows: list[Limit] = []


def limit(name: str, value: _Value, unit: str, reason: str) -> _Value:
    """Enter a row and return its value, so that a constant and its reason are written in one place."""
    _rows.append(Limit(name, value, unit, reason))
    return value


def rows() -> tuple[Limit, ...]:
    """Return the rows entered so far, in the order in which the areas were imported."""
    return tuple(_rows)
