"""What a broker keeps: a job, how its queue treats it, and what is told of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

__all__ = ["Counts", "Failure", "Job", "JobState", "Listed", "Outcome", "Put", "QueueSpec", "Selection"]


class JobState(StrEnum):
    """Where a job is. It is in exactly one of these until it is done or removed."""

    WAITING = "waiting"
    """Ready to be delivered, or behind another job of its group."""
    DELAYED = "delayed"
    """Not before its time: asked for by the producer, or the pause before a retry."""
    IN_FLIGHT = "in_flight"
    """Delivered; neither acknowledged nor failed yet."""
    DEAD = "dead"
    """A dead letter: every attempt failed."""


class Failure(Struct, frozen=True, gc=False):
    """Why an attempt failed, and when."""

    code: str
    message: str
    at_ms: int
    """Unix time in ms."""
    stacktrace: str | None = None


class Job(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One message of one queue. Immutable; a broker that changes one keeps a changed copy."""

    id: str
    """UUID, unique over all queues; what the functions for dead letters take."""
    receipt: str
    """What the producer was given; the copies of one publication share it."""
    queue: str
    """The queue's key: ``__fn_queue::<name>``, ``<topic>::<function>@<namespace>``, or a bare topic."""
    function_id: str
    """Called with :attr:`data`; empty for what waits under a bare topic."""
    namespace: str
    data: bytes
    """JSON, forwarded unread."""
    created_at_ms: int
    due_at_ms: int = 0
    """Not delivered before this Unix time in ms; 0: at once."""
    group: str | None = None
    """Jobs of one group of a queue with order are delivered one after the other, in order of arrival."""
    priority: int = 0
    """0 to 255; higher ones are delivered first, in queues without order."""
    max_retries: int | None = None
    """Retries after the first try; None: the consumer's setting at the time of the failure."""
    idempotency_key: str | None = None
    traceparent: str | None = None
    baggage: str | None = None
    attempts: int = 0
    """Attempts that have failed."""
    failures: Sequence[Failure] = ()
    """The last of them, oldest first, at most ``limits.QUEUE_FAILURES_KEPT``."""


class QueueSpec(Struct, frozen=True):
    """How a queue treats its jobs. The broker must know; retries and concurrency are the consumer's business."""

    ordered: bool = False
    """First in, first out, group by group: while a job of a group is in flight or waits for its retry, no other one of
    that group is delivered. Jobs without a group are one group. Priorities have no effect."""
    max_priority: int | None = None
    """Priorities above count as this one; None: 255."""
    visibility_ms: int | None = None
    """A job in flight for longer is delivered anew, as one more failed attempt; None: never while its holder lives."""
    idempotency_ms: int = 0
    """How long a key is remembered, counted from the job that was stored with it."""
    max_jobs: int = 0
    """Waiting, delayed and in flight together; more are refused with ``queue_full``. 0: no limit of its own."""
    backoff_ms: int = 1000
    """RabbitMQ's retry queue is declared with it; other brokers are told the time of each retry."""
    options: Mapping[str, str] = {}
    """What only one broker knows, for example RabbitMQ's kind of queue."""


class Put(NamedTuple):
    """What became of a job that was handed in."""

    receipt: str
    """The receipt of the job that is stored: the earlier one's, if its key was there already."""
    duplicate: bool


class Counts(Struct, frozen=True):
    """A queue's book: ``enqueued == done + dead + removed + waiting + delayed + in_flight`` at every moment."""

    enqueued: int = 0
    """Stored since the queue is kept (duplicates are not)."""
    done: int = 0
    """Acknowledged."""
    removed: int = 0
    """Cancelled, discarded or purged."""
    waiting: int = 0
    delayed: int = 0
    in_flight: int = 0
    dead: int = 0
    redriven: int = 0
    """Dead letters put back; they are in one of the others now."""
    retried: int = 0
    """Failures that led to another attempt."""
    duplicates: int = 0
    """Not stored because of their idempotency key."""
    paused: bool = False
    oldest_waiting_ms: int | None = None
    """Creation time of the oldest waiting job; None: there is none, or the broker cannot tell."""
    exact: bool = True
    """False: the broker counts approximately (a RabbitMQ that others use too)."""


class Listed(NamedTuple):
    """A job as it is shown to an operator."""

    job: Job
    state: JobState
    size: int
    """Bytes of the stored entry."""


class Selection(NamedTuple):
    """Which jobs an operator means: one by its id or receipt, or all of some states."""

    states: frozenset[JobState]
    id: str | None = None
    """Job id or receipt; None: all."""


class Outcome(Struct, frozen=True):
    """How many jobs something was done to."""

    count: int
