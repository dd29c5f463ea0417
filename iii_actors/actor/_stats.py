"""What each actor has done so far: feeds the console, and whoever looks for a busy one."""

from __future__ import annotations

from typing import NamedTuple

from iii_actors.actor._light import LightActor
from iii_actors.actor._shared import Ref
from iii_actors.actor._threaded import ThreadedActor

__all__ = ["ActorStats", "stats"]


class ActorStats(NamedTuple):
    """What one actor has done so far. Read from any thread; the figures are a moment's picture."""

    name: str
    kind: str
    """``light`` or ``threaded``."""
    depth: int
    """Messages waiting in the mailbox."""
    handled: int
    """Messages handled since the start."""
    busy_s: float
    """Seconds spent handling them."""
    failed: int
    """Messages whose handler raised."""


def stats(ref: Ref) -> ActorStats | None:
    """The figures of one actor of ours, or None when it is gone. Callable from any thread."""
    if not ref.is_alive():
        return None
    actor = ref._actor_weakref()
    if isinstance(actor, LightActor):
        depth, kind = len(actor.actor_inbox.queue), "light"
    elif isinstance(actor, ThreadedActor):
        depth, kind = actor.actor_inbox.qsize(), "threaded"  # type: ignore[attr-defined]
    else:
        return None
    return ActorStats(type(actor).__name__, kind, depth, actor.handled, actor.busy_ns / 1e9, actor.failed)
