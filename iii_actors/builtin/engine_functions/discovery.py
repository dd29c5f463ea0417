"""The trigger types that say who is there: workers coming and going, functions coming and going (§5, §6).

Light actors, both the providers of their types: they keep their own copy of the bindings, and after a binding has been
given back nothing more is delivered to it. A delivery is a call that the engine itself makes: the binding's function,
in the binding's namespace, with the binding's metadata; nobody waits for its outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct
from pykka import ActorDeadError

from iii_actors.actor import LightActor, MailboxFull, Ref, handles
from iii_actors.builtin.calls import fire
from iii_actors.builtin.engine_functions.functions import FunctionSummary, summary
from iii_actors.builtin.engine_functions.owners import Records
from iii_actors.clock import Clock, Timer
from iii_actors.core.functions import Function
from iii_actors.core.messages import BindTrigger, FunctionsChanged, UnbindTrigger, WorkerEvent
from iii_actors.core.observing import Observing
from iii_actors.core.triggers import Trigger
from iii_actors.limits import FUNCTIONS_DEBOUNCE_MS, FUNCTIONS_MAX_DELAY_MS
from iii_actors.wire.codec import raw

__all__ = ["FUNCTION_TYPES", "WORKER_TYPES", "FunctionEvents", "FunctionTable", "ReadFunctions", "WorkerEvents"]

logger = logging.getLogger(__name__)

WORKER_TYPES: Final = ("engine::workers-available", "workers.available")
"""The second is the concept documents' name (§6)."""
FUNCTION_TYPES: Final = ("engine::functions-available", "functions.available")

Key = tuple[str, str]
"""``(namespace, function id)``"""


class ReadFunctions(NamedTuple):
    """To the desk, which may ask: read the registries, then tell ``reply_to`` a :class:`FunctionTable`."""

    reply_to: Ref
    number: int
    """Counts up; comes back in the table."""
    snapshot: bool
    """For subscribers who have not been told anything yet, and nobody else."""


class FunctionTable(NamedTuple):
    """To :class:`FunctionEvents`: all functions there are, and the workers that hold them."""

    functions: Sequence[Function]
    records: Records
    request: ReadFunctions


class _Due(NamedTuple):
    """To :class:`FunctionEvents`, from the clock: the time is up."""


class _Event(Struct, frozen=True):
    event: str
    worker_id: str


class _Everything(Struct, frozen=True):
    functions: Sequence[FunctionSummary]
    event: str


class _Gone(Struct, frozen=True):
    function_id: str
    namespace: str


class _Difference(Struct, frozen=True):
    added: Sequence[FunctionSummary]
    removed: Sequence[_Gone]
    event: str


class _Config(Struct):
    delta: Any = None


_config: Final = msgspec.json.Decoder(_Config)
CHANGED: Final = "functions_changed"


class WorkerEvents(LightActor):
    """Passes on every :class:`WorkerEvent` in the order in which it is told them. The configuration is ignored.

    :param functions: the function registry.
    """

    def __init__(self, functions: Ref, observing: Observing) -> None:
        super().__init__()
        self._functions = functions
        self._observing = observing
        self._bindings: dict[str, Trigger] = {}

    @handles(BindTrigger)
    def bind(self, request: BindTrigger) -> None:
        self._bindings[request.trigger.id] = request.trigger

    @handles(UnbindTrigger)
    def unbind(self, request: UnbindTrigger) -> None:
        self._bindings.pop(request.trigger.id, None)

    @handles(WorkerEvent)
    def deliver(self, event: WorkerEvent) -> None:
        if self._bindings:
            payload = raw(_Event(event.event, event.worker_id))
            tracer = self._observing.tracer
            for trigger in self._bindings.values():
                span = tracer.begin(f"trigger {trigger.function_id}") if tracer is not None else None
                fire(self._functions, trigger, payload, span.traceparent if span is not None else None)
                if span is not None:
                    span.end((("function_id", trigger.function_id),))


class _Subscriber:
    """A binding, and which functions it has been told of."""

    __slots__ = ("delta", "since", "told", "trigger")

    def __init__(self, trigger: Trigger, since: int) -> None:
        self.trigger = trigger
        self.since = since
        """The first reading of the registries that is not older than the binding."""
        self.delta = _wants_delta(trigger.config)
        self.told: frozenset[Key] | None = None


