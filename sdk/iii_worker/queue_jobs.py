"""Single jobs of a queue and what can be done to them, and the queue's book. This engine's own, not in the protocol.

::

    receipt = worker.enqueue("mail::send", {"to": "a"}, "mails", delay_ms=60_000)["messageReceiptId"]
    mails = worker.named_queue("mails")
    mails.job(receipt).state        # "delayed"
    mails.cancel(receipt)           # True

Functions of another engine's queue worker answer ``function_not_found`` to all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final, Literal

from pydantic import BaseModel

from iii_worker.limits import DEAD_LETTERS_PAGE

__all__ = ["Job", "JobFailure", "JobState", "JobsOf", "QueueBook"]

JobState = Literal["waiting", "delayed", "in_flight", "dead"]


class JobFailure(BaseModel):
    """Why an attempt failed."""

    code: str
    message: str
    at_ms: int
    """Unix time in ms."""
    stacktrace: str | None = None


class Job(BaseModel):
    """A job as it is now."""

    id: str
    receipt: str
    """What its producer was given."""
    queue: str
    """The engine's own name of the queue."""
    function_id: str
    namespace: str
    state: JobState
    data: Any = None
    attempts: int
    """Attempts that have failed."""
    failures: list[JobFailure]
    """The last of them, oldest first."""
    created_at_ms: int
    due_at_ms: int | None = None
    """Not delivered before this Unix time in ms."""
    group: str | None = None
    priority: int = 0
    max_retries: int | None = None
    """Its own; None: the queue's."""
    idempotency_key: str | None = None
    size_bytes: int


class QueueBook(BaseModel):
    """What became of every job: enqueued = done + dead + removed + waiting + delayed + in_flight."""

    name: str
    key: str
    function_id: str | None = None
    """Of a subscription to a topic: whose copies these are."""
    namespace: str | None = None
    subscribed: bool
    """Somebody is there to deliver to."""
    enqueued: int
    done: int
    dead: int
    removed: int
    """Cancelled, discarded or purged."""
    waiting: int
    delayed: int
    in_flight: int
    redriven: int
    retried: int
    duplicates: int
    """Not stored, because of their idempotency key."""
    paused: bool
    oldest_waiting_ms: int | None = None
    """Unix time in ms at which the oldest waiting job was enqueued."""
    exact: bool
    """False: the broker counts approximately."""
    balanced: bool
    """The equation holds."""


_KEEP: Final = object()


class JobsOf(ABC):
    """What ``NamedQueue`` and ``DurableTopic`` know of jobs. Every method is a call."""

    @abstractmethod
    def _call(self, function_id: str, **members: Any) -> Any:
        """Call one of the queue's functions about this queue or topic."""

    def books(self) -> list[QueueBook]:
        """Count: one row for a named queue, one for each subscription of a topic."""
        return [QueueBook.model_validate(row) for row in self._call("engine::queue::stats")["queues"]]

    def jobs(self, state: JobState = "waiting", offset: int = 0, limit: int = DEAD_LETTERS_PAGE) -> list[Job]:
        """List jobs: waiting ones in their order of delivery, delayed ones by time, dead ones newest first."""
        found = self._call("engine::queue::list_jobs", state=state, offset=offset, limit=limit)
        return [Job.model_validate(job) for job in found["jobs"]]

    def job(self, job_id: str) -> Job | None:
        """Return the job with this id or receipt; None: it is done, or there never was one."""
        found = self._call("engine::queue::get_job", id=job_id)
        return None if found is None else Job.model_validate(found)

    def edit(self, job_id: str, *, data: Any = _KEEP, max_retries: int | None = None) -> bool:
        """Change what is given of a job, its data or its retries; False: there is none, or it is in flight."""
        members = {} if data is _KEEP else {"data": data}
        if max_retries is not None:
            members["max_retries"] = max_retries
        edited: bool = self._call("engine::queue::edit_job", id=job_id, **members)["edited"]
        return edited

    def cancel(self, job_id: str, *, in_flight: bool = False) -> bool:
        """Take a job out that waits or is delayed; False: there is none.

        :param in_flight: also one whose function runs: it runs on, and what it answers counts for nothing.
        """
        found = self._call("engine::queue::cancel", id=job_id, in_flight=in_flight)
        return bool(found["cancelled"])

    def purge(self, *states: JobState) -> int:
        """Throw away all jobs of these states, by default those that wait or are delayed; returns how many."""
        members = {"states": list(states)} if states else {}
        purged: int = self._call("engine::queue::purge", **members)["purged"]
        return purged

    def pause(self) -> None:
        """Deliver nothing more; jobs are still taken in."""
        self._call("engine::queue::pause")

    def resume(self) -> None:
        """Deliver again."""
        self._call("engine::queue::resume")
