"""Deliveries from Redis: taking them, and taking them back from who has them for too long."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from msgspec import Raw
from msgspec.msgpack import Decoder

from iii_actors.brokers.contract import Delivery
from iii_actors.brokers.job import Failure
from iii_actors.brokers.redis_layout import Takings, failures_after
from iii_actors.brokers.redis_line import NEVER, Flying, Lease, Line
from iii_actors.brokers.redis_parcel import Parcel
from iii_actors.brokers.redis_requests import Request, Settle
from iii_actors.errors import EngineError
from iii_actors.limits import QUEUE_TAKE_BYTES, QUEUE_TAKE_JOBS

if TYPE_CHECKING:
    from iii_actors.brokers.redis_carrier import Carrier

__all__ = ["Recover", "Take", "expire"]

logger = logging.getLogger(__name__)

_takings: Final = Decoder(Takings).decode


class Take(Request):
    """Take what there is for a line's credit, and learn when to look next. Without credit, others are told instead."""

    def __init__(self, line: Line) -> None:
        super().__init__(None)
        self._line = line
        self._most = 0

    def write(self, parcel: Parcel) -> None:
        line = self._line
        self._most = min(line.credit, QUEUE_TAKE_JOBS) if line.sink is not None else 0
        line.joined = line.joined or self._most > 0
        parcel.add("take", parcel.queue(line.queue), self._most, QUEUE_TAKE_BYTES)

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        line, takings = self._line, _takings(answer)
        line.hungry = takings.hungry
        if takings.next_due is not False:
            carrier.alarm_due(line, takings.next_due)
        sink = line.sink
        if sink is not None and takings.jobs:
            deadline = NEVER
            if line.spec is not None and line.spec.visibility_ms is not None:
                deadline = carrier.clock.monotonic() + line.spec.visibility_ms / 1000
                carrier.alarm(line, deadline)
            deliveries = []
            for taken in takings.jobs:
                delivery = Delivery(taken.current(line.queue), Lease(taken.entry, taken.score), taken.again)
                line.flying[taken.entry] = Flying(delivery, sink, deadline)
                deliveries.append(delivery)
            line.credit = max(line.credit - len(deliveries), 0)
            try:
                sink.deliver(deliveries)
            except Exception:
                # Nobody has them, so nobody keeps them: they are delivered again when their leases are over.
                logger.exception("queue '%s': jobs could not be handed over", line.queue)
                for taken in takings.jobs:
                    line.flying.pop(taken.entry, None)
        if takings.more and line.credit > 0:
            carrier.stir(line.queue)

    def failed(self, error: EngineError, carrier: Carrier) -> None:
        """Nobody asked. What was taken and has not arrived is put back when Redis is back, and looked for then."""
        self._line.hungry = False


class Recover(Request):
    """Have put back what Redis has given to this engine and has not arrived here."""

    def __init__(self, line: Line) -> None:
        super().__init__(None)
        self._line = line

    def write(self, parcel: Parcel) -> None:
        parcel.add("recover", parcel.queue(self._line.queue), list(self._line.flying))

    def answered(self, answer: Raw, carrier: Carrier) -> None:
        carrier.stir(self._line.queue)


class _Expire(Settle):
    """The visibility time of a delivery is over: a failed attempt, and the job goes to another."""

    def __init__(self, line: Line, entry: str, carrier: Carrier) -> None:
        self._flying = line.flying[entry]
        delivery = self._flying.delivery
        at_ms = int(carrier.clock.now() * 1000)
        visibility_ms = line.spec.visibility_ms if line.spec is not None else None
        text = f"the handler did not answer within the queue's visibility timeout of {visibility_ms} ms"
        job = delivery.job
        kept = failures_after(job, Failure("visibility_timeout", text, at_ms), at_ms)
        due = carrier.common_ms(at_ms)
        super().__init__("retry", delivery, lambda _: (job.attempts + 1, None, due, True), self._over, kept)
        self._line = line

    def _over(self, ended: bool | None, error: EngineError | None) -> None:
        if ended:
            line, flying = self._line, self._flying
            if flying.sink is line.sink:
                line.credit += 1
            flying.sink.expired(flying.delivery)


def expire(carrier: Carrier, line: Line, now: float) -> None:
    """Take back what is out for too long."""
    late = [entry for entry, one in line.flying.items() if one.deadline <= now]
    for entry in reversed(late):
        carrier.first(_Expire(line, entry, carrier))
