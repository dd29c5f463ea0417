"""Where everything that is recorded comes in: bounded, on the teller's thread, and quick (observability.md).

The engine's spans and log lines wait for company; telemetry wakes the archive at once. What does not fit is dropped and
counted: recording never holds anybody up.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from pykka import ActorDeadError

from iii_actors.actor import LightActor, MailboxFull, Ref, handles
from iii_actors.clock import Clock, Timer
from iii_actors.core.observing import Happened, Lookout, RecordsWait, TelemetryFrame, Waiting
from iii_actors.core.tracing import Span
from iii_actors.limits import INTAKE_BATCH, INTAKE_BYTES, INTAKE_DELAY_MS, INTAKE_ITEMS

__all__ = ["Intake", "Item", "LineLogged", "ReadIntake", "Ready", "Take", "Taken"]

logger = logging.getLogger(__name__)


class LineLogged(NamedTuple):
    """Told to the intake: the engine has logged a line."""

    at: float
    """Seconds since the epoch."""
    level: int
    """Python's number."""
    target: str
    """The logger's name."""
    message: str
    fields: dict[str, Any]


Item = Span | Happened | LineLogged | TelemetryFrame


class Ready(NamedTuple):
    """Told to the archive: something waits; :class:`Take` it."""


class Take(NamedTuple):
    """Asked of the intake: a :class:`Taken` with all that waits, which is then the asker's."""


class ReadIntake(NamedTuple):
    """Asked of the intake: the counts of a :class:`Taken` only."""


class Taken(NamedTuple):
    """The answer to both."""

    items: list[Item]
    dropped: dict[str, int]
    """How many were dropped, since the start, by kind: ``spans``, ``logs``, ``telemetry``, ``discovery``."""
    misses: int
    """Calls of functions that are not there, since the start."""


class Intake(LightActor):
    """Gathers what happens and gives it to the archive.

    :param archive: told :class:`Ready`.
    :param spans: where the engine's own spans wait.
    :param lookout: what the registries notice waits there.
    """

    def __init__(self, clock: Clock, archive: Ref, spans: Waiting[Span], lookout: Lookout) -> None:
        super().__init__()
        self._clock = clock
        self._archive = archive
        self._spans = spans
        self._lookout = lookout
        self._items: list[Item] = []
        self._bytes = 0
        self._called = False
        self._timer: Timer | None = None
        self._dropped: dict[str, int] = {}

    @handles(RecordsWait)
    def records_wait(self, _: RecordsWait) -> None:
        self._wait()

    @handles(LineLogged)
    def line(self, line: LineLogged) -> None:
        if len(self._items) >= INTAKE_ITEMS:
            self._drop("logs")
            return
        self._items.append(line)
        self._wait()

    @handles(TelemetryFrame)
    def frame(self, frame: TelemetryFrame) -> None:
        size = len(frame.payload)
        if len(self._items) >= INTAKE_ITEMS or self._bytes + size > INTAKE_BYTES:
            self._drop("telemetry")
            return
        self._items.append(frame)
        self._bytes += size
        self._call()

    @handles(Take)
    def take(self, _: Take) -> Taken:
        items, self._items = self._items, []
        items += self._spans.take()
        items += self._lookout.waiting.take()
        self._bytes = 0
        self._called = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return Taken(items, self._all_dropped(), self._lookout.misses)

    @handles(ReadIntake)
    def read(self, _: ReadIntake) -> Taken:
        return Taken([], self._all_dropped(), self._lookout.misses)

    @handles(Ready)
    def due(self, _: Ready) -> None:
        """The time that spans wait is over."""
        self._timer = None
        if self._items or self._spans or self._lookout.waiting:
            self._call()

    def _all_dropped(self) -> dict[str, int]:
        lookout = self._lookout
        late = {"spans": self._spans.dropped, "discovery": lookout.dropped + lookout.waiting.dropped}
        return {**self._dropped, **{kind: count for kind, count in late.items() if count}}

    def _drop(self, kind: str) -> None:
        self._dropped[kind] = self._dropped.get(kind, 0) + 1

    def _wait(self) -> None:
        if self._called:
            return
        if len(self._items) >= INTAKE_BATCH:
            self._call()
        elif self._timer is None:
            self._timer = self._clock.call_later(INTAKE_DELAY_MS / 1000, self._time_up)

    def _time_up(self) -> None:
        """Runs on the clock's thread."""
        try:
            self.actor_ref.tell(Ready())
        except ActorDeadError:
            logger.debug("The engine is stopping")

    def _call(self) -> None:
        if self._called:
            return
        try:
            self._archive.tell(Ready())
            self._called = True
        except (ActorDeadError, MailboxFull):
            self._called = False

    def on_stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
