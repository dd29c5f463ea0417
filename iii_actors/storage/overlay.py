"""What has been written and is not in the file yet, seen as one with what is in the file. One thread at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, TypeGuard

from iii_actors.clock import Clock
from iii_actors.storage.contract import Entry, Scope
from iii_actors.storage.operations import Address, Row, Values
from iii_actors.storage.sqlite_table import Table

__all__ = ["Overlay"]

_OVERHEAD: Final = 400
"""About how many bytes a change takes beside its texts."""


class Overlay(Values):
    """Changes over a table; every read sees them. Reading the table may raise ``sqlite3.Error``."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        # A clock that is set back or forth must not change how long values live.
        self._started_ms = (clock.now() - clock.monotonic()) * 1000
        self._changes: dict[Scope, dict[str, Row | None]] = {}
        self._seen: dict[Address, Row | None] = {}
        """What the table holds at the addresses that the present group looks at."""
        self.size = 0
        """About how many bytes the changes take."""
        self.next_expiry = table.next_expiry()
        """When to look for expired values in the table, in ms since the epoch; None: there is nothing that expires."""

    def look_up(self, addresses: Iterable[Address]) -> None:
        """Read ahead what a group of operations will look at, and forget what the one before looked at."""
        changes = self._changes
        wanted = {
            address: None for address in addresses if address[0] not in changes or address[1] not in changes[address[0]]
        }
        self._seen = {}
        found = self._table.read(wanted)
        self._seen = {**wanted, **found}

    # --- as operations see it ----------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        return int(self._started_ms + self._clock.monotonic() * 1000)

    def get(self, address: Address) -> Row | None:
        scope, key = address
        changes = self._changes.get(scope)
        if changes is not None and key in changes:
            row = changes[key]
        elif address in self._seen:
            row = self._seen[address]
        else:
            row = self._table.read((address,)).get(address)
        return row if _is_there(row, self.now_ms()) else None

    def put(self, address: Address, old: Row | None, text: bytes, expires: int | None) -> Entry:
        self._table.version = version = self._table.version + 1
        entry = Entry(text, version)
        self._change(address, Row(entry, version if old is None else old.place, expires))
        return entry

    def remove(self, address: Address) -> None:
        self._change(address, None)

    def entries(self, scope: Scope) -> Sequence[tuple[str, Entry]]:
        now = self.now_ms()
        found = self._table.rows(scope, now)
        changes = self._changes.get(scope)
        if changes:
            found = [one for one in found if one[1] not in changes]
            found += [(row.place, key, row.entry) for key, row in changes.items() if _is_there(row, now)]
        found.sort(key=itemgetter(0))
        return [(key, entry) for _, key, entry in found]

    def keys(self, scope: Scope) -> Sequence[str]:
        now = self.now_ms()
        changes = self._changes.get(scope, {})
        found = [one for one in self._table.keys(scope, now) if one[1] not in changes]
        found += [(row.place, key) for key, row in changes.items() if _is_there(row, now)]
        found.sort()
        return [key for _, key in found]

    def scopes(self, under: Scope) -> Sequence[Scope]:
        now = self.now_ms()
        found = set(self._table.scopes(under, now))
        for scope, changes in self._changes.items():
            if scope[: len(under)] == under:
                if any(_is_there(row, now) for row in changes.values()):
                    found.add(scope)
                elif scope in found and all(key in changes for _, key in self._table.keys(scope, now)):
                    found.discard(scope)
        return sorted(found)

    def _change(self, address: Address, row: Row | None) -> None:
        scope, key = address
        changes = self._changes.setdefault(scope, {})
        if key in changes:
            self.size -= _size(key, changes[key])
        changes[key] = row
        self.size += _size(key, row)

    # --- writing it out ----------------------------------------------------------------------------------------------

    def write_out(self) -> None:
        """Bring the changes into the table in one transaction; after an error they are all here still."""
        if not self._changes:
            return
        now = self.now_ms()
        written: dict[Address, Row | None] = {}
        soonest = self.next_expiry
        for scope, changes in self._changes.items():
            for key, row in changes.items():
                written[scope, key] = row
                if row is not None and row.expires is not None:
                    if row.expires <= now:
                        written[scope, key] = None
                    elif soonest is None or row.expires < soonest:
                        soonest = row.expires
        self._table.write(written)
        self.next_expiry = soonest
        self.discard()

    def discard(self) -> None:
        """Forget the changes."""
        self._changes.clear()
        self._seen = {}
        self.size = 0

    def remove_expired(self, at_most: int) -> bool:
        """Remove some of what has expired from the table; returns whether that was all."""
        removed = self._table.remove_expired(self.now_ms(), at_most)
        self._seen = {}
        self.next_expiry = self._table.next_expiry()
        return removed < at_most


def _is_there(row: Row | None, now_ms: int) -> TypeGuard[Row]:
    """Return whether this is a value that has not expired."""
    return row is not None and (row.expires is None or row.expires > now_ms)


def _size(key: str, row: Row | None) -> int:
    return _OVERHEAD + len(key) + (len(row.entry.text) if row is not None else 0)
