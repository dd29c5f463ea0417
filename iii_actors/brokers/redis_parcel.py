"""A parcel: the operations that travel to Redis together, written as the script takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw
from msgspec.msgpack import Decoder

from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.redis_layout import meta_key, pack, spec_words

__all__ = ["Parcel", "answers_of"]

_FIRST_TEXT: Final = 3  # behind the head and the operations
answers_of: Final[Callable[[bytes], list[Raw]]] = Decoder(list[Raw]).decode


class Parcel:
    """Made for one call of the script, which may have to be made twice.

    :param number: of this call, by this engine.
    :param specs: returns a queue's spec, as far as this engine knows it.
    """

    def __init__(self, engine: str, number: int, specs: Callable[[str], QueueSpec | None]) -> None:
        self._engine = engine
        self._number = number
        self._specs = specs
        self._queues: dict[str, int] = {}
        self._keys: list[bytes] = []
        self._operations: list[bytes] = []
        self._texts: list[bytes] = []

    def __len__(self) -> int:
        return len(self._operations)

    def add(self, *operation: Any) -> None:
        """Put in an operation: its name and arguments, which hold no None. Raises ``UnicodeEncodeError``."""
        self._operations.append(pack(operation))

    def queue(self, queue: str) -> int:
        """Return by what number an operation names a queue. Raises ``UnicodeEncodeError``."""
        number = self._queues.get(queue)
        if number is None:
            self._keys.append(meta_key(queue))
            number = self._queues[queue] = len(self._keys)
        return number

    def texts(self, *texts: bytes) -> int:
        """Put in texts; returns by what number an operation names the first of them."""
        first = _FIRST_TEXT + len(self._texts)
        self._texts += texts
        return first

    def keys(self) -> list[bytes]:
        return self._keys

    def arguments(self, now_ms: int, resent: bool) -> list[bytes]:
        """:param now_ms: by the clock of the engines. :param resent: it may have been carried out already."""
        names = list(self._queues)
        specs = [spec_words(spec) if (spec := self._specs(name)) is not None else False for name in names]
        head = (self._engine, self._number, resent, now_ms, names, specs)
        operations = b"".join((b"\xdd", len(self._operations).to_bytes(4), *self._operations))
        return [pack(head), operations, *self._texts]

    def queue_named(self, number: int) -> str:
        return list(self._queues)[number - 1]
