"""The built-in worker ``iii-state``: registers what the actor carries out (state.md §1, §2, §5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from iii_actors.actor import Ref, ask, launch
from iii_actors.builtin.base import Builtin, BuiltinContext, FunctionSpec
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.pubsub.bus import Bus
from iii_actors.builtin.schemas import schema_of
from iii_actors.builtin.state import inputs, schemas
from iii_actors.builtin.state.actor import ApplySettings, Share, StateActor
from iii_actors.builtin.state.sharing import CHANNEL, Sharing
from iii_actors.config.adapters import RedisSettings
from iii_actors.config.settings import Settings
from iii_actors.config.state import StateSettings
from iii_actors.config.storage import StorageAdapter
from iii_actors.storage import Store, open_store
from iii_actors.storage.redis_client import connect
from iii_actors.wire import messages as wire

__all__ = ["State"]

_FUNCTIONS: Final[Sequence[tuple[str, str, Any, Any]]] = (
    ("state::get", "Gets a value.", inputs.StateGetInput, None),
    ("state::set", "Sets a value, and returns the one it replaced.", inputs.StateSetInput, schemas.StateSetResult),
    ("state::delete", "Deletes a value, and returns it.", inputs.StateDeleteInput, None),
    (
        "state::update",
        "Changes a value by operations, in one step.",
        inputs.StateUpdateInput,
        schemas.StateUpdateResult,
    ),
    ("state::list", "Lists the values of a scope.", inputs.StateListInput, None),
    (
        "state::list_groups",
        "Lists the scopes that hold something.",
        inputs.StateListGroupsInput,
        schemas.StateListGroupsResult,
    ),
    ("state::list_keys", "Lists the keys of a scope.", inputs.StateListInput, list[str]),
    (
        "state::get_many",
        "Gets several values of a scope at one moment: an object of those that there are.",
        inputs.StateGetManyInput,
        dict[str, Any],
    ),
)
"""Id, description, input, result; None: a value itself, or none."""


class State(Builtin):
    """Shared state."""

    description = "Values by scope and key, shared by all workers, with triggers on their changes."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        self._store: Store | None = None
        self._calls: Calls | None = None
        self._actor: Ref | None = None
        self._bus: Bus | None = None

    def set_up(self) -> None:
        settings = self.context.instance.settings
        assert isinstance(settings, StateSettings)  # noqa: S101 - the registry of built-in workers says so
        self._store = open_store(settings.adapter, "state", self.id, self.core.clock, settings.save_interval_ms)
        self._calls = Calls(self.core)
        actor = self._actor = launch(StateActor(self.core, self._store, self._calls, settings))
        self._bus = self._joined(settings.adapter, actor)
        for function_id, description, takes, returns in _FUNCTIONS:
            answer = schema_of(returns) if returns is not None else wire.ABSENT
            self.register_function(actor, FunctionSpec(function_id, description, schema_of(takes), answer))
        self.register_trigger_type(
            actor,
            "state",
            "Calls a function when a value of the state changes",
            schema_of(schemas.StateTriggerConfig),
            schema_of(schemas.StateEvent),
        )

    def _joined(self, adapter: StorageAdapter, actor: Ref) -> Bus | None:
        """Join the engines that share the store; None: it is this engine's alone."""
        config = adapter.config
        if not isinstance(config, RedisSettings):
            return None
        client = connect(config.redis_url, self.id)
        from iii_actors.builtin.pubsub.redis_bus import RedisBus  # noqa: PLC0415 - needs the extra

        bus = RedisBus(client, config.redis_url, actor, self.core.clock, self.id)
        ask(actor, Share(Sharing(bus)))
        bus.follow([CHANNEL])
        return bus

    def tear_down(self) -> None:
        if self._bus is not None:
            self._bus.close()
        if self._actor is not None:
            self._actor.stop()
        if self._calls is not None:
            self._calls.stop()
        if self._store is not None:
            self._store.close()

    def change(self, settings: Settings) -> bool:
        running = self.context.instance.settings
        if not isinstance(settings, StateSettings) or not isinstance(running, StateSettings):
            return False
        if settings.adapter != running.adapter:
            return False
        self.apply(settings)
        return True

    def apply(self, settings: StateSettings) -> None:
        """Work by other settings from now on; the store stays. Any thread, while the worker runs."""
        if self._actor is not None:
            ask(self._actor, ApplySettings(settings))

    def actors(self) -> list[Ref]:
        found = [self._actor, self._calls.actor if self._calls is not None else None]
        found += self._store.actors() if self._store is not None else ()
        found += self._bus.actors() if self._bus is not None else ()
        return [ref for ref in found if ref is not None]
