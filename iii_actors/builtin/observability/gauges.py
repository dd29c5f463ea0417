"""What workers last said of themselves: memory, processor, event loop (observability.md §6)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from iii_actors.actor import LightActor, handles
from iii_actors.builtin.observability.records import NumberPoint, StoredMetric
from iii_actors.clock import Clock
from iii_actors.core.observing import ReadGauges
from iii_actors.limits import WORKER_FIGURES, WORKER_FIGURES_S

__all__ = ["FIGURES", "Figures", "Gauges", "figures_in"]

_PREFIX: Final = "iii.worker."
FIGURES: Final = {
    f"{_PREFIX}{name}": name.replace(".", "_")
    for name in (
        "memory.heap_used",
        "memory.heap_total",
        "memory.rss",
        "memory.external",
        "cpu.percent",
        "cpu.user_micros",
        "cpu.system_micros",
        "event_loop.lag_ms",
        "uptime_seconds",
    )
}
"""Metric to member."""
_WORKER: Final = "worker.id"


class Figures(NamedTuple):
    """Told to the gauges: one figure of one worker."""

    worker_id: str
    figure: str
    value: float


def figures_in(metric: StoredMetric) -> list[Figures]:
    """Return what a metric record says of workers."""
    figure = FIGURES.get(metric.name)
    if figure is None:
        return []
    found = []
    for point in metric.data_points:
        worker_id = next((value for key, value in point.attributes if key == _WORKER), None)
        if worker_id is not None and isinstance(point, NumberPoint):
            found.append(Figures(worker_id, figure, point.value))
    return found


class Gauges(LightActor):
    """Keeps the newest of each."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._of_worker: OrderedDict[str, dict[str, tuple[float, float, float]]] = OrderedDict()
        """Worker, figure: value, monotonic time, and time."""

    @handles(Figures)
    def take(self, figures: Figures) -> None:
        """The longest silent worker makes room for a new one."""
        held = self._of_worker.setdefault(figures.worker_id, {})
        self._of_worker.move_to_end(figures.worker_id)
        held[figures.figure] = (figures.value, self._clock.monotonic(), self._clock.now())
        if len(self._of_worker) > WORKER_FIGURES:
            self._of_worker.popitem(last=False)

    @handles(ReadGauges)
    def read(self, query: ReadGauges) -> dict[str, dict[str, float]]:
        """Return the figures that are new enough, and ``timestamp_ms`` of the newest; without any, nothing."""
        oldest = self._clock.monotonic() - WORKER_FIGURES_S
        found: dict[str, dict[str, float]] = {}
        for worker_id in query.worker_ids:
            fresh = {name: one for name, one in self._of_worker.get(worker_id, {}).items() if one[1] >= oldest}
            if fresh:
                found[worker_id] = {name: value for name, (value, _, _) in fresh.items()}
                found[worker_id]["timestamp_ms"] = int(max(at for _, _, at in fresh.values()) * 1000)
        return found
