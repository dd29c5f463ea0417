"""Redis, for whatever can be kept in it or go through it: one way to connect, and to say that it cannot be reached.

redis-py is an extra (``pip install iii-actors[redis]``); nothing else imports it before a Redis is configured.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from iii_actors.errors import ConfigError
from iii_actors.limits import REDIS_URL, REDIS_WAIT_S

__all__ = ["Client", "connect", "without_password"]

Client = Any
"""A ``redis.Redis``, whose own types say less than its documentation."""


def connect(url: str, worker: str) -> Client:
    """Return a client that has reached its Redis. Waits, at most :data:`~iii_actors.limits.REDIS_WAIT_S`.

    :param worker: the built-in worker's id, for the error.
    :raises ConfigError: the URL is none, redis-py is not installed, or nothing answers there.
    """
    place = f"failed to create worker '{worker}'"
    try:
        import redis  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(
            place, "the adapter redis needs the package redis", "pip install 'iii-actors[redis]'"
        ) from None
    try:
        client: Client = redis.Redis.from_url(
            url, socket_connect_timeout=REDIS_WAIT_S, socket_timeout=REDIS_WAIT_S, protocol=2, retry=None
        )
    except ValueError as error:
        raise ConfigError(place, f"{without_password(url)}: {error}", f"write for example {REDIS_URL}") from None
    try:
        client.ping()
    except redis.RedisError as error:
        client.close()
        raise ConfigError(
            place,
            f"cannot reach {without_password(url)}: {error}",
            "start Redis there, correct redis_url, or leave the adapter out",
        ) from None
    return client


def without_password(url: str) -> str:
    """Return a URL as logs and errors may show it: where, not who."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
