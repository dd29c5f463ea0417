"""Who wants to know of changes: the bindings of the trigger type ``configuration``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from iii_actors.builtin.calls import Bound
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed

__all__ = ["DELETED", "REGISTERED", "UPDATED", "Event", "Subscribers", "Subscription"]

REGISTERED: Final = "configuration:registered"
UPDATED: Final = "configuration:updated"
DELETED: Final = "configuration:deleted"


class Subscription(Struct, frozen=True):
    """The `config` of a `configuration` trigger."""

    configuration_id: Annotated[str | None, Meta(description="Of this entry only")] = None
    event_types: Annotated[
        list[Literal["configuration:registered", "configuration:updated", "configuration:deleted"]] | None,
        Meta(description="Of these changes only"),
    ] = None
    condition_function_id: Annotated[str | None, Meta(description="Asked first; `false` keeps the call back")] = None


class Event(Struct, frozen=True, omit_defaults=True):
    """What the function of a `configuration` trigger is called with. Values have their placeholders replaced."""

    type: str
    event_type: str
    id: str
    name: str
    description: str
    schema: Any
    old_value: Any
    new_value: Any
    metadata: Any = None


class _Held(NamedTuple):
    trigger: Trigger
    wants: Subscription


_decode: Final = msgspec.json.Decoder(Subscription).decode


class Subscribers:
    """The table of them, by the binding's id. One actor's."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def add(self, trigger: Trigger) -> str | None:
        """Add a binding, or replace it; returns the entry that it is about. Raises ``TriggerRegistrationFailed``."""
        text = bytes(trigger.config)
        try:
            wants = _decode(b"{}" if text in (b"", b"null") else text)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise TriggerRegistrationFailed(f"the config of a configuration trigger is wrong: {error}") from None
        self._held[trigger.id] = _Held(trigger, wants)
        return wants.configuration_id

    def drop(self, trigger_id: str) -> str | None:
        """Drop a binding; returns the entry that it was about, if now nobody is left who asked for that one."""
        held = self._held.pop(trigger_id, None)
        entry_id = held.wants.configuration_id if held is not None else None
        if entry_id is None or any(one.wants.configuration_id == entry_id for one in self._held.values()):
            return None
        return entry_id

    def of(self, entry_id: str, event_type: str) -> Iterator[Bound]:
        """Yield whom a change concerns."""
        for trigger, wants in self._held.values():
            if wants.configuration_id not in (None, entry_id):
                continue
            if wants.event_types is None or event_type in wants.event_types:
                yield trigger, wants.condition_function_id
