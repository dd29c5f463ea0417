"""Inputs of built-in functions, read into their types; what is wrong is worded as the protocol words it."""

from __future__ import annotations

import re
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Raw

from iii_actors.builtin.wording import described, invalid_type, missing_field
from iii_actors.errors import DeserializationError

__all__ = ["Input"]

_T = TypeVar("_T")

_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_WRONG: Final = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `[^`]+`(?: - at `\$(?P<path>[^`]*)`)?")
_STEP: Final = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]")
_WORDS: Final = {
    "str": "a string",
    "int": "i64",
    "float": "f64",
    "bool": "a boolean",
    "array": "a sequence",
    "object": "a map",
}
_anything: Final = msgspec.json.Decoder()


class Input(Generic[_T]):
    """The input of one function. Any thread.

    :param function_id: as it stands in the error.
    :param kind: a ``msgspec.Struct``; members that it does not name are ignored.
    :param title: what the protocol calls the whole, for the error of an input that is no object.
    """

    def __init__(self, function_id: str, kind: type[_T], title: str) -> None:
        self._function_id = function_id
        self._title = title
        self._decode = msgspec.json.Decoder(kind).decode

    def read(self, data: Raw) -> _T:
        """Return the input, or raise :class:`DeserializationError`."""
        try:
            return self._decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise self.refused(self._reason(data, error)) from None

    def refused(self, reason: str) -> DeserializationError:
        """Return the error for an input that its type alone does not rule out."""
        return DeserializationError(self._function_id, reason)

    def _reason(self, data: Raw, error: Exception) -> str:
        text = str(error)
        if missing := _MISSING.match(text):
            return missing_field(missing["name"])
        wrong = _WRONG.match(text)
        if wrong is None:
            return text
        wanted = wrong["wanted"].removesuffix(" | null")
        try:
            value = _at(_anything.decode(data), wrong["path"] or "")
        except (msgspec.MsgspecError, ValueError, LookupError, RecursionError):
            return text
        if not wrong["path"]:
            return invalid_type(value, f"struct {self._title}")
        if wanted == "int" and isinstance(value, int) and not isinstance(value, bool):
            return f"invalid value: {described(value)}, expected i64"
        return invalid_type(value, _WORDS.get(wanted, wanted))


def _at(value: Any, path: str) -> Any:
    """Return what lies at a path such as ``.ops[3].by``."""
    for step in _STEP.finditer(path):
        value = value[step["name"]] if step["name"] is not None else value[int(step["index"])]
    return value
