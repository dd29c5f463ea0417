"""A message that RabbitMQ has sent, its lease, and what is remembered of those that it may send again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from iii_actors.brokers.job import Job
from iii_actors.brokers.order import Flight
from iii_actors.brokers.rabbit_messages import TURN, header_number
from iii_actors.clock import Clock, Timer
from iii_actors.limits import AMQP_SETTLED, AMQP_SETTLED_S

if TYPE_CHECKING:
    from iii_actors.brokers.rabbit_intake import Intake

__all__ = ["Lease", "Mark", "Memory", "Taken", "Tried"]

Mark = tuple[str, int, int]


class Tried(NamedTuple):
    """A job after a failed attempt that RabbitMQ has not been told of."""

    job: Job
    due: float
    """By the clock's monotonic time."""


class Taken:
    """A message that RabbitMQ has sent and that is not acknowledged."""

    __slots__ = ("channel", "headers", "job", "mark", "redelivered", "tag")

    def __init__(self, channel: Any, tag: int, job: Job, headers: Mapping[str, Any], redelivered: bool) -> None:
        self.channel = channel
        self.tag = tag
        self.job = job
        self.headers = headers
        self.mark: Mark = (job.id, job.attempts, header_number(headers, TURN, 0))
        """Tells it from others when it comes again."""
        self.redelivered = redelivered


class Lease:
    """One delivery. Compared by identity."""

    __slots__ = ("ended", "flight", "intake", "settling", "taken", "timer")

    def __init__(self, intake: Intake, taken: Taken, flight: Flight) -> None:
        self.intake = intake
        self.taken = taken
        self.flight = flight
        self.ended = False
        self.settling = False
        """Its answer has been given, and is being stored."""
        self.timer: Timer | None = None


class Memory:
    """What an engine knows of messages that it has not got, for the case that they come to it again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settled: OrderedDict[Mark, float] = OrderedDict()
        self._tried: OrderedDict[Mark, Tried] = OrderedDict()

    def settle(self, mark: Mark) -> None:
        """A message is acknowledged: a cut may swallow that, or may have come before it."""
        self._settled[mark] = self._clock.monotonic()
        self._settled.move_to_end(mark)
        if len(self._settled) > AMQP_SETTLED:
            self._settled.popitem(last=False)

    def settled(self, mark: Mark) -> bool:
        """Return whether a message that has come again is one of those; forgets it."""
        when = self._settled.pop(mark, None)
        return when is not None and self._clock.monotonic() - when < AMQP_SETTLED_S

    def keep(self, taken: Taken, job: Job, due: float) -> None:
        """Keep what a message does not say of its job, if anything."""
        if job.attempts != taken.mark[1]:
            self._tried[taken.mark] = Tried(job, due)
            if len(self._tried) > AMQP_SETTLED:
                self._tried.popitem(last=False)

    def tried(self, mark: Mark) -> Tried | None:
        """Return what was kept; forgets it."""
        return self._tried.pop(mark, None)
