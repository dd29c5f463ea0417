"""Jobs in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iii_actors.brokers.local import LocalBroker
from iii_actors.brokers.memory import MemoryJournal
from iii_actors.clock import ManualClock
from tests.brokers.contract.lab import Backend


@contextmanager
def opened(folder: Path) -> Iterator[Backend]:
    clock = ManualClock()
    yield Backend(
        make=lambda: LocalBroker(MemoryJournal(), clock),
        pass_time=lambda ms: clock.advance(ms / 1000),
        now_ms=lambda: int(clock.now() * 1000),
        quiet_s=0,
        restarts=False,
    )
