"""The contract between the local broker and where its jobs are kept: memory, or a file.

The broker has the order in memory: numbers, and what decides order. The journal has everything else. One journal
belongs to one broker, whose actor makes all calls but :meth:`Journal.open`, :meth:`Journal.rows` and
:meth:`Journal.close`, from one thread at a time. It may not be made to wait; answers come to ``done``, exactly once per
call, on whichever thread has them, possibly before the call returns.

**Order.** Calls take effect in the order in which they are made, reads too: a read sees what was written before it.
They are answered in that order.

**Numbers.** Every job has one, given by the broker: greater than that of every job that arrived before, over all
queues, and never used again. A redriven job gets a new one, since it goes to the newest end.

**Failing.** :meth:`Journal.put` is all or nothing: after an error none of its jobs is stored, and no key remembered.
Everything in :meth:`Journal.write` has already happened in the broker, and cannot be taken back: a journal that cannot
write it answers with the error, *keeps* it (the last change of a job supersedes those before it), and writes it, in
order, before whatever comes later, or on its own as soon as it can. Only the end of the process loses it; then jobs are
delivered once more, which is what is promised. Errors are ``BrokerUnavailable``; the text names the place and the mend.

**What is not written.** Which jobs are in flight. After a restart they wait again; those that may have been delivered
are known by :class:`Mark`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from iii_actors.actor import Ref
from iii_actors.brokers.contract import Done
from iii_actors.brokers.job import Failure, Job, QueueSpec

__all__ = [
    "Bury",
    "Change",
    "Declare",
    "Discard",
    "Drop",
    "Edit",
    "Forget",
    "Found",
    "InstantJournal",
    "Journal",
    "Loaded",
    "Mark",
    "Move",
    "NewJob",
    "Pause",
    "Redrive",
    "Retry",
    "Row",
    "StoredQueue",
    "Totals",
    "edited",
]

Row = tuple[int, str | None, int, int, int, int]
"""What decides a stored job's place: ``(number, group, priority, due_at_ms, wait_ms, attempts)``.

``due_at_ms`` is Unix time, 0 for at once; ``wait_ms`` is how far off that was when it was decided, so that a clock that
was wrong by years then, and is right now, does not make the job wait for years. Plain tuples: there may be millions.
"""


class Totals(NamedTuple):
    """A queue's counters; each is counted in the same step as what it counts."""

    enqueued: int = 0
    """:meth:`Journal.put`, without duplicates; and what :class:`Move` brings."""
    done: int = 0
    """:class:`Drop` with ``done``."""
    removed: int = 0
    """:class:`Drop` without, :class:`Discard`; and what :class:`Move` takes away."""
    redriven: int = 0
    retried: int = 0
    duplicates: int = 0


class StoredQueue(NamedTuple):
    """A queue as it was left."""

    queue: str
    spec: QueueSpec
    paused: bool
    totals: Totals
    dead: int
    """How many dead letters it holds."""


class Loaded(NamedTuple):
    """What :meth:`Journal.open` finds."""

    queues: Sequence[StoredQueue]
    """Sorted by key."""
    last_number: int
    """The greatest number of a stored job, or 0; dead letters have one, too."""
    mark: int
    """Of the last :class:`Mark`, or 0."""


class NewJob(NamedTuple):
    """A job to be stored."""

    number: int
    job: Job
    wait_ms: int
    """See :data:`Row`."""
    remember_until_ms: int
    """If the job has an idempotency key: the Unix time until which its queue remembers it; 0: not at all."""


class Drop(NamedTuple):
    """These jobs are done, or have been removed; any state. Numbers that are not there any more count for nothing."""

    queue: str
    numbers: Sequence[int]
    done: bool


class Retry(NamedTuple):
    """An attempt failed, and there will be another; counts one as retried."""

    queue: str
    number: int
    attempts: int
    failures: Sequence[Failure]
    """All that the job has now."""
    due_at_ms: int
    wait_ms: int


class Bury(NamedTuple):
    """The job is a dead letter from now on."""

    queue: str
    number: int
    attempts: int
    failures: Sequence[Failure]
    at_ms: int
    """Unix time. Dead letters are in the order of this, then of their numbers."""


class Redrive(NamedTuple):
    """A dead letter waits again: new number, no attempts, due at once; its failures stay. Counts one as redriven."""

    queue: str
    number: int
    new_number: int


