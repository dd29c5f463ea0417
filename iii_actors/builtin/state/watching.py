"""Which bindings a change of state concerns, and the event they are told (state.md §5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from iii_actors.builtin.calls import Bound, condition_of
from iii_actors.builtin.wording import invalid_text, invalid_type
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.storage import Change
from iii_actors.wire.messages import present

__all__ = ["Watching", "event"]

_encode: Final = msgspec.json.Encoder().encode
_NULL: Final = b"null"

Filter = tuple[str | None, str | None]
"""``(scope, key)``; None lets any through."""


class _Config(Struct):
    scope: Any = None
    key: Any = None
    condition_function_id: Any = None


_config: Final = msgspec.json.Decoder(_Config)


class Watching:
    """The bindings, found by what they watch. Used by one thread at a time."""

    def __init__(self) -> None:
        self._filters: dict[str, Filter] = {}
        self._bound: dict[Filter, dict[str, Bound]] = {}

    def __len__(self) -> int:
        return len(self._filters)

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

    def concerned(self, scope: str, key: str) -> Sequence[Bound]:
        """Return the bindings that a change of this value concerns."""
        bound = self._bound
        found = [
            bound[wanted] for wanted in ((scope, key), (scope, None), (None, key), (None, None)) if wanted in bound
        ]
        return [one for beside in found for one in beside.values()]


def _filter(config: Raw) -> Filter:
    """Return what a binding watches; without a configuration, everything."""
    if not present(config):
        return None, None
    try:
        given = _config.decode(config)
    except msgspec.ValidationError:
        reason = invalid_text(bytes(config), "struct StateTriggerConfig")
        raise TriggerRegistrationFailed(f"Failed to parse trigger config: {reason}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise TriggerRegistrationFailed(f"Failed to parse trigger config: {error}") from None
    for value in (given.scope, given.key, given.condition_function_id):
        if value is not None and not isinstance(value, str):
            raise TriggerRegistrationFailed(f"Failed to parse trigger config: {invalid_type(value, 'a string')}")
    return given.scope, given.key


def event(scope: str, key: str, change: Change) -> Raw:
    """Return what the bindings are told: all six members, whatever happened."""
    kind = b"deleted" if change.new is None else b"created" if change.old is None else b"updated"
    return Raw(
        b'{"type":"state","event_type":"state:%b","scope":%b,"key":%b,"old_value":%b,"new_value":%b}'
        % (
            kind,
            _encode(scope),
            _encode(key),
            change.old.text if change.old is not None else _NULL,
            change.new.text if change.new is not None else _NULL,
        )
    )
