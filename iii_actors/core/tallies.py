"""Counts of calls, and the spans of calls that the engine itself executes (observability.md §4, §5, §8).

Owned by the invocation tracker, which begins and ends every call: no lock, and no span for calls between workers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from iii_actors.core.messages import Forward
from iii_actors.core.spans import Attributes
from iii_actors.core.tracing import SERVER, Tracer
from iii_actors.limits import TALLIED_CODES, TALLIED_FUNCTIONS
from iii_actors.wire import messages as wire

__all__ = ["DURATION_BOUNDS_S", "OTHER", "Count", "FunctionTally", "ReadTallies", "Tallies", "TalliesRead", "UNTRACED"]

DURATION_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the duration histogram; one bucket more takes what lasted longer."""
OTHER: Final = "(other)"
"""The series that takes what is past the limits."""
UNTRACED: Final = (
    "engine::traces::",
    "engine::logs::",
    "engine::log::",
    "engine::metrics::",
    "engine::baggage::",
    "engine::sampling::",
    "engine::health::",
    "engine::alerts::",
    "engine::rollups::",
    "iii-observability::",
)
"""What observing itself calls: there are no spans of it."""
_NO_SPANS_OF: Final = b"iii:devtools:"


class FunctionTally(NamedTuple):
    """What came of the calls of one function."""

    function_id: str
    success: int
    error: int
    errors: dict[str, int]
    """By error code."""
    seconds: float
    """All of them together, from filing to outcome."""
    buckets: tuple[int, ...]
    """How many ended within each of :data:`DURATION_BOUNDS_S`, and beyond: not cumulative."""


class TalliesRead(NamedTuple):
    """A moment's picture."""

    functions: list[FunctionTally]
    in_flight: dict[str, int]
    """By function id."""


class Count(NamedTuple):
    """Asked of invocations: count from now on, or go on by other settings. Neither calls nor a tracer: stop."""

    monotonic: Callable[[], float]
    tracer: Tracer | None
    """Records the spans of built-in functions; None: there are none."""
    calls: bool = True
    """Keep counts; False: spans only."""


class ReadTallies(NamedTuple):
    """Asked of invocations: a :class:`TalliesRead`; empty if nothing is counted."""


class _Row:
    """One function's counts. Calls that went well are those in the buckets that did not fail."""

    __slots__ = ("buckets", "errors", "failed", "refused", "seconds")

    def __init__(self) -> None:
        self.failed = 0
        self.refused = 0
        self.errors: dict[str, int] = {}
        self.seconds = 0.0
        self.buckets = [0] * (len(DURATION_BOUNDS_S) + 1)


class Tallies:
    """Counts by function; past the limit of functions the rest share one row. Used by one thread at a time."""

    __slots__ = ("_calls", "_rows", "_tracer", "monotonic")

    def __init__(self, request: Count) -> None:
        self.monotonic = request.monotonic
        self._tracer = request.tracer
        self._calls = request.calls
        self._rows: dict[str, _Row] = {}

    def change(self, request: Count) -> None:
        """Go on by other settings."""
        self._tracer, self._calls = request.tracer, request.calls

    def end(self, forward: Forward, began: float, error: wire.ErrorBody | None) -> None:
        """Count a call; ``began`` 0: it was filed before calls were counted, or its worker had too many."""
        lasted = self.monotonic() - began if began else 0.0
        if self._calls:
            function_id = forward.function.function_id
            row = self._rows.get(function_id) or self._row(function_id)
            row.seconds += lasted
            row.buckets[bisect_left(DURATION_BOUNDS_S, lasted)] += 1
            if error is not None:
                self._failed(row, error.code)
        if self._tracer is not None and forward.target.in_process:
            self._trace(self._tracer, forward, lasted, error)

    def refuse(self, function_id: str, code: str) -> None:
        """Count a call that was not even filed."""
        if self._calls:
            row = self._row(function_id)
            row.refused += 1
            self._failed(row, code)

    def _row(self, function_id: str) -> _Row:
        row = self._rows.get(function_id)
        if row is None:
            if len(self._rows) >= TALLIED_FUNCTIONS:
                function_id = OTHER
            row = self._rows.setdefault(function_id, _Row())
        return row

    @staticmethod
    def _failed(row: _Row, code: str) -> None:
        """Codes are the workers' own words: past the limit the rest share one count."""
        row.failed += 1
        errors = row.errors
        if code not in errors and len(errors) >= TALLIED_CODES:
            code = OTHER
        errors[code] = errors.get(code, 0) + 1

    def read(self, pending: Iterable[Forward]) -> TalliesRead:
        """Return a copy of everything."""
        in_flight: dict[str, int] = {}
        if self._calls:
            for forward in pending:
                function_id = forward.invoke.call.function_id
                in_flight[function_id] = in_flight.get(function_id, 0) + 1
        rows = [
            FunctionTally(name, _well(row), row.failed, dict(row.errors), row.seconds, tuple(row.buckets))
            for name, row in self._rows.items()
        ]
        return TalliesRead(rows, in_flight)

    @staticmethod
    def _trace(tracer: Tracer, forward: Forward, lasted: float, error: wire.ErrorBody | None) -> None:
        """Record the call of a built-in function that came with a trace (§4)."""
        call = forward.invoke.call
        function_id = call.function_id
        if call.traceparent is None and not tracer.builtins:
            return
        if function_id.startswith(UNTRACED):
            return
        if function_id.startswith("stream::") and _NO_SPANS_OF in bytes(call.data):
            return
        span = tracer.begin(f"call {function_id}", SERVER, traceparent=call.traceparent, baggage=call.baggage)
        span.began -= lasted
        attributes: Attributes = (
            ("faas.invoked_name", function_id),
            ("function_id", function_id),
            ("iii.function.kind", "internal"),
        )
        if error is not None:
            attributes += (("error.message", error.message), ("error.type", error.code))
        span.end(attributes, error)


def _well(row: _Row) -> int:
    """Return how many calls went well: a refused one is in no bucket."""
    return sum(row.buckets) + row.refused - row.failed
