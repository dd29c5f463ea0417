"""Which queues there are, and who consumes them. Used by one actor, which is told what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from pykka import ActorDeadError

from iii_actors.actor import Ref, launch
from iii_actors.brokers.contract import Broker
from iii_actors.brokers.errors import QueueNotFound
from iii_actors.brokers.names import (
    Subscribed,
    ended_key,
    ended_of,
    group_key,
    group_of,
    named_of,
    subscribed,
    subscription_key,
)
from iii_actors.builtin.calls import condition_of
from iii_actors.builtin.queue.consumer import Cease, Consume, Consumer, Tune
from iii_actors.builtin.queue.errors import QueueError, logged
from iii_actors.builtin.queue.lookup import Lookup
from iii_actors.builtin.queue.messages import Forgotten
from iii_actors.builtin.queue.places import Bound, Named, Subscription, Topic, owner_of, topic_of
from iii_actors.builtin.queue.tuning import Treatment, bare_spec, named_treatment, topic_treatment
from iii_actors.config.queue import DEFAULT_QUEUE, QueueConfig, QueueSettings
from iii_actors.core.refs import Core
from iii_actors.core.triggers import Trigger
from iii_actors.errors import EngineError
from iii_actors.limits import QUEUE_NAME_CHARS, QUEUE_QUEUES_MOST
from iii_actors.wire import messages as wire

__all__ = ["Catalogue"]

logger = logging.getLogger(__name__)


class Catalogue:
    """Every change here is one or more calls of the broker, which takes effect before what is asked of it later.

    :param owner: the actor that uses it; is told :class:`Forgotten`.
    """

    def __init__(self, core: Core, broker: Broker, settings: QueueSettings, owner: Ref) -> None:
        self._core = core
        self.broker = broker
        self.settings = settings
        self._owner = owner
        self._drops_bare = broker.kind != "rabbitmq"
        """Where other engines publish through it, a topic's own queue stays."""
        self._notes = broker.abilities.durable and self._drops_bare
        self.named: dict[str, Named] = {}
        self.resting: dict[str, str] = {}
        """Named queues that hold something and are in no settings: name to key."""
        self.topics: dict[str, Topic] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._of_trigger: dict[str, str] = {}
        self.lookup = Lookup(self.named, self.resting, self.topics, self._subscriptions)

    # --- beginning ---------------------------------------------------------------------------------------------------

    def begin(self, keys: Sequence[str]) -> None:
        """Take up what the broker has found, then the queues of the settings."""
        self._take_up(keys)
        for name, config in self.settings.queues.items():
            self.open_named(name, config)
        if self.settings.auto_create:
            for name in list(self.resting):
                self.open_named(name, self.settings.queues[DEFAULT_QUEUE])
        for name in self.resting:
            logger.warning(
                "Queue %r is kept and is in no settings: what it holds waits until it is named in queue_configs",
                name,
            )

    def _take_up(self, keys: Sequence[str]) -> None:
        """Note the queues that there are and that are not known yet."""
        ended = {one for key in keys if (one := ended_of(key)) is not None}
        fields = dict(note for key in keys if (note := group_of(key)) is not None)
        for key in keys:
            found = subscribed(key)
            if found is None:
                name = named_of(key)
                if name is not None and name not in self.named:
                    self.resting[name] = key
            elif not isinstance(found, Subscribed):
                self._topic(found).bare = True
            else:
                self._take_up_subscription(found, fields.get(key), key in ended)

    def _take_up_subscription(self, who: Subscribed, group_field: str | None, ended: bool) -> None:
        key = subscription_key(*who)
        known = self._subscriptions.get(key)
        if known is None:
            known = self._subscription(who, topic_treatment(wire.NULL, None, self.settings))
            known.idle_since = self._core.clock.monotonic()
        elif known.bound or known.forgetting:
            return
        known.ended = ended
        self.topics[who.topic].settle()
        if known.treatment.group_field != group_field:
            known.treat(known.treatment._replace(group_field=group_field))

    def found(self, keys: Sequence[str]) -> None:
        """Learn which queues there are in a broker that other engines use too."""
        self._take_up(keys)
        there = set(keys)
        for topic in self.topics.values():
            topic.bare = topic.key in there
        for key, one in list(self._subscriptions.items()):
            topic = self.topics[one.topic]
            if key not in there:
                (self._work if one.bound else self._drop)(one)
            elif one.bound and topic.bare and self._drops_bare:
                self._hand_over(topic, one)

    def _check_room(self, name: str) -> None:
        if len(name) > QUEUE_NAME_CHARS:
            raise QueueError("invalid_name", f"a topic's or queue's name has at most {QUEUE_NAME_CHARS} characters")
        if len(self.named) + len(self._subscriptions) + len(self.topics) >= QUEUE_QUEUES_MOST:
            raise QueueError("too_many_queues", f"there are {QUEUE_QUEUES_MOST} queues and topics, which is the limit")

    # --- named queues ------------------------------------------------------------------------------------------------

    def find_named(self, name: str) -> Named:
        """Return a named queue, made now if they are made on first use. Raises ``QueueNotFound``."""
        found = self.named.get(name)
        if found is not None:
            return found
        if not self.settings.auto_create or not name:
            raise QueueNotFound(name)
        self._check_room(name)
        return self.open_named(name, self.settings.queues[DEFAULT_QUEUE])

    def open_named(self, name: str, config: QueueConfig) -> Named:
        """Begin to consume a named queue, or go on with other settings."""
        treatment = named_treatment(config, self.settings)
        named = self.named.get(name)
        if named is None:
            named = self.named[name] = Named(name, config, treatment)
            self.resting.pop(name, None)
        elif named.treatment == treatment:
            return named
        named.config = config
        named.treat(treatment)
        self._work(named)
        return named

    def _work(self, queue: Named | Subscription) -> None:
        """Have a queue consumed, as its treatment says."""
        key, treatment = queue.key, queue.treatment
        self.broker.declare(key, treatment.spec, logged(f"declaring {key}"))
        if queue.consumer is None:
            visibility = treatment.spec.visibility_ms is not None
            queue.consumer = launch(Consumer(self._core, self.broker, key, treatment.tuning, visibility))
        else:
            queue.consumer.tell(Tune(treatment.tuning))
        queue.consumer.tell(Consume())

    # --- topics ------------------------------------------------------------------------------------------------------

    def _topic(self, name: str) -> Topic:
        topic = self.topics.get(name)
        if topic is None:
            topic = self.topics[name] = Topic(name)
        return topic

    def has_subscriber(self, topic: str) -> bool:
        """Return whether a topic is known to have a subscription."""
        known = self.topics.get(topic)
        return known is not None and bool(known.targets)

    def topic_to_publish(self, name: str) -> Topic:
        """Return a topic whose queues are all there; one that nobody has subscribed to has one as well."""
        topic = self.topics.get(name)
        if topic is None:
            self._check_room(name)
            topic = self._topic(name)
        if not topic.targets and not topic.bare:
            self._open_bare(topic)
        for one in topic.targets:
            if one.forgetting:
                # The broker is perhaps dropping it just now; what is declared after that is there again.
                one.forgetting = False
                self.broker.declare(one.key, one.treatment.spec, logged(topic.key))
        return topic

    def _open_bare(self, topic: Topic) -> None:
        topic.bare = True
        self.broker.declare(topic.key, bare_spec(self.settings), logged(topic.key))

    def _subscription(self, who: Subscribed, treatment: Treatment) -> Subscription:
        key = subscription_key(*who)
        found = self._subscriptions.get(key)
        if found is None:
            found = self._subscriptions[key] = Subscription(*who, treatment)
            self._topic(who.topic).subscriptions[key] = found
        return found

    def bind(self, trigger: Trigger) -> None:
        """Subscribe, or go on with another configuration; a trigger without a topic is taken and does nothing (§4)."""
        name = topic_of(trigger)
        who = Subscribed(name, trigger.function_id, trigger.namespace) if name is not None else None
        before = self._of_trigger.get(trigger.id)
        if before is not None and (who is None or before != subscription_key(*who)):
            self._release(self._subscriptions[before], trigger.id, final=True)
        if who is None:
            logger.warning(
                "Trigger %s (durable:subscriber, function %s) names no topic and will never fire: "
                'its config should be {"topic": "<a name>"}',
                trigger.id,
                trigger.function_id,
            )
            return
        new = subscription_key(*who) not in self._subscriptions
        if new:
            self._check_room(who.topic)
        treatment = topic_treatment(trigger.config, condition_of(trigger.config), self.settings)
        subscription = self._subscription(who, topic_treatment(wire.NULL, None, self.settings))
        subscription.bound.pop(trigger.id, None)
        subscription.bound[trigger.id] = Bound(trigger, treatment)
        self._treat(subscription, treatment)
        subscription.idle_since = None
        subscription.forgetting = False
        self._of_trigger[trigger.id] = key = subscription.key
        if subscription.ended:
            subscription.ended = False
            if self.broker.abilities.durable:
                self.broker.forget(ended_key(key), logged(f"subscribing to {key} again"))
        topic = self.topics[who.topic]
        topic.settle()
        if new and self.broker.abilities.shared:
            # Another engine may have taken in what nobody had subscribed to.
            self._open_bare(topic)
        if topic.bare:
            # Before its consumer begins, so that what has waited longest comes first.
            self.broker.declare(key, treatment.spec, logged(f"declaring {key}"))
            self._hand_over(topic, subscription)
        self._work(subscription)

    def _treat(self, subscription: Subscription, treatment: Treatment) -> None:
        """Go on with another treatment; which field names the group is noted where jobs outlast the engine."""
        before, now = subscription.treatment.group_field, treatment.group_field
        subscription.treat(treatment)
        if before != now and self._notes:
            self._note_group(subscription.key, before, now)

    def _note_group(self, key: str, before: str | None, now: str | None) -> None:
        if before is not None:
            self.broker.forget(group_key(before, key), logged(f"noting {key}"))
        if now is not None:
            spec = bare_spec(self.settings)
            self.broker.declare(group_key(now, key), spec, logged(f"noting {key}"))

    def _hand_over(self, topic: Topic, to: Subscription) -> None:
        """Give what was published without a subscriber to the first one."""
        bare, key = topic.key, to.key
        self.broker.move(bare, key, to.function_id, to.namespace, logged(f"handing {bare} to {key}"))
        if self._drops_bare:
            self.broker.forget(bare, logged(f"dropping {bare}"))
        topic.bare = False

    def unbind(self, trigger: Trigger, final: bool) -> None:
        """End a trigger; with the last one the subscription goes on without a consumer, or ends if that is `final`."""
        key = self._of_trigger.get(trigger.id)
        if key is None:
            return
        subscription = self._subscriptions[key]
        if owner_of(subscription.bound[trigger.id].trigger) == owner_of(trigger):
            # Else another worker has taken the id over meanwhile.
            self._release(subscription, trigger.id, final)

    def _release(self, subscription: Subscription, trigger_id: str, final: bool) -> None:
        del self._of_trigger[trigger_id]
        del subscription.bound[trigger_id]
        if subscription.bound:
            latest = list(subscription.bound.values())[-1].treatment
            if latest != subscription.treatment:
                self._treat(subscription, latest)
                self._work(subscription)
            return
        if subscription.consumer is not None:
            subscription.consumer.tell(Cease())
        subscription.idle_since = self._core.clock.monotonic()
        if final and not self.broker.abilities.shared:
            # Where engines share it, another one may serve the same subscription.
            self.end(subscription)

    def end(self, subscription: Subscription) -> None:
        """Give a subscription no more copies, and drop it if it is empty."""
        subscription.ended = True
        self.topics[subscription.topic].settle()
        self._forget(subscription)

    # --- forgetting --------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Drop the empty subscriptions that have ended, or that nobody has come back to."""
        now, patience = self._core.clock.monotonic(), self.settings.forget_subscription_after_s
        alone = not self.broker.abilities.shared
        for one in list(self._subscriptions.values()):
            if one.idle_since is not None and (one.ended or (alone and now - one.idle_since >= patience)):
                self._forget(one)
        for topic in list(self.topics.values()):
            if not topic.subscriptions and not topic.bare:
                del self.topics[topic.name]

    def _forget(self, subscription: Subscription) -> None:
        broker, key, owner = self.broker, subscription.key, self._owner
        subscription.forgetting = True

        def done(dropped: bool | None, error: EngineError | None) -> None:
            logged(f"dropping {key}")(dropped, error)
            try:
                owner.tell(Forgotten(broker, key, bool(dropped)))
            except ActorDeadError:
                logger.debug("The engine is stopping")

        broker.forget(key, done)

    def forgotten(self, message: Forgotten) -> None:
        """Drop a subscription that the broker has dropped, unless somebody has come back to it since."""
        key = message.key
        subscription = self._subscriptions.get(key)
        if subscription is None or not subscription.forgetting or message.broker is not self.broker:
            return
        subscription.forgetting = False
        if not message.dropped:
            if subscription.ended and self.broker.abilities.durable:
                spec = bare_spec(self.settings)
                self.broker.declare(ended_key(key), spec, logged(f"ending {key}"))
            return
        if subscription.ended and self.broker.abilities.durable:
            self.broker.forget(ended_key(key), logged(f"ending {key}"))
        if self._notes:
            self._note_group(key, subscription.treatment.group_field, None)
        self._drop(subscription)

    def _drop(self, subscription: Subscription) -> None:
        key = subscription.key
        del self._subscriptions[key]
        topic = self.topics[subscription.topic]
        del topic.subscriptions[key]
        topic.settle()
        if subscription.consumer is not None:
            subscription.consumer.tell(Cease(retire=True))

    # --- other settings, another broker ------------------------------------------------------------------------------

    def apply(self, settings: QueueSettings) -> None:
        """Work by other settings; queues that are treated as before are not touched (queue.md §3)."""
        before, self.settings = self.settings, settings
        for name, config in settings.queues.items():
            self.open_named(name, config)
        if not settings.auto_create:
            for name in [name for name in self.named if name not in settings.queues]:
                named = self.named.pop(name)
                self.resting[name] = named.key
                if named.consumer is not None:
                    named.consumer.tell(Cease(retire=True))
        if settings.adapter != before.adapter:
            for one in self._subscriptions.values():
                for trigger_id, (trigger, _) in one.bound.items():
                    treatment = topic_treatment(trigger.config, condition_of(trigger.config), settings)
                    one.bound[trigger_id] = Bound(trigger, treatment)
                    if treatment != one.treatment:
                        one.treat(treatment)
                        self._work(one)

    def moved(self, broker: Broker, keys: Sequence[str], settings: QueueSettings) -> Catalogue:
        """Return a catalogue of the same subscriptions on another broker; this one lets its consumers go."""
        other = Catalogue(self._core, broker, settings, self._owner)
        other.begin(keys)
        for one in self._subscriptions.values():
            for trigger, _ in one.bound.values():
                other.bind(trigger)
            if not one.bound and not one.ended:
                who = Subscribed(one.topic, one.function_id, one.namespace)
                kept = other._subscription(who, one.treatment)
                kept.idle_since = one.idle_since
                broker.declare(kept.key, kept.treatment.spec, logged("declaring"))
                other.topics[one.topic].settle()
        self.cease(retire=True)
        return other

    def cease(self, *, stopping: bool = False, retire: bool = False) -> None:
        """Have nothing more delivered."""
        for consumer in self.consumers():
            consumer.tell(Cease(stopping, retire))

    def consumers(self) -> Iterator[Ref]:
        """Yield every consumer there is."""
        for queue in (*self.named.values(), *self._subscriptions.values()):
            if queue.consumer is not None:
                yield queue.consumer
