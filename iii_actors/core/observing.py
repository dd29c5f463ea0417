"""Looking on: what the core tells whoever records what happens, and where that is found (observability.md).

The core works the same with nobody looking on; then it pays one look at an attribute that is None.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from pykka import ActorDeadError

from iii_actors.actor import LightActor, MailboxFull, Ref, ask, handles
from iii_actors.clock import Clock
from iii_actors.core.spans import Attributes

if TYPE_CHECKING:
    from iii_actors.core.tracing import Tracer

__all__ = [
    "Happened",
    "Lookout",
    "Noticed",
    "Observe",
    "Observed",
    "Observing",
    "ReadGauges",
    "RecordsWait",
    "TelemetryFrame",
    "Waiting",
]


_Record = TypeVar("_Record")


class Noticed(NamedTuple):
    """What is told to a lookout: something about who is there has changed, or somebody was looked for in vain."""

    operation: str
    """In the words of the span's name: ``register function``, ``look-up miss``."""
    subject: str
    """Which one: a function's id, a worker's."""
    worker_id: str | None
    """Whose doing it was; None: the engine's own."""
    attributes: Attributes = ()
    error: str | None = None
    """The code, if it was refused or found nothing."""
    traceparent: str | None = None
    """Of the call that it was part of."""
    lasted_s: float = 0.0


class Happened(NamedTuple):
    """Something that a registry has noticed."""

    at: float
    """Seconds since the epoch."""
    noticed: Noticed


class RecordsWait(NamedTuple):
    """To whoever records: something is there to be taken; told once until it is."""


class Waiting(Generic[_Record]):
    """What waits for whoever records. Any thread adds, one takes.

    Records are not told one by one, as a message costs several times what adding here does, and every request and every
    registration pays it.

    :param most: records; what comes while so many wait is dropped and counted.
    """

    __slots__ = ("_known", "_most", "_records", "dropped", "over", "sink")

    def __init__(self, most: int) -> None:
        self._most = most
        self._records: deque[_Record] = deque()
        self._known = False
        """Whether it has been told that something waits."""
        self.dropped = 0
        self.sink: Ref | None = None
        """Told :class:`RecordsWait`."""
        self.over = False
        """Whether there is nobody any more to take them."""

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: _Record) -> None:
        if len(self._records) >= self._most:
            self.dropped += 1
            return
        self._records.append(record)
        if not self._known and self.sink is not None:
            self._known = True
            try:
                self.sink.tell(RecordsWait())
            except (ActorDeadError, MailboxFull):
                self.over = True

    def take(self) -> list[_Record]:
        """Return all that wait."""
        self._known = False  # first: what is added from now on is told again
        take = self._records.popleft
        return [take() for _ in range(len(self._records))]


class Lookout:
    """What the registries tell of what they notice. Any thread; of a storm only so much per second is taken down.

    :param waiting: where it goes.
    :param per_second: changes and misses; the others are counted.
    """

    __slots__ = ("_clock", "_in_second", "_per_second", "_second", "dropped", "misses", "waiting")

    def __init__(self, clock: Clock, waiting: Waiting[Happened], per_second: int) -> None:
        self._clock = clock
        self.waiting = waiting
        self._per_second = per_second
        self._second = -1
        self._in_second = 0
        self.dropped = 0
        self.misses = 0
        """Calls of functions that are not there; all are counted."""

    def wants(self) -> bool:
        """Return whether there is room for one more in this second; ask before anything is made for it."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > self._per_second:
            self.dropped += 1
            return False
        return True

    def note(self, noticed: Noticed) -> None:
        self.waiting.add(Happened(self._clock.now(), noticed))


class Observe(NamedTuple):
    """Asked of a registry: from now on tell this one of changes (:class:`Noticed`); None: tell nobody."""

    lookout: Lookout | None


class TelemetryFrame(NamedTuple):
    """To whoever records: a worker's telemetry, four letters and OTLP/JSON (observability.md §2)."""

    payload: bytes


class ReadGauges(NamedTuple):
    """Asked of the gauges: the newest figures of these workers, ``dict[str, dict[str, float]]`` (§6)."""

    worker_ids: tuple[str, ...]


class Observed(LightActor):
    """A registry that can be looked on."""

    _lookout: Lookout | None = None

    @handles(Observe)
    def observe(self, request: Observe) -> None:
        self._lookout = request.lookout

    def _looked_on(self) -> bool:
        """Return whether :meth:`_notice` is wanted now; ask first, so that nothing is made for nobody."""
        return self._lookout is not None and self._lookout.wants()

    def _notice(self, noticed: Noticed) -> None:
        if self._lookout is not None:
            self._lookout.note(noticed)


class Observing:
    """Where to find those who record. One per engine; any thread reads, ``iii-observability`` writes.

    It may start after other built-in workers, so these look here each time and keep nothing.
    """

    __slots__ = ("gauges", "intake", "tracer")

    def __init__(self) -> None:
        self.intake: Ref | None = None
        """Told :class:`TelemetryFrame`; None: telemetry is dropped."""
        self.tracer: Tracer | None = None
        """Makes the engine's own spans; None: there are none."""
        self.gauges: Ref | None = None
        """Asked :class:`ReadGauges`."""

    def take(self, payload: bytes) -> None:
        """Take one telemetry frame, prefix and all. Any thread; does not wait and does not raise."""
        if self.intake is not None:
            try:
                self.intake.tell(TelemetryFrame(payload))
            except (ActorDeadError, MailboxFull):
                self.intake = None

    def figures(self, *worker_ids: str) -> dict[str, dict[str, float]]:
        """Return what these workers last said of themselves, by worker and figure. May wait for an actor."""
        if self.gauges is None:
            return {}
        try:
            found: dict[str, dict[str, float]] = ask(self.gauges, ReadGauges(worker_ids))
        except ActorDeadError:
            return {}
        return found
