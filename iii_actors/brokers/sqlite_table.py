# ruff: noqa: S608 - statements are put together of names of columns and of question marks
"""The statements: jobs in one SQLite file. Used by one thread at a time; raises ``sqlite3.Error`` as it comes.

Few statements for many jobs: with each one the interpreter is given to other threads, and has to be waited for.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from sys import intern
from typing import Any, Final

import msgspec

from iii_actors.brokers import journal
from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.journal import Loaded, Row, StoredQueue, Totals
from iii_actors.brokers.sqlite_pending import Batch, Key, Named, Pending
from iii_actors.brokers.sqlite_rows import COLUMNS, Columns, Stored, fingerprint
from iii_actors.limits import QUEUE_FILE_ROWS, QUEUE_SMALL_BYTES, STORE_READ_KEYS

__all__ = ["APPLICATION_ID", "LAYOUTS", "Table"]

APPLICATION_ID: Final = 0x69696971
"""In the header of a file of queues: ``iiiq``."""

LAYOUTS: Final[Sequence[Sequence[str]]] = (
    (
        "CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE queues (
            id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, spec BLOB NOT NULL, paused INTEGER NOT NULL DEFAULT 0,
            enqueued INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0,
            redriven INTEGER NOT NULL DEFAULT 0, retried INTEGER NOT NULL DEFAULT 0,
            duplicates INTEGER NOT NULL DEFAULT 0
        )""",
        # What decides order apart from what is delivered, so that a start reads no more than it must.
        """CREATE TABLE jobs (
            number INTEGER PRIMARY KEY, queue INTEGER NOT NULL, grp TEXT, priority INTEGER NOT NULL,
            due INTEGER NOT NULL, wait INTEGER NOT NULL, attempts INTEGER NOT NULL, dead INTEGER, id INTEGER NOT NULL,
            receipt INTEGER NOT NULL, function_id TEXT NOT NULL, namespace TEXT NOT NULL, failures BLOB
        )""",
        "CREATE TABLE bodies (number INTEGER PRIMARY KEY, body BLOB NOT NULL)",
        # Ids are random. Some hundred neighbours together, or else every job that comes would touch a page of its own.
        "CREATE INDEX by_id ON jobs (queue, number >> 9, id)",
        "CREATE INDEX by_receipt ON jobs (queue, number >> 9, receipt)",
        "CREATE INDEX dead ON jobs (queue, dead, number) WHERE dead IS NOT NULL",
        """CREATE TABLE keys (
            queue INTEGER NOT NULL, key BLOB NOT NULL, until INTEGER NOT NULL, receipt TEXT NOT NULL,
            PRIMARY KEY (queue, key)
        ) WITHOUT ROWID""",
        "CREATE INDEX ending ON keys (until)",
    ),
)
"""The statements that lead from each layout of the file to the next one; an empty file has layout 0."""

_STORED: Final = f"{', '.join(f'jobs.{name}' for name in COLUMNS)}, bodies.body"
_FOUND: Final = f"SELECT {_STORED} FROM jobs JOIN bodies USING (number)"
_SMALL: Final = f"""
    SELECT {", ".join(f"jobs.{name}" for name in COLUMNS)},
    CASE WHEN length(bodies.body) <= {QUEUE_SMALL_BYTES} THEN bodies.body END, length(bodies.body)
    FROM jobs JOIN bodies USING (number)"""
_FIND: Final = """
    WITH RECURSIVE part (number) AS (
        SELECT min(number >> 9) FROM jobs WHERE queue = :queue
        UNION ALL
        SELECT (SELECT min(number >> 9) FROM jobs WHERE queue = :queue AND number >> 9 > part.number)
        FROM part WHERE part.number IS NOT NULL
    )
    SELECT jobs.number FROM part CROSS JOIN jobs
    WHERE jobs.queue = :queue AND jobs.number >> 9 = part.number AND jobs.{column} = :wanted
    LIMIT :limit"""
"""From each part of an index the next one is sought, and looked into."""


