"""Keeping the engine's threads on one processor while they take turns (docs/performance.rst).

Python runs one thread of a process at a time. Where several of them share the work, each hand-over from one processor
to another costs many times what it costs on one, so that spreading them makes them slower. A single thread that does
nearly all of the work is left to the system, and so is everything on a machine that has too little to give.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from iii_actors import processors
from iii_actors.clock import SystemClock
from iii_actors.limits import PROCESSOR_IDLE_S, PROCESSOR_LOOK_S

__all__ = ["OneProcessor", "Sample", "choose"]

logger = logging.getLogger(__name__)

_ALONE: Final = frozenset({"iii-reader", "iii-http"})
"""The threads that may do nearly everything by themselves."""
_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
"""In which the system counts processor time, per second."""
_IDLE: Final = 0.05
_BY_ITSELF: Final = (0.9, 0.95)
"""What share of the work one thread does that is left alone: to begin keeping together, and to end it."""
_CROWDED: Final = 0.5
"""So much of a processor used by others makes it a bad place, ..."""
_BETTER: Final = 0.25
"""... if another one is so much better."""


class Sample(NamedTuple):
    """What happened in a while; all in seconds of processor time, but for the while itself."""

    lasted: float
    own: float
    """Used by this process."""
    alone: float
    """Of that, by the one thread that used most of those that may work by themselves."""
    busy: Mapping[int, float]
    """What every process together has used of each processor that this one may use."""


def choose(kept: int | None, sample: Sample) -> int | None:
    """Return where to keep the threads from now on; ``kept``, and None: anywhere."""
    lasted, own, alone, busy = sample
    if own < _IDLE * lasted or alone > _BY_ITSELF[kept is not None] * own:
        return None
    if sum(busy.values()) - own > (len(busy) - _CROWDED) * lasted:
        return None
    best = min(busy, key=lambda one: (busy[one], one))
    if kept is None or kept not in busy:
        return best
    others = busy[kept] - own
    return best if others > _CROWDED * lasted and busy[best] < others - _BETTER * lasted else kept


class OneProcessor:
    """Looks, now and then, whether the threads are to be kept together. For a process that is the engine's own."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="iii-processor", daemon=True)
        self._kept: int | None = None
        self._monotonic = SystemClock().monotonic

    def start(self) -> None:
        """Begin, if there is anything to choose and it can be told."""
        locked = getattr(sys, "_is_gil_enabled", lambda: True)()
        if len(processors.allowed()) > 1 and locked and Path("/proc/stat").exists():
            self._thread.start()

    def stop(self) -> None:
        """End; the threads may run anywhere then. Waits for a look that is under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        try:
            self._look_on()
        except (OSError, ValueError, IndexError) as error:
            logger.debug("The engine's threads are left to the system: %s", error)
        finally:
            with suppress(OSError):
                self._keep(None)

    def _look_on(self) -> None:
        before: tuple[float, float, dict[int, float], dict[int, float]] | None = None
        idle_at = time.process_time()
        while not self._stopping.wait(PROCESSOR_LOOK_S if before is not None else PROCESSOR_IDLE_S):
            used = time.process_time()
            if before is None and used - idle_at < _IDLE * PROCESSOR_IDLE_S:
                idle_at = used
                continue
            now = (self._monotonic(), used, _used_alone(), _busy())
            if before is not None:
                alone = max((one - before[2].get(task, 0.0) for task, one in now[2].items()), default=0.0)
                busy = {number: one - before[3].get(number, one) for number, one in now[3].items()}
                sample = Sample(now[0] - before[0], now[1] - before[1], alone, busy)
                self._keep(choose(self._kept, sample))
                if sample.own < _IDLE * sample.lasted:
                    before, idle_at = None, used
                    continue
            before = now

    def _keep(self, processor: int | None) -> None:
        if processor != self._kept:
            self._kept = processor  # first: if only some threads can be had, they are let go again
            processors.keep_to(processor)
            logger.debug("The engine's threads run on %s", "any processor" if processor is None else processor)


def _used_alone() -> dict[int, float]:
    """Return the processor time of each thread that may do nearly everything by itself."""
    found = {}
    for thread in threading.enumerate():
        if thread.name in _ALONE and thread.native_id is not None:
            try:
                fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rsplit(")", 1)[1].split()
            except FileNotFoundError:
                continue  # it has ended meanwhile
            found[thread.native_id] = (int(fields[11]) + int(fields[12])) / _TICKS
    return found


def _busy() -> dict[int, float]:
    """Return the time for which each allowed processor has been used by whomever."""
    found = {}
    with Path("/proc/stat").open() as lines:
        next(lines)
        for line in lines:
            if not line.startswith("cpu"):
                break
            name, user, nice, system, _, _, irq, softirq, *more = line.split()
            number = int(name[3:])
            if number in processors.allowed():
                steal = int(more[0]) if more else 0
                found[number] = (int(user) + int(nice) + int(system) + int(irq) + int(softirq) + steal) / _TICKS
    return found
