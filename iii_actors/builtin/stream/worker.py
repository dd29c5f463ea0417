"""The built-in worker ``iii-stream``: registers what the actor carries out (stream.md §1, §2, §5)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, cast

from iii_actors.actor import LightActor, Ref, ask, launch
from iii_actors.builtin.base import Builtin, BuiltinContext, FunctionSpec, Opened
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.schemas import schema_of
from iii_actors.builtin.stream import inputs, schemas
from iii_actors.builtin.stream.actor import StreamActor
from iii_actors.builtin.stream.admission import Admission
from iii_actors.builtin.stream.audience import CHANNEL, Audience, Share
from iii_actors.builtin.stream.joining import JOIN, LEAVE, Joining
from iii_actors.config.adapters import BridgeSettings, RedisSettings
from iii_actors.config.listener import SocketSettings
from iii_actors.config.settings import Settings
from iii_actors.config.storage import StorageAdapter
from iii_actors.config.stream import StreamSettings
from iii_actors.core.conversation import OpenSockets
from iii_actors.errors import ListenError
from iii_actors.storage import Store, open_store
from iii_actors.storage.redis_client import connect
from iii_actors.wire import messages as wire

__all__ = ["Stream"]

logger = logging.getLogger(__name__)

_FUNCTIONS: Final[Sequence[tuple[str, str, Any, Any]]] = (
    ("stream::get", "Gets an item.", inputs.StreamGetInput, None),
    ("stream::set", "Sets an item, and returns the one it replaced.", inputs.StreamSetInput, schemas.StreamSetResult),
    ("stream::delete", "Deletes an item, and returns it.", inputs.StreamGetInput, schemas.StreamDeleteResult),
    (
        "stream::update",
        "Changes an item by operations, in one step.",
        inputs.StreamUpdateInput,
        schemas.StreamUpdateResult,
    ),
    ("stream::list", "Lists the items of a group.", inputs.StreamListInput, list[Any]),
    ("stream::list_groups", "Lists the groups of a stream.", inputs.StreamListGroupsInput, list[str]),
    (
        "stream::list_all",
        "Lists the streams that hold something, with their groups.",
        inputs.StreamListAllInput,
        schemas.StreamListAllResult,
    ),
    ("stream::send", "Tells of an event that is not stored.", inputs.StreamSendInput, None),
)
"""Id, description, input, result; None: a value itself, or none."""


class Stream(Builtin):
    """Streams of items. If the address of the subscription socket cannot be had, all the rest works without it."""

    description = "Items by stream, group and id, shared by all workers, with triggers and a socket to follow them."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        self.settings = cast("StreamSettings", context.instance.settings)
        """Those it goes by now."""
        self._store: Store | None = None
        self._calls: Calls | None = None
        self._refs: list[Ref] = []
        self._bus: Bus | None = None
        self._admission: Admission | None = None
        self._joining: Ref | None = None
        self._sockets: OpenSockets | None = None

    def set_up(self) -> None:
        settings, core = self.settings, self.core
        self._store = open_store(settings.adapter, "stream", self.id, core.clock)
        calls = self._calls = Calls(core)
        audience = self._run(Audience(self.context.sockets.text_frame))
        self._bus = self._joined(settings.adapter, audience)
        actor = self._run(StreamActor(core, self._store, calls, audience))
        joining = self._joining = self._run(Joining(core.clock, calls, audience, actor))
        for function_id, description, takes, returns in _FUNCTIONS:
            answer = schema_of(returns) if returns is not None else wire.ABSENT
            self.register_function(actor, FunctionSpec(function_id, description, schema_of(takes), answer))
        self.register_trigger_type(
            actor,
            "stream",
            "Calls a function when something happens in a stream",
            schema_of(schemas.StreamTriggerConfig),
            schema_of(schemas.StreamEvent),
        )
        for trigger_type, when in ((JOIN, "asks to follow something"), (LEAVE, "follows something no more")):
            self.register_trigger_type(
                joining,
                trigger_type,
                f"Calls a function when a client of the subscription socket {when}",
                schema_of(schemas.StreamDoorConfig),
                schema_of(schemas.StreamJoinOrLeave),
            )
        self._admission = Admission(calls, settings.auth_function, settings.handshake_timeout_ms / 1000)
        try:
            self._sockets = self._bound(settings)
        except ListenError as error:
            logger.warning("%s: no subscription socket: %s. Everything else of it works.", self.id, error)

    def _run(self, actor: LightActor) -> Ref:
        ref = launch(actor)
        self._refs.append(ref)
        return ref

    def _joined(self, adapter: StorageAdapter, audience: Ref) -> Bus | None:
        """Join the engines that share the store; None: it is this engine's alone."""
        config = adapter.config
        if not isinstance(config, RedisSettings):
            return self._bridged(audience)
        client = connect(config.redis_url, self.id)
        from iii_actors.builtin.pubsub.redis_bus import RedisBus  # noqa: PLC0415 - needs the extra

        bus = RedisBus(client, config.redis_url, audience, self.core.clock, self.id)
        ask(audience, Share(bus))
        bus.follow([CHANNEL])
        return bus

    def _bridged(self, audience: Ref) -> Bus | None:
        """Hear of the events of all engines that are bridged to the same one; None: this one is not."""
        if not isinstance(self.settings.adapter.config, BridgeSettings):
            return None
        from iii_actors.builtin.stream.bridge_bus import BridgeBus  # noqa: PLC0415 - few engines have a bridge
        from iii_actors.storage.bridge_store import BridgeStore  # noqa: PLC0415

        bus = BridgeBus(cast("BridgeStore", self._store).link, audience)
        ask(audience, Share(bus))
        bus.follow([CHANNEL])
        return bus

    def _bound(self, settings: StreamSettings) -> OpenSockets:
        admission, joining = cast("Admission", self._admission), cast("Ref", self._joining)
        return self.context.sockets.bind(settings, admission.admit, joining)

    def open(self) -> None:
        if self._sockets is not None:
            self._sockets.open()
            logger.info("Stream socket on address: %s:%d", *self._sockets.address)

    def stop_accepting(self) -> None:
        if self._sockets is not None:
            self._sockets.stop_accepting()

    def tear_down(self) -> None:
        if self._sockets is not None:
            self._sockets.close()
        if self._bus is not None:
            self._bus.close()
        for ref in reversed(self._refs):
            ref.stop()
        if self._calls is not None:
            self._calls.stop()
        if self._store is not None:
            self._store.close()

    def change(self, settings: Settings) -> bool:
        running = self.context.instance.settings
        if not isinstance(settings, StreamSettings) or not isinstance(running, StreamSettings):
            return False
        if settings.adapter != running.adapter:
            return False
        self.apply(settings)
        return True

    def apply(self, settings: StreamSettings) -> None:
        """Go by other settings from now on; the store stays (stream.md §7). Waits; one thread, while the worker runs.

        Another address, or other bounds of the socket: the new one is opened first, then the clients of the old one
        are sent away. Raises ``ListenError`` if it cannot be had, and everything stays as it was.
        """
        admission, old = self._admission, self._sockets
        if admission is None:
            return
        if old is None or _of_socket(settings) != _of_socket(self.settings):
            self._sockets = self._bound(settings)
            self._sockets.open()
            if old is not None:
                old.stop_accepting()
                old.close()
        admission.function_id = settings.auth_function
        admission.timeout_s = settings.handshake_timeout_ms / 1000
        self.settings = settings

    def actors(self) -> list[Ref]:
        found = [*self._refs, *([self._calls.actor] if self._calls is not None else ())]
        found += self._store.actors() if self._store is not None else ()
        found += self._bus.actors() if self._bus is not None else ()
        found += self._sockets.writers() if self._sockets is not None else ()
        return found

    def opened(self) -> list[Opened]:
        scheme = "wss" if self.settings.tls is not None else "ws"
        return [Opened("stream", scheme, *self._sockets.address)] if self._sockets is not None else []


def _of_socket(settings: StreamSettings) -> dict[str, Any]:
    return settings.model_dump(include=set(SocketSettings.model_fields))
