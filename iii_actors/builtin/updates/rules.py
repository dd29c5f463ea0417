"""What an operation's path and merged value must keep to, in the order in which it is checked (state.md §4.2)."""

from __future__ import annotations

from typing import Any, Final

from iii_actors.builtin.updates.operations import Operation
from iii_actors.limits import (
    UPDATE_MERGE_DEPTH,
    UPDATE_MERGE_KEYS,
    UPDATE_PATH_DEPTH,
    UPDATE_SEGMENT_BYTES,
)

__all__ = ["Rejection", "check_merged", "check_path"]

_FORBIDDEN: Final = frozenset({"__proto__", "constructor", "prototype"})
"""Names that reach a JavaScript object's prototype when a peer assigns them."""


class Rejection(Exception):
    """One operation is not carried out; the document stays as it was."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check_path(operation: Operation) -> None:
    """Raises :class:`Rejection` with ``<op>.path.<reason>``."""
    kind, segments = operation.kind, operation.segments
    if len(segments) > UPDATE_PATH_DEPTH:
        raise Rejection(f"{kind}.path.too_deep", f"Path depth {len(segments)} exceeds maximum of {UPDATE_PATH_DEPTH}")
    for segment in segments:
        if not segment:
            raise Rejection(f"{kind}.path.empty_segment", "Path contains an empty segment")
        size = len(segment.encode())
        if size > UPDATE_SEGMENT_BYTES:
            raise Rejection(
                f"{kind}.path.segment_too_long",
                f"Path segment of {size} bytes exceeds maximum of {UPDATE_SEGMENT_BYTES}",
            )
        if segment in _FORBIDDEN:
            raise Rejection(
                f"{kind}.path.proto_polluted", f"Path segment '{segment}' is not allowed (prototype pollution)."
            )


def check_merged(value: Any) -> None:
    """Raises :class:`Rejection` with ``merge.value.<reason>``."""
    if not isinstance(value, dict):
        raise Rejection("merge.value.not_an_object", "Merge value must be a JSON object")
    if len(value) > UPDATE_MERGE_KEYS:
        raise Rejection(
            "merge.value.too_many_keys",
            f"Merge value has {len(value)} top-level keys, exceeds maximum of {UPDATE_MERGE_KEYS}",
        )
    for key in value:
        if key in _FORBIDDEN:
            raise Rejection(
                "merge.value.proto_polluted", f'Merge value top-level key "{key}" is a prototype-pollution sink'
            )
    depth = _depth(value)
    if depth > UPDATE_MERGE_DEPTH:
        raise Rejection(
            "merge.value.too_deep", f"Merge value JSON nesting depth {depth} exceeds maximum of {UPDATE_MERGE_DEPTH}"
        )


def _depth(value: Any) -> int:
    """Return how many containers lie in one another, the outermost counted."""
    deepest = 0
    level = [value]
    while level:
        containers = [one for one in level if isinstance(one, dict | list)]
        if not containers:
            break
        deepest += 1
        level = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
    return deepest
