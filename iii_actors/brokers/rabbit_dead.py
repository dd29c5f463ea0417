"""Looking through dead letters, putting them back, moving what waits. On the clerk's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from iii_actors.brokers.errors import BrokerUnavailable, Unsupported
from iii_actors.brokers.job import Job, JobState, Listed
from iii_actors.brokers.rabbit_clerk import Office
from iii_actors.brokers.rabbit_messages import JOB_ID, TURN, Malformed, decode, decode_dead, encode
from iii_actors.brokers.rabbit_names import Topology
from iii_actors.brokers.rabbit_publisher import Sending
from iii_actors.errors import EngineError
from iii_actors.limits import AMQP_BROWSED, AMQP_REDRIVE_PAGE, AMQP_WAIT_S

__all__ = ["Store", "find_dead", "list_dead", "move", "redrive", "remove"]

Store = Callable[[Sequence[Sending], Callable[[EngineError | None], None]], None]
"""Publishes messages, and answers when they are stored."""


class _Letter(NamedTuple):
    tag: int
    properties: Any
    body: bytes
    job: Job | None
    """None: it is not one that anybody can read."""


def _letters(channel: Any, place: Topology, queue: str, dead: bool, now_ms: int, most: int) -> Iterator[_Letter]:
    """Take messages, oldest first: as many as there are now."""
    there = channel.queue_declare(queue, passive=True).method.message_count
    read = decode_dead if dead else decode
    for _ in range(min(there, most)):
        method, properties, body = channel.basic_get(queue)
        if method is None:
            return
        try:
            job = read(place, properties, body, now_ms)
        except Malformed:
            job = None
        yield _Letter(method.delivery_tag, properties, body, job)


def list_dead(office: Office, place: Topology, offset: int, limit: int, now_ms: int) -> list[Listed]:
    """Return dead letters, newest first."""
    if limit <= 0:
        return []
    with office.reading() as channel:
        there = channel.queue_declare(place.dead, passive=True).method.message_count
        if there > AMQP_BROWSED:
            raise Unsupported(
                f"RabbitMQ's queue '{place.dead}' holds {there} dead letters, of which it can show only the oldest; "
                f"up to {AMQP_BROWSED} can be listed: redrive or purge them, or look at them with RabbitMQ's own tools"
            )
        kept: deque[Listed] = deque(maxlen=offset + limit)
        for letter in _letters(channel, place, place.dead, True, now_ms, AMQP_BROWSED):
            if letter.job is not None:
                kept.append(Listed(letter.job, JobState.DEAD, len(letter.body)))
        _return_all(channel)
    return list(reversed(kept))[offset:]


def find_dead(office: Office, place: Topology, id: str, now_ms: int) -> Listed | None:  # noqa: A002 - the protocol's word
    """Return the dead letter with that id or receipt."""
    with office.reading() as channel:
        found = _find(channel, place, id, now_ms)
        _return_all(channel)
    return None if found is None or found.job is None else Listed(found.job, JobState.DEAD, len(found.body))


def _discard(office: Office, place: Topology, id: str, now_ms: int) -> int:  # noqa: A002
    with office.reading() as channel:
        found = _find(channel, place, id, now_ms)
        if found is not None:
            channel.basic_ack(found.tag)
        _return_all(channel)
    return 0 if found is None else 1


def redrive(office: Office, place: Topology, id: str | None, store: Store, now_ms: int) -> int:  # noqa: A002
    """Put one dead letter back, or all, oldest first; returns how many.

    A crash in between leaves some in both places, none in neither.
    """
    with office.reading() as channel:
        if id is not None:
            found = _find(channel, place, id, now_ms)
            if found is not None and found.job is not None:
                _store(store, [_again(place, found.job, found.properties, now_ms)])
                channel.basic_ack(found.tag)
            _return_all(channel)
            return 0 if found is None else 1
        left = channel.queue_declare(place.dead, passive=True).method.message_count
        count = 0
        while left > 0:
            letters = list(_letters(channel, place, place.dead, True, now_ms, min(left, AMQP_REDRIVE_PAGE)))
            if not letters:
                break
            left -= len(letters)
            good = [(one.tag, _again(place, one.job, one.properties, now_ms)) for one in letters if one.job is not None]
            _store(store, [sending for _, sending in good])
            for tag, _ in good:
                channel.basic_ack(tag)
            count += len(good)
        _return_all(channel)
    return count


def _again(place: Topology, job: Job, properties: Any, now_ms: int) -> Sending:
    fresh = msgspec.structs.replace(job, id=_own_id(job, properties), attempts=0, failures=(), due_at_ms=0)
    message = encode(place, fresh, properties.headers or {}, {TURN: now_ms})
    return Sending("", place.main, message, fresh.id)


def _own_id(job: Job, properties: Any) -> str:
    """Return a job's id, or a new one if it is of another program's making: those may be alike."""
    return job.id if JOB_ID in (properties.headers or {}) else str(uuid4())


def move(office: Office, source: Topology, place: Topology, who: tuple[str, str], store: Store, now_ms: int) -> int:
    """Put what waits in one queue into another, in order; returns how many. A crash in between can only repeat some."""
    with office.reading() as channel:
        left = channel.queue_declare(source.main, passive=True).method.message_count
        count = 0
        while left > 0:
            letters = list(_letters(channel, source, source.main, False, now_ms, min(left, AMQP_REDRIVE_PAGE)))
            if not letters:
                break
            left -= len(letters)
            sendings, tags = [], []
            for letter in letters:
                if letter.job is not None:
                    own_id = _own_id(letter.job, letter.properties)
                    job = msgspec.structs.replace(
                        letter.job, id=own_id, queue=place.key, function_id=who[0], namespace=who[1]
                    )
                    message = encode(place, job, letter.properties.headers or {})
                    sendings.append(Sending("", place.main, message, job.id))
                    tags.append(letter.tag)
            _store(store, sendings)
            for tag in tags:
                channel.basic_ack(tag)
            count += len(tags)
        _return_all(channel)
    return count


def remove(
    office: Office,
    place: Topology,
    states: frozenset[JobState],
    id: str | None,  # noqa: A002
    now_ms: int,
) -> tuple[int, int]:
    """Drop one dead letter, or all that wait or are dead; returns how many of either."""
    if id is not None:
        return 0, _discard(office, place, id, now_ms)
    with office.reading() as channel:
        waiting = channel.queue_purge(place.main).method.message_count if JobState.WAITING in states else 0
        dead = channel.queue_purge(place.dead).method.message_count if JobState.DEAD in states else 0
    return waiting, dead


def _find(channel: Any, place: Topology, id: str, now_ms: int) -> _Letter | None:  # noqa: A002
    seen = 0
    for letter in _letters(channel, place, place.dead, True, now_ms, AMQP_BROWSED):
        seen += 1
        if letter.job is not None and id in (letter.job.id, letter.job.receipt):
            return letter
    if seen == AMQP_BROWSED:
        raise Unsupported(
            f"it is not among the oldest {AMQP_BROWSED} dead letters of RabbitMQ's queue '{place.dead}', and no more "
            "can be looked through; redrive or purge all, or use RabbitMQ's own tools"
        )
    return None


def _return_all(channel: Any) -> None:
    """Put back what was taken and not acknowledged; RabbitMQ gives it its place again."""
    channel.basic_nack(0, multiple=True, requeue=True)


def _store(store: Store, sendings: Sequence[Sending]) -> None:
    """Publish, and wait."""
    over, errors = Event(), []

    def done(error: EngineError | None) -> None:
        errors.append(error)
        over.set()

    store(sendings, done)
    if not over.wait(AMQP_WAIT_S):
        raise BrokerUnavailable("RabbitMQ does not confirm messages; what was to be moved is perhaps in both places")
    if errors[0] is not None:
        raise errors[0]
