"""Requests that take several round trips: so that no step keeps Redis, where all others wait, for long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Raw
from msgspec.msgpack import Decoder
from msgspec.structs import replace

from iii_actors.brokers.contract import Done
from iii_actors.brokers.job import JobState, Outcome
from iii_actors.brokers.redis_layout import Shown, counts_of, job_bytes
from iii_actors.brokers.redis_parcel import Parcel
from iii_actors.brokers.redis_requests import Request
from iii_actors.limits import QUEUE_MOVE_JOBS, QUEUE_REDRIVE_PAGE

if TYPE_CHECKING:
    from iii_actors.brokers.redis_carrier import Carrier

__all__ = ["Edit", "Move", "Paged", "read_list", "read_shown"]

_any: Final = Decoder().decode
read_list: Final = Decoder(list[Shown]).decode
read_shown: Final = Decoder(Shown | None).decode
_CHANGED: Final = 2  # the script's: the job is not what it was


class Paged(Request):
    """``redrive`` or ``remove``, of all jobs that are in some states when it begins: a page at a time."""

    def __init__(
        self, queue: str, name: str, arguments: Sequence[Any], states: Sequence[JobState], done: Done[Outcome]
    ) -> None:
        super().__init__(done)
        self._queue = queue
        self._name = name
        self._arguments = arguments
        self._states = states
        self._left: int | None = None
        self._count = 0

    def prepare(self, carrier: Carrier) -> bool:
        carrier.stir(self._queue)
        return True

    def write(self, parcel: Parcel) -> None:
        queue = parcel.queue(self._queue)
        if self._left is None:
            parcel.add("counts", queue)
        else:
            parcel.add(self._name, queue, *self._arguments, min(self._left, QUEUE_REDRIVE_PAGE))

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        if self._left is None:
            counts = counts_of(_any(answer))
            self._left = sum(getattr(counts, state.value) for state in self._states)
        else:
            count = int(_any(answer))
            self._count += count
            self._left = self._left - count if count else 0
        if self._left:
            carrier.first(self)
        else:
            self.tell(Outcome(self._count))


class Edit(Request):
    """Read a job, change it, and write it if it is still what was read; else once more."""

    def __init__(
        self, queue: str, id: str, data: bytes | None, max_retries: int | None, done: Done[bool]  # noqa: A002
    ) -> None:  # fmt: skip
        super().__init__(done)
        self._queue = queue
        self._id = id
        self._data = data
        self._max_retries = max_retries
        self._found: Shown | None = None

    def write(self, parcel: Parcel) -> None:
        queue, found = parcel.queue(self._queue), self._found
        if found is None:
            parcel.add("find", queue, self._id)
            return
        job = found.job
        if self._data is not None:
            job = replace(job, data=self._data)
        if self._max_retries is not None:
            job = replace(job, max_retries=self._max_retries)
        parcel.add("edit", queue, job.id, found.digest, parcel.texts(job_bytes(job)))

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        if self._found is None:
            self._found = read_shown(answer)
            if self._found is None or self._found.state is JobState.IN_FLIGHT:
                self.tell(False)
                return
        else:
            self._found = None
            outcome = _any(answer)
            if outcome != _CHANGED:
                self.tell(outcome == 1)
                return
        carrier.first(self)


class Move(Request):
    """Give what waits or is delayed in one queue to another: a page at a time, each in one step."""

    def __init__(self, source: str, queue: str, function_id: str, namespace: str, done: Done[Outcome]) -> None:
        super().__init__(done)
        self._source = source
        self._queue = queue
        self._function_id = function_id
        self._namespace = namespace
        self._count = 0

    def prepare(self, carrier: Carrier) -> bool:
        carrier.stir(self._queue)
        return True

    def write(self, parcel: Parcel) -> None:
        source, to = parcel.queue(self._source), parcel.queue(self._queue)
        parcel.add("move", source, to, self._function_id, self._namespace, QUEUE_MOVE_JOBS)

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        count = int(_any(answer))
        self._count += count
        if count < QUEUE_MOVE_JOBS:
            self.tell(Outcome(self._count))
        else:
            carrier.first(self)
