"""The store contract: values by scope and key, each operation one atomic step, answered through a callback.

A store belongs to one actor, which calls it from one thread at a time and in the order in which it wants things done:
operations on one key take effect in that order. ``done`` is called exactly once per operation, on whichever thread has
the answer, possibly before the operation's method returns; it must not block. When it is told of a change, the change
is as durable as the store was configured to make it.

Values are JSON texts, which a store keeps as they are and never parses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import Struct

from iii_actors.actor import Ref
from iii_actors.errors import EngineError

__all__ = ["ABSENT", "LONGEST_TTL_MS", "Change", "Changing", "Done", "Entry", "Scope", "Store"]

_T = TypeVar("_T")

Scope = tuple[str, ...]
"""Where a key lives: ``(scope,)`` for state, ``(stream, group)`` for streams. One or more strings, empty ones too."""

Done = Callable[[_T | None, EngineError | None], None]
"""Gets the result, or the error: one of them is None unless the result itself is."""


class Entry(Struct, frozen=True, gc=False):
    """A stored value."""

    text: bytes
    """JSON."""
    version: int
    """Greater than that of every earlier write to the key, and 1 or more."""


ABSENT: Final = None
"""Where an entry could be and is not."""

LONGEST_TTL_MS: Final = 1 << 53
"""Longer times to live count as this one, which is 285 000 years."""


class Change(NamedTuple):
    """What a write did."""

    old: Entry | None
    new: Entry | None
    remark: Any = None
    """What the change function of :meth:`Store.update` returned beside the new text."""


Changing = Callable[[bytes | None], tuple[bytes, Any]]
"""Makes the new text from the old one, None if there is none, and a remark. Pure: it may be called more than once."""


class Store(ABC):
    """One table of values. ``done`` may get ``StorageError``, and ``VersionConflict`` where ``if_version`` is given."""

    versioned: bool = True
    """False: its entries have no versions, and it refuses ``if_version`` and ``ttl_ms``."""

    @abstractmethod
    def get(self, scope: Scope, key: str, done: Done[Entry]) -> None:
        """Read one value; None if it is absent or has expired."""

    @abstractmethod
    def get_many(self, scope: Scope, keys: Sequence[str], done: Done[Sequence[Entry | None]]) -> None:
        """Read several values of one scope at one moment, in the order asked for."""

    @abstractmethod
    def set(
        self,
        scope: Scope,
        key: str,
        text: bytes,
        done: Done[Change],
        *,
        ttl_ms: int | None = None,
        if_version: int | None = None,
    ) -> None:
        """Write one value.

        :param ttl_ms: after so long it is absent; None: never. Every write sets or ends it anew.
        :param if_version: write only over this version, 0 meaning that the key is absent; else ``VersionConflict``.
        """

    @abstractmethod
    def delete(self, scope: Scope, key: str, done: Done[Change], *, if_version: int | None = None) -> None:
        """Remove one value; its place among its scope's keys goes with it."""

    @abstractmethod
    def update(
        self, scope: Scope, key: str, changing: Changing, done: Done[Change], *, if_version: int | None = None
    ) -> None:
        """Read, change and write in one step. A time to live that the value had stays as it was.

        An ``EngineError`` that ``changing`` raises is passed on, and nothing has changed.
        """

    @abstractmethod
    def list(self, scope: Scope, done: Done[Sequence[tuple[str, Entry]]]) -> None:
        """Read a scope: its keys and values, in the order of their first insertion where the backend has one."""

    @abstractmethod
    def list_keys(self, scope: Scope, done: Done[Sequence[str]]) -> None:
        """Read a scope's keys, in the same order."""

    @abstractmethod
    def scopes(self, under: Scope, done: Done[Sequence[Scope]]) -> None:
        """Name the scopes that hold something now and begin with ``under`` (empty: all), sorted."""

    @abstractmethod
    def close(self) -> None:
        """Make everything lasting that can last, and let go. Waits. What is asked later gets ``StorageError``."""

    def actors(self) -> Sequence[Ref]:
        """Return the actors behind it, for the figures."""
        return ()
