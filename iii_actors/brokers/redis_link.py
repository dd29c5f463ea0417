"""The connection over which a broker talks to Redis: one script, called with one parcel at a time."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import NoScriptError

from iii_actors.brokers.redis_script import SCRIPT
from iii_actors.errors import ConfigError
from iii_actors.limits import QUEUE_REDIS_OLDEST
from iii_actors.storage.redis_client import Client

__all__ = ["Link", "check_server"]

logger = logging.getLogger(__name__)

_SHA: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()


class Link:
    """Not for several threads at a time. Every method raises ``RedisError`` or ``OSError`` when Redis is away."""

    def __init__(self, client: Client) -> None:
        self._pool = client.connection_pool
        self._connection: Any = None

    def connect(self) -> float:
        """Connect anew; returns for how many seconds that Redis has been running."""
        self.close()
        connection = self._pool.make_connection()
        try:
            connection.connect()
            connection.send_command("INFO", "server")
            found = re.search(rb"uptime_in_seconds:(\d+)", connection.read_response())
        except BaseException:
            connection.disconnect()
            raise
        self._connection = connection
        return float(found[1]) if found else 0.0

    def call(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
        """Call the script; loads it where Redis does not know it, or not any more."""
        if self._connection is None:
            self.connect()
        try:
            return self._call(keys, arguments)
        except NoScriptError:
            self._say((b"SCRIPT", b"LOAD", SCRIPT.encode()))
            return self._call(keys, arguments)

    def _call(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
        answer: bytes = self._say((b"EVALSHA", _SHA, b"%d" % len(keys), *keys, *arguments))
        return answer

    def _say(self, words: Sequence[bytes]) -> Any:
        connection = self._connection
        # In one piece: every write gives the interpreter lock away.
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            parts += (b"$%d\r\n" % len(word), word, b"\r\n")
        connection.send_packed_command([b"".join(parts)], check_health=False)
        return connection.read_response()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None


def check_server(client: Client, place: str, worker_id: str) -> None:
    """Raise ``ConfigError`` for a Redis that cannot keep queues, and log what it may lose.

    Raises ``RedisError`` when it is away.
    """
    about = client.info()
    version = str(about.get("redis_version", "0"))
    oldest = _numbers(QUEUE_REDIS_OLDEST)
    if _numbers(version)[: len(oldest)] < oldest:
        raise ConfigError(
            f"failed to create worker '{worker_id}'",
            f"the Redis at {place} is version {version}; queues need {QUEUE_REDIS_OLDEST} or later",
            "use a newer Redis, or the adapter builtin",
        )
    if about.get("redis_mode") == "cluster":
        raise ConfigError(
            f"failed to create worker '{worker_id}'",
            f"the Redis at {place} is a cluster, which cannot store one message in several queues in one step",
            "use a Redis that is none, with replicas if it must not fail",
        )
    policy = about.get("maxmemory_policy", "noeviction")
    if about.get("maxmemory") and policy != "noeviction":
        logger.warning(
            "iii-queue: the Redis at %s drops what it holds when its memory is full (maxmemory-policy %s), jobs too; "
            "set noeviction",
            place,
            policy,
        )
    if not about.get("aof_enabled"):
        logger.info(
            "iii-queue: the Redis at %s writes no log of changes (appendonly no): when it fails, jobs stored since its "
            "last snapshot are lost",
            place,
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
