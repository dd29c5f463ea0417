"""The metric records that are kept, and their names (observability.md §3). One thread's."""

from __future__ import annotations

from iii_actors.builtin.observability.records import StoredMetric, size_of_metric
from iii_actors.builtin.observability.timed_store import TimedStore
from iii_actors.limits import METRIC_NAMES, METRIC_STORE_BYTES

__all__ = ["MetricStore"]


class MetricStore(TimedStore[StoredMetric]):
    """Metric records; those of new names are refused while there are too many names.

    :param most: records.
    """

    def __init__(self, most: int, names: int = METRIC_NAMES) -> None:
        super().__init__(most, METRIC_STORE_BYTES, size_of_metric)
        self._most_names = names
        self._names: dict[str, int] = {}

    def admit(self, record: StoredMetric, now: float) -> bool:
        """Keep a record; returns False if its name is one too many."""
        if record.name not in self._names and len(self._names) >= self._most_names:
            return False
        self._names[record.name] = self._names.get(record.name, 0) + 1
        self.add(record, now)
        return True

    def _pop(self) -> StoredMetric:
        record = super()._pop()
        self._names[record.name] -= 1
        if not self._names[record.name]:
            del self._names[record.name]
        return record

    def clear(self) -> None:
        super().clear()
        self._names.clear()
