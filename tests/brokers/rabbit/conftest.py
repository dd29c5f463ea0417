"""A broker on the session's RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iii_actors.clock import SystemClock
from tests.brokers.contract.lab import Lab
from tests.brokers.rabbit.rig import Node


@pytest.fixture
def node() -> Iterator[Node]:
    clock = SystemClock()
    with Node(clock) as made:
        yield made
    clock.stop()


@pytest.fixture
def lab(node: Node) -> Iterator[Lab]:
    """An open broker, and what drives it."""
    made = Lab(node.backend())
    yield made
    made.finish()
