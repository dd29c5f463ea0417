"""The engine's own spans: what it does between a worker that calls and one that answers (observability.md §1, §4).

Times are nanoseconds since the epoch; ids are lower-case hexadecimal, 32 digits a trace and 16 a span (W3C Trace
Context). A span is told to whoever records it once it has ended, and only if it was sampled.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec import Struct
from pykka import ActorDeadError

from iii_actors.actor import MailboxFull, Ref
from iii_actors.clock import Clock
from iii_actors.core.observing import Attributes
from iii_actors.wire import messages as wire
from iii_actors.wire.trace import baggage_entries, valid_traceparent

__all__ = [
    "CONSUMER",
    "INTERNAL",
    "PRODUCER",
    "SERVER",
    "EngineSpan",
    "Parent",
    "Span",
    "Tracer",
    "new_span_id",
    "new_trace_id",
    "parent_of",
]

INTERNAL: Final = "internal"
SERVER: Final = "server"
PRODUCER: Final = "producer"
CONSUMER: Final = "consumer"

_random = random.Random(random.SystemRandom().getrandbits(64))  # noqa: S311 - ids of spans are no secrets
_SAMPLED: Final = 1
_NS: Final = 1_000_000_000


class Parent(NamedTuple):
    """A ``traceparent`` in its parts."""

    trace_id: str
    span_id: str
    sampled: bool


class EngineSpan(Struct, frozen=True, gc=False):
    """To whoever records: a span has ended."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    trace_state: str | None
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: wire.ErrorBody | None = None
    """Makes the span's status ``error``, and an event ``exception``."""
    failed: bool = False
    """The status is ``error`` without such an event: an HTTP response of 500 and above."""


def new_trace_id() -> str:
    """Return an id for a new trace."""
    return f"{_random.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    """Return an id for a new span."""
    return f"{_random.getrandbits(64) or 1:016x}"


Sample = Callable[[str, str, bool | None], bool]
"""``(span name, trace id, what the parent decided or None)``: whether the span is recorded."""


def parent_of(traceparent: str | None) -> Parent | None:
    """Return a ``traceparent``'s parts; None if it is missing or invalid."""
    text = valid_traceparent(traceparent)
    if text is None:
        return None
    return Parent(text[3:35], text[36:52], bool(int(text[53:55], 16) & _SAMPLED))


class Span:
    """A span that has begun. Used by one thread at a time."""

    __slots__ = ("_parent", "_span_id", "_state", "_tracer", "baggage", "began", "kind", "name", "sampled", "trace_id")

    def __init__(
        self, tracer: Tracer, name: str, kind: str, parent: Parent | None, state: str | None, baggage: str | None
    ) -> None:
        self._tracer = tracer
        self.name = name
        self.kind = kind
        self.trace_id = parent.trace_id if parent is not None else new_trace_id()
        self._span_id = new_span_id()
        self._parent = parent.span_id if parent is not None else None
        self._state = state if parent is not None else None
        self.baggage = baggage
        self.sampled = tracer.sample(name, self.trace_id, parent.sampled if parent is not None else None)
        self.began = tracer.monotonic()

    @property
    def traceparent(self) -> str:
        """What its children are told."""
        return f"00-{self.trace_id}-{self._span_id}-{'01' if self.sampled else '00'}"

    def end(
        self, attributes: Attributes = (), error: wire.ErrorBody | None = None, *, failed: bool = False, name: str = ""
    ) -> None:
        """Have it recorded, if it is sampled; baggage entries join the attributes."""
        if self.sampled:
            tracer = self._tracer
            end_ns, lasted = int(tracer.now() * _NS), tracer.monotonic() - self.began
            if self.baggage:
                attributes = (*attributes, *baggage_entries(self.baggage).items())
            tracer.record(
                EngineSpan(
                    name or self.name,
                    self.kind,
                    self.trace_id,
                    self._span_id,
                    self._parent,
                    self._state,
                    end_ns - int(lasted * _NS),
                    end_ns,
                    attributes,
                    error,
                    failed,
                )
            )


class Tracer:
    """Makes spans. Any thread; nothing waits.

    :param sink: told each :class:`EngineSpan`.
    :param sample: decides at the beginning of each span.
    :param builtins: also trace calls of built-in functions that come without a trace.
    """

    def __init__(self, clock: Clock, sink: Ref, sample: Sample, *, builtins: bool = False) -> None:
        self.now = clock.now
        self.monotonic = clock.monotonic
        self.sample = sample
        self.builtins = builtins
        self._tell = sink.tell

    def begin(
        self,
        name: str,
        kind: str = INTERNAL,
        *,
        traceparent: str | None = None,
        tracestate: str | None = None,
        baggage: str | None = None,
    ) -> Span:
        """Begin a span: a child of ``traceparent`` if that is valid, else the root of a new trace."""
        return Span(self, name, kind, parent_of(traceparent), tracestate, baggage)

    def record(self, span: EngineSpan) -> None:
        """Pass on a span that has ended; when the engine stops, nobody takes it any more."""
        try:
            self._tell(span)
        except (ActorDeadError, MailboxFull):
            self.sample = _never


def _never(_name: str, _trace_id: str, _parent: bool | None) -> bool:
    return False
