"""The broker contract: queues of jobs, delivered to consumers at least once.

A broker belongs to one built-in worker, which calls it from any of its threads; calls about one queue take effect in
the order in which they are made. Nothing waits, but :meth:`Broker.open` and :meth:`Broker.close`: every answer comes
to ``done``, called exactly once per call, on whichever thread has it, possibly before the method returns; it must not
block. When a change is answered it is as durable as the broker was configured to make it.

The broker owns storage, order, delays, dead letters and the accounting. The *consumer* (builtin/queue) owns everything
about the function: calling it, conditions, concurrency, how many attempts, how long to wait between them.

Delivery by credit: ``consume`` names who gets the jobs of a queue, ``grant`` says how many more it can take. A broker
delivers as soon as it has a job and credit for it, without polling, never more than it has credit for. Each delivery
ends with exactly one of ``ack``, ``retry``, ``bury``, ``release``; until then the job is in flight.

Order of delivery (queue.md §5, and what it recommends): oldest first, higher priorities before lower ones, a retry that
has become due before everything waiting of its priority; in an ordered queue by arrival within a group, through
retries too, and the groups beside each other. A redriven dead letter goes to the *newest* end, oldest first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from iii_actors.actor import Ref
from iii_actors.brokers.job import Counts, Failure, Job, JobState, Listed, Outcome, Put, QueueSpec, Selection
from iii_actors.errors import EngineError

__all__ = ["Abilities", "Broker", "Delivery", "Done", "Sink"]

_T = TypeVar("_T")

Done = Callable[[_T | None, EngineError | None], None]
"""Gets the result, or the error: one of them is None, unless the call has no result."""


class Delivery(NamedTuple):
    """A job in flight, in the hands of one consumer."""

    job: Job
    """As stored; ``attempts`` are those that failed before."""
    lease: Any
    """The broker's own: names this delivery among all of the same job. A lease that has ended (visibility, purge, a
    second answer) makes ``ack`` and the others return False and change nothing."""
    redelivered: bool = False
    """True if an earlier delivery may have reached a worker: the engine crashed, or the visibility time passed."""


class Sink(Protocol):
    """What a consumer gives to :meth:`Broker.consume`. Called on any thread of the broker; must not block."""

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Take jobs, each of which uses up one credit."""

    def expired(self, delivery: Delivery) -> None:
        """Learn that the visibility time of a delivery has passed: its lease has ended, and its credit is back."""


class Abilities(NamedTuple):
    """What a broker cannot do is refused with a clear error (``unsupported``), never done by halves."""

    delays: bool = True
    priorities: bool = True
    idempotency: bool = True
    cancel: bool = True
    edit: bool = True
    list_live: bool = True
    """Jobs that are not dead can be listed one by one."""
    shared: bool = False
    """Several engines work on the same queues."""
    durable: bool = False
    """Jobs survive the engine."""


