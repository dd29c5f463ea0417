"""Looking on: what the core tells whoever records what happens, and where that is found (observability.md).

The core works the same with nobody looking on; then it pays one look at an attribute that is None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pykka import ActorDeadError

from iii_actors.actor import LightActor, MailboxFull, Ref, ask, handles
from iii_actors.core.spans import Attributes

if TYPE_CHECKING:
    from iii_actors.core.tracing import Tracer

__all__ = ["Noticed", "Observe", "Observed", "Observing", "ReadGauges", "TelemetryFrame"]


class Noticed(NamedTuple):
    """To whoever looks on: something about who is there has changed, or somebody was looked for in vain."""

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


class Observe(NamedTuple):
    """Asked of a registry: from now on tell this actor of changes (:class:`Noticed`); None: tell nobody."""

    observer: Ref | None


class TelemetryFrame(NamedTuple):
    """To whoever records: a worker's telemetry, four letters and OTLP/JSON (observability.md §2)."""

    payload: bytes


class ReadGauges(NamedTuple):
    """Asked of the gauges: the newest figures of these workers, ``dict[str, dict[str, float]]`` (§6)."""

    worker_ids: tuple[str, ...]


class Observed(LightActor):
    """A registry that can be looked on."""

    _observer: Ref | None = None

    @handles(Observe)
    def observe(self, request: Observe) -> None:
        self._observer = request.observer

    def _notice(self, noticed: Noticed) -> None:
        """Tell whoever looks on; look at ``_observer`` first, so that nothing is made for nobody."""
        if self._observer is not None:
            try:
                self._observer.tell(noticed)
            except (ActorDeadError, MailboxFull):
                self._observer = None


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
