"""Making the entities of a queue, using those that exist, counting and dropping them. On the clerk's thread."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pika.exceptions import ChannelClosedByBroker

from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.rabbit_clerk import Office, refused
from iii_actors.brokers.rabbit_names import (
    CONTROL,
    DUE,
    Arguments,
    Topology,
    main_arguments,
    other_arguments,
    pause_mark,
    retry_arguments,
)
from iii_actors.errors import EngineError

__all__ = [
    "Clash",
    "Declared",
    "Found",
    "count",
    "declare",
    "declare_own",
    "drop",
    "is_paused",
    "mark_paused",
    "unbind",
]

logger = logging.getLogger(__name__)

_NOT_FOUND: Final = 404
_DIFFERS: Final = 406


class Clash(EngineError):
    """RabbitMQ has an entity of that name, and it is another kind than what is asked for."""

    code = "queue_clash"


class Declared(NamedTuple):
    """What declaring a queue has shown."""

    flat_ms: int | None
    """The delay of its queue for retries; None: it has none that can be used."""
    paused: bool
    found: Found


class Found(NamedTuple):
    """What RabbitMQ holds of a queue."""

    waiting: int = 0
    delayed: int = 0
    dead: int = 0
    consumers: int = 0


def declare_own(office: Office, quorum: bool) -> None:
    """Make what all queues share."""
    _queue(office, DUE, other_arguments(quorum), "delete it when it is empty")
    _exchange(office, CONTROL, "fanout")


def declare(office: Office, place: Topology, spec: QueueSpec, quorum: bool) -> Declared:
    """Make all entities of a queue. Raises :class:`Clash`."""
    _exchange(office, place.exchange, "fanout" if place.fanout else "direct")
    if place.dead_exchange is not None:
        _exchange(office, place.dead_exchange, "direct")
    arguments = _queue(
        office,
        place.main,
        main_arguments(place, spec, quorum),
        "set max_priority back to what it was made with, or delete it when it is empty",
    )
    if spec.ordered and "x-single-active-consumer" not in arguments:
        logger.warning(
            "RabbitMQ's queue '%s' has been made without x-single-active-consumer: order is kept only while one engine "
            "consumes it; delete it when it is empty, and it is made anew",
            place.main,
        )
    _queue(office, place.dead, other_arguments(quorum), "delete it when it is empty")
    flat_ms = _retry(office, place, spec.backoff_ms, quorum)
    with office.channel() as channel:
        if place.bound:
            channel.queue_bind(place.main, place.exchange, place.routing_key)
        if place.dead_exchange is not None:
            channel.queue_bind(place.dead, place.dead_exchange, place.routing_key)
    return Declared(flat_ms, is_paused(office, place), count(office, place))


def declare_all(
    office: Office, places: Mapping[str, Topology], specs: Mapping[str, QueueSpec], quorum: bool
) -> dict[str, Declared]:
    """Make the entities of many queues; one that clashes with what is there is left out, and the log says so."""
    declared = {}
    for key, place in places.items():
        try:
            declared[key] = declare(office, place, specs[key], quorum)
        except Clash as clash:
            logger.warning("%s", clash)
    return declared


def _retry(office: Office, place: Topology, backoff_ms: int, quorum: bool) -> int | None:
    if place.retry is None or place.retry_exchange is None:
        return None
    _exchange(office, place.retry_exchange, "direct")
    flat_ms: int | None = backoff_ms
    try:
        _queue(office, place.retry, retry_arguments(place, backoff_ms, quorum), "delete it when it is empty")
    except Clash as clash:
        logger.warning("%s. Until then retries go through other queues", clash)
        flat_ms = None
    with office.channel() as channel:
        channel.queue_bind(place.retry, place.retry_exchange, place.routing_key)
    return flat_ms


def _queue(office: Office, name: str, choices: Iterable[Arguments], mend: str) -> Arguments:
    """Make a queue with the first of some arguments; one that exists with any of them will do."""
    first: str | None = None
    for arguments in choices:
        try:
            with office.channel() as channel:
                channel.queue_declare(name, durable=True, arguments=dict(arguments))
        except ChannelClosedByBroker as error:
            if not refused(error, _DIFFERS):
                raise
            first = first or error.reply_text
        else:
            return arguments
    raise Clash(
        f"RabbitMQ's queue '{name}' exists with other arguments ({first}); {mend}: rabbitmqctl delete_queue {name}"
    )


def _exchange(office: Office, name: str, kind: str) -> None:
    """Make an exchange; one that exists will do, whatever its kind."""
    try:
        with office.channel() as channel:
            channel.exchange_declare(name, kind, passive=True)
    except ChannelClosedByBroker as error:
        if not refused(error, _NOT_FOUND):
            raise
        with office.channel() as channel:
            channel.exchange_declare(name, kind, durable=True)


def count(office: Office, place: Topology) -> Found:
    """Count what RabbitMQ holds; a queue that is missing holds nothing."""
    main = _look(office, place.main)
    retry = _look(office, place.retry) if place.retry is not None else (0, 0)
    dead = _look(office, place.dead)
    return Found(main[0], retry[0], dead[0], main[1])


def _look(office: Office, name: str) -> tuple[int, int]:
    """Return how many messages and consumers a queue has."""
    try:
        with office.channel() as channel:
            method: Any = channel.queue_declare(name, passive=True).method
    except ChannelClosedByBroker as error:
        if not refused(error, _NOT_FOUND):
            raise
        return 0, 0
    return method.message_count, method.consumer_count


def is_paused(office: Office, place: Topology) -> bool:
    """Return whether a queue is marked as paused."""
    try:
        with office.channel() as channel:
            channel.queue_declare(pause_mark(place.key), passive=True)
    except ChannelClosedByBroker as error:
        if not refused(error, _NOT_FOUND):
            raise
        return False
    return True


def mark_paused(office: Office, place: Topology, paused: bool) -> bool:
    """Mark a queue as paused or not; returns whether that is a change."""
    if is_paused(office, place) == paused:
        return False
    with office.channel() as channel:
        if paused:
            channel.queue_declare(pause_mark(place.key), durable=True)
        else:
            channel.queue_delete(pause_mark(place.key))
    return True


def unbind(office: Office, place: Topology) -> None:
    """Let a subscription get no more copies."""
    try:
        with office.channel() as channel:
            channel.queue_unbind(place.main, place.exchange, place.routing_key)
    except ChannelClosedByBroker as error:
        if not refused(error, _NOT_FOUND):
            raise


def drop(office: Office, place: Topology) -> bool:
    """Drop a queue's entities if it holds nothing and nobody else consumes it; returns whether that was so.

    It gets no more copies first, so that none can arrive between looking and dropping.
    """
    if place.bound:
        unbind(office, place)
    found = count(office, place)
    if found.waiting or found.delayed or found.dead or found.consumers:
        if place.bound:
            with office.channel() as channel:
                channel.queue_bind(place.main, place.exchange, place.routing_key)
        return False
    with office.channel() as channel:
        for name in (place.main, place.retry, place.dead, pause_mark(place.key)):
            if name is not None:
                channel.queue_delete(name)
        if not place.fanout:
            for name in (place.exchange, place.retry_exchange, place.dead_exchange):
                if name is not None:
                    channel.exchange_delete(name)
    return True
