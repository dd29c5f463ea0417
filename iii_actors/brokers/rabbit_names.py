"""What queues are called in RabbitMQ (queue.md §9), and what they are declared with. Pure.

A key of :mod:`iii_actors.brokers.names` becomes a :class:`Topology`:

- a named queue: a direct exchange, a main queue, one for retries that hands back after a fixed time, one for the dead;
- a subscription: the topic's fanout exchange, the subscriber's own queue, one for its dead;
- a bare topic: the same exchange, and a queue ``iii.<topic>.queue`` that nothing is bound to: what is published while
  nothing is, is put there.

Beside these stand ours, whose names begin with ``iii::``: holding queues for delays, the queue of what is due, the
exchange by which engines tell each other of pauses, and an empty queue as a mark for each queue that is paused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.names import NAMED, Subscribed, named_of, subscribed
from iii_actors.errors import EngineError
from iii_actors.limits import AMQP_HERE_MS, AMQP_HOLD_KEPT_MS, AMQP_LONGEST_HOLD_MS, AMQP_NAME_BYTES, AMQP_RETURNS

__all__ = [
    "CONTROL",
    "DUE",
    "BadName",
    "Topology",
    "hold_arguments",
    "hold_ms",
    "hold_name",
    "main_arguments",
    "other_arguments",
    "pause_mark",
    "retry_arguments",
    "topology",
]

DUE: Final = "iii::due"
"""The queue of delayed jobs whose holding queue has let them go."""
CONTROL: Final = "iii::control"
"""The fanout exchange by which engines tell each other what is paused."""
_HOLD_STEPS: Final = 8
"""Holding queues for each doubling of the delay; a job goes through one, and through another for what is left."""

Arguments = Mapping[str, Any]


class BadName(EngineError):
    """RabbitMQ cannot have a queue of that name."""

    code = "invalid_name"


class Topology(NamedTuple):
    """The entities of one key."""

    key: str
    exchange: str
    routing_key: str
    fanout: bool
    """The exchange is a topic's."""
    bound: bool
    """The main queue gets what is published to the exchange."""
    main: str
    dead: str
    dead_exchange: str | None
    retry: str | None
    """The queue of retries; its exchange has the same name without ``.queue``."""
    function_id: str
    """Of a subscription; else empty: a named message names its own."""
    namespace: str

    @property
    def retry_exchange(self) -> str | None:
        return None if self.retry is None else self.retry.removesuffix(".queue")

    @property
    def wrapped(self) -> bool:
        """A message's body is a topic's object, with the data in it."""
        return self.fanout


def topology(key: str) -> Topology | None:
    """Return what a key stands for; None for the notes of ended subscriptions, which nothing here is needed for.

    :raises BadName: RabbitMQ cannot have such a name.
    """
    name, who = named_of(key), subscribed(key)
    topic = who.topic if isinstance(who, Subscribed) else who
    if topic is not None and topic.startswith(NAMED):
        raise BadName(f"in RabbitMQ a topic called {topic!r} would be mistaken for a named queue; choose another name")
    if name is not None:
        exchange = f"iii.__fn_queue::{name}"
        found = Topology(
            key=key,
            exchange=exchange,
            routing_key=name,
            fanout=False,
            bound=True,
            main=f"{exchange}.queue",
            dead=f"{exchange}::dlq.queue",
            dead_exchange=f"{exchange}::dlq",
            retry=f"{exchange}::retry.queue",
            function_id="",
            namespace="",
        )
    elif isinstance(who, Subscribed):
        found = _of_topic(key, who.topic, f"{_escaped(who.function_id)}@{_escaped(who.namespace)}")._replace(
            bound=True, function_id=who.function_id, namespace=who.namespace
        )
    elif who is not None:
        found = _of_topic(key, who, "")
    else:
        return None
    longest = max((found.main, found.dead, found.retry or "", pause_mark(key)), key=lambda name: len(name.encode()))
    if len(longest.encode()) > AMQP_NAME_BYTES:
        raise BadName(
            f"RabbitMQ has no names of more than {AMQP_NAME_BYTES} bytes, and {longest!r} is one; choose a shorter name"
        )
    return found


