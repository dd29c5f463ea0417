"""What the operations of an update look like, as a JSON Schema for the functions that take them."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["OPERATIONS_SCHEMA"]

_KEY: Final = {"type": "string", "description": "One literal key of the value; '' is the whole value."}
_PATH: Final = {
    "anyOf": [_KEY, {"type": "array", "items": {"type": "string"}}, {"type": "null"}],
    "description": "One literal key, or the keys that lead there; '', [], null or none is the whole value.",
}
_VALUE: Final = {"description": "Any JSON value."}
_BY: Final = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}


def _operation(name: str, required: list[str], **members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"type": {"const": name}, **members},
        "required": ["type", *required],
    }


OPERATIONS_SCHEMA: Final[dict[str, Any]] = {
    "type": "array",
    "description": "Carried out in order, each on what those before have made of the value.",
    "items": {
        "oneOf": [
            _operation("set", ["path"], path=_KEY, value=_VALUE),
            _operation("merge", [], path=_PATH, value={"type": "object"}),
            _operation("append", [], path=_PATH, value=_VALUE),
            _operation("increment", ["path", "by"], path=_KEY, by=_BY),
            _operation("decrement", ["path", "by"], path=_KEY, by=_BY),
            _operation("remove", ["path"], path=_KEY),
        ]
    },
}
