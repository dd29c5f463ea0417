"""Where queues lie in Redis, and how jobs are written there (queue.md names no layout that keeps anything).

All names begin with ``iii:queue:``. Those of one queue begin with ``iii:queue:{<key>}:``, so that a cluster has them in
one slot; in the key ``%``, ``{`` and ``}`` are written ``%25``, ``%7B``, ``%7D``.

=============  ==============  =====================================================================================
behind that    kind            content
=============  ==============  =====================================================================================
``meta``       hash            the spec, the counters, ``paused``
``jobs``       hash            by id: number, label (receipt, group, priority, ...), the job; msgpack
``receipts``   hash            from receipt to id, where they differ
``ready``      sorted set      what can be delivered, by its place in line; of an ordered queue the heads of groups
``flight``     stream          one entry per delivery; the group ``g`` says which engine has it, and since when
``delayed``    sorted set      by due time
``dead``       sorted set      dead letters, in the order of their deaths
``tries``      hash            by id: how many attempts have failed
``fails``      hash            by id: when the next attempt is due, and the failures; msgpack
``again``      set             ids that may have reached a worker before
``keys``       hash            idempotency keys, each with its receipt; ``key-ends``: a sorted set of when they end
``line``       sorted set      of an ordered queue: all that wait, by their place in line
``group:...``  sorted set      of an ordered queue: one group's jobs, but those in flight
``heads``      hash            of an ordered queue: by group, who is in ``ready``
``busy``       hash            of an ordered queue: by group, how many are in flight
``hungry``     set             engines that wait for jobs, and are told of some on ``iii:queue:wake:<engine>``
=============  ==============  =====================================================================================

Beside them: ``iii:queue:names`` (a set: the keys of all queues), ``iii:queue:number`` (the last one given),
``iii:queue:now`` (the latest time of any engine), and ``iii:queue:sent:<engine>`` (answers to its last parcel).

In sorted sets, a member is the job's number in 16 digits and its id: of two with one score the older one is first.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from iii_actors.brokers.errors import Unsupported
from iii_actors.brokers.job import Counts, Failure, Job, JobState, Listed, QueueSpec
from iii_actors.limits import QUEUE_FAILURES_KEPT

__all__ = [
    "NAMES",
    "NOW",
    "Kept",
    "Shown",
    "Taken",
    "Takings",
    "counts_of",
    "failures_after",
    "job_bytes",
    "meta_key",
    "no_text",
    "pack",
    "read_spec",
    "spec_words",
    "wake_channel",
]

NAMES: Final = "iii:queue:names"
NOW: Final = "iii:queue:now"
_ESCAPED: Final = str.maketrans({"%": "%25", "{": "%7B", "}": "%7D"})
_PRIORITY_MOST: Final = 255

pack: Final = msgspec.msgpack.Encoder().encode
_read_spec: Final = msgspec.json.Decoder(QueueSpec)
_write_spec: Final = msgspec.json.Encoder().encode


def meta_key(queue: str) -> bytes:
    """Return the name of a queue's ``meta``; the script makes the others of it."""
    return f"iii:queue:{{{queue.translate(_ESCAPED)}}}:meta".encode()


def wake_channel(engine: str) -> str:
    """Return the channel on which an engine is told that a queue has something for it: the queue's key."""
    return f"iii:queue:wake:{engine}"


def spec_words(spec: QueueSpec) -> tuple[int, int, int, int, str]:
    """Return a spec as the script takes it: what it must know, and the whole as JSON."""
    most = _PRIORITY_MOST if spec.max_priority is None else spec.max_priority
    return int(spec.ordered), most, spec.idempotency_ms, spec.max_jobs, _write_spec(spec).decode()


def read_spec(text: bytes) -> QueueSpec | None:
    """Return a spec that was written; None if that was not by us."""
    try:
        return _read_spec.decode(text)
    except msgspec.MsgspecError:
        return None


class Kept(Struct, array_like=True, frozen=True):
    """What is kept of failed attempts."""

    due_at_ms: int
    failures: tuple[Failure, ...]


class Taken(Struct, array_like=True, frozen=True, gc=False):
    """One delivery as the script gives it."""

    entry: str
    score: int
    job: Job
    attempts: int
    kept: Kept | None
    moved: tuple[str, str] | None
    again: bool

    def current(self, queue: str) -> Job:
        """Return the job as it is now, in that queue."""
        return _current(self.job, self.attempts, self.kept, queue, self.moved)


class Takings(Struct, array_like=True, frozen=True):
    """What ``take`` answers."""

    jobs: list[Taken]
    next_due: int | float | bool
    """By the clock of the engines; False: nothing is delayed."""
    more: bool
    hungry: bool


class Shown(Struct, array_like=True, frozen=True):
    """One job as ``list`` and ``find`` give it."""

    state: JobState
    size: int
    job: Job
    attempts: int
    kept: Kept | None
    moved: tuple[str, str] | None
    digest: str
    """Of what is stored: another one once it is changed."""

    def listed(self, queue: str) -> Listed:
        return Listed(_current(self.job, self.attempts, self.kept, queue, self.moved), self.state, self.size)


def _current(job: Job, attempts: int, kept: Kept | None, queue: str, moved: tuple[str, str] | None) -> Job:
    if moved is not None:
        job = replace(job, queue=queue, function_id=moved[0], namespace=moved[1])
    if kept is None:
        return job
    due_at_ms = kept.due_at_ms if attempts else 0
    return replace(job, attempts=attempts, failures=kept.failures, due_at_ms=due_at_ms)


def job_bytes(job: Job) -> bytes:
    """Return a job as it is written, without what its attempts have left. Raises ``Unsupported``: it is no text."""
    try:
        return pack(replace(job, attempts=0, failures=()) if job.attempts or job.failures else job)
    except UnicodeEncodeError:
        raise no_text() from None


def no_text() -> Unsupported:
    """Return the error for names that Redis cannot be told."""
    return Unsupported("queues, ids and the texts of a job are Unicode text, which has no lone surrogates")


def failures_after(job: Job, failure: Failure, due_at_ms: int) -> bytes:
    """Return what is kept when one more attempt has failed. What is no text in it shows replacement marks."""
    try:
        return pack((due_at_ms, (*job.failures[1 - QUEUE_FAILURES_KEPT :], failure)))
    except UnicodeEncodeError:
        code, message, stacktrace = (
            text.encode("utf-8", "replace").decode() if text is not None else None
            for text in (failure.code, failure.message, failure.stacktrace)
        )
        return failures_after(job, Failure(code or "", message or "", failure.at_ms, stacktrace), due_at_ms)


def counts_of(row: list[Any]) -> Counts:
    """Return what ``counts`` answers as what it means."""
    enqueued, done, removed, waiting, delayed, in_flight, dead, redriven, retried, duplicates, paused, oldest = row
    return Counts(
        enqueued=enqueued,
        done=done,
        removed=removed,
        waiting=waiting,
        delayed=delayed,
        in_flight=in_flight,
        dead=dead,
        redriven=redriven,
        retried=retried,
        duplicates=duplicates,
        paused=paused,
        oldest_waiting_ms=None if oldest is False else int(oldest),
    )
