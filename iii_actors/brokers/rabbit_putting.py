"""Which messages jobs become, and which way they go. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from iii_actors.brokers.job import Job, QueueSpec
from iii_actors.brokers.rabbit_due import Target, held, holding
from iii_actors.brokers.rabbit_messages import encode
from iii_actors.brokers.rabbit_names import Topology
from iii_actors.brokers.rabbit_publisher import Sending
from iii_actors.errors import EngineError
from iii_actors.limits import AMQP_OWN_HEADERS_BYTES

__all__ = ["HeadersTooLong", "routed"]


class HeadersTooLong(EngineError):
    """A message's headers do not fit into a frame."""

    code = "payload_too_large"


def routed(
    jobs: Sequence[Job], places: Sequence[Topology], specs: Mapping[str, QueueSpec], now_ms: int, quorum: bool
) -> list[Sending]:
    """Return what is sent for some jobs. The copies of one publication are one message: RabbitMQ copies it to every
    subscription, those that only other engines know of too.

    A job of an ordered queue that is due later goes to it at once, and waits with whoever takes it, as its group does.
    """
    publications: list[list[tuple[Job, Topology]]] = []
    covered: dict[tuple[str, str], list[tuple[Job, Topology]]] = {}
    for job, place in zip(jobs, places, strict=True):
        copies = covered.get((place.exchange, job.receipt)) if place.fanout else None
        if copies is not None and all(other.key != place.key for _, other in copies):
            copies.append((job, place))
            continue
        publications.append([(job, place)])
        covered[place.exchange, job.receipt] = publications[-1]
    return [_sending(copies, specs, now_ms, quorum) for copies in publications]


def _sending(
    copies: Sequence[tuple[Job, Topology]], specs: Mapping[str, QueueSpec], now_ms: int, quorum: bool
) -> Sending:
    job, place = copies[0]
    spec = specs.get(place.key)
    otherwise = None if place.bound else place.main
    left_ms = job.due_at_ms - now_ms
    waits = left_ms > 0 and (len(copies) > 1 or spec is None or not spec.ordered)
    target = Target(place.exchange, "", otherwise) if place.fanout else Target("", place.main)
    marks = holding(target, place.key, job.due_at_ms) if waits else None
    groups = None
    if len(copies) > 1:
        groups = {other.key: one.group for one, other in copies if one.group is not None}
        highest = max(one.priority for one, _ in copies)
        job = msgspec.structs.replace(job, priority=highest) if highest != job.priority else job
    message = encode(place, job, None, marks, groups)
    if len(message.properties) > AMQP_OWN_HEADERS_BYTES:
        raise HeadersTooLong(
            f"a message for RabbitMQ has headers of {len(message.properties)} bytes, and {AMQP_OWN_HEADERS_BYTES} are "
            "the limit; shorten its baggage, group or function id"
        )
    if waits:
        sending = held(message, job.id, left_ms, quorum)
    else:
        sending = Sending(place.exchange, place.routing_key, message, job.id, otherwise)
    return sending._replace(counted=place.key, everyone=place.fanout and place.bound, waits=waits)