class Broker(ABC):
    """Queues by key. ``done`` may get errors of :mod:`iii_actors.brokers.errors`, all ``EngineError``."""

    kind: str = ""
    """``broker_type`` in the listings: ``builtin``, ``redis``, ``rabbitmq``."""
    abilities: Abilities = Abilities()

    # --- life --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def open(self) -> None:
        """Connect or open, and find the queues that there are. Waits. Raises ``ConfigError``, which says what to do."""

    @abstractmethod
    def close(self) -> None:
        """Deliver nothing more, make lasting what can last, let go. Waits. Later calls get ``BrokerClosed``.

        Jobs in flight stay stored: they are delivered again after the next start.
        """

    def actors(self) -> Sequence[Ref]:
        """Return the actors behind it, for the figures."""
        return ()

    # --- queues ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def declare(self, queue: str, spec: QueueSpec, done: Done[None]) -> None:
        """Make a queue, or give an existing one another spec; its jobs stay. Every other call wants a declared queue,
        or one found by :meth:`open`: else ``QueueNotFound``.
        """

    @abstractmethod
    def forget(self, queue: str, done: Done[bool]) -> None:
        """Drop a queue that holds nothing, not even dead letters; False if it holds something or is not there."""

    @abstractmethod
    def queues(self, done: Done[Sequence[str]]) -> None:
        """Name the queues that there are, sorted."""

    @abstractmethod
    def pause(self, queue: str, paused: bool, done: Done[bool]) -> None:
        """Stop or go on delivering, for every engine where the broker is shared; jobs are still taken in. Lasts as
        jobs do. Answers whether that changed anything.
        """

    @abstractmethod
    def counts(self, queue: str, done: Done[Counts]) -> None:
        """Count, at one moment."""

    # --- producing ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def put(self, jobs: Sequence[Job], done: Done[Sequence[Put]]) -> None:
        """Store jobs, of one or several queues: all of them, or none and an error. Answered when they are stored.

        Errors: ``QueueNotFound``, ``QueueFull``, ``BrokerUnavailable`` (disk full, server gone).
        """

    @abstractmethod
    def move(self, source: str, queue: str, function_id: str, namespace: str, done: Done[Outcome]) -> None:
        """Give what waits under a bare topic to its first subscriber, in order, in one step or so that a crash in
        between can only repeat, never lose.
        """

    # --- consuming ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def consume(self, queue: str, sink: Sink) -> None:
        """Deliver a queue's jobs to a sink, as its credit allows; it starts with none. One sink per queue and engine:
        a second one takes the first one's place.
        """

    @abstractmethod
    def cease(self, queue: str) -> None:
        """Deliver no more of it to this engine. What is in flight here ends as usual."""

    @abstractmethod
    def grant(self, queue: str, credit: int) -> None:
        """Raise the credit of a queue's sink, or lower it (negative): by so many, never below zero."""

    @abstractmethod
    def ack(self, delivery: Delivery, done: Done[bool] | None = None) -> None:
        """Done: drop the job. False: the lease has ended, the job belongs to somebody else."""

    @abstractmethod
    def retry(self, delivery: Delivery, failure: Failure, due_at_ms: int, done: Done[bool] | None = None) -> None:
        """Failed: count the attempt, keep the failure, and deliver it again at that time."""

    @abstractmethod
    def bury(self, delivery: Delivery, failure: Failure, done: Done[bool] | None = None) -> None:
        """Failed for the last time: make it a dead letter, in the same step in which it leaves the flight."""

    @abstractmethod
    def release(self, delivery: Delivery, done: Done[bool] | None = None) -> None:
        """Not begun: put it back where it was, at no cost."""

    # --- inspecting and mending --------------------------------------------------------------------------------------

    @abstractmethod
    def list(self, queue: str, state: JobState, offset: int, limit: int, done: Done[Sequence[Listed]]) -> None:
        """List jobs: waiting ones in their order of delivery, delayed ones by time, dead ones newest first."""

    @abstractmethod
    def find(self, queue: str, id: str, done: Done[Listed]) -> None:  # noqa: A002 - the protocol's word
        """Return the job with that id or receipt; None if there is none."""

    @abstractmethod
    def redrive(self, queue: str, id: str | None, done: Done[Outcome]) -> None:  # noqa: A002
        """Put one dead letter (id or receipt), or all, back to the newest end with no attempts, oldest first."""

    @abstractmethod
    def remove(self, queue: str, selection: Selection, done: Done[Outcome]) -> None:
        """Drop jobs: cancel one that waits or is delayed, discard a dead letter, purge. A job in flight is dropped only
        if the selection names that state: then its lease ends, its function runs on, its answer counts for nothing.
        """

    @abstractmethod
    def edit(self, queue: str, id: str, data: bytes | None, max_retries: int | None, done: Done[bool]) -> None:  # noqa: A002
        """Change a job that is not in flight: its data, its retries; None leaves what is. False: no such job."""
