"""What a file of queues holds after the process that wrote it, and what must be true of it."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from iii_actors.brokers.journal import StoredQueue
from iii_actors.brokers.sqlite_journal import SqliteJournal
from iii_actors.clock import ManualClock
from tests.durability.queue_worker import job, number_of
from tests.storage.asking import result

__all__ = ["Content", "Told", "content", "told"]


class Content(NamedTuple):
    queues: dict[str, StoredQueue]
    living: set[int]
    dead: set[int]


def content(path: Path) -> Content:
    """Open a file as the next engine would; its books must balance, and every job must be whole."""
    journal = SqliteJournal(path, ManualClock())
    queues = {found.queue: found for found in journal.open().queues}
    living, dead = set(), set()
    try:
        rows = {queue: [row[0] for row in journal.rows(queue)] for queue in queues}
        for queue, stored in queues.items():
            totals, numbers = stored.totals, rows[queue]
            assert numbers == sorted(numbers)
            assert totals.enqueued == totals.done + totals.removed + len(numbers) + stored.dead, (queue, totals)
            jobs = result(journal.read, numbers, 1 << 40)
            letters = result(journal.dead, queue, False, 0, 1 << 30)
            assert len(letters) == stored.dead
            for kept in (*jobs, *(letter.job for letter in letters)):
                expected = job(number_of(kept))
                assert (kept.queue, kept.data, kept.group) == (queue, expected.data, expected.group)
                assert len(kept.failures) == kept.attempts
            if "ordered" in queue:
                in_order(jobs)
            living.update(map(number_of, jobs))
            dead.update(number_of(letter.job) for letter in letters)
            assert all(letter.job.attempts for letter in letters)
    finally:
        journal.close()
    with closing(sqlite3.connect(path)) as connection:
        halves = "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM bodies), (SELECT count(*) FROM jobs JOIN bodies USING (number))"
        assert len(set(connection.execute(halves).fetchone())) == 1, "a job is half there"
    assert not living & dead
    return Content(queues, living, dead)


def in_order(jobs: Iterable) -> None:
    """Within a group the jobs are in the order in which they were put."""
    groups = defaultdict(list)
    for one in jobs:
        groups[one.group].append(number_of(one))
    assert all(numbers == sorted(numbers) for numbers in groups.values())


class Told(NamedTuple):
    """The numbers of a worker's lines, by their first word."""

    put: set[int]
    refused: set[int]
    got: list[tuple[int, bool]]
    acking: set[int]
    acked: set[int]
    burying: set[int]
    buried: set[int]
    failed: set[int]
    errors: list[str]


def told(lines: Iterable[str]) -> Told:
    kinds = defaultdict(list)
    errors = []
    for line in lines:
        word, _, rest = line.partition(" ")
        number, _, text = rest.partition(" ")
        if word in Told._fields:
            kinds[word].append(int(number))
        if word == "got":
            kinds["deliveries"].append((int(number), text == "True"))
        if word in {"refused", "failed"}:
            errors.append(text)
    sets = {name: set(kinds[name]) for name in Told._fields if name not in {"got", "errors"}}
    return Told(**sets, got=kinds["deliveries"], errors=errors)
