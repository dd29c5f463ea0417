"""The subscribing half of the adapter ``redis``: one connection that follows all topics of this engine."""

from __future__ import annotations

import logging
import threading
import uuid
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw
from pykka import ActorDeadError
from redis import RedisError

from iii_actors.actor import Ref, Round, ThreadedActor, handles
from iii_actors.builtin.pubsub.messages import Arrived
from iii_actors.clock import Clock, Timer
from iii_actors.limits import (
    PUBSUB_ROUND_MESSAGES,
    REDIS_RETRY_MAX_S,
    REDIS_RETRY_S,
    REDIS_SILENCE_S,
    REDIS_WAIT_S,
)
from iii_actors.storage.redis_client import Client, without_password

__all__ = ["Follow", "Leave", "Read", "RedisReader"]

logger = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
"""How long one wait for messages lasts; commands need not wait for its end, see :attr:`RedisReader.wake_channel`."""
_raw: Final = msgspec.json.Decoder(Raw)


class Read(NamedTuple):
    """From the reader to itself: take what has come, or connect again."""


class Follow(NamedTuple):
    """To the reader: subscribe to these topics."""

    topics: list[str]
    done: threading.Event
    """Set when Redis has confirmed them all, or cannot be reached, so that there is nothing to wait for."""


class Leave(NamedTuple):
    """To the reader: subscribe to these topics no more."""

    topics: list[str]


class RedisReader(ThreadedActor):
    """Tells topics what Redis brings. It waits for the connection a second at a time, and looks at its mailbox between.

    To have a message looked at at once, publish anything to :attr:`wake_channel` after telling it.

    When the connection is lost it is made again, and all topics are subscribed to again; what was published meanwhile
    is lost, as it is for anyone who is not there (pubsub.md §4).

    :param url: for the log.
    :param topics: gets an :class:`~iii_actors.builtin.pubsub.messages.Arrived` per message.
    :param who: whose messages these are, for the log.
    """

    def __init__(self, client: Client, url: str, topics: Ref, clock: Clock, who: str = "iii-pubsub") -> None:
        super().__init__()
        self._who = who
        self.up = threading.Event()
        """Whether Redis is there, as far as this connection knows. Readable from any thread."""
        self.wake_channel: Final = f"iii_actors:{uuid.uuid4()}"
        self._pool = client.connection_pool
        self._name = without_password(url)
        self._topics = topics
        self._clock = clock
        self._connection: Any = None
        self._wanted: dict[str, None] = {}
        self._unconfirmed: set[str] = set()
        self._waiting: list[Follow] = []
        self._heard_at = 0.0
        self._pinged = False
        self._lost = False
        self._retry_s = REDIS_RETRY_S
        self._retry: Timer | None = None

    # --- what to follow ----------------------------------------------------------------------------------------------

    @handles(Follow)
    def follow(self, request: Follow) -> None:
        new = [topic for topic in request.topics if topic not in self._wanted]
        self._wanted.update(dict.fromkeys(new))
        self._waiting.append(request)
        if self._connection is not None and new:
            self._say("SUBSCRIBE", *new)
            self._unconfirmed.update(new)
        self._answer_waiting()

    @handles(Leave)
    def leave(self, request: Leave) -> None:
        old = [topic for topic in request.topics if topic in self._wanted]
        for topic in old:
            del self._wanted[topic]
        if self._connection is not None and old:
            self._say("UNSUBSCRIBE", *old)
            self._unconfirmed.difference_update(old)
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        """Let those go on whose topics are all confirmed; without a connection, everybody."""
        still = []
        for request in self._waiting:
            if self._connection is None or self._unconfirmed.isdisjoint(request.topics):
                request.done.set()
            else:
                still.append(request)
        self._waiting = still

    # --- the connection ----------------------------------------------------------------------------------------------

    @handles(Read)
    def read(self, _: Read) -> None:
        if self._connection is None:
            self._connect()
        else:
            self._take()
        # There is always one such message under way, and never two.
        if self._connection is not None:
            self.actor_ref.tell(Read())
        else:
            self._retry = self._clock.call_later(self._retry_s, partial(_tell, self.actor_ref))
            self._retry_s = min(self._retry_s * 2, REDIS_RETRY_MAX_S)

    def _connect(self) -> None:
        connection = self._pool.make_connection()
        try:
            connection.connect()
            connection.send_command("SUBSCRIBE", self.wake_channel, *self._wanted)
        except (RedisError, OSError) as error:
            connection.disconnect()
            self._gone(error)
            return
        self._connection = connection
        self._unconfirmed = set(self._wanted)
        self._heard_at = self._clock.monotonic()
        self._pinged = False
        self._retry_s = REDIS_RETRY_S
        # What else is open dates from before, and its first use would fail.
        self._pool.disconnect(inuse_connections=False)
        self.up.set()
        if self._lost:
            self._lost = False
            logger.info("%s: %s is back; %d topics are followed again", self._who, self._name, len(self._wanted))

    def _gone(self, error: Exception) -> None:
        """It is tried again by :meth:`read`; this is said once."""
        self.up.clear()
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None
        self._unconfirmed.clear()
        self._answer_waiting()
        if not self._lost:
            self._lost = True
            logger.warning("%s: %s is gone, messages are lost until it is back: %s", self._who, self._name, error)

    def _say(self, *words: str) -> None:
        try:
            self._connection.send_command(*words, check_health=False)
        except (RedisError, OSError) as error:
            self._gone(error)

    def _take(self) -> None:
        """Wait for a message, take what else is there, and see each worker's deliveries off in one write."""
        try:
            if not self._connection.can_read(timeout=_LOOK_S):
                self._mind_silence()
                return
            with Round():
                left = PUBSUB_ROUND_MESSAGES
                while left:
                    self._heard(self._connection.read_response())
                    left -= 1
                    if not self._connection.can_read(timeout=0):
                        break
        except (RedisError, OSError) as error:
            self._gone(error)

    def _mind_silence(self) -> None:
        silent_s = self._clock.monotonic() - self._heard_at
        if silent_s >= REDIS_SILENCE_S and not self._pinged:
            self._pinged = True
            self._say("PING")
        elif silent_s >= REDIS_SILENCE_S + REDIS_WAIT_S:
            self._gone(TimeoutError("no answer to a ping"))

    def _heard(self, response: list[Any]) -> None:
        self._heard_at = self._clock.monotonic()
        self._pinged = False
        kind = response[0]
        if kind == b"message":
            _, channel, payload = response
            topic = channel.decode()
            if topic != self.wake_channel:
                self._arrived(topic, payload)
        elif kind == b"subscribe":
            self._unconfirmed.discard(response[1].decode())
            self._answer_waiting()

    def _arrived(self, topic: str, payload: bytes) -> None:
        try:
            str(payload, "utf-8")
            data = _raw.decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            logger.warning("%s: a message on the Redis channel %s is no JSON and is dropped", self._who, topic)
            return
        try:
            self._topics.tell(Arrived(topic, data))
        except ActorDeadError:
            logger.debug("The engine is stopping")

    def on_stop(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None
        self._answer_waiting()


def _tell(ref: Ref) -> None:
    try:
        ref.tell(Read())
    except ActorDeadError:
        logger.debug("The engine is stopping")
