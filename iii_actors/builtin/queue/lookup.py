"""What a name means: a named queue, a topic, one subscription (queue.md §7, §8). Used by one actor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iii_actors.brokers.names import named_of, protocol_key
from iii_actors.builtin.queue.places import Named, Place, Subscription, Topic

__all__ = ["Lookup"]


class Lookup:
    """Looks at the catalogue's own tables.

    :param resting: named queues that hold something and are in no settings: name to key.
    :param subscriptions: by key.
    """

    def __init__(
        self,
        named: Mapping[str, Named],
        resting: Mapping[str, str],
        topics: Mapping[str, Topic],
        subscriptions: Mapping[str, Subscription],
    ) -> None:
        self.named = named
        self.resting = resting
        self.topics = topics
        self._subscriptions = subscriptions

    def place(self, name: str) -> Place:
        """Return what a name means: a named queue, a subscription's key, or a topic (queue.md §7, §8)."""
        plain = named_of(name)
        named = self.named.get(name) or (self.named.get(plain) if plain is not None else None)
        if named is not None:
            return Place(name, [named.key], named.config.concurrency)
        resting = self.resting.get(name) or (self.resting.get(plain) if plain is not None else None)
        if resting is not None:
            return Place(name, [resting], 0)
        topic = self.topics.get(name)
        if topic is not None:
            return Place(name, topic.keys, topic.subscribers)
        one = self._subscriptions.get(name) or self._by_protocol_key(name)
        if one is not None:
            return Place(name, [one.key], 1 if one.bound else 0)
        return Place(name, [], 0, known=False)

    def _by_protocol_key(self, name: str) -> Subscription | None:
        who = (one for one in self._subscriptions.values() if "::" in one.topic and name.startswith(one.topic))
        return next((one for one in who if protocol_key(one.topic, one.function_id, one.namespace) == name), None)

    def subscription(self, key: str) -> Subscription | None:
        """Return the subscription with this key."""
        return self._subscriptions.get(key)

    def places(self) -> Iterator[Place]:
        """Yield everything that has a name: topics with a subscription or something in them, then named queues."""
        for topic in self.topics.values():
            if topic.subscriptions or topic.bare:
                yield Place(topic.name, topic.keys, topic.subscribers)
        for named in self.named.values():
            yield Place(named.name, [named.key], named.config.concurrency)
        for name, key in self.resting.items():
            yield Place(name, [key], 0)
