"""Makes subscriptions where a bus is to know of them (pubsub.md §3, §6)."""

from __future__ import annotations

from typing import NamedTuple

from iii_actors.actor import Ref, ask, handles
from iii_actors.builtin.base import Desk
from iii_actors.builtin.pubsub import messages
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.pubsub.messages import Subscribe, Unsubscribe, UseBus
from iii_actors.builtin.pubsub.wanted import topic_of
from iii_actors.core.refs import Core
from iii_actors.core.triggers import Trigger

__all__ = ["ChangeBus", "SubscriptionDesk"]


class ChangeBus(NamedTuple):
    """Asked of the desk: let all messages go through this bus from now on, or through none; the old one is closed.

    All subscriptions are on the new bus before the first message is, and on the old one until after that.
    """

    bus: Bus | None


class SubscriptionDesk(Desk):
    """A thread of its own, for a bus may keep it waiting; a subscription is live when it has answered.

    Topics send their askers here.

    :param topics: the :class:`~iii_actors.builtin.pubsub.topics.Topics`.
    :param bus: what messages go through; closed when the desk stops or gets another one. None: nothing.
    """

    def __init__(self, core: Core, worker_id: str, topics: Ref, bus: Bus | None) -> None:
        super().__init__(core)
        self.provider_id = worker_id
        self._topics = topics
        self._bus = bus

    def bind(self, trigger: Trigger) -> None:
        """Subscribe; a binding without a topic is taken, and never fires (pubsub.md §3)."""
        topic = topic_of(trigger)
        left = ask(self._topics, Unsubscribe(trigger) if topic is None else Subscribe(topic, trigger))
        if self._bus is not None:
            self._bus.leave(left)
            if topic is not None:
                self._bus.follow([topic])

    def unbind(self, trigger: Trigger) -> None:
        left = ask(self._topics, Unsubscribe(trigger))
        if self._bus is not None:
            self._bus.leave(left)

    @handles(ChangeBus)
    def change(self, request: ChangeBus) -> None:
        old, new = self._bus, request.bus
        if new is not None:
            new.follow(ask(self._topics, messages.Topics()))
        ask(self._topics, UseBus(new))
        self._bus = new
        if old is not None:
            old.close()

    def on_stop(self) -> None:
        if self._bus is not None:
            self._bus.close()
