"""Custom stream providers: functions that a worker registers in place of the engine's store (stream.md §4)."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from iii_actors.builtin.stored import NULL, StoredValueError
from iii_actors.builtin.wording import missing_field
from iii_actors.errors import EngineError
from iii_actors.storage import Change, Entry
from iii_actors.wire import messages as wire

__all__ = ["deleted", "given", "is_nothing", "passed_on", "written"]

_encode: Final = msgspec.json.Encoder().encode


class _Written(Struct):
    old_value: Raw = Raw(NULL)
    new_value: Raw | UnsetType = UNSET
    errors: Raw | UnsetType = UNSET


_written: Final = msgspec.json.Decoder(_Written)


def given(request: Struct) -> Raw:
    """Return what the provider is given: the known members of the request, and no others."""
    return Raw(_encode(request))


def is_nothing(result: Raw) -> bool:
    """Return whether a provider answered null or nothing: the two are the same."""
    return not wire.present(result) or bytes(result) == NULL


def passed_on(error: wire.ErrorBody) -> EngineError:
    """Return a provider's error as the caller of a reading function gets it."""
    return StoredValueError(error.code, error.message)


def written(result: Raw, error: wire.ErrorBody | None, code: str, prefix: str) -> tuple[Change, bytes]:
    """Return what a provider's answer to ``set`` or ``update`` says, and the answer that its caller gets.

    Raises ``EngineError``: it failed, answered nothing or something else.
    """
    answer = _answered(result, error, code, prefix)
    if answer.new_value is UNSET:
        raise StoredValueError("JSON_ERROR", f"Failed to convert result to value: {missing_field('new_value')}")
    old, new = bytes(answer.old_value), bytes(answer.new_value)
    text = b'{"old_value":%b,"new_value":%b' % (old, new)
    if answer.errors is not UNSET and bytes(answer.errors) != NULL:
        text += b',"errors":%b' % bytes(answer.errors)
    return Change(_entry(old), Entry(new, 0)), text + b"}"


def deleted(result: Raw, error: wire.ErrorBody | None, code: str, prefix: str) -> tuple[Change, bytes]:
    """As :func:`written`, for ``delete``."""
    old = bytes(_answered(result, error, code, prefix).old_value)
    return Change(_entry(old), None), b'{"old_value":%b}' % old


def _entry(text: bytes) -> Entry | None:
    """Return a provider's old value; null and absent are the same here (stream.md §3)."""
    return None if text == NULL else Entry(text, 0)


def _answered(result: Raw, error: wire.ErrorBody | None, code: str, prefix: str) -> _Written:
    if error is not None:
        shown = f'ErrorBody {{ code: "{error.code}", message: "{error.message}", stacktrace: None }}'
        raise StoredValueError(code, f"{prefix}Failed to invoke function: {shown}")
    if is_nothing(result):
        raise StoredValueError(code, f"{prefix}Function returned no result")
    try:
        return _written.decode(result)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise StoredValueError("JSON_ERROR", f"Failed to convert result to value: {problem}") from None
