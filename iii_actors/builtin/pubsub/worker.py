"""The built-in worker ``iii-pubsub``: the function ``publish``, the trigger type ``subscribe``, and the bus between."""

from __future__ import annotations

import logging
from typing import Final

import pykka

from iii_actors.actor import Ref, ask, launch
from iii_actors.builtin.base import Builtin, BuiltinContext, FunctionSpec
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.pubsub.desk import ChangeBus, SubscriptionDesk
from iii_actors.builtin.pubsub.messages import SendAskers, UseBus
from iii_actors.builtin.pubsub.topics import PUBLISH, Topics
from iii_actors.config.adapters import RedisSettings
from iii_actors.config.pubsub import PubSubSettings
from iii_actors.config.settings import Settings
from iii_actors.limits import CLOSE_WAIT_S
from iii_actors.storage.redis_client import connect
from iii_actors.wire.codec import raw

__all__ = ["PubSub"]

logger = logging.getLogger(__name__)

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_INPUT: Final = raw(
    {
        "$schema": _DRAFT,
        "title": "PubSubInput",
        "type": "object",
        "properties": {
            "topic": {"type": "string", "description": "Its name, byte for byte; there are no wildcards"},
            "data": {"description": "Any JSON; what each subscriber's function is called with"},
        },
        "required": ["topic", "data"],
    }
)
_CONFIG: Final = raw(
    {
        "$schema": _DRAFT,
        "title": "SubscribeTriggerConfig",
        "type": "object",
        "properties": {
            "topic": {"type": "string", "description": "Its name, byte for byte; there are no wildcards"},
            "condition_function_id": {"type": ["string", "null"], "description": "Accepted, and never called"},
        },
        "required": ["topic"],
    }
)


class PubSub(Builtin):
    """Delivers what is published to a topic to everyone subscribed to it (pubsub.md)."""

    description = "Delivers what is published to a topic to everyone who is subscribed to it."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        settings = context.instance.settings
        self._settings = settings if isinstance(settings, PubSubSettings) else PubSubSettings()
        self._topics: Ref | None = None
        self._desk: Ref | None = None
        self._bus: Bus | None = None

    def set_up(self) -> None:
        core = self.core
        topics = self._topics = launch(Topics(core.functions, core.invocations))
        self._bus = self._made(self._settings, topics)
        if self._bus is not None:
            ask(topics, UseBus(self._bus))
            self._open_desk(topics, self._bus)
        self.register_function(topics, FunctionSpec(PUBLISH, "Publishes an event", _INPUT))
        self.register_trigger_type(topics, "subscribe", "Subscribe to a topic", _CONFIG)

    def _open_desk(self, topics: Ref, bus: Bus | None) -> Ref:
        desk = self._desk = launch(SubscriptionDesk(self.core, self.id, topics, bus))
        ask(topics, SendAskers(desk))
        return desk

    def change(self, settings: Settings) -> bool:
        if not isinstance(settings, PubSubSettings):
            return False
        self.apply(settings)
        return True

    def apply(self, settings: PubSubSettings) -> None:
        """Change the settings of the running worker; all subscriptions stay, and messages go the new way.

        A message published during the change may arrive twice (pubsub.md §6). May wait for Redis, so not from a light
        actor. Raises ``EngineError``, and then nothing has changed, if the new bus cannot be had. Settings that choose
        the same bus change nothing.
        """
        if settings.adapter != self._settings.adapter and self._topics is not None:
            bus = self._made(settings, self._topics)
            # Before the bus is told what to follow: no binding may pass it by.
            desk = self._desk or self._open_desk(self._topics, None)
            try:
                ask(desk, ChangeBus(bus))
            except pykka.ActorDeadError:
                if bus is not None:
                    bus.close()
                raise
            self._bus = bus
        self._settings = settings

    def _made(self, settings: PubSubSettings, topics: Ref) -> Bus | None:
        config = settings.adapter.config
        if not isinstance(config, RedisSettings):
            return None
        client = connect(config.redis_url, self.id)
        from iii_actors.builtin.pubsub.redis_bus import RedisBus  # noqa: PLC0415 - needs the extra

        return RedisBus(client, config.redis_url, topics, self.core.clock)

    def tear_down(self) -> None:
        if self._desk is not None:
            try:
                self._desk.stop(timeout=2 * CLOSE_WAIT_S)
            except pykka.Timeout:
                logger.warning("%s waits for Redis; the engine stops without it", self._desk)
        if self._topics is not None:
            self._topics.stop(block=False)

    def actors(self) -> list[Ref]:
        own = [ref for ref in (self._topics, self._desk) if ref is not None]
        return own + (self._bus.actors() if self._bus is not None else [])
