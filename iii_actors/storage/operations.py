"""The operations of a store as objects, for stores whose owner does not carry them out on its own thread.

An operation names the keys it will look at, so that a whole group's can be read together, and is then run against
:class:`Values`. Pure: no I/O of its own, and it may be run again if the group it was in could not be written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from msgspec import Struct

from iii_actors.storage.contract import LONGEST_TTL_MS, Change, Changing, Entry, Scope
from iii_actors.storage.errors import VersionConflict

__all__ = [
    "Address",
    "Delete",
    "Get",
    "GetMany",
    "ListEntries",
    "ListKeys",
    "ListScopes",
    "Operation",
    "Row",
    "Set",
    "Update",
    "Values",
]

Address = tuple[Scope, str]
"""A value's scope and key."""


class Row(NamedTuple):
    """A value with what only the store knows of it."""

    entry: Entry
    place: int
    """Its place among the scope's keys: the version of the write that inserted it."""
    expires: int | None
    """When it is gone, in ms since the epoch; None: never."""


class Values(ABC):
    """What operations see and change. Expired values are not there."""

    @abstractmethod
    def get(self, address: Address) -> Row | None:
        """Return the value now."""

    @abstractmethod
    def put(self, address: Address, old: Row | None, text: bytes, expires: int | None) -> Entry:
        """Write over ``old``, which :meth:`get` has just returned."""

    @abstractmethod
    def remove(self, address: Address) -> None:
        """Remove a value that is there."""

    @abstractmethod
    def now_ms(self) -> int:
        """Return the time by which values expire."""

    @abstractmethod
    def entries(self, scope: Scope) -> Sequence[tuple[str, Entry]]:
        """Return a scope's keys and values in the order of insertion."""

    @abstractmethod
    def keys(self, scope: Scope) -> Sequence[str]:
        """Return a scope's keys in the order of insertion."""

    @abstractmethod
    def scopes(self, under: Scope) -> Sequence[Scope]:
        """Return the scopes that hold something and begin with ``under``, sorted."""


class Operation(Struct, gc=False):
    """One step. :meth:`run` returns what the contract says the step results in, or raises ``EngineError``."""

    writes: ClassVar[bool] = False

    def addresses(self) -> Sequence[Address]:
        """Return what it will look at."""
        return ()

    def size(self) -> int:
        """Return about how many bytes it holds."""
        return 0

    def run(self, values: Values) -> Any:
        raise NotImplementedError


class Get(Operation, gc=False):
    """Read one value."""

    address: Address

    def addresses(self) -> Sequence[Address]:
        return (self.address,)

    def run(self, values: Values) -> Entry | None:
        row = values.get(self.address)
        return row.entry if row is not None else None


class GetMany(Operation, gc=False):
    """Read several values of a scope."""

    scope: Scope
    wanted: Sequence[str]

    def addresses(self) -> Sequence[Address]:
        return [(self.scope, key) for key in self.wanted]

    def run(self, values: Values) -> Sequence[Entry | None]:
        found = (values.get(address) for address in self.addresses())
        return [row.entry if row is not None else None for row in found]


class _Write(Operation, gc=False):
    """One value, in one step: what is there is looked at, and compared with the expected version if there is one."""

    writes = True

    address: Address
    if_version: int | None

    def addresses(self) -> Sequence[Address]:
        return (self.address,)

    def old(self, values: Values) -> Row | None:
        """Return what is there. Raises :class:`VersionConflict`."""
        row = values.get(self.address)
        if self.if_version is not None:
            found = row.entry.version if row is not None else 0
            if found != self.if_version:
                raise VersionConflict(self.if_version, found)
        return row


class Set(_Write, gc=False):
    """Write a value."""

    text: bytes
    ttl_ms: int | None

    def size(self) -> int:
        return len(self.text)

    def run(self, values: Values) -> Change:
        old = self.old(values)
        expires = None
        if self.ttl_ms is not None:
            expires = values.now_ms() + min(self.ttl_ms, LONGEST_TTL_MS)
        new = values.put(self.address, old, self.text, expires)
        return Change(old.entry if old is not None else None, new)


class Delete(_Write, gc=False):
    """Remove a value."""

    def run(self, values: Values) -> Change:
        old = self.old(values)
        if old is None:
            return Change(None, None)
        values.remove(self.address)
        return Change(old.entry, None)


class Update(_Write, gc=False):
    """Change a value by what is there. Raises what its function does."""

    changing: Changing

    def run(self, values: Values) -> Change:
        old = self.old(values)
        text, remark = self.changing(old.entry.text if old is not None else None)
        new = values.put(self.address, old, text, old.expires if old is not None else None)
        return Change(old.entry if old is not None else None, new, remark)


class ListEntries(Operation, gc=False):
    """Read a scope."""

    scope: Scope

    def run(self, values: Values) -> Sequence[tuple[str, Entry]]:
        return values.entries(self.scope)


class ListKeys(Operation, gc=False):
    """Read a scope's keys."""

    scope: Scope

    def run(self, values: Values) -> Sequence[str]:
        return values.keys(self.scope)


class ListScopes(Operation, gc=False):
    """Name scopes."""

    under: Scope

    def run(self, values: Values) -> Sequence[Scope]:
        return values.scopes(self.under)
