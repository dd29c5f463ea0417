"""Jobs in a RabbitMQ. Time passes as it does: its delays are the server's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iii_actors.clock import SystemClock
from tests.brokers.contract.lab import Backend
from tests.brokers.rabbit.rig import Node


@contextmanager
def opened(folder: Path) -> Iterator[Backend]:
    clock = SystemClock()
    with Node(clock) as node:
        yield node.backend()
    clock.stop()
