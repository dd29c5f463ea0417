"""The core's actors, by name: what an adapter or a built-in worker needs in order to talk to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from iii_actors.actor import Ref
from iii_actors.clock import Clock
from iii_actors.core.observing import Observing

__all__ = ["Core"]


@dataclass(frozen=True, slots=True)
class Core:
    """References to one engine's core actors, and its clock."""

    clock: Clock
    functions: Ref
    invocations: Ref
    triggers: Ref
    workers: Ref
    services: Ref
    channels: Ref
    enqueue: Ref
    namespace_grace_s: float
    """How long a connection may wait with naming its namespace (core.md §3.2)."""
    observing: Observing = field(default_factory=Observing)
    """Who records what happens, if anybody does."""
