"""How many jobs a queue holds: by the engine's own book, and by RabbitMQ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iii_actors.brokers import rabbit_declaring
from iii_actors.brokers.contract import Done
from iii_actors.brokers.job import Counts
from iii_actors.brokers.rabbit_clerk import Office
from iii_actors.brokers.rabbit_declaring import Found
from iii_actors.brokers.rabbit_intake import Intake
from iii_actors.brokers.rabbit_names import Topology
from iii_actors.brokers.rabbit_yard import Yard
from iii_actors.errors import EngineError
from iii_actors.limits import AMQP_AGAIN_MIN_S, AMQP_COUNTINGS

__all__ = ["count"]

Ask = Callable[[Callable[[Office], Any], Done[Any]], None]
"""Has the clerk do something."""


def count(yard: Yard, ask: Ask, place: Topology, done: Done[Counts], times: int = AMQP_COUNTINGS) -> None:
    """Count a queue, and again if jobs have moved meanwhile: several questions are not asked at one moment."""

    def found(held: Found | None, error: EngineError | None) -> None:
        if held is None:
            done(None, error)
        else:
            yard.call(lambda: reckon(held))

    def reckon(held: Found) -> None:
        intake = yard.intake(place)
        counts = _counted(intake, held)
        if not counts.exact and times > 1 and held.consumers <= (1 if intake.feed.asked else 0):
            yard.call_later(AMQP_AGAIN_MIN_S / times, lambda: count(yard, ask, place, done, times - 1))
            return
        yard.places.mend(place.key, counts.waiting + counts.delayed + counts.in_flight)
        done(counts, None)

    ask(lambda office: rabbit_declaring.count(office, place), found)


def _counted(intake: Intake, found: Found) -> Counts:
    """Return a queue's numbers: what RabbitMQ holds, what is here, and what this engine has done.

    What it has stored and nobody holds has been done by others, or is in their hands.
    """
    book = intake.book
    waiting = found.waiting + intake.waiting
    delayed = found.delayed + book.held + intake.delayed
    in_flight = intake.in_flight
    seen = book.done + book.removed + waiting + delayed + in_flight + found.dead
    elsewhere = max(0, book.enqueued - seen)
    return Counts(
        enqueued=max(book.enqueued, seen),
        done=book.done + elsewhere,
        removed=book.removed,
        waiting=waiting,
        delayed=delayed,
        in_flight=in_flight,
        dead=found.dead,
        redriven=book.redriven,
        retried=book.retried,
        paused=intake.paused,
        exact=book.enqueued == seen,
    )
