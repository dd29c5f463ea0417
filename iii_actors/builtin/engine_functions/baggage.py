"""``engine::baggage::{get,set,get_all}``: the W3C baggage of the very call that asks (observability.md §5)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions.offers import Nothing, Offer

__all__ = ["BaggageEntries", "BaggageKey", "BaggageSet", "BaggageValue", "entries", "offers"]

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


def entries(baggage: str | None) -> dict[str, str]:
    """Return a baggage header's entries: values percent-decoded, properties dropped, malformed entries left out."""
    found: dict[str, str] = {}
    for entry in (baggage or "").split(","):
        key, equals, value = entry.partition(";")[0].partition("=")
        if equals and key.strip():
            found[key.strip()] = unquote(value.strip())
    return found


def offers() -> list[Offer]:
    """Return the three functions."""
    return [
        Offer("engine::baggage::get", "Reads one baggage entry of this call.", BaggageKey, _get, BaggageValue),
        Offer("engine::baggage::set", "Accepted, without effect.", BaggageEntry, _set, BaggageSet),
        Offer("engine::baggage::get_all", "Reads the baggage of this call.", Nothing, _get_all, BaggageEntries),
    ]


def _get(wanted: BaggageKey, call: Call) -> BaggageValue:
    return BaggageValue(entries(call.call.baggage).get(wanted.key))


def _set(_: BaggageEntry, __: Call) -> BaggageSet:
    return BaggageSet(success=True, note=_NOTE)


def _get_all(_: Nothing, call: Call) -> BaggageEntries:
    return BaggageEntries(entries(call.call.baggage))
