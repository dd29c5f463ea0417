"""One field of a job's data, read without reading the rest (queue.md §3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from iii_actors.limits import QUEUE_PRIORITY_MOST

__all__ = ["Field", "field"]

_NULL: Final = b"null"
_decode: Final = msgspec.json.Decoder().decode
_read_all: Final[Callable[[bytes | Raw], Any]] = msgspec.json.Decoder(dict[str, Raw]).decode


class Field:
    """A literal key at the top level of an object. Any thread.

    :param name: the key; no path.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            kind: Any = msgspec.defstruct("Data", [("value", Raw | UnsetType, UNSET)], rename={"value": name}, gc=False)
        except ValueError:  # a name that JSON writes with escapes
            self._read = _read_all
        else:
            self._read = msgspec.json.Decoder(kind).decode

    def text(self, data: bytes | Raw) -> bytes | None:
        """Return the value as it is written; None if the data is no object, or has no such key."""
        try:
            found = self._read(data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        value = found.get(self.name, UNSET) if isinstance(found, dict) else found.value
        return None if value is UNSET else bytes(value)

    def group(self, data: bytes | Raw) -> str | None:
        """Return the group that the value names: a string as it is, anything else as JSON; None for null or nothing."""
        text = self.text(data)
        if text is None or text == _NULL:
            return None
        if text[:1] == b'"':
            named: str = _decode(text)
            return named
        return text.decode()

    def priority(self, data: bytes | Raw) -> int:
        """Return the priority that the value is; 0 for anything but a whole number of at least 0."""
        text = self.text(data)
        if text is None or not text.isdigit():
            return 0
        # Longer ones are greater than any priority, and need not be converted.
        return int(text) if len(text) <= len(str(QUEUE_PRIORITY_MOST)) else QUEUE_PRIORITY_MOST


@lru_cache(maxsize=256)
def field(name: str) -> Field:
    """Return the reader of a field; those in use are made once."""
    return Field(name)
