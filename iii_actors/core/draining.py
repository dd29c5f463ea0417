"""Going down without cutting what runs: what the engine says to the invocation tracker, and what callers are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from iii_actors.errors import EngineError

__all__ = ["Drain", "Drained", "EngineDraining", "PendingCalls"]


class EngineDraining(EngineError):
    """The engine finishes what it has begun and begins nothing else."""

    code = "engine_draining"

    def __init__(self) -> None:
        super().__init__("The engine is going down and takes no new calls; try again when you are connected anew")


class Drain(NamedTuple):
    """Asked of invocations: refuse calls that belong to nothing in flight. Answers how many are in flight.

    What a worker calls while it executes something belongs to that; so does what the engine calls.
    """

    drained: Callable[[], None]
    """Called whenever the last call in flight has ended, and at once if there is none. Must not block."""


class PendingCalls(NamedTuple):
    """Asked of invocations: how many calls are in flight."""


class Drained(NamedTuple):
    """How a drain ended."""

    calls: int
    """In flight when it began."""
    left: int
    """Still in flight at the deadline."""
    seconds: float
    """How long it took."""
