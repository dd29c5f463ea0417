"""Which of the engine's own spans are recorded (observability.md §8). Pure but for the clock; any thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from iii_actors.builtin.observability.wildcards import fits
from iii_actors.config.observability import ObservabilitySettings

__all__ = ["Sampler"]

_DIGITS: Final = 16
_ALL: Final = 16**_DIGITS


class _Rule(NamedTuple):
    operation: str | None
    service_fits: bool
    rate: float


class Sampler:
    """Decides at a span's beginning; the same trace is decided the same way everywhere.

    :param monotonic: seconds, for the bound on new traces.
    """

    def __init__(self, settings: ObservabilitySettings, monotonic: Callable[[], float]) -> None:
        sampling = settings.sampling
        self._default = sampling.default if sampling.default is not None else settings.sampling_ratio
        self._parent_based = sampling.parent_based
        self._rules = [
            _Rule(one.operation, one.service is None or fits(settings.service_name, one.service), one.rate)
            for one in sampling.rules
        ]
        self._per_second = sampling.rate_limit.max_traces_per_second if sampling.rate_limit is not None else None
        self._monotonic = monotonic
        self._second = -1
        self._in_second = 0
        self._always = self._default == 1 and not self._rules and self._per_second is None

    def __call__(self, name: str, trace_id: str, parent: bool | None) -> bool:
        if parent is not None and self._parent_based:
            return parent
        if self._always:
            return True
        rate = self._rate(name)
        if rate < 1 and int(trace_id[-_DIGITS:], 16) >= rate * _ALL:
            return False
        return parent is not None or self._per_second is None or self._within(self._per_second)

    def _rate(self, name: str) -> float:
        for rule in self._rules:
            if rule.service_fits and (rule.operation is None or fits(name, rule.operation)):
                return rule.rate
        return self._default

    def _within(self, most: int) -> bool:
        """Count a new trace; the bound is kept about, as threads may count at the same moment."""
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= most
