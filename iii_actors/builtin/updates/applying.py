"""Operations applied to a document (state.md §4.1): each sees what those before it did; a rejected one does nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from iii_actors.builtin.updates.operations import Operation
from iii_actors.builtin.updates.rules import Rejection, check_merged, check_path
from iii_actors.builtin.wording import kind_of

__all__ = ["DOC_URL", "Applied", "ErrorEntry", "apply"]

DOC_URL: Final = "https://iii.dev/docs/workers/iii-state#error-codes"
"""What the protocol's error entries point to (state.md §4.3)."""

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_MIN, _MAX = -(2**63), 2**64 - 1
"""Integers in between stay integers."""


class ErrorEntry(Struct, frozen=True):
    """A rejected operation, as the answer reports it."""

    op_index: int
    code: str
    message: str
    doc_url: str = DOC_URL


class Applied(Struct, frozen=True):
    """What became of a document."""

    text: bytes
    """The new value, as JSON text."""
    errors: Sequence[ErrorEntry]


def apply(text: bytes | None, operations: Sequence[Operation]) -> Applied:
    """Apply operations to a stored value; None: there is none, and they start from an empty object.

    Any thread. May be called again with the same operations: nothing of them is changed. Raises
    :class:`msgspec.DecodeError` if the stored text or an operation's value holds a number that no double can.
    """
    document = _Document({} if text is None else _decode(text), fresh=text is None)
    errors: list[ErrorEntry] = []
    for index, operation in enumerate(operations):
        try:
            check_path(operation)
            _EFFECTS[operation.kind](document, operation)
        except Rejection as rejection:
            errors.append(ErrorEntry(index, rejection.code, rejection.message))
        else:
            document.fresh = False
    return Applied(_encode(document.root), errors)


class _Document:
    """The value under change; ``fresh`` while it stands for a key that is missing."""

    __slots__ = ("fresh", "root")

    def __init__(self, root: Any, *, fresh: bool) -> None:
        self.root = root
        self.fresh = fresh

    def fields(self, operation: Operation, path: str) -> dict[str, Any]:
        """Return the root, which has to be an object."""
        if not isinstance(self.root, dict):
            kind, found = operation.kind, kind_of(self.root)
            raise Rejection(
                f"{kind}.target_not_object", f"Cannot {kind} at path '{path}': target is {found}, expected object."
            )
        return self.root


def _set(document: _Document, operation: Operation) -> None:
    value = _decode(operation.value)
    if operation.segments:
        (key,) = operation.segments
        document.fields(operation, key)[key] = value
    else:
        document.root = value


def _merge(document: _Document, operation: Operation) -> None:
    value = _decode(operation.value)
    check_merged(value)
    if not operation.segments:
        if isinstance(document.root, dict):
            document.root.update(value)
        return
    if not isinstance(document.root, dict):
        document.root = {}
    _objects(document.root, operation.segments).update(value)


def _objects(fields: dict[str, Any], segments: Sequence[str]) -> dict[str, Any]:
    """Walk down, making an object of whatever is none; returns the last one."""
    for segment in segments:
        inner = fields.get(segment)
        if not isinstance(inner, dict):
            inner = fields[segment] = {}
        fields = inner
    return fields


def _add(document: _Document, operation: Operation) -> None:
    by = operation.by if operation.kind == "increment" else -operation.by
    if operation.segments:
        (key,) = operation.segments
        fields = document.fields(operation, key)
        fields[key] = _sum(fields[key], by, operation.kind, key) if key in fields else by
    else:
        document.root = by if document.fresh else _sum(document.root, by, operation.kind, "root")


def _sum(number: Any, by: int, kind: str, path: str) -> int | float:
    if isinstance(number, int | float) and not isinstance(number, bool):
        result = number + by
        if isinstance(result, float) or _MIN <= result <= _MAX:
            return result
    raise Rejection(f"{kind}.not_number", f"Expected number at path '{path}', got {kind_of(number)}.")


def _append(document: _Document, operation: Operation) -> None:
    value = _decode(operation.value)
    segments = operation.segments
    if not segments:
        document.root = _appended(None if document.fresh else document.root, value, "root")
        return
    fields = document.fields(operation, f"[{', '.join(segments)}]")
    *parents, key = segments
    fields = _objects(fields, parents)
    if key in fields:
        fields[key] = _appended(fields[key], value, key)
    else:
        fields[key] = [value] if parents else _appended(None, value, key)


def _appended(target: Any, value: Any, path: str) -> Any:
    """Return what an append makes of an existing value; None also stands for a missing one."""
    match target:
        case None:
            return value if isinstance(value, str) else [value]
        case list():
            target.append(value)
            return target
        case str() if isinstance(value, str):
            return target + value
        case str():
            message = f"Expected string append value at path '{path}', got {kind_of(value)}."
        case _:
            message = (
                f"Cannot append at path '{path}': target is {kind_of(target)}, "
                "expected array, string, null, or missing field."
            )
    raise Rejection("append.type_mismatch", message)


def _remove(document: _Document, operation: Operation) -> None:
    if operation.segments:
        (key,) = operation.segments
        document.fields(operation, key).pop(key, None)
    else:
        document.root = None


_EFFECTS: Final[dict[str, Callable[[_Document, Operation], None]]] = {
    "set": _set,
    "merge": _merge,
    "increment": _add,
    "decrement": _add,
    "append": _append,
    "remove": _remove,
}
