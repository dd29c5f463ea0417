"""What each actor is doing at this moment, for whoever looks for the one that hangs.

Nothing is recorded for this while actors work: it is read off the threads' stacks when somebody asks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from types import FrameType
from typing import NamedTuple

from iii_actors.actor._runner import Runner
from iii_actors.actor._shared import Ref
from iii_actors.actor._stats import ActorStats, stats
from iii_actors.actor._threaded import ThreadedActor

__all__ = ["Moment", "moments"]

_CODES = {Runner._run.__code__, Runner.serve.__code__, ThreadedActor._handle_receive.__code__}


class Moment(NamedTuple):
    """One actor now."""

    stats: ActorStats
    message: str | None
    """Type of the message that it is handling; None: it is idle."""
    age_s: float | None
    """For how long its thread has been at that message, or, with a light actor, at that batch of messages."""


def moments(refs: Iterable[Ref]) -> list[Moment]:
    """Look at actors of ours that are alive. Any thread; a picture of about one moment, actors go on meanwhile."""
    busy = _busy()
    found = []
    for ref in refs:
        figures = stats(ref)
        if figures is not None:
            message, age_s = busy.get(id(ref._actor_weakref()), (None, None))
            found.append(Moment(figures, message, age_s))
    return found


def _busy() -> dict[int, tuple[str, float]]:
    """By the actor's identity: what it handles, and since how many seconds."""
    now = time.perf_counter_ns()
    found: dict[int, tuple[str, float]] = {}
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            if frame.f_code in _CODES:
                names = frame.f_locals
                actor = names.get("actor") or names.get("self")
                started = names.get("started", names.get("clock", now))
                found[id(actor)] = (type(names.get("message")).__name__, max(0.0, (now - started) / 1e9))
            frame = frame.f_back
    return found
