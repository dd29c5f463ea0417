"""What the functions of state and streams have in common: answers about a change, and failures of a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from iii_actors.builtin.updates import Operation, apply
from iii_actors.errors import EngineError
from iii_actors.storage import Change, StorageError, VersionConflict

__all__ = ["NULL", "Applying", "StoredValueError", "change_text", "failure"]

NULL: Final = b"null"
_encode: Final = msgspec.json.Encoder().encode


class StoredValueError(EngineError):
    """A function on stored values could not do what it was asked; each has a code of its own (state.md §2)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]


class Applying:
    """The change function of an update: its operations, and for a store that is elsewhere their text."""

    __slots__ = ("_asked", "operations")

    def __init__(self, asked: Sequence[Operation], text: Raw) -> None:
        self._asked = asked
        self.operations = text

    def __call__(self, text: bytes | None) -> tuple[bytes, Any]:
        try:
            applied = apply(text, self._asked)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise StorageError(str(error)) from None
        return applied.text, applied.errors


def failure(code: str, prefix: str, error: EngineError | None) -> EngineError:
    """Return what the caller is told: a lost race as it is, everything else with the function's code and prefix."""
    if isinstance(error, VersionConflict):
        return error
    return StoredValueError(code, f"{prefix}{error}")


def change_text(change: Change, *, versioned: bool = False) -> bytes:
    """Return the answer to a write: both values, the rejected operations if there are any, the version if wanted."""
    old, new = change.old, change.new
    text = b'{"old_value":%b,"new_value":%b' % (
        old.text if old is not None else NULL,
        new.text if new is not None else NULL,
    )
    if change.remark:
        text += b',"errors":%b' % _encode(change.remark)
    if versioned and new is not None:
        text += b',"version":%d' % new.version
    return text + b"}"
