"""What a worker's process uses, with the standard library alone (spec sdk.md §9.7, observability.md §6)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from iii_worker.observability.otlp import GaugePoint

__all__ = ["ProcessGauges"]

_STATM: Final = Path("/proc/self/statm")
"""Pages of virtual and of resident memory, on Linux."""
_PREFIX: Final = "iii.worker."


class ProcessGauges:
    """Reads the process's figures. Not thread-safe: the processor share is that since the last reading."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._read_at = self._started
        self._cpu_s = time.process_time()

    def read(self, workers: Iterable[tuple[str, str]]) -> list[GaugePoint]:
        """Return the points of some workers, ``(id, name)`` each. What the platform does not tell is left out."""
        now, cpu_s = time.monotonic(), time.process_time()
        elapsed = now - self._read_at
        share = 100.0 * (cpu_s - self._cpu_s) / elapsed if elapsed > 0 else 0.0
        self._read_at, self._cpu_s = now, cpu_s
        times = os.times()
        figures: list[tuple[str, str, str, int | float]] = [
            ("cpu.percent", "%", "Processor time used, of one core", round(share, 3)),
            ("cpu.user_micros", "us", "Processor time in user mode", int(times.user * 1e6)),
            ("cpu.system_micros", "us", "Processor time in the system", int(times.system * 1e6)),
            ("uptime_seconds", "s", "Since telemetry began", round(now - self._started, 3)),
        ]
        if (memory := _memory()) is not None:
            figures.append(("memory.vms", "By", "Virtual memory", memory[0]))
            figures.append(("memory.rss", "By", "Resident memory", memory[1]))
        at = time.time_ns()
        return [
            GaugePoint(_PREFIX + name, unit, text, value, {"worker.id": worker_id, "worker.name": worker_name}, at)
            for worker_id, worker_name in workers
            for name, unit, text, value in figures
        ]


def _memory() -> tuple[int, int] | None:
    """Return virtual and resident bytes, None where the system has no such file."""
    try:
        pages, resident = _STATM.read_text().split()[:2]
        page = os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
    return int(pages) * page, int(resident) * page
