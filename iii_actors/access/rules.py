"""Expose rules: what every session of a listener may call (core.md §10.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from iii_actors.access.patterns import Pattern
from iii_actors.config.access import ExposeRule, wildcard

__all__ = ["Rules"]

_decode: Final = msgspec.json.Decoder().decode


class Rules:
    """A listener's rules, sorted by what has to be known of a function to apply them."""

    __slots__ = ("_by_id", "_by_metadata")

    def __init__(self, rules: Sequence[ExposeRule]) -> None:
        self._by_id: dict[str, list[Pattern]] = {}
        self._by_metadata: dict[str, list[Mapping[str, Any]]] = {}
        for rule in rules:
            if rule.match is not None:
                inner = wildcard(rule.match)
                pattern = Pattern(rule.match if inner is None else inner)
                self._by_id.setdefault(rule.namespace, []).append(pattern)
            else:
                wanted = {key: _wanted(value) for key, value in (rule.metadata or {}).items()}
                self._by_metadata.setdefault(rule.namespace, []).append(wanted)

    def expose_id(self, function_id: str, namespace: str) -> bool:
        """Return whether a rule exposes every function of this id."""
        return any(pattern.matches(function_id) for pattern in self._by_id.get(namespace, ()))

    def ask_for_metadata(self, namespace: str) -> bool:
        """Return whether the namespace has rules that look at metadata."""
        return namespace in self._by_metadata

    def expose_metadata(self, namespace: str, metadata: Raw) -> bool:
        """Return whether a rule exposes every function with this metadata, which is JSON text or absent."""
        rules = self._by_metadata.get(namespace)
        if not rules or not memoryview(metadata):
            return False
        try:
            found = _decode(metadata)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False
        if not isinstance(found, dict):
            return False
        return any(all(key in found and _fits(found[key], value) for key, value in rule.items()) for rule in rules)


def _wanted(value: Any) -> Any:
    inner = wildcard(value) if isinstance(value, str) else None
    return value if inner is None else Pattern(inner)


def _fits(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Pattern):
        return isinstance(found, str) and wanted.matches(found)
    return _equal(found, wanted)


def _equal(one: Any, other: Any) -> bool:
    """Compare two JSON values: true is not 1, as it would be in Python."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
