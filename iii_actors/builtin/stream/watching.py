"""Which bindings of the trigger type ``stream`` an event concerns (stream.md §5.1). Used by one thread at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from iii_actors.builtin.calls import Bound, condition_of
from iii_actors.builtin.stream.events import Event
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed

__all__ = ["Watching"]

Filter = tuple[str, str | None, str | None]
"""``(stream, group, item)``; None lets any through."""


class _Config(Struct):
    stream_name: Any = None
    stream: Any = None
    """A synonym: the concept documents write it so."""
    group_id: Any = None
    item_id: Any = None
    condition_function_id: Any = None


_config: Final = msgspec.json.Decoder(_Config)


class Watching:
    """The bindings, found by what they watch."""

    def __init__(self) -> None:
        self._filters: dict[str, Filter] = {}
        self._bound: dict[Filter, dict[str, Bound]] = {}

    def add(self, trigger: Trigger) -> None:
        """Serve a binding, or replace the one of the same id. Raises :class:`TriggerRegistrationFailed`."""
        wanted = _filter(trigger.config)
        self.remove(trigger.id)
        self._filters[trigger.id] = wanted
        self._bound.setdefault(wanted, {})[trigger.id] = (trigger, condition_of(trigger.config))

    def remove(self, trigger_id: str) -> None:
        """Stop serving a binding; an unknown id is no mistake."""
        wanted = self._filters.pop(trigger_id, None)
        if wanted is not None:
            beside = self._bound[wanted]
            del beside[trigger_id]
            if not beside:
                del self._bound[wanted]

    def concerned(self, event: Event) -> Sequence[Bound]:
        """Return the bindings that an event concerns."""
        if not self._bound:
            return ()
        stream, group, item = event.stream_name, event.group_id, event.item_id
        wanted = {(stream, group, item), (stream, group, None), (stream, None, item), (stream, None, None)}
        return [one for each in wanted if each in self._bound for one in self._bound[each].values()]


def _filter(config: Raw) -> Filter:
    try:
        given = _config.decode(config)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise TriggerRegistrationFailed("Failed to deserialize stream trigger") from None
    stream = given.stream_name if given.stream_name is not None else given.stream
    if stream is None:
        raise TriggerRegistrationFailed(
            "Failed to deserialize stream trigger: missing field `stream_name`; name the stream to watch"
        )
    for value in (stream, given.group_id, given.item_id, given.condition_function_id):
        if value is not None and not isinstance(value, str):
            raise TriggerRegistrationFailed("Failed to deserialize stream trigger")
    return stream, given.group_id or None, given.item_id or None
