"""What the functions of ``iii-state`` take (state.md §2). Members that are not named here are ignored."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from iii_actors.builtin.inputs import Input
from iii_actors.builtin.updates.schemas import OPERATIONS_SCHEMA

__all__ = [
    "DELETE",
    "GET",
    "GET_MANY",
    "LIST",
    "LIST_GROUPS",
    "LIST_KEYS",
    "SET",
    "UPDATE",
    "StateDeleteInput",
    "StateGetInput",
    "StateGetManyInput",
    "StateListGroupsInput",
    "StateListInput",
    "StateSetInput",
    "StateUpdateInput",
]

_Scope = Annotated[str, Meta(description="Where the key lives; any text.")]
_Key = Annotated[str, Meta(description="Any text.")]
_Any = Annotated[Raw, Meta(description="Any JSON value.")]
_IfVersion = Annotated[
    int | None,
    Meta(description="Write only over the value of this version; 0: only if there is no value. Else VERSION_CONFLICT."),
]
_WithVersion = Annotated[bool, Meta(description="Add `version` to the answer; so does `if_version`.")]


class StateGetInput(Struct):
    """One value."""

    scope: _Scope
    key: _Key
    with_version: Annotated[bool, Meta(description="Answer {value, version} instead of the bare value.")] = False


class StateSetInput(Struct):
    """A value to write; one of `value` and its synonym `data` must be there."""

    scope: _Scope
    key: _Key
    value: _Any | UnsetType = UNSET
    data: _Any | UnsetType = UNSET
    ttl_ms: Annotated[int | None, Meta(description="The value is gone after so many milliseconds.")] = None
    if_version: _IfVersion = None
    with_version: _WithVersion = False


class StateDeleteInput(Struct):
    """A value to remove."""

    scope: _Scope
    key: _Key
    if_version: _IfVersion = None


class StateUpdateInput(Struct):
    """A value to change by operations, in one step."""

    scope: _Scope
    key: _Key
    ops: Annotated[Raw, Meta(extra_json_schema=OPERATIONS_SCHEMA)]
    if_version: _IfVersion = None
    with_version: _WithVersion = False


class StateListInput(Struct):
    """A scope."""

    scope: _Scope


class StateGetManyInput(Struct):
    """Several keys of one scope."""

    scope: _Scope
    keys: list[str]


class StateListGroupsInput(Struct):
    """Nothing, but an object."""


GET: Final = Input("state::get", StateGetInput, "StateGetInput")
SET: Final = Input("state::set", StateSetInput, "StateSetInput")
DELETE: Final = Input("state::delete", StateDeleteInput, "StateDeleteInput")
UPDATE: Final = Input("state::update", StateUpdateInput, "StateUpdateInput")
LIST: Final = Input("state::list", StateListInput, "StateListInput")
LIST_KEYS: Final = Input("state::list_keys", StateListInput, "StateListInput")
GET_MANY: Final = Input("state::get_many", StateGetManyInput, "StateGetManyInput")
LIST_GROUPS: Final = Input("state::list_groups", StateListGroupsInput, "StateListGroupsInput")
