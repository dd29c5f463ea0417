"""The engine's own spans: what it does between a worker that calls and one that answers (observability.md §1, §4).

Times are nanoseconds since the epoch; ids are lower-case hexadecimal, 32 digits a trace and 16 a span (W3C Trace
Context). A span is told to whoever records it once it has ended, and only if it was sampled.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec import Struct

from iii_actors import __version__
from iii_actors.clock import Clock
from iii_actors.core.observing import Waiting
from iii_actors.core.spans import Attributes, StoredSpan, exception_event, redacted
from iii_actors.wire import messages as wire
from iii_actors.wire.trace import baggage_entries, valid_traceparent

__all__ = [
    "CONSUMER",
    "INTERNAL",
    "PRODUCER",
    "SCOPE",
    "SERVER",
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
SCOPE: Final = "iii"
"""The instrumentation scope of the engine's own spans."""


class Parent(NamedTuple):
    """A ``traceparent`` in its parts."""

    trace_id: str
    span_id: str
    sampled: bool


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


class Span(Struct, gc=False):
    """A span that has begun, and, once it has ended, what is told to whoever records. Used by one thread at a time.

    It says what happened as it came: the record is made by :meth:`stored`, when somebody reads it.
    """

    tracer: Tracer
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    trace_state: str | None
    baggage: str | None
    sampled: bool
    began: float
    """On the monotonic clock."""
    end_ns: int = 0
    lasted: float = 0.0
    """Seconds."""
    attributes: Attributes = ()
    told: tuple[Any, ...] = ()
    """What :attr:`describe` makes attributes of: texts, bytes and tuples."""
    describe: Callable[[tuple[Any, ...]], Attributes] | None = None
    error: wire.ErrorBody | None = None
    failed: bool = False

    @property
    def traceparent(self) -> str:
        """What its children are told."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def end(
        self,
        attributes: Attributes = (),
        error: wire.ErrorBody | None = None,
        *,
        failed: bool = False,
        told: tuple[Any, ...] = (),
        describe: Callable[[tuple[Any, ...]], Attributes] | None = None,
    ) -> None:
        """Have it recorded, if it is sampled; baggage entries join the attributes.

        :param error: makes the status ``error``, and an event ``exception``.
        :param failed: makes it ``error`` without such an event: an HTTP response of 500 and above.
        :param told: texts, bytes and tuples of which ``describe`` will make more attributes, if anybody asks.
        """
        if not self.sampled:
            return
        tracer = self.tracer
        self.end_ns, self.lasted = int(tracer.now() * _NS), tracer.monotonic() - self.began
        self.attributes, self.error, self.failed = attributes, error, failed
        self.told, self.describe = told, describe
        tracer.record(self)

    def stored(self) -> StoredSpan:
        """Return what is kept of it, without the values of secrets."""
        attributes, error = self.attributes, self.error
        if self.describe is not None:
            attributes += self.describe(self.told)
        if self.baggage:
            attributes = redacted((*attributes, *baggage_entries(self.baggage).items()))
        return StoredSpan(
            self.trace_id,
            self.span_id,
            self.parent_span_id,
            self.name,
            self.end_ns - int(self.lasted * _NS),
            self.end_ns,
            "error" if self.failed or error is not None else "ok",
            attributes,
            self.tracer.service_name,
            () if error is None else (exception_event(error, self.end_ns),),
            (),
            None if error is None else error.message,
            SCOPE,
            __version__,
            1,
            self.trace_state,
            kind=self.kind,
        )


class Tracer:
    """Makes spans. Any thread; nothing waits.

    :param waiting: where spans go that have ended.
    :param sample: decides at the beginning of each span.
    :param service_name: whose spans they are.
    :param builtins: also trace calls of built-in functions that come without a trace.
    """

    def __init__(
        self,
        clock: Clock,
        waiting: Waiting[Span],
        sample: Sample,
        *,
        service_name: str = SCOPE,
        builtins: bool = False,
    ) -> None:
        self.service_name = service_name
        self.now = clock.now
        self.monotonic = clock.monotonic
        self.sample = sample
        self.builtins = builtins
        self._waiting = waiting

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
        parent = parent_of(traceparent) if traceparent else None
        if parent is None:
            digits = f"{_random.getrandbits(192):048x}"
            trace_id = digits[16:]
            sampled = self.sample(name, trace_id, None)
            return Span(self, name, kind, trace_id, digits[:16], None, None, baggage, sampled, self.monotonic())
        sampled = self.sample(name, parent.trace_id, parent.sampled)
        ids = (parent.trace_id, new_span_id(), parent.span_id)
        return Span(self, name, kind, *ids, tracestate, baggage, sampled, self.monotonic())

    def record(self, span: Span) -> None:
        """Pass on a span that has ended; when the engine stops, nobody takes it any more."""
        self._waiting.add(span)
        if self._waiting.over:
            self.sample = _never


def _never(_name: str, _trace_id: str, _parent: bool | None) -> bool:
    return False
