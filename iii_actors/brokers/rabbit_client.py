"""RabbitMQ: one way to connect, and to say that it cannot be reached.

pika is an extra (``pip install iii-actors[rabbitmq]``); nothing else imports it before a RabbitMQ is configured.
"""

from __future__ import annotations

import contextlib
import logging
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from iii_actors.errors import ConfigError
from iii_actors.limits import AMQP_HEARTBEAT_S, AMQP_URL, AMQP_WAIT_S

__all__ = ["explained", "need", "parameters", "reach", "where"]

Parameters = Any
"""A ``pika.URLParameters``."""


def where(url: str) -> str:
    """Return a URL as logs and errors may show it: where, not who."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def need(worker: str) -> None:
    """Raise ``ConfigError`` if pika is not installed. :param worker: the built-in worker's id, for the error."""
    if find_spec("pika") is None:
        raise ConfigError(
            f"failed to create worker '{worker}'",
            "the adapter rabbitmq needs the package pika",
            "pip install 'iii-actors[rabbitmq]'",
        )


def parameters(url: str, worker: str, role: str) -> Parameters:
    """Return what a connection is opened with.

    :param worker: the built-in worker's id, for the error.
    :param role: what the connection is for; RabbitMQ shows it in its listings.
    :raises ConfigError: pika is not installed, or the URL is none.
    """
    place = f"failed to create worker '{worker}'"
    need(worker)
    import pika  # noqa: PLC0415 - an extra

    log = logging.getLogger("pika")
    if log.level == logging.NOTSET:
        # It warns of every queue that is not there yet, and repeats at length what we say in one line.
        log.setLevel(logging.CRITICAL)
    try:
        found = pika.URLParameters(url)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(place, f"{where(url)}: {error}", f"write for example {AMQP_URL}") from None
    asked = urlsplit(url).query
    if "heartbeat" not in asked:
        found.heartbeat = AMQP_HEARTBEAT_S
    for name in ("socket_timeout", "stack_timeout"):
        if name not in asked:
            setattr(found, name, AMQP_WAIT_S)
    found.blocked_connection_timeout = None
    found.client_properties = {"connection_name": f"iii_actors {worker} {role}"}
    return found


def reach(parameters: Parameters, url: str, worker: str) -> Any:
    """Return a blocking connection. Waits. Raises ``ConfigError``, which says what to do."""
    import pika  # noqa: PLC0415 - an extra
    from pika.exceptions import AMQPError  # noqa: PLC0415

    try:
        return pika.BlockingConnection(parameters)
    except (AMQPError, OSError) as error:
        raise ConfigError(
            f"failed to create worker '{worker}'",
            f"cannot reach {where(url)}: {explained(error)}",
            "start RabbitMQ there, correct amqp_url (user, password and vhost too), or leave the adapter out",
        ) from None


def explained(error: BaseException) -> str:
    """Return what an error of pika's means; many of them have no text of their own."""
    from pika.exceptions import ProbableAccessDeniedError, ProbableAuthenticationError  # noqa: PLC0415 - an extra

    seen = error
    with contextlib.suppress(AttributeError, IndexError):
        while True:
            inner = getattr(seen, "exception", None) or getattr(seen, "exceptions", [None])[-1] or seen.args[0]
            if not isinstance(inner, BaseException):
                break
            seen = inner
    if isinstance(seen, ProbableAuthenticationError):
        return "it refused the user or the password"
    if isinstance(seen, ProbableAccessDeniedError):
        return "it refused the virtual host"
    reply = getattr(seen, "reply_text", None)
    if reply:
        return str(reply)
    return str(seen) or type(seen).__name__
