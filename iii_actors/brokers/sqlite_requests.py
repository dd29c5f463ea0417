"""What is asked of a file of queues, and how the questions are answered that change nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from iii_actors.brokers.contract import Done
from iii_actors.brokers.job import Job
from iii_actors.brokers.journal import Change, Found, NewJob
from iii_actors.brokers.sqlite_pending import Key, Pending
from iii_actors.brokers.sqlite_rows import Stored
from iii_actors.brokers.sqlite_table import Table
from iii_actors.errors import EngineError

__all__ = ["Answer", "Dead", "Find", "Put", "Read", "Request", "Write", "looked", "stored_under"]

logger = logging.getLogger(__name__)

Answer: TypeAlias = tuple[Any, EngineError | None]
"""What ``done`` gets."""


class Put(NamedTuple):
    """Store these; see :meth:`Journal.put`."""

    jobs: Sequence[NewJob]
    now_ms: int
    done: Done[Sequence[str | None]]
    size: int
    """Bytes of data."""


class Write(NamedTuple):
    """Know that this has happened; see :meth:`Journal.write`."""

    changes: Sequence[Change]
    done: Done[None] | None


class Read(NamedTuple):
    """See :meth:`Journal.read`."""

    numbers: Sequence[int]
    max_bytes: int
    done: Done[Sequence[Job | None]]

    def answer(self, pending: Pending, table: Table) -> list[Job | None]:
        """Return the jobs as they are now, the changes that are not in the file among what they are."""
        seen = [pending.seen(number) for number in self.numbers]
        rows, larger = table.read_small([found[0] for found in seen if type(found) is tuple])
        jobs: list[Job | None] = []
        room = self.max_bytes
        for found in seen:
            stored: Stored | None = None
            if isinstance(found, Stored):
                stored, size = found, len(found.body)
            elif found is None:
                size = 0
            elif (row := rows.get(found[0])) is not None:
                stored, size = pending.after(row, found[1]), len(row.body)
            else:
                size = larger.get(found[0], 0)
            room -= size
            if room < 0 and jobs:
                break
            if found is not None and not isinstance(found, Stored) and found[0] in larger:
                stored = pending.after(table.read([found[0]])[found[0]], found[1])
            jobs.append(_whole(stored, pending.names[stored.queue]) if stored is not None else None)
        return jobs


def _whole(stored: Stored, queue: str) -> Job | None:
    """Return a job; None for one whose bytes have been damaged, which must not keep others from being read."""
    try:
        return stored.job(queue)
    except msgspec.DecodeError as error:
        logger.error("queue '%s': job number %d is damaged in its file: %s", queue, stored.number, error)  # noqa: TRY400
        return None


class Find(NamedTuple):
    """See :meth:`Journal.find`."""

    queue: str
    wanted: str
    done: Done[Found]


class Dead(NamedTuple):
    """See :meth:`Journal.dead`."""

    queue: str
    newest_first: bool
    offset: int
    limit: int
    done: Done[Sequence[Found]]


Request: TypeAlias = Put | Write | Read | Find | Dead


def looked(request: Find | Dead, pending: Pending, table: Table) -> Any:
    """Return what is in the file, in which everything is by now."""
    queue = pending.queues.get(request.queue)
    if isinstance(request, Find):
        stored = table.find(queue, request.wanted) if queue is not None else None
        return stored.found(request.queue) if stored is not None else None
    if queue is None:
        return []
    letters = table.dead(queue, request.newest_first, request.offset, request.limit)
    return [letter.found(request.queue) for letter in letters]


def stored_under(request: Put, pending: Pending, table: Table) -> list[str | None]:
    """Take in those of a request's jobs whose keys are not remembered: all, or an error and none.

    :returns: for each of the others the receipt that is remembered with its key.
    """
    fresh: dict[Key, str] = {}
    coming: list[tuple[NewJob, Stored | None]] = []
    receipts: list[str | None] = []
    for given in request.jobs:
        job, receipt = given.job, None
        queue = pending.queues[job.queue]
        if given.remember_until_ms and job.idempotency_key is not None:
            key = queue, job.idempotency_key
            receipt = fresh.get(key)
            if receipt is None:
                found = pending.key(key) or table.key(key)
                receipt = found[1] if found is not None and found[0] > request.now_ms else None
            if receipt is None and given.remember_until_ms > request.now_ms:
                fresh[key] = job.receipt
        coming.append((given, Stored.new(given, queue) if receipt is None else None))
        receipts.append(receipt)
    for given, stored in coming:
        if stored is not None:
            pending.put(given, stored)
        else:
            pending.duplicate(given.job.queue)
    return receipts
