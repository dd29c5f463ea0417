"""Engines with nothing but a listener and queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.queue import QueueSite, queue_sites


@pytest.fixture
def site() -> Iterator[Callable[..., QueueSite]]:
    """A maker of engines: ``site({"queue_configs": ...}, clock)``."""
    with queue_sites() as make:
        yield make


@pytest.fixture
def in_file(tmp_path: Path) -> dict[str, Any]:
    """The adapter that keeps jobs in a file."""
    config = {"store_method": "file_based", "file_path": str(tmp_path / "jobs"), "durability": "process"}
    return {"adapter": {"name": "builtin", "config": config}}
