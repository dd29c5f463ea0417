"""Alert rules: what each looks at, and whether it fires (observability.md §5, §8). Pure; one thread's."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import Struct

from iii_actors.builtin.observability.figures import EngineMetrics
from iii_actors.builtin.observability.metrics import value_of
from iii_actors.builtin.observability.records import StoredMetric
from iii_actors.config.observability import AlertRule

__all__ = ["AlertEvent", "AlertState", "AlertsFound", "Evaluated", "Watched", "engine_value"]

_NS: Final = 1_000_000_000
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_INVOCATIONS: Final = "iii.invocations."
_WORKERS: Final = "iii.workers."
_COUNTERS: Final = frozenset(
    {f"{_INVOCATIONS}{name}" for name in ("total", "success", "error")}
    | {f"{_WORKERS}{name}" for name in ("spawns", "deaths")}
)


class AlertEvent(Struct, frozen=True):
    """What an action is told, and what ``engine::alerts::evaluate`` lists."""

    alert: str
    metric: str
    value: float
    threshold: float
    operator: str
    timestamp: int
    """Milliseconds since the epoch."""


class AlertState(Struct, frozen=True):
    """A rule and how it stands. Times are milliseconds since the epoch."""

    name: str
    firing: bool
    last_evaluated: int | None
    last_triggered: int | None
    current_value: float | None
    threshold: float
    operator: str


class AlertsFound(Struct, frozen=True):
    """Output of ``engine::alerts::list``."""

    alerts: list[AlertState]
    rules: list[dict[str, Any]]
    firing_count: int
    timestamp: int


class Evaluated(Struct, frozen=True):
    """Output of ``engine::alerts::evaluate``."""

    evaluated: bool
    triggered_alerts: list[AlertEvent]
    timestamp: int


def engine_value(metric: str, metrics: EngineMetrics) -> float | None:
    """Return one of the engine's own figures; None if it has none of that name."""
    for prefix, figures in ((_INVOCATIONS, metrics.invocations), (_WORKERS, metrics.workers)):
        name = metric.removeprefix(prefix)
        if name != metric and name in figures.__struct_fields__ and name != "by_function":
            return float(getattr(figures, name))
    return None


class Watched:
    """One rule, and what it has seen."""

    def __init__(self, rule: AlertRule) -> None:
        self.rule = rule
        self.firing = False
        self.value: float | None = None
        self._evaluated: float | None = None
        self._triggered: float | None = None
        self._triggered_at: float | None = None
        self._seen: deque[tuple[float, float]] = deque()
        """Monotonic time and a counter's value then, within the window and one before it."""

    def evaluate(
        self, metrics: EngineMetrics, stored: Iterable[StoredMetric], now: float, monotonic: float
    ) -> AlertEvent | None:
        """Look at the figures; return the event if the alert fires and has not done so within its cooldown.

        :param now: seconds since the epoch.
        """
        rule = self.rule
        self._evaluated = now
        self.value = self._current(metrics, stored, now, monotonic) if rule.enabled else None
        self.firing = self.value is not None and _OPERATORS[rule.operator](self.value, rule.threshold)
        if not self.firing or self.value is None:
            return None
        if self._triggered_at is not None and monotonic - self._triggered_at < rule.cooldown_seconds:
            return None
        self._triggered, self._triggered_at = now, monotonic
        return AlertEvent(rule.name, rule.metric, self.value, rule.threshold, rule.operator, int(now * 1000))

    def _current(
        self, metrics: EngineMetrics, stored: Iterable[StoredMetric], now: float, monotonic: float
    ) -> float | None:
        rule = self.rule
        value = engine_value(rule.metric, metrics)
        if value is not None:
            return self._increase(value, monotonic) if rule.metric in _COUNTERS else value
        oldest = int((now - rule.window_seconds) * _NS)
        found = [one for one in stored if one.name == rule.metric and one.timestamp_unix_nano >= oldest]
        values = [value for one in found if (value := value_of(one)) is not None]
        if not values:
            return None
        return values[-1] - values[0] if found[-1].metric_type == "counter" else values[-1]

    def _increase(self, value: float, monotonic: float) -> float:
        """Return how much a counter has grown within the window; the first look counts all since the engine began."""
        seen, start = self._seen, monotonic - self.rule.window_seconds
        if not seen:
            seen.append((monotonic, 0.0))
        seen.append((monotonic, value))
        while len(seen) > 1 and seen[1][0] <= start:
            seen.popleft()
        return value - seen[0][1]

    def state(self) -> AlertState:
        """Return how it stands."""
        rule = self.rule
        return AlertState(
            rule.name,
            self.firing,
            int(self._evaluated * 1000) if self._evaluated is not None else None,
            int(self._triggered * 1000) if self._triggered is not None else None,
            self.value,
            rule.threshold,
            rule.operator,
        )
