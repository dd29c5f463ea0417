"""``engine::drain``: have the engine finish what runs, and stop (ours; docs/operations.rst)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions.offers import Offer

__all__ = ["offers"]


class Request(Struct, frozen=True):
    """Input of ``engine::drain``."""

    deadline_ms: Annotated[int, Meta(ge=0)] | None = None
    """What is not through by then is cut; null: as the engine was started."""


class Answer(Struct, frozen=True):
    """Output of ``engine::drain``, given at once."""

    draining: bool
    in_flight: int
    """Calls that run now; this one is not counted."""


def offers(go_down: Callable[[float | None], int]) -> list[Offer]:
    """Return the function.

    :param go_down: has the engine drained within so many seconds, and stopped; answers how many calls are in flight.
    """

    def drain(request: Request, _: Call) -> Answer:
        deadline_s = request.deadline_ms / 1000 if request.deadline_ms is not None else None
        return Answer(True, max(0, go_down(deadline_s) - 1))

    description = (
        "Stops the engine once the calls in flight are through; new calls and workers are refused from now on."
    )
    return [Offer("engine::drain", description, Request, drain, Answer, internal=True)]
