"""What the functions of ``iii-state`` answer, and what its trigger type takes and gives (state.md §2, §5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from iii_actors.builtin.updates.applying import ErrorEntry

__all__ = [
    "StateEvent",
    "StateListGroupsResult",
    "StateSetResult",
    "StateTriggerConfig",
    "StateUpdateResult",
]

_Version = Annotated[int, Meta(description="The new value's; there if it was asked for.")]
_Old = Annotated[Any, Meta(description="The value before; null if there was none.")]


class StateSetResult(Struct):
    """The value before and now."""

    old_value: _Old
    new_value: Any
    version: _Version | UnsetType = UNSET


class StateUpdateResult(Struct):
    """The value before and now, and the operations that were rejected."""

    old_value: _Old
    new_value: Any
    errors: Annotated[list[ErrorEntry], Meta(description="Left out if there are none.")] | UnsetType = UNSET
    version: _Version | UnsetType = UNSET


class StateListGroupsResult(Struct):
    """The scopes that hold something, sorted."""

    groups: list[str]


class StateTriggerConfig(Struct):
    """Which changes to be told of."""

    scope: Annotated[str | None, Meta(description="Only of this scope; none: of any.")] = None
    key: Annotated[str | None, Meta(description="Only of this key; none: of any.")] = None
    condition_function_id: Annotated[
        str | None, Meta(description="Function that is asked first, with the same event; exactly false: do not call.")
    ] = None


class StateEvent(Struct):
    """A change."""

    type: Literal["state"]
    event_type: Literal["state:created", "state:updated", "state:deleted"]
    scope: str
    key: str
    old_value: _Old
    new_value: Annotated[Any, Meta(description="The value now; null if it is gone.")]