class Edit(NamedTuple):
    """The job has other data, or other retries; None: as it was. Waiting, delayed or dead."""

    queue: str
    number: int
    data: bytes | None
    max_retries: int | None


class Discard(NamedTuple):
    """All dead letters of a queue are dropped, and count as removed."""

    queue: str


class Move(NamedTuple):
    """Everything in ``source`` that is not dead belongs to ``queue`` now, with the same numbers."""

    source: str
    queue: str
    function_id: str
    namespace: str


class Declare(NamedTuple):
    """The queue is there, or has another spec now; jobs, totals and whether it is paused stay."""

    queue: str
    spec: QueueSpec


class Pause(NamedTuple):
    """The queue is paused, or no more."""

    queue: str
    paused: bool


class Forget(NamedTuple):
    """The queue, which is empty, is not there any more; its totals and remembered keys go with it."""

    queue: str


class Mark(NamedTuple):
    """Jobs with numbers up to this one may be delivered from now on. Written before the first of them is, a thousand
    at a time; after a restart, those up to it that are still there may have been delivered before.
    """

    number: int


Change = Drop | Retry | Bury | Redrive | Edit | Discard | Move | Declare | Pause | Forget | Mark


class Found(NamedTuple):
    """A stored job that was looked for."""

    number: int
    job: Job
    wait_ms: int
    dead: bool


class Journal(ABC):
    """Where jobs are kept. A queue is named in :class:`Declare` before anything else is said of it."""

    durable: bool = False
    """What is answered outlives the process."""

    @abstractmethod
    def open(self) -> Loaded:
        """Open, and find the queues. Waits; called once, first. Raises ``ConfigError``, which says what to do."""

    @abstractmethod
    def rows(self, queue: str) -> Iterator[Row]:
        """Yield what decides the order of a queue's jobs, by ascending numbers, without the dead letters. Waits; called
        only between :meth:`open` and the first other call. A million should take two seconds, not five.
        """

    @abstractmethod
    def close(self) -> None:
        """Write what can be written, and let go. Waits. Later calls are answered with ``BrokerClosed``."""

    def actors(self) -> Sequence[Ref]:
        """Return the actors behind it, for the figures."""
        return ()

    @abstractmethod
    def put(self, jobs: Sequence[NewJob], now_ms: int, done: Done[Sequence[str | None]]) -> None:
        """Store jobs: all, or none and an error. Answered when that is as durable as configured.

        Per job the answer is None if it was stored; else the receipt of the job that was stored with the same key in
        the same queue, and whose time is not over at ``now_ms``: then this one is not stored, and counts as a
        duplicate. Two jobs of one call may have the same key. Keys whose time is over go some day; past
        ``limits.QUEUE_KEYS`` of them the ones that end first are forgotten.
        """

    @abstractmethod
    def write(self, changes: Sequence[Change], done: Done[None] | None = None) -> None:
        """Write changes, in one step. See *Failing* above. ``done`` None: nobody waits for it."""

    @abstractmethod
    def read(self, numbers: Sequence[int], max_bytes: int, done: Done[Sequence[Job | None]]) -> None:
        """Read jobs as they are now, in the order asked for; None for one that is not there.

        The answer is shorter than asked for where the next job's data would make it more than ``max_bytes``; but the
        first one is always in it.
        """

    @abstractmethod
    def find(self, queue: str, id: str, done: Done[Found]) -> None:  # noqa: A002 - the protocol's word
        """Look for a job by id or receipt; None if there is none. Fast: both are indexed."""

    @abstractmethod
    def dead(self, queue: str, newest_first: bool, offset: int, limit: int, done: Done[Sequence[Found]]) -> None:
        """Read some of a queue's dead letters, in the order of their deaths or against it."""


class InstantJournal(Journal):
    """A journal with everything in memory: each call is answered before it returns."""

    table: Mapping[int, Job]
    """All jobs by their numbers: the broker looks them up here, and has no use for :meth:`Journal.read`."""

    @abstractmethod
    def put_plain(self, number: int, job: Job) -> bool:
        """Store one job without key and delay, fast; False: it was not, and :meth:`Journal.put` says why."""

    @abstractmethod
    def drop_plain(self, number: int) -> None:
        """Drop one job that is done, fast."""


def edited(job: Job, data: bytes | None, max_retries: int | None) -> Job:
    """Return a job after an :class:`Edit`."""
    return replace(
        job,
        data=job.data if data is None else data,
        max_retries=job.max_retries if max_retries is None else max_retries,
    )
