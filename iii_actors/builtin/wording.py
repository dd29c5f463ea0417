"""How the protocol words a value of the wrong type: ``invalid type: integer `5`, expected a string``."""

from __future__ import annotations

import json

import msgspec

__all__ = ["described", "invalid_text", "invalid_type", "kind_of", "missing_field"]


def described(value: object) -> str:
    """Return what a JSON value is, as these messages name it."""
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value!r}`"
        case str():
            return f"string {json.dumps(value, ensure_ascii=False)}"
        case list():
            return "sequence"
        case _:
            return "map"


def invalid_type(value: object, expected: str) -> str:
    """Return the whole message, for example with ``expected`` = ``a string``."""
    return f"invalid type: {described(value)}, expected {expected}"


def invalid_text(text: bytes, expected: str) -> str:
    """Return the same for a JSON text; one that nests without end, or holds a number that no double does, will do."""
    match text.lstrip()[:1]:
        case b"[":
            return invalid_type([], expected)
        case b"{":
            return invalid_type({}, expected)
    try:
        return invalid_type(msgspec.json.decode(text), expected)
    except msgspec.MsgspecError as error:
        return str(error)


def missing_field(name: str) -> str:
    """Return the message for a required member that is not there."""
    return f"missing field `{name}`"


def kind_of(value: object) -> str:
    """Return a JSON value's type: ``null``, ``boolean``, ``number``, ``string``, ``array`` or ``object``."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"
