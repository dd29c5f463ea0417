"""What the actor of ``iii-queue`` is told by its worker, and by brokers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from iii_actors.brokers.contract import Broker
from iii_actors.config.queue import QueueSettings

__all__ = ["ApplySettings", "Begin", "Forgotten", "Found", "Halt", "LookAround", "Sweep", "UseBroker"]


class Begin(NamedTuple):
    """Asked of the actor: take up the queues that the broker has found, and those of the settings."""

    keys: Sequence[str]


class UseBroker(NamedTuple):
    """Asked of the actor: keep jobs there from now on. Subscriptions come along, jobs do not (queue.md §3).

    Returns the broker that was in use.
    """

    broker: Broker
    keys: Sequence[str]
    settings: QueueSettings


class ApplySettings(NamedTuple):
    """Asked of the actor: from now on work by these settings; the broker stays."""

    settings: QueueSettings


class Halt(NamedTuple):
    """Asked of the actor: the engine stops. Nothing more is delivered, and what is under way stays in flight."""


class Found(NamedTuple):
    """To the actor: the queues that there are in a shared broker, made by whichever engine."""

    broker: Broker
    keys: Sequence[str]


class LookAround(NamedTuple):
    """To the actor: see what other engines have made in the shared broker."""


class Sweep(NamedTuple):
    """To the actor: drop the subscriptions that nobody has come back to."""


class Forgotten(NamedTuple):
    """To the actor: what became of dropping a queue."""

    broker: Broker
    key: str
    dropped: bool