def _of_topic(key: str, topic: str, subscriber: str) -> Topology:
    stem = f"iii.{topic}.{subscriber}" if subscriber else f"iii.{topic}"
    return Topology(
        key=key,
        exchange=f"iii.{topic}.exchange",
        routing_key="",
        fanout=True,
        bound=False,
        main=f"{stem}.queue",
        dead=f"{stem}.dlq",
        dead_exchange=None,
        retry=None,
        function_id="",
        namespace="",
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("@", "\\@")


def pause_mark(key: str) -> str:
    """Return the name of the empty queue that says that another one is paused."""
    return f"iii::paused.{key}"


# --- arguments: the first is what a queue is made with, the others are those of queues that exist and will do ---------


def main_arguments(topology: Topology, spec: QueueSpec, quorum: bool) -> Iterator[Arguments]:
    """Yield the arguments of a main queue."""
    base: dict[str, Any] = {}
    if topology.dead_exchange is not None:
        base["x-dead-letter-exchange"] = topology.dead_exchange
    if spec.max_priority is not None:
        base["x-max-priority"] = spec.max_priority
    keys: Sequence[Arguments] = ({},)
    if topology.dead_exchange is not None:
        keys = ({}, {"x-dead-letter-routing-key": topology.routing_key})
    single: Sequence[Arguments] = ({"x-single-active-consumer": True}, {}) if spec.ordered else ({},)
    for kind, one, key in product(_kinds(quorum), single, keys):
        yield {**base, **one, **key, **kind}


def retry_arguments(topology: Topology, backoff_ms: int, quorum: bool) -> Iterator[Arguments]:
    """Yield the arguments of a named queue's queue for retries."""
    base = {"x-message-ttl": backoff_ms, "x-dead-letter-exchange": topology.exchange}
    keys: Sequence[Arguments] = ({"x-dead-letter-routing-key": topology.routing_key}, {})
    for kind, key in product(_kinds(quorum), keys):
        yield {**base, **key, **kind}


def other_arguments(quorum: bool) -> Iterator[Arguments]:
    """Yield the arguments of a queue of dead letters, and of the queue of what is due."""
    yield from _kinds(quorum)


def _kinds(quorum: bool) -> Sequence[Arguments]:
    plain: Arguments = {}
    replicated: Arguments = {"x-queue-type": "quorum", "x-delivery-limit": AMQP_RETURNS}
    return (replicated, plain) if quorum else (plain, replicated)


# --- delays -----------------------------------------------------------------------------------------------------------


def hold_ms(left_ms: int) -> int:
    """Return for how long a job that is due in ``left_ms`` is put into a holding queue: less than that, by at most an
    eighth or :data:`~iii_actors.limits.AMQP_HERE_MS`, so that there are few such queues. 0: it is not worth one.
    """
    left_ms = min(left_ms, AMQP_LONGEST_HOLD_MS)
    if left_ms <= AMQP_HERE_MS:
        return 0
    step = 1 << max(left_ms.bit_length() - _HOLD_STEPS.bit_length(), 0)
    return left_ms // step * step


def hold_name(ms: int, quorum: bool) -> str:
    """Return the name of the queue that holds jobs for so long."""
    return f"iii::delay.{'quorum.' if quorum else ''}{ms}"


def hold_arguments(ms: int, quorum: bool) -> Arguments:
    """Return what such a queue is made with: it lets go into :data:`DUE`, and vanishes when it is not used."""
    arguments: dict[str, Any] = {
        "x-message-ttl": ms,
        "x-expires": min(ms + AMQP_HOLD_KEPT_MS, 2 * AMQP_LONGEST_HOLD_MS - 1),
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": DUE,
    }
    if quorum:
        arguments["x-queue-type"] = "quorum"
    return arguments
