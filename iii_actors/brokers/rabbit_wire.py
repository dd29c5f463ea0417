"""A message's properties as bytes, where pika's own ones will not do: unsigned numbers (queue.md §9, ``x-attempt``).

AMQP 0-9-1 §4.2.5.5 (tables, with RabbitMQ's types) and §4.2.6.1 (content header). Encoded once, on whichever thread
makes the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Any, Final

from pika.data import encode_value
from pika.spec import BasicProperties

__all__ = ["Properties", "Unsigned"]

_FLAGS: Final = Struct(">H")
_LENGTH: Final = Struct(">I")
_SIGNED: Final = Struct(">cq")
_UNSIGNED: Final = Struct(">cI")
_CONTENT_TYPE: Final = 1 << 15
_HEADERS: Final = 1 << 13
_DELIVERY_MODE: Final = 1 << 12
_PRIORITY: Final = 1 << 11
_MESSAGE_ID: Final = 1 << 7
_PERSISTENT: Final = b"\x02"
_SHORT: Final = 255


class Unsigned(int):
    """A header that is written as an unsigned 32-bit number."""


class Properties:
    """Those of a persistent JSON message. Immutable; pika takes it for its own kind."""

    __slots__ = ("_encoded",)

    INDEX = BasicProperties.INDEX

    def __init__(self, headers: Mapping[str, Any], message_id: str | None, priority: int | None) -> None:
        flags = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE
        pieces = [b"", _short("application/json"), _table(headers), _PERSISTENT]
        if priority is not None:
            flags |= _PRIORITY
            pieces.append(bytes((priority,)))
        if message_id is not None:
            flags |= _MESSAGE_ID
            pieces.append(_short(message_id))
        pieces[0] = _FLAGS.pack(flags)
        self._encoded = b"".join(pieces)

    def __len__(self) -> int:
        return len(self._encoded)

    def encode(self) -> list[bytes]:
        return [self._encoded]


def _short(text: str) -> bytes:
    encoded = text.encode()[:_SHORT]
    return bytes((len(encoded),)) + encoded


def _table(table: Mapping[str, Any]) -> bytes:
    pieces: list[bytes] = []
    for key, value in table.items():
        pieces.append(_short(key))
        if isinstance(value, str):
            text = value.encode()
            pieces += (b"S", _LENGTH.pack(len(text)), text)
        elif isinstance(value, Unsigned):
            pieces.append(_UNSIGNED.pack(b"i", value))
        elif isinstance(value, int) and not isinstance(value, bool):
            pieces.append(_SIGNED.pack(b"l", value))
        else:
            encode_value(pieces, value)
    size = sum(map(len, pieces))
    return b"".join((_LENGTH.pack(size), *pieces))
