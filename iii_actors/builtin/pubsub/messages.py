"""What the actors of ``iii-pubsub`` say to each other."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Raw

from iii_actors.actor import Ref
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.core.triggers import Trigger

__all__ = ["Arrived", "SendAskers", "Subscribe", "Topics", "Unsubscribe", "UseBus"]


class Subscribe(NamedTuple):
    """Asked of topics: this binding is called for each message of a topic, and for those of no other.

    Returns the topics that have no subscription any more because of it.
    """

    topic: str
    trigger: Trigger


class Unsubscribe(NamedTuple):
    """Asked of topics: this binding is called no more. Returns the topics that have no subscription any more."""

    trigger: Trigger


class Topics(NamedTuple):
    """Asked of topics: every topic with a subscription, as a list."""


class UseBus(NamedTuple):
    """Asked of topics: what is published goes through this bus; None: straight to the subscriptions."""

    bus: Bus | None


class SendAskers(NamedTuple):
    """Asked of topics: from now on bindings are made at this desk, which may wait for the bus."""

    desk: Ref


class Arrived(NamedTuple):
    """To topics: a bus brings a message."""

    topic: str
    data: Raw
