"""The engine's own figures: calls, workers, durations, and what was dropped. Asks; for threads that may wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct
from pykka import ActorDeadError

from iii_actors.actor import Ref, ask
from iii_actors.builtin.observability.intake import ReadIntake, Taken
from iii_actors.core.queries import CountWorkers, WorkersCounted
from iii_actors.core.refs import Core
from iii_actors.core.spans import StoredSpan
from iii_actors.core.tallies import DURATION_BOUNDS_S, FunctionTally, ReadTallies, TalliesRead

__all__ = [
    "UNREGISTERED",
    "EngineFigures",
    "EngineMetrics",
    "Invocations",
    "Performance",
    "Workers",
    "engine_metrics",
    "percentile",
    "read",
]

UNREGISTERED: Final = "(not registered)"
"""The series of calls whose function is not there: invented ids must not make series."""
_NOT_FOUND: Final = "function_not_found"


class EngineFigures(NamedTuple):
    """A moment's picture."""

    tallies: TalliesRead
    workers: WorkersCounted
    dropped: dict[str, int]
    """Records dropped before they reached the archive, by kind."""


def read(core: Core, intake: Ref | None) -> EngineFigures:
    """Ask the core for the figures. Raises what :func:`~iii_actors.actor.ask` raises."""
    tallies: TalliesRead = ask(core.invocations, ReadTallies())
    workers: WorkersCounted = ask(core.workers, CountWorkers())
    taken = Taken([], {}, 0)
    if intake is not None:
        try:
            taken = ask(intake, ReadIntake())
        except ActorDeadError:
            taken = Taken([], {}, 0)
    if taken.misses:
        nothing = (0,) * (len(DURATION_BOUNDS_S) + 1)
        missed = FunctionTally(UNREGISTERED, 0, taken.misses, {_NOT_FOUND: taken.misses}, 0.0, nothing)
        tallies = TalliesRead([*tallies.functions, missed], tallies.in_flight)
    return EngineFigures(tallies, workers, taken.dropped)


class Invocations(Struct, frozen=True):
    """Calls since the start: ``total`` is the sum of the next three."""

    total: int
    success: int
    error: int
    deferred: int
    """In flight: handed to whoever executes them, and not answered yet."""
    by_function: dict[str, int]


class Workers(Struct, frozen=True):
    """Connections of workers since the start."""

    spawns: int
    deaths: int
    active: int


class Performance(Struct, frozen=True):
    """Durations of the finished spans that are kept and took any time; 0 without any."""

    avg_duration_ms: float
    p50_duration_ms: float
    p95_duration_ms: float
    p99_duration_ms: float
    min_duration_ms: float
    max_duration_ms: float


class EngineMetrics(Struct, frozen=True):
    """The engine's part of ``engine::metrics::list``."""

    invocations: Invocations
    workers: Workers
    performance: Performance


def engine_metrics(figures: EngineFigures, spans: Iterable[StoredSpan]) -> EngineMetrics:
    """Return the figures as they are listed."""
    tallies, workers = figures.tallies, figures.workers
    by_function = dict(tallies.in_flight)
    success = error = 0
    for one in tallies.functions:
        success, error = success + one.success, error + one.error
        by_function[one.function_id] = by_function.get(one.function_id, 0) + one.success + one.error
    deferred = sum(tallies.in_flight.values())
    durations = sorted(duration for span in spans if (duration := span.duration_ms))
    return EngineMetrics(
        Invocations(success + error + deferred, success, error, deferred, by_function),
        Workers(workers.joined, workers.left, workers.joined - workers.left),
        _performance(durations),
    )


def _performance(durations: list[float]) -> Performance:
    if not durations:
        return Performance(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    p50, p95, p99 = (percentile(durations, share) for share in (0.5, 0.95, 0.99))
    return Performance(sum(durations) / len(durations), p50, p95, p99, durations[0], durations[-1])


def percentile(ordered: list[float], share: float) -> float:
    """Return the value that this share of the ordered values does not exceed (nearest rank)."""
    rank = -(-len(ordered) * round(share * 100) // 100)
    return ordered[max(0, rank - 1)]
