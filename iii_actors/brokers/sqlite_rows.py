"""A job as it lies in the file: what decides order and what is looked for in one row, all else in another."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from iii_actors.brokers.job import Failure, Job
from iii_actors.brokers.journal import Found, NewJob

__all__ = ["COLUMNS", "Body", "Columns", "Stored", "encoded_failures", "fingerprint", "fitting"]

_LARGEST: Final = (1 << 63) - 1


class Body(Struct, array_like=True, frozen=True, gc=False):
    """What of a job is read for its delivery, and for nothing before."""

    id: str
    receipt: str
    created_at_ms: int
    data: bytes
    max_retries: int | None
    idempotency_key: str | None
    traceparent: str | None
    baggage: str | None


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Body).decode
_decode_failures: Final = msgspec.msgpack.Decoder(tuple[Failure, ...]).decode

Columns: TypeAlias = dict[str, Any]
"""Some columns of a job and their values: names of :data:`COLUMNS`, and ``data`` and ``max_retries`` of its body."""

COLUMNS: Final = (
    "number",
    "queue",
    "grp",
    "priority",
    "due",
    "wait",
    "attempts",
    "dead",
    "id",
    "receipt",
    "function_id",
    "namespace",
    "failures",
)
"""The columns of ``jobs``, in their order."""


class Stored(NamedTuple):
    """One row of ``jobs`` with its body; the fields are the columns."""

    number: int
    queue: int
    grp: str | None
    priority: int
    due: int
    wait: int
    attempts: int
    dead: int | None
    """When it died, in Unix time in ms; None: it lives."""
    id: int
    receipt: int
    function_id: str
    namespace: str
    failures: bytes | None
    body: bytes

    @classmethod
    def new(cls, given: NewJob, queue: int) -> Stored:
        """Return a job as it is put into the file.

        :raises UnicodeEncodeError: one of its texts is none.
        """
        job = given.job
        body = Body(
            job.id,
            job.receipt,
            job.created_at_ms,
            job.data,
            job.max_retries,
            job.idempotency_key,
            job.traceparent,
            job.baggage,
        )
        return cls(
            given.number,
            queue,
            job.group,
            job.priority,
            fitting(job.due_at_ms),
            fitting(given.wait_ms),
            job.attempts,
            None,
            fingerprint(job.id),
            fingerprint(job.receipt),
            job.function_id,
            job.namespace,
            encoded_failures(job.failures) if job.failures else None,
            _encode(body),
        )

    def changed(self, columns: Columns) -> Stored:
        """Return it with other values; those of the body are written into it."""
        own = {name: value for name, value in columns.items() if name not in Body.__struct_fields__}
        inner = {name: value for name, value in columns.items() if name not in own}
        if inner:
            own["body"] = _encode(msgspec.structs.replace(_decode(self.body), **inner))
        return self._replace(**own)

    def job(self, queue: str) -> Job:
        """Return the job, of the queue of that key."""
        body = _decode(self.body)
        return Job(
            id=body.id,
            receipt=body.receipt,
            queue=queue,
            function_id=self.function_id,
            namespace=self.namespace,
            data=body.data,
            created_at_ms=body.created_at_ms,
            due_at_ms=self.due,
            group=self.grp,
            priority=self.priority,
            max_retries=body.max_retries,
            idempotency_key=body.idempotency_key,
            traceparent=body.traceparent,
            baggage=body.baggage,
            attempts=self.attempts,
            failures=_decode_failures(self.failures) if self.failures is not None else (),
        )

    def called(self) -> tuple[str, str]:
        """Return its id and its receipt."""
        body = _decode(self.body)
        return body.id, body.receipt

    def found(self, queue: str) -> Found:
        return Found(self.number, self.job(queue), self.wait, self.dead is not None)


def encoded_failures(failures: Sequence[Failure]) -> bytes:
    """Return a job's failures as they are stored.

    :raises UnicodeEncodeError: one of their texts is none.
    """
    return _encode(failures)


def fingerprint(text: str) -> int:
    """Return what an id or a receipt is looked for by: short, of one length, and the same for ever."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def fitting(number: int) -> int:
    """Return a time that an INTEGER can hold: what is 290 million years off may as well be that."""
    return min(max(number, -_LARGEST), _LARGEST)
