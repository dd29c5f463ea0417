"""What queues there are: named ones, and subscriptions to topics. Plain records, used by one actor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from iii_actors.actor import Ref
from iii_actors.brokers.names import named_key, subscription_key, topic_key
from iii_actors.builtin.queue.fields import Field, field
from iii_actors.builtin.queue.tuning import Treatment
from iii_actors.config.queue import QueueConfig
from iii_actors.core.triggers import Trigger

__all__ = ["Bound", "Named", "Place", "Subscription", "Topic", "owner_of", "topic_of"]


class _Treated:
    """A queue, and how it is treated."""

    __slots__ = ("consumer", "group_field", "key", "priority_field", "treatment")

    def __init__(self, key: str, treatment: Treatment) -> None:
        self.key = key
        self.consumer: Ref | None = None
        self.group_field: Field | None = None
        self.priority_field: Field | None = None
        self.treat(treatment)

    def treat(self, treatment: Treatment) -> None:
        self.treatment = treatment
        group, priority = treatment.group_field, treatment.priority_field
        self.group_field = field(group) if group is not None else None
        self.priority_field = field(priority) if priority is not None else None


class Named(_Treated):
    """A named queue."""

    __slots__ = ("config", "name")

    def __init__(self, name: str, config: QueueConfig, treatment: Treatment) -> None:
        super().__init__(named_key(name), treatment)
        self.name = name
        self.config = config


class Bound(NamedTuple):
    """A trigger on a subscription."""

    trigger: Trigger
    treatment: Treatment


class Subscription(_Treated):
    """One function's copy of what is published to a topic."""

    __slots__ = ("bound", "ended", "forgetting", "function_id", "idle_since", "namespace", "topic")

    def __init__(self, topic: str, function_id: str, namespace: str, treatment: Treatment) -> None:
        super().__init__(subscription_key(topic, function_id, namespace), treatment)
        self.topic = topic
        self.function_id = function_id
        self.namespace = namespace
        self.bound: dict[str, Bound] = {}
        """By the trigger's id, the latest last: its treatment is the one."""
        self.ended = False
        """Its last trigger was taken back: it gets no more copies."""
        self.idle_since: float | None = None
        """Monotonic time since which it has no trigger."""
        self.forgetting = False
        """The broker has been asked to drop it."""


class Topic:
    """A topic: who has subscribed, and whether messages wait for the first who does."""

    __slots__ = ("bare", "key", "name", "subscriptions", "targets")

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = topic_key(name)
        self.bare = False
        """The queue of what was published while there was no subscription has been declared."""
        self.subscriptions: dict[str, Subscription] = {}
        self.targets: Sequence[Subscription] = ()
        """Those that get a copy of what is published now."""

    def settle(self) -> None:
        """Find out anew who gets copies."""
        self.targets = [one for one in self.subscriptions.values() if not one.ended]

    @property
    def keys(self) -> list[str]:
        """The keys of all its queues."""
        return [*self.subscriptions, *([self.key] if self.bare else ())]

    @property
    def subscribers(self) -> int:
        """How many subscriptions have somebody there to deliver to."""
        return sum(1 for one in self.subscriptions.values() if one.bound)


class Place(NamedTuple):
    """What a name in a function's input means."""

    name: str
    """As it was given."""
    keys: Sequence[str]
    consumers: int
    """Of a named queue its concurrency, of a topic its subscribed functions."""
    known: bool = True


class _Config(Struct):
    topic: object = None
    queue: object = None


_config: Final = msgspec.json.Decoder(_Config)


def topic_of(trigger: Trigger) -> str | None:
    """Return the topic that a trigger subscribes to; None if it names none."""
    try:
        given = _config.decode(trigger.config)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    for name in (given.topic, given.queue):
        if isinstance(name, str) and name:
            return name
    return None


def owner_of(trigger: Trigger) -> str | None:
    """Return the worker that a trigger goes with; None: it outlives its maker."""
    return trigger.owner.worker_id if trigger.owner is not None else None
