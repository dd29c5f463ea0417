"""``engine::baggage::{get,set,get_all}``: the W3C baggage of the very call that asks (observability.md §5)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions.offers import Nothing, Offer
from iii_actors.wire.trace import baggage_entries

__all__ = ["BaggageEntries", "BaggageKey", "BaggageSet", "BaggageValue", "offers"]

_NOTE = "Baggage belongs to one call and cannot be changed from outside it: send it with the next call instead."


class BaggageKey(Struct, frozen=True):
    """Input of ``engine::baggage::get``."""

    key: str


class BaggageValue(Struct, frozen=True):
    """Output of ``engine::baggage::get``."""

    value: str | None


class BaggageEntry(Struct, frozen=True):
    """Input of ``engine::baggage::set``."""

    key: str
    value: Any


class BaggageSet(Struct, frozen=True):
    """Output of ``engine::baggage::set``, which has no effect."""

    success: bool
    note: str


class BaggageEntries(Struct, frozen=True):
    """Output of ``engine::baggage::get_all``."""

    baggage: dict[str, str]


def offers() -> list[Offer]:
    """Return the three functions."""
    return [
        Offer("engine::baggage::get", "Reads one baggage entry of this call.", BaggageKey, _get, BaggageValue),
        Offer("engine::baggage::set", "Accepted, without effect.", BaggageEntry, _set, BaggageSet),
        Offer("engine::baggage::get_all", "Reads the baggage of this call.", Nothing, _get_all, BaggageEntries),
    ]


def _get(wanted: BaggageKey, call: Call) -> BaggageValue:
    return BaggageValue(baggage_entries(call.call.baggage).get(wanted.key))


def _set(_: BaggageEntry, __: Call) -> BaggageSet:
    return BaggageSet(success=True, note=_NOTE)


def _get_all(_: Nothing, call: Call) -> BaggageEntries:
    return BaggageEntries(baggage_entries(call.call.baggage))
