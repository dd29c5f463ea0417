"""What the carrier of a broker in Redis is asked for, and what becomes of each answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Raw
from msgspec.msgpack import Decoder

from iii_actors.brokers.contract import Delivery, Done
from iii_actors.brokers.job import Job, Put
from iii_actors.brokers.redis_layout import job_bytes
from iii_actors.brokers.redis_line import Lease
from iii_actors.brokers.redis_parcel import Parcel
from iii_actors.errors import EngineError
from iii_actors.limits import QUEUE_KEYS, QUEUE_MAX_JOBS_FILE

if TYPE_CHECKING:
    from iii_actors.brokers.redis_carrier import Carrier

__all__ = ["Ask", "Local", "PutJobs", "Request", "Settle"]

logger = logging.getLogger(__name__)

_any: Final = Decoder().decode
_receipts: Final = Decoder(list[str | bool]).decode


class Request:
    """Made on any thread; from then on the carrier's. Everybody who asks is told exactly once."""

    lasting = False
    """Not given up while Redis is away: it is carried out when that is back."""

    def __init__(self, done: Done[Any] | None) -> None:
        self._done = done
        self.size = 0
        """Bytes of jobs it brings."""
        self.weight = 1
        """How many operations it counts for."""

    def prepare(self, carrier: Carrier) -> bool:
        """Do what needs no Redis; returns whether there is anything to send."""
        return True

    def write(self, parcel: Parcel) -> None:
        """Put its operation into a parcel: one."""
        raise NotImplementedError

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        """Take the answer, which is no error."""
        raise NotImplementedError

    def failed(self, error: EngineError, carrier: Carrier) -> None:
        self.tell(None, error)

    def tell(self, result: Any, error: EngineError | None = None) -> None:
        """Tell who asked; what becomes of it there is nobody else's concern."""
        done, self._done = self._done, None
        if done is not None:
            try:
                done(result, error)
            except Exception:
                logger.exception("An answer of the broker could not be given")


class Ask(Request):
    """One operation on one queue, with plain arguments.

    :param stirs: afterwards there may be something to deliver.
    :param read: makes the result of the answer.
    """

    def __init__(
        self,
        queue: str | None,
        name: str,
        arguments: Sequence[Any],
        done: Done[Any] | None,
        read: Callable[[Any], Any] | None = None,
        *,
        decode: Callable[[Raw], Any] = _any,
        stirs: bool = True,
    ) -> None:
        super().__init__(done)
        self._queue = queue
        self._name = name
        self._arguments = arguments
        self._read = read
        self._decode = decode
        self._stirs = stirs

    def prepare(self, carrier: Carrier) -> bool:
        if self._stirs and self._queue is not None:
            carrier.stir(self._queue)
        return True

    def write(self, parcel: Parcel) -> None:
        queue = () if self._queue is None else (parcel.queue(self._queue),)
        parcel.add(self._name, *queue, *self._arguments)

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        result = self._decode(answer)
        self.tell(self._read(result) if self._read is not None else result)


class Local(Request):
    """Something that the carrier does by itself, in its turn."""

    def __init__(self, act: Callable[[Carrier], None]) -> None:
        super().__init__(None)
        self._act = act
        self.weight = 0

    def prepare(self, carrier: Carrier) -> bool:
        self._act(carrier)
        return False


class PutJobs(Request):
    """Store jobs. Raises ``Unsupported`` when made of what cannot be written."""

    def __init__(self, jobs: Sequence[Job], done: Done[Any]) -> None:
        super().__init__(done)
        self._jobs = jobs
        self._texts = [job_bytes(job) for job in jobs]
        self.size = sum(map(len, self._texts))
        self.weight = len(jobs)
        self._due_at: list[int] = []

    def prepare(self, carrier: Carrier) -> bool:
        for queue in {job.queue for job in self._jobs}:
            carrier.stir(queue)
        self._due_at = [carrier.common_ms(job.due_at_ms) if job.due_at_ms else 0 for job in self._jobs]
        return True

    def write(self, parcel: Parcel) -> None:
        rows = [
            (
                parcel.queue(job.queue),
                job.id,
                job.receipt,
                False if job.group is None else job.group,
                job.priority,
                due,
                False if job.idempotency_key is None else job.idempotency_key,
                job.created_at_ms,
            )
            for job, due in zip(self._jobs, self._due_at, strict=True)
        ]
        parcel.add("put", parcel.texts(*self._texts), rows, QUEUE_MAX_JOBS_FILE, QUEUE_KEYS)

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        self.tell(
            [
                Put(job.receipt, False) if receipt is False else Put(str(receipt), True)
                for job, receipt in zip(self._jobs, _receipts(answer), strict=True)
            ]
        )


class Settle(Request):
    """The end of a delivery: ``ack``, ``retry``, ``bury`` or ``release``. It is told for certain, however late.

    :param texts: what the operation's arguments name by a number in the place of the first None.
    """

    lasting = True

    def __init__(
        self,
        name: str,
        delivery: Delivery,
        arguments: Callable[[Carrier], Sequence[Any]],
        done: Done[bool] | None,
        text: bytes | None = None,
    ) -> None:
        super().__init__(done)
        self.delivery = delivery
        self.queue = delivery.job.queue
        self._name = name
        self._make_arguments = arguments
        self._arguments: Sequence[Any] = ()
        self._text = text
        self._prepared = False
        self.doubtful = False
        """Redis may have heard it before."""

    def prepare(self, carrier: Carrier) -> bool:
        """False if the lease has ended as far as this engine knows."""
        if self._prepared:
            return True
        self._prepared = True
        line = carrier.line(self.queue)
        lease: Lease = self.delivery.lease
        if line.flying.pop(lease.entry, None) is None:
            self.tell(False)
            return False
        self._arguments = self._make_arguments(carrier)
        # A line that waits for jobs is told of them; only what this very step lets go is looked for.
        if self._name != "ack" or not line.hungry or (line.spec is not None and line.spec.ordered):
            carrier.stir(self.queue)
        return True

    def write(self, parcel: Parcel) -> None:
        arguments = self._arguments
        if self._text is not None:
            at = parcel.texts(self._text)
            arguments = [at if one is None else one for one in arguments]
        lease: Lease = self.delivery.lease
        parcel.add(self._name, parcel.queue(self.queue), lease.entry, self.delivery.job.id, *arguments)

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        outcome = _any(answer)
        self.tell(outcome == 1 or (self.doubtful and outcome == 2))  # noqa: PLR2004 - the script's: the job is gone, too