class FunctionEvents(LightActor):
    """Tells subscribers the whole list once when they are bound, and again when the set of functions has changed.

    A burst of changes becomes one delivery, 200 ms after its last one; while changes never pause there is one every
    5 s. A binding whose configuration says ``{"delta": true}`` (ours) is told what came and went instead.

    :param functions: the function registry.
    :param desk: answers :class:`ReadFunctions`.
    """

    def __init__(self, functions: Ref, desk: Ref, clock: Clock) -> None:
        super().__init__()
        self._functions = functions
        self._desk = desk
        self._clock = clock
        self._subscribers: dict[str, _Subscriber] = {}
        self._reads = 0
        self._timer: Timer | None = None
        self._first_change = 0.0
        self._last_change = 0.0

    # --- bindings ----------------------------------------------------------------------------------------------------

    @handles(BindTrigger)
    def bind(self, request: BindTrigger) -> None:
        self._subscribers[request.trigger.id] = _Subscriber(request.trigger, self._reads + 1)
        self._read(snapshot=True)

    @handles(UnbindTrigger)
    def unbind(self, request: UnbindTrigger) -> None:
        self._subscribers.pop(request.trigger.id, None)

    # --- changes -----------------------------------------------------------------------------------------------------

    @handles(FunctionsChanged)
    def changed(self, _: FunctionsChanged) -> None:
        if self._subscribers:
            self._last_change = self._clock.monotonic()
            if self._timer is None:
                self._first_change = self._last_change
                self._wait(FUNCTIONS_DEBOUNCE_MS / 1000)

    @handles(_Due)
    def due(self, _: _Due) -> None:
        """Read the list if there has been quiet or no quiet for too long; else wait for that moment."""
        ready = min(
            self._last_change + FUNCTIONS_DEBOUNCE_MS / 1000,
            self._first_change + FUNCTIONS_MAX_DELAY_MS / 1000,
        )
        left = ready - self._clock.monotonic()
        if left > 0:
            self._wait(left)
        else:
            self._timer = None
            if self._subscribers:
                self._read(snapshot=False)

    def _wait(self, delay_s: float) -> None:
        self._timer = self._clock.call_later(delay_s, self._time_up)

    def _time_up(self) -> None:
        """Runs on the clock's thread."""
        try:
            self.actor_ref.tell(_Due())
        except ActorDeadError:
            logger.debug("The engine is stopping")

    def _read(self, snapshot: bool) -> None:
        self._reads += 1
        try:
            self._desk.tell(ReadFunctions(self.actor_ref, self._reads, snapshot))
        except MailboxFull:
            if self._timer is None:
                self._wait(FUNCTIONS_DEBOUNCE_MS / 1000)
        except ActorDeadError:
            logger.debug("The engine is stopping")

    def on_stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # --- deliveries --------------------------------------------------------------------------------------------------

    @handles(FunctionTable)
    def deliver(self, table: FunctionTable) -> None:
        """Tell every subscriber whose last delivery was of another set."""
        number, snapshot = table.request.number, table.request.snapshot
        functions = {(one.namespace, one.function_id): one for one in table.functions}
        now = frozenset(functions)
        payloads: dict[tuple[bool, frozenset[Key] | None], Raw] = {}
        for subscriber in self._subscribers.values():
            told = subscriber.told
            if told == now or number < subscriber.since or (snapshot and told is not None):
                continue
            kind = (subscriber.delta, told if subscriber.delta else None)
            if kind not in payloads:
                payloads[kind] = _payload(functions, table.records, *kind)
            subscriber.told = now
            fire(self._functions, subscriber.trigger, payloads[kind])


def _payload(functions: dict[Key, Function], records: Records, delta: bool, known: frozenset[Key] | None) -> Raw:
    """Return what a subscriber is told.

    :param known: what it need not be told again; None: it knows of nothing.
    """
    rows = [summary(one, records) for key, one in functions.items() if known is None or key not in known]
    if not delta:
        return raw(_Everything(rows, CHANGED))
    gone = sorted(known.difference(functions)) if known is not None else []
    return raw(_Difference(rows, [_Gone(function_id, namespace) for namespace, function_id in gone], CHANGED))


def _wants_delta(config: Raw) -> bool:
    """Return whether a binding asks for differences; whatever else its configuration holds is ignored."""
    try:
        return _config.decode(config).delta is True
    except ValueError:
        return False
