"""The adapter ``redis``: a channel per topic, of the same name; all engines on one Redis hear each other (§5).

A topic is subscribed to once per engine however many subscriptions it has here: topics fans out to all of them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple

import pykka
from msgspec import Raw
from redis import RedisError

from iii_actors.actor import MailboxFull, Ref, ThreadedActor, handles, launch
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.pubsub.redis_reader import Follow, Leave, Read, RedisReader
from iii_actors.clock import Clock
from iii_actors.limits import (
    CLOSE_WAIT_S,
    PUBSUB_OUTGOING_BYTES,
    PUBSUB_OUTGOING_MESSAGES,
    PUBSUB_ROUND_MESSAGES,
    REDIS_WAIT_S,
)
from iii_actors.storage.redis_client import Client

__all__ = ["RedisBus"]

logger = logging.getLogger(__name__)


class _Outgoing(NamedTuple):
    """To the sender: publish this."""

    topic: str
    data: bytes


class _Sender(ThreadedActor):
    """Publishes; whatever waits in its mailbox goes in one round trip.

    :param up: whether Redis is there; without it nothing is tried, so that nothing piles up.
    """

    def __init__(self, client: Client, up: threading.Event, who: str) -> None:
        super().__init__()
        self._client = client
        self._who = who
        self._up = up
        self._batch: list[_Outgoing] = []
        self.sent_messages = 0
        """How many have left the mailbox, sent or lost. Written here, read by who fills the mailbox."""
        self.sent_bytes = 0
        self.lost = 0
        """How many of them were lost since that was last said."""

    @handles(_Outgoing)
    def send(self, message: _Outgoing) -> None:
        self._batch.append(message)
        if len(self._batch) >= PUBSUB_ROUND_MESSAGES or self.actor_inbox.empty():
            batch, self._batch = self._batch, []
            try:
                self._publish(batch)
            finally:
                self.sent_messages += len(batch)
                self.sent_bytes += sum(len(one.data) for one in batch)

    def _publish(self, batch: list[_Outgoing]) -> None:
        if not self._up.is_set():
            self.lost += len(batch)
            return
        if self.lost:
            logger.warning("%s: %d messages were lost while Redis was gone", self._who, self.lost)
            self.lost = 0
        try:
            pipeline = self._client.pipeline(transaction=False)
            for topic, data in batch:
                pipeline.publish(topic, data)
            pipeline.execute()
        except (RedisError, OSError) as error:
            lost = len(batch)
            logger.warning("%s: %d messages are lost, for Redis does not take them: %s", self._who, lost, error)


class RedisBus(Bus):
    """Two connections to one Redis: one to publish, one that follows the topics. Making one waits for the second.

    :param client: has reached its Redis; is closed with this.
    :param url: for the log.
    :param topics: gets what the bus brings.
    :param who: whose messages these are, for the log.
    """

    def __init__(self, client: Client, url: str, topics: Ref, clock: Clock, who: str = "iii-pubsub") -> None:
        self._client = client
        self._who = who
        self._reader_actor = RedisReader(client, url, topics, clock, who)
        self._reader = launch(self._reader_actor)
        self._reader.tell(Read())
        self._reader_actor.up.wait(REDIS_WAIT_S)
        self._sender_actor = _Sender(client, self._reader_actor.up, who)
        self._sender = launch(self._sender_actor)
        self._given_messages = 0
        self._given_bytes = 0
        self._full = False

    def publish(self, topic: str, data: Raw) -> None:
        """Called by topics alone, so by one thread at a time."""
        sender, payload = self._sender_actor, bytes(data)
        waiting = self._given_messages - sender.sent_messages
        if waiting >= PUBSUB_OUTGOING_MESSAGES or (
            waiting and self._given_bytes - sender.sent_bytes + len(payload) > PUBSUB_OUTGOING_BYTES
        ):
            if not self._full:
                self._full = True
                logger.warning(
                    "%s: %d messages wait for Redis, which is the limit; more are dropped", self._who, waiting
                )
            return
        self._full = False
        try:
            self._sender.tell(_Outgoing(topic, payload))
        except (pykka.ActorDeadError, MailboxFull):
            return
        self._given_messages += 1
        self._given_bytes += len(payload)

    def follow(self, topics: Sequence[str]) -> None:
        if not topics:
            return
        done = threading.Event()
        try:
            self._reader.tell(Follow(list(topics), done))
        except pykka.ActorDeadError:
            return
        if self._wake() and not done.wait(REDIS_WAIT_S):
            logger.warning("%s: Redis does not confirm the subscription to %s", self._who, ", ".join(topics))

    def leave(self, topics: Sequence[str]) -> None:
        if topics:
            with contextlib.suppress(pykka.ActorDeadError):
                self._reader.tell(Leave(list(topics)))

    def _wake(self) -> bool:
        """End the reader's present wait; returns whether there is anything to wait for."""
        if not self._reader_actor.up.is_set():
            return False
        try:
            self._client.publish(self._reader_actor.wake_channel, "")
        except (RedisError, OSError):
            return False
        return True

    def close(self) -> None:
        self._sender.stop(block=False)
        self._reader.stop(block=False)
        self._wake()
        for ref in (self._sender, self._reader):
            try:
                ref.stop(timeout=CLOSE_WAIT_S)
            except pykka.Timeout:
                logger.warning("%s waits for Redis; it is left behind", ref)
        self._client.close()

    def actors(self) -> list[Ref]:
        return [self._sender, self._reader]
