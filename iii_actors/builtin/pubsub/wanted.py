"""What a binding of ``subscribe`` asks for (pubsub.md §3). Pure, but for the log."""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec
from msgspec import Struct

from iii_actors.builtin.calls import condition_of
from iii_actors.core.triggers import Trigger

__all__ = ["topic_of"]

logger = logging.getLogger(__name__)


class _Config(Struct):
    topic: Any = None


_config: Final = msgspec.json.Decoder(_Config)


def topic_of(trigger: Trigger) -> str | None:
    """Return the topic; None: it names none, and never fires. What will not be as its author thinks is logged."""
    try:
        topic = _config.decode(trigger.config).topic
    except (msgspec.MsgspecError, ValueError, RecursionError):
        topic = None
    if not isinstance(topic, str) or not topic:
        logger.warning(
            "Trigger %s (subscribe, function %s) names no topic and will never fire: "
            'its config should be {"topic": "<a name>"}',
            trigger.id,
            trigger.function_id,
        )
        return None
    if condition_of(trigger.config) is not None:
        logger.warning(
            "Trigger %s (subscribe, function %s) names a condition; subscriptions have none, "
            "so the function is called for every message",
            trigger.id,
            trigger.function_id,
        )
    return topic
