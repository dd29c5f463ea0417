"""Python values to JSON text and back, as payloads and results travel (spec sdk.md §3.9, §6.3).

What JSON has is written as it is. Beside that: pydantic models, dataclasses, attrs and msgspec classes by *field*
name; dates, times, UUIDs, decimals and paths as text; enums by value; sets, tuples and deques as arrays; channel ends
as their references. Bytes, NaN and infinities have no JSON form and are refused, because an engine drops a frame that
holds them and the caller would wait until its timeout. So is what is nested too deep, and a lone surrogate.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, ValuesView
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Final, TypeVar

import msgspec
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python
from pydantic_core import to_json as model_to_json

from iii_worker.channel_refs import may_hold_refs
from iii_worker.errors import Error
from iii_worker.limits import KNOWN_CLASSES, MAX_DEPTH, PATH_STEPS

__all__ = ["NotJsonError", "Revive", "from_json", "register_encoder", "to_json", "type_name"]

Revive = Callable[[Any], Any]
"""Takes a decoded value that may hold channel references, returns it with readers and writers in their places."""

_Type = TypeVar("_Type")

_ATOMS: Final = frozenset({str, int, bool, NoneType})
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_encoders: dict[type, Callable[[Any], Any]] = {}


class NotJsonError(Error, TypeError):
    """A value has no JSON form; the text names the place in it (``result.items[3].price``) and what to do."""


def register_encoder(kind: type[_Type], encoder: Callable[[_Type], object]) -> None:
    """Let values of a class, and of classes derived from it, be written as what ``encoder`` returns for them.

    For the whole process; a later encoder for the same class replaces the earlier one.
    """
    _encoders[kind] = encoder


def to_json(value: object, what: str = "result") -> bytes:
    """Return a value as compact JSON text.

    :param what: how to call the value in an error.

    Raises :class:`NotJsonError`.
    """
    try:
        if _is_plain(value, MAX_DEPTH):
            return _encode(value)
        return _encode(_converted(value, MAX_DEPTH))
    except _Refused as refused:
        raise NotJsonError(f"{what}{refused.place()} {refused.reason}") from None
    except (UnicodeEncodeError, ValueError, TypeError, OverflowError, RuntimeError) as error:
        # The fast way names no place; the thorough one does.
        try:
            _converted(value, MAX_DEPTH)
        except _Refused as refused:
            raise NotJsonError(f"{what}{refused.place()} {refused.reason}") from None
        except Exception:  # noqa: S110  the same error again
            pass
        raise NotJsonError(f"{what} cannot be written as JSON: {error}") from error


def from_json(text: bytes | msgspec.Raw, revive: Revive | None = None) -> Any:
    """Return the value of JSON text from an engine; ``revive`` puts what they refer to in place of channel references.

    Raises :class:`msgspec.DecodeError` for text that is no JSON.
    """
    value = _decode(text)
    if revive is not None and may_hold_refs(memoryview(text)):
        return revive(value)
    return value


class _Refused(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        self._path: list[str] = []

    def below(self, step: str) -> _Refused:
        """Note the step that led here; called from the innermost to the outermost."""
        self._path.append(step)
        return self

    def place(self) -> str:
        steps = self._path[::-1]
        left_out = "" if len(steps) <= PATH_STEPS else "..."
        return "".join(steps[:PATH_STEPS]) + left_out


def _is_plain(value: object, depth: int) -> bool:
    """Whether a value is made of exactly the types JSON has, is finite, and at most so deep."""
    kind = type(value)
    if kind is dict:
        if not depth:
            return False
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                return False
            if type(item) not in _ATOMS and not _is_plain(item, depth - 1):
                return False
        return True
    if kind is list:
        if not depth:
            return False
        for item in value:  # type: ignore[attr-defined]  # noqa: SIM110  all() takes twice as long
            if type(item) not in _ATOMS and not _is_plain(item, depth - 1):
                return False
        return True
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]
    return kind in _ATOMS


def _converted(value: Any, depth: int) -> Any:
    """Return a value made of what JSON has. Raises :class:`_Refused`."""
    kind = type(value)
    if kind is int or kind is bool or value is None:
        return value
    if kind is str:
        return _text(value)
    if kind is dict:
        return _object(value.items(), depth, named=False)
    if kind is list or kind is tuple:
        return _array(value, depth)
    return _of_class(value, kind, depth)


def _of_class(value: Any, kind: type, depth: int) -> Any:
    """Convert what is not of exactly a type that JSON has; classes derived from such a type included."""
    if (encoder := _encoder_of(kind)) is not None:
        return _deeper(encoder(value), depth)
    if isinstance(value, BaseModel):
        return _deeper(_of_model(value), depth)
    if (names := _fields(kind)) is not None:
        return _object(((name, getattr(value, name)) for name in names), depth, named=True)
    if isinstance(value, Enum):
        return _converted(value.value, depth)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, Mapping):
        return _object(value.items(), depth, named=False)
    if isinstance(value, (list, tuple, deque, AbstractSet, ValuesView)):
        return _array(value, depth)
    return _scalar(value)


def _deeper(value: Any, depth: int) -> Any:
    """Convert what a value's own encoder made of it; one that never comes to an end is found out."""
    if not depth:
        raise _too_deep()
    return _converted(value, depth - 1)


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _Refused(
                f"holds the lone surrogate {value[error.start]!a}, which no JSON text can hold: "
                "decode it with errors='replace'"
            ) from None
    return str.__str__(value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _Refused(f"is {value}: JSON has no such number; send null or a text")
    return value


def _encoder_of(kind: type) -> Callable[[Any], Any] | None:
    if _encoders:
        for base in kind.__mro__:
            if base in _encoders:
                return _encoders[base]
    return getattr(kind, "to_ref", None)


def _of_model(value: BaseModel) -> Any:
    try:
        written = _decode(model_to_json(value, by_alias=False, fallback=_left_over))
    except (PydanticSerializationError, msgspec.DecodeError, ValueError) as error:
        _converted(value.model_dump(by_alias=False), MAX_DEPTH)  # names the place, where one value is the reason
        raise _Refused(f"(of type {type_name(type(value))}) cannot be written: {error}") from None
    _compare(value.model_dump(by_alias=False), written)
    return written


def _compare(original: Any, written: Any) -> None:
    """Refuse what pydantic writes in place of values that JSON has not, unless the model says how to write them."""
    if isinstance(original, float):
        if written is None:
            _finite(original)
    elif isinstance(original, (bytes, bytearray)):
        if isinstance(written, str) and written.encode() == original:
            _scalar(original)
    elif isinstance(original, dict) and isinstance(written, dict) and len(original) == len(written):
        for item, (key, in_json) in zip(original.values(), written.items(), strict=True):
            if type(item) not in _ATOMS:
                try:
                    _compare(item, in_json)
                except _Refused as refused:
                    raise refused.below(f".{key}") from None
    elif isinstance(original, Collection) and isinstance(written, list) and len(original) == len(written):
        for index, (item, in_json) in enumerate(zip(original, written, strict=True)):
            try:
                _compare(item, in_json)
            except _Refused as refused:
                raise refused.below(f"[{index}]") from None


def _left_over(value: Any) -> Any:
    """Convert what pydantic does not know inside of a model."""
    try:
        return _converted(value, MAX_DEPTH)
    except _Refused as refused:
        raise PydanticSerializationError(refused.reason) from None


@lru_cache(KNOWN_CLASSES)
def _fields(kind: type) -> tuple[str, ...] | None:
    """Return the names of the fields of a class that has some, None for any other."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else tuple(attribute.name for attribute in attributes)


def _object(items: Any, depth: int, *, named: bool) -> dict[str, Any]:
    if not depth:
        raise _too_deep()
    result = {}
    for key, item in items:
        name = key if type(key) is str else _key(key)
        try:
            result[_text(name)] = _converted(item, depth - 1)
        except _Refused as refused:
            plain = named or name.isidentifier()
            raise refused.below(f".{name}" if plain else f"[{name!r}]") from None
    return result


def _key(key: Any) -> str:
    """Return an object's key as JSON has it: always a text."""
    if isinstance(key, Enum):
        key = key.value
    converted = key if key is None or isinstance(key, bool) else _converted(key, 1)
    match converted:
        case str():
            return converted
        case True:
            return "true"
        case False:
            return "false"
        case None:
            return "null"
        case int() | float():
            return repr(converted)
    raise _Refused(f"has the key {key!r:.60}: keys are texts; write it as one")


def _array(items: Collection[Any], depth: int) -> list[Any]:
    if not depth:
        raise _too_deep()
    result = []
    for index, item in enumerate(items):
        try:
            result.append(_converted(item, depth - 1))
        except _Refused as refused:
            raise refused.below(f"[{index}]") from None
    return result


def _too_deep() -> _Refused:
    return _Refused(f"is nested deeper than {MAX_DEPTH} levels, or holds itself; engines drop what is so deep")


def _scalar(value: Any) -> Any:
    """Return the JSON form of what is no container: dates, times, UUIDs, decimals, paths, addresses."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise _Refused(
            f"is {type(value).__name__}: JSON has no bytes; send base64.b64encode(data).decode(), or use a channel"
        )
    if isinstance(value, os.PathLike):
        return _converted(os.fspath(value), 1)
    if isinstance(value, Decimal) and not value.is_finite():
        raise _Refused(f"is {value}: JSON has no such number; send null or a text")
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise _Refused(f"is of type {type_name(type(value))} and was not awaited")
    if isinstance(value, Iterator):
        raise _Refused(f"is of type {type_name(type(value))}: send list(...) of it, or use a channel")
    if isinstance(value, BaseException):
        raise _Refused(f"is of type {type_name(type(value))}: raise it, or send str(...) of it")
    try:
        converted = to_jsonable_python(value, by_alias=False)
    except (PydanticSerializationError, ValueError):
        has_one = next((name for name in ("tolist", "to_dict", "item") if hasattr(value, name)), None)
        mend = f"send .{has_one}() of it" if has_one else "send a dict, a list, a dataclass or a pydantic model"
        raise _Refused(f"is of type {type_name(type(value))}, which has no JSON form: {mend}") from None
    return converted if type(converted) in _ATOMS else _converted(converted, 1)


def type_name(kind: Any) -> str:
    """Return a class's name as users know it: with its module, unless it is a built-in one."""
    name = getattr(kind, "__qualname__", None) or str(kind)
    module = getattr(kind, "__module__", "builtins")
    return name if module in ("builtins", "__main__") else f"{module}.{name}"
