"""The listening half of a broker in Redis: told that a queue has something for this engine, it tells the carrier.

Jobs do not go this way. A word that is lost costs time and nothing else: every engine looks by itself when it tends its
leases, and when this connection is made anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import pykka
from redis import RedisError

from iii_actors.actor import MailboxFull, Ref, Round, ThreadedActor, handles
from iii_actors.brokers.redis_layout import wake_channel
from iii_actors.clock import Clock, Timer
from iii_actors.limits import REDIS_PARCEL, REDIS_RETRY_MAX_S, REDIS_RETRY_S, REDIS_SILENCE_S, REDIS_WAIT_S
from iii_actors.storage.redis_client import Client

__all__ = ["Listen", "Wakes"]

logger = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
"""How long one wait lasts; anything on the channel ends it."""


class Listen(NamedTuple):
    """From the listener to itself: take what has come, or connect again."""


class Wakes(ThreadedActor):
    """Follows this engine's channel.

    :param wake: called with a queue's key, or with None if any queue may have something.
    """

    def __init__(self, client: Client, engine: str, clock: Clock, wake: Callable[[str | None], None]) -> None:
        super().__init__()
        self._pool = client.connection_pool
        self._channel = wake_channel(engine)
        self._clock = clock
        self._wake = wake
        self._connection: Any = None
        self._heard_at = 0.0
        self._pinged = False
        self._retry_s = REDIS_RETRY_S
        self._retry: Timer | None = None

    def connect(self) -> None:
        """Connect, and return when told that the channel is followed. Waits; raises ``RedisError`` or ``OSError``."""
        connection = self._pool.make_connection()
        try:
            connection.connect()
            connection.send_command("SUBSCRIBE", self._channel)
            connection.read_response()
        except BaseException:
            connection.disconnect()
            raise
        self._connection = connection
        self._heard_at = self._clock.monotonic()
        self._pinged = False
        self._retry_s = REDIS_RETRY_S

    @handles(Listen)
    def listen(self, _: Listen) -> None:
        try:
            if self._connection is None:
                self.connect()
                self._wake(None)
            else:
                self._take()
        except (RedisError, OSError) as error:
            self._gone(error)
            return
        # There is always one such message under way, and never two.
        self.actor_ref.tell(Listen())

    def _gone(self, error: Exception) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None
            logger.debug("The connection that brings news of queues is lost: %s", error)
        self._retry = self._clock.call_later(self._retry_s, partial(_tell, self.actor_ref))
        self._retry_s = min(self._retry_s * 2, REDIS_RETRY_MAX_S)

    def _take(self) -> None:
        if not self._connection.can_read(timeout=_LOOK_S):
            self._mind_silence()
            return
        with Round():
            for _ in range(REDIS_PARCEL):
                response = self._connection.read_response()
                self._heard_at = self._clock.monotonic()
                self._pinged = False
                if response[0] == b"message":
                    self._wake(response[2].decode("utf-8", "replace"))
                if not self._connection.can_read(timeout=0):
                    break

    def _mind_silence(self) -> None:
        silent_s = self._clock.monotonic() - self._heard_at
        if silent_s >= REDIS_SILENCE_S and not self._pinged:
            self._pinged = True
            self._connection.send_command("PING", check_health=False)
        elif silent_s >= REDIS_SILENCE_S + REDIS_WAIT_S:
            raise TimeoutError("no answer to a ping")

    def on_stop(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self.hang_up()

    def hang_up(self) -> None:
        """Let go of the connection. Only before the actor is launched, or on its thread."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None


def _tell(ref: Ref) -> None:
    try:
        ref.tell(Listen())
    except (pykka.ActorDeadError, MailboxFull):
        logger.debug("The engine is stopping")
