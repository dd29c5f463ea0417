"""The built-in worker ``iii-stream``: registers what the actor carries out (stream.md §1, §2, §5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from iii_actors.actor import Ref, launch
from iii_actors.builtin.base import Builtin, BuiltinContext, FunctionSpec
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.schemas import schema_of
from iii_actors.builtin.stream import inputs, schemas
from iii_actors.builtin.stream.actor import StreamActor
from iii_actors.config.storage import StorageAdapter
from iii_actors.config.stream import StreamSettings
from iii_actors.storage import Store, open_store
from iii_actors.wire import messages as wire

__all__ = ["Stream"]

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
    """Streams of items."""

    description = "Items by stream, group and id, shared by all workers, with triggers on what happens to them."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        self._store: Store | None = None
        self._calls: Calls | None = None
        self._actor: Ref | None = None

    def set_up(self) -> None:
        settings = self.context.instance.settings
        assert isinstance(settings, StreamSettings)  # noqa: S101 - the registry of built-in workers says so
        adapter = StorageAdapter(name=settings.adapter.name, config=settings.adapter.config)
        self._store = open_store(adapter, "stream", self.id, self.core.clock)
        self._calls = Calls(self.core)
        actor = self._actor = launch(StreamActor(self.core, self._store, self._calls))
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

    def tear_down(self) -> None:
        if self._actor is not None:
            self._actor.stop()
        if self._calls is not None:
            self._calls.stop()
        if self._store is not None:
            self._store.close()

    def actors(self) -> list[Ref]:
        found = [self._actor, self._calls.actor if self._calls is not None else None]
        found += self._store.actors() if self._store is not None else ()
        return [ref for ref in found if ref is not None]