class Table:
    """The queues and their jobs.

    :param connection: in autocommit mode.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._run = connection.execute
        self.keys = 0
        """How many idempotency keys there are, or a little more."""

    # --- at the start ------------------------------------------------------------------------------------------------

    def load(self) -> tuple[Loaded, dict[str, int]]:
        """Return what there is, and the queues' numbers."""
        queues, numbers = [], {}
        for number, key, spec, paused, *totals in self._run("SELECT * FROM queues").fetchall():
            (dead,) = self._run("SELECT count(*) FROM jobs WHERE queue = ? AND dead IS NOT NULL", (number,)).fetchone()
            name = key.decode()
            numbers[name] = number
            told = msgspec.json.decode(spec, type=QueueSpec)
            queues.append(StoredQueue(name, told, bool(paused), Totals(*totals), dead))
        (last,) = self._run("SELECT max(number) FROM jobs").fetchone()
        mark = self._run("SELECT value FROM marks WHERE name = 'delivered'").fetchone()
        (self.keys,) = self._run("SELECT count(*) FROM keys").fetchone()
        return Loaded(sorted(queues), last or 0, mark[0] if mark is not None else 0), numbers

    def rows(self, queue: int) -> Iterator[Row]:
        """Yield what decides the order of a queue's jobs, by number."""
        statement = """
            SELECT number, grp, priority, due, wait, attempts FROM jobs
            WHERE queue = ? AND dead IS NULL ORDER BY number >> 9, number"""
        for row in self._run(statement, (queue,)):
            # One text for all jobs of a group, however many there are.
            yield row if row[1] is None else (row[0], intern(row[1]), *row[2:])

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, numbers: Sequence[int]) -> dict[int, Stored]:
        """Return those that there are."""
        found: dict[int, Stored] = {}
        left = iter(numbers)
        while part := list(islice(left, STORE_READ_KEYS)):
            asked = _filled(part)
            for row in self._run(f"{_FOUND} WHERE number IN ({_marks(len(asked))})", asked):
                found[row[0]] = Stored(*row)
        return found

    def read_small(self, numbers: Sequence[int]) -> tuple[dict[int, Stored], dict[int, int]]:
        """Return those that there are and are small; of the larger ones how many bytes they have."""
        found: dict[int, Stored] = {}
        larger: dict[int, int] = {}
        left = iter(numbers)
        while part := list(islice(left, STORE_READ_KEYS)):
            asked = _filled(part)
            for *row, size in self._run(f"{_SMALL} WHERE number IN ({_marks(len(asked))})", asked):
                if row[-1] is None:
                    larger[row[0]] = size
                else:
                    found[row[0]] = Stored(*row)
        return found, larger

    def find(self, queue: int, wanted: str) -> Stored | None:
        """Return the job with that id, or else that receipt; of several the oldest."""
        given = {"queue": queue, "wanted": fingerprint(wanted), "limit": STORE_READ_KEYS}
        for nth, column in enumerate(("id", "receipt")):
            numbers = [number for (number,) in self._run(_FIND.format(column=column), given)]
            for _, stored in sorted(self.read(numbers).items()):
                if stored.called()[nth] == wanted:
                    return stored
        return None

    def dead(self, queue: int, newest_first: bool, offset: int, limit: int) -> list[Stored]:
        """Return some of the dead letters of a queue."""
        order = "DESC" if newest_first else "ASC"
        statement = f"""
            SELECT number FROM jobs WHERE queue = ? AND dead IS NOT NULL
            ORDER BY dead {order}, number {order} LIMIT ? OFFSET ?"""
        numbers = [number for (number,) in self._run(statement, (queue, limit, offset))]
        found = self.read(numbers)
        return [found[number] for number in numbers]

    def key(self, key: Key) -> tuple[int, str] | None:
        """Return until when a key is remembered, and the receipt."""
        given = key[0], key[1].encode()
        found: tuple[int, str] | None = self._run(
            "SELECT until, receipt FROM keys WHERE queue = ? AND key = ?", given
        ).fetchone()
        return found

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, pending: Pending) -> None:
        """Write all of it in one transaction, or nothing and an error."""
        keys = 0
        self._run("BEGIN IMMEDIATE")
        try:
            for step in pending.steps:
                if isinstance(step, Batch):
                    keys += self._write_batch(step)
                else:
                    self._write_whole(step)
            self._run("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self.keys += keys

    def _write_batch(self, batch: Batch) -> int:
        """Write what happened to single jobs; returns how many keys there may be more."""
        totals: defaultdict[int, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        for queue, counted in batch.totals.items():
            totals[queue].update(counted)
        if batch.new:
            self._insert(batch.new.values())
        for patch in batch.patches.values():
            self._patch(patch.number, dict(patch.columns))
        for (queue, total), numbers in batch.drops.items():
            totals[queue][total] += self._delete(numbers)
        if batch.keys:
            rows = [(queue, key.encode(), *told) for (queue, key), told in batch.keys.items()]
            self._connection.executemany("REPLACE INTO keys VALUES (?, ?, ?, ?)", rows)
        for queue, counted in totals.items():
            self._count(queue, counted)
        if batch.mark is not None:
            self._run("REPLACE INTO marks VALUES ('delivered', ?)", (batch.mark,))
        return len(batch.keys)

    def _insert(self, stored: Any) -> None:
        left = iter(stored)
        while part := list(islice(left, QUEUE_FILE_ROWS)):
            start = 0
            while start < len(part):
                # As many at once as the next power of two allows, so that few statements have to be compiled.
                size = 1 << ((len(part) - start).bit_length() - 1)
                rows = part[start : start + size]
                start += size
                jobs = ", ".join([f"({_marks(len(COLUMNS))})"] * size)
                self._run(f"INSERT INTO jobs VALUES {jobs}", [value for row in rows for value in row[:-1]])
                bodies = ", ".join(["(?, ?)"] * size)
                values = [value for row in rows for value in (row.number, row.body)]
                self._run(f"INSERT INTO bodies VALUES {bodies}", values)

    def _delete(self, numbers: Sequence[int]) -> int:
        """Remove jobs; returns how many there were."""
        removed, left = 0, iter(numbers)
        while part := list(islice(left, QUEUE_FILE_ROWS)):
            given = _filled(part)
            removed += self._run(f"DELETE FROM jobs WHERE number IN ({_marks(len(given))})", given).rowcount
            self._run(f"DELETE FROM bodies WHERE number IN ({_marks(len(given))})", given)
        return removed

    def _patch(self, number: int, columns: Columns) -> None:
        """Give a job other values."""
        inner: Columns = {name: columns.pop(name) for name in ("data", "max_retries") if name in columns}
        if inner:
            for stored in self.read([number]).values():
                body = stored.changed(inner).body
                self._run("UPDATE bodies SET body = ? WHERE number = ?", (body, number))
        if columns:
            names = ", ".join(f"{name} = ?" for name in columns)
            self._run(f"UPDATE jobs SET {names} WHERE number = ?", (*columns.values(), number))
        if "number" in columns:
            self._run("UPDATE bodies SET number = ? WHERE number = ?", (columns["number"], number))

    def _count(self, queue: int, counted: dict[str, int]) -> None:
        counted = {total: count for total, count in counted.items() if count}
        if counted:
            names = ", ".join(f"{total} = {total} + ?" for total in counted)
            self._run(f"UPDATE queues SET {names} WHERE id = ?", (*counted.values(), queue))

    def _write_whole(self, named: Named) -> None:
        """Change a queue."""
        change, queue, run = named.change, named.queue, self._run
        if isinstance(change, journal.Declare):
            statement = """
                INSERT INTO queues (id, key, spec) VALUES (?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET spec = excluded.spec"""
            run(statement, (queue, change.queue.encode(), msgspec.json.encode(change.spec)))
        elif isinstance(change, journal.Pause):
            run("UPDATE queues SET paused = ? WHERE id = ?", (change.paused, queue))
        elif isinstance(change, journal.Forget):
            run("DELETE FROM keys WHERE queue = ?", (queue,))
            run("DELETE FROM queues WHERE id = ?", (queue,))
        elif isinstance(change, journal.Discard):
            dead = "SELECT number FROM jobs WHERE queue = ? AND dead IS NOT NULL"
            run(f"DELETE FROM bodies WHERE number IN ({dead})", (queue,))
            removed = run("DELETE FROM jobs WHERE queue = ? AND dead IS NOT NULL", (queue,)).rowcount
            self._count(queue, {"removed": removed})
        else:
            statement = "UPDATE jobs SET queue = ?, function_id = ?, namespace = ? WHERE queue = ? AND dead IS NULL"
            moved = run(statement, (queue, change.function_id, change.namespace, named.source)).rowcount
            self._count(named.source, {"removed": moved})
            self._count(queue, {"enqueued": moved})

    # --- keys that have ended ----------------------------------------------------------------------------------------

    def forget_keys(self, now_ms: int, most: int, at_most: int) -> int:
        """Forget some keys, those that end first: whose time is over, or that are more than ``most``.

        :returns: how many.
        """
        over = 0
        if self.keys > most:
            (self.keys,) = self._run("SELECT count(*) FROM keys").fetchone()
            over = max(min(self.keys - most, at_most), 0)
        ending = "SELECT queue, key FROM keys {} ORDER BY until LIMIT ?"
        statement = "DELETE FROM keys WHERE (queue, key) IN ({})"
        try:
            gone = self._run(statement.format(ending.format("WHERE until <= ?")), (now_ms, at_most)).rowcount
            if over > gone:
                gone += self._run(statement.format(ending.format("")), (over - gone,)).rowcount
        except BaseException:
            self._roll_back()
            raise
        self.keys -= gone
        return gone

    def next_ending(self) -> int | None:
        """Return when the next key ends or has ended, in Unix time in ms."""
        soonest: int | None = self._run("SELECT min(until) FROM keys").fetchone()[0]
        if soonest is None:
            self.keys = 0
        return soonest

    def _roll_back(self) -> None:
        # A statement that meets a full disk may have ended the transaction itself.
        if self._connection.in_transaction:
            self._run("ROLLBACK")


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _filled(numbers: list[int]) -> list[int]:
    """Return them with the last one repeated, up to a power of two, so that few statements have to be compiled."""
    return numbers + numbers[-1:] * ((1 << (len(numbers) - 1).bit_length()) - len(numbers))
