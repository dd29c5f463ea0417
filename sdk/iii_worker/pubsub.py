"""Publish and subscribe (spec pubsub.md); subscribing is a trigger, see ``worker.subscribe``."""

from __future__ import annotations

from typing import Any, Final

from iii_worker._types import Caller

__all__ = ["publish"]

_HOME: Final = "default"
"""Topics are global to the engine (spec pubsub.md §4)."""


def publish(client: Caller, topic: str, data: Any = None, *, wait: bool = True, timeout: float | None = None) -> None:
    """Send ``data`` to everybody who is subscribed to ``topic`` at this moment, this worker included.

    :param data: anything that can be sent as a payload; subscribers get exactly it.
    :param wait: return when the deliveries have begun (subscribers are never waited for); False: return at once, and
        what goes wrong is not told.
    :param timeout: seconds to wait; None: the client's default.

    That nobody is subscribed is no error. Raises ``ValueError`` for an empty topic and
    :class:`iii_worker.InvocationError` as a call does; ``function_not_found`` means that the engine runs without its
    ``iii-pubsub``.
    """
    if not isinstance(topic, str) or not topic:
        raise ValueError(f"the topic is {topic!r}: it must be a str that is not empty")
    payload = {"topic": topic, "data": data}
    if wait:
        client.call("publish", payload, timeout=timeout, namespace=_HOME)
    else:
        client.send("publish", payload, namespace=_HOME)
