"""The statements: values in one SQLite table. Used by one thread at a time; raises ``sqlite3.Error`` as it comes."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from iii_actors.limits import STORE_READ_KEYS, STORE_VERSIONS
from iii_actors.storage.contract import Entry, Scope
from iii_actors.storage.operations import Address, Row

__all__ = ["LAYOUTS", "Table"]

LAYOUTS: Final[Sequence[Sequence[str]]] = (
    (
        "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        # In the order of scope and key, so that a scope is one run of neighbours, read without touching others.
        """CREATE TABLE entries (
            scope BLOB NOT NULL, key BLOB NOT NULL, place INTEGER NOT NULL, version INTEGER NOT NULL, expires INTEGER,
            text BLOB NOT NULL, PRIMARY KEY (scope, key)
        ) WITHOUT ROWID""",
        "CREATE INDEX expiring ON entries (expires) WHERE expires IS NOT NULL",
    ),
)
"""The statements that lead from each layout of the file to the next one; an empty file has layout 0."""

_END: Final = b"\xfe"
_PAST_END: Final = b"\xff"
"""Neither occurs in UTF-8: each part of a scope ends with the one; no scope has the other."""


class Table:
    """Values by address, expired ones included.

    :param connection: in autocommit mode, bytes for text; every write is one transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        found = connection.execute("SELECT value FROM counters WHERE name = 'versions'").fetchone()
        self.version: int = found[0] if found is not None else 0
        """The last version given out; whoever gives out the next one counts it up."""
        self._set_aside = self.version
        self.write({})

    @property
    def versions_left(self) -> int:
        """How many versions may be given out before the next :meth:`write`."""
        return self._set_aside - self.version

    def read(self, addresses: Collection[Address]) -> dict[Address, Row]:
        """Return what there is at these addresses."""
        found: dict[Address, Row] = {}
        left = iter(addresses)
        while part := list(islice(left, STORE_READ_KEYS)):
            values: list[Any] = []
            for number, (scope, key) in enumerate(part):
                values += (number, _scope_bytes(scope), key.encode())
            for number, place, version, expires, text in self._connection.execute(_reading(len(part)), values):
                found[part[number]] = Row(Entry(text, version), place, expires)
        return found

    def rows(self, scope: Scope, now_ms: int) -> list[tuple[int, str, Entry]]:
        """Return place, key and value of all of a scope that has not expired, in no order."""
        statement = """
            SELECT place, key, text, version FROM entries
            WHERE scope = ? AND (expires IS NULL OR expires > ?)"""
        # All of them first: turning them into objects in between would take longer.
        found = self._connection.execute(statement, (_scope_bytes(scope), now_ms)).fetchall()
        return [(place, key.decode(), Entry(text, version)) for place, key, text, version in found]

    def keys(self, scope: Scope, now_ms: int) -> Iterator[tuple[int, str]]:
        """Yield place and key of all of a scope that has not expired, in no order."""
        statement = "SELECT place, key FROM entries WHERE scope = ? AND (expires IS NULL OR expires > ?)"
        for place, key in self._connection.execute(statement, (_scope_bytes(scope), now_ms)):
            yield place, key.decode()

    def scopes(self, under: Scope, now_ms: int) -> list[Scope]:
        """Return the scopes below ``under`` with a value that has not expired: one step in the tree for each."""
        # From each scope the next one is sought, so that the number of values does not matter.
        statement = """
            WITH RECURSIVE found (scope) AS (
                SELECT min(scope) FROM entries WHERE scope >= :start AND scope < :end
                UNION ALL
                SELECT (SELECT min(scope) FROM entries WHERE scope > found.scope AND scope < :end)
                FROM found WHERE found.scope IS NOT NULL
            )
            SELECT scope FROM found WHERE scope IS NOT NULL AND EXISTS (
                SELECT 1 FROM entries
                WHERE entries.scope = found.scope AND (entries.expires IS NULL OR entries.expires > :now)
            )"""
        start = _scope_bytes(under)
        bounds = {"start": start, "end": start[:-1] + _PAST_END, "now": now_ms}
        return [_scope_of(scope) for (scope,) in self._connection.execute(statement, bounds)]

    def write(self, changes: Mapping[Address, Row | None]) -> None:
        """Write values, and remove those that are None, in one transaction: all of it, or an error and nothing."""
        rows, removed = [], []
        for (scope, key), row in changes.items():
            if row is None:
                removed.append((_scope_bytes(scope), key.encode()))
            else:
                entry = row.entry
                rows.append((_scope_bytes(scope), key.encode(), row.place, entry.version, row.expires, entry.text))
        # Half of them stays in hand, as what is not written yet has versions too.
        set_aside = self._set_aside
        if self.versions_left < STORE_VERSIONS // 2:
            set_aside = self.version + STORE_VERSIONS
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            if removed:
                self._connection.executemany("DELETE FROM entries WHERE scope = ? AND key = ?", removed)
            if rows:
                self._connection.executemany("REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
            if set_aside != self._set_aside:
                run("REPLACE INTO counters VALUES ('versions', ?)", (set_aside,))
            run("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._set_aside = set_aside

    def remove_expired(self, now_ms: int, at_most: int) -> int:
        """Remove some of what has expired, the oldest first; returns how many."""
        statement = """
            DELETE FROM entries WHERE (scope, key) IN (
                SELECT scope, key FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?
            )"""
        try:
            return self._connection.execute(statement, (now_ms, at_most)).rowcount
        except BaseException:
            self._roll_back()
            raise

    def next_expiry(self) -> int | None:
        """Return when the next value expires or has expired, in ms since the epoch."""
        statement = "SELECT min(expires) FROM entries WHERE expires IS NOT NULL"
        soonest: int | None = self._connection.execute(statement).fetchone()[0]
        return soonest

    def _roll_back(self) -> None:
        # A statement that meets a full disk may have ended the transaction itself.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _reading(count: int) -> str:
    asked = ", ".join(["(?, ?, ?)"] * count)
    return f"""
        WITH asked (number, scope, key) AS (VALUES {asked})
        SELECT number, place, version, expires, text FROM asked CROSS JOIN entries
        ON entries.scope = asked.scope AND entries.key = asked.key"""  # noqa: S608 - nothing but question marks


def _scope_bytes(scope: Scope) -> bytes:
    return b"".join([part.encode() + _END for part in scope])


def _scope_of(written: bytes) -> Scope:
    return tuple(part.decode() for part in written[:-1].split(_END))
