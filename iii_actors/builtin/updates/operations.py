"""The operations of a request, read and checked as a whole: one malformed one refuses them all (state.md §4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct

from iii_actors.builtin.wording import invalid_text, invalid_type, missing_field

__all__ = ["KINDS", "MalformedOperation", "Operation", "operations"]

KINDS: Final = ("set", "merge", "increment", "decrement", "append", "remove")
"""In the order in which the protocol's messages name them."""

_VALUED: Final = frozenset({"set", "merge", "append"})
_DEEP: Final = frozenset({"merge", "append"})
"""Those whose path may be a list."""
_COUNTING: Final = frozenset({"increment", "decrement"})
_NULL: Final = Raw(b"null")
_I64: Final = range(-(2**63), 2**63)


class MalformedOperation(ValueError):
    """``ops`` are not what they must be; the text is the reason as the protocol words it."""


class Operation(Struct, frozen=True):
    """One operation as it was asked for."""

    kind: str
    """One of :data:`KINDS`."""
    segments: tuple[str, ...]
    """Literal keys from the root; none means the root itself."""
    listed: bool
    """The path was given as a list."""
    value: Raw
    """Of ``set``, ``merge`` and ``append``: JSON text, decoded anew each time it is applied."""
    by: int
    """Of ``increment`` and ``decrement``: a signed 64-bit number."""


class _Written(Struct):
    type: Any = UNSET
    path: Any = UNSET
    value: Raw = _NULL
    by: Any = UNSET


_one: Final = msgspec.json.Decoder(_Written)
_list: Final = msgspec.json.Decoder(list[Raw])


def operations(text: Raw) -> Sequence[Operation]:
    """Read a request's ``ops``. Raises :class:`MalformedOperation`."""
    try:
        listed = _list.decode(text)
    except msgspec.ValidationError:
        raise MalformedOperation(invalid_text(bytes(text), "a sequence")) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedOperation(str(error)) from None
    return [_operation(one) for one in listed]


def _operation(text: Raw) -> Operation:
    try:
        written = _one.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        is_object = bytes(text).lstrip()[:1] == b"{"
        reason = str(error) if is_object else invalid_text(bytes(text), "internally tagged enum UpdateOp")
        raise MalformedOperation(reason) from None
    kind = written.type
    if kind is UNSET:
        raise MalformedOperation(missing_field("type"))
    if not isinstance(kind, str):
        raise MalformedOperation(invalid_type(kind, "variant identifier"))
    if kind not in KINDS:
        known = ", ".join(f"`{one}`" for one in KINDS)
        raise MalformedOperation(f"unknown variant `{kind}`, expected one of {known}")
    segments, listed = _path(kind, written.path)
    by = _by(written.by) if kind in _COUNTING else 0
    return Operation(kind, segments, listed, written.value if kind in _VALUED else _NULL, by)


def _path(kind: str, path: Any) -> tuple[tuple[str, ...], bool]:
    """Return the segments, and whether they were given as a list."""
    if isinstance(path, str):
        return ((path,) if path else ()), False
    if kind in _DEEP:
        if path is UNSET or path is None:
            return (), False
        if isinstance(path, list) and all(isinstance(one, str) for one in path):
            return tuple(path), True
        raise MalformedOperation("data did not match any variant of untagged enum MergePath")
    if path is UNSET:
        raise MalformedOperation(missing_field("path"))
    raise MalformedOperation(invalid_type(path, "a string"))


def _by(by: Any) -> int:
    if by is UNSET:
        raise MalformedOperation(missing_field("by"))
    if not isinstance(by, int) or isinstance(by, bool):
        raise MalformedOperation(invalid_type(by, "i64"))
    if by not in _I64:
        raise MalformedOperation(f"invalid value: integer `{by}`, expected i64")
    return by
