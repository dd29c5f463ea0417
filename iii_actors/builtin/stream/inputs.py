"""What the functions of ``iii-stream`` take (stream.md §2). Members that are not named here are ignored."""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct

from iii_actors.builtin.inputs import Input

__all__ = [
    "DELETE",
    "GET",
    "LIST",
    "LIST_ALL",
    "LIST_GROUPS",
    "SEND",
    "SET",
    "UPDATE",
    "StreamGetInput",
    "StreamListAllInput",
    "StreamListGroupsInput",
    "StreamListInput",
    "StreamSendInput",
    "StreamSetInput",
    "StreamUpdateInput",
]


class StreamListGroupsInput(Struct):
    """A stream."""

    stream_name: str


class StreamListInput(Struct):
    """A group of a stream."""

    stream_name: str
    group_id: str


class StreamGetInput(Struct):
    """An item: to be read, or to be deleted."""

    stream_name: str
    group_id: str
    item_id: str


class StreamSetInput(Struct):
    """An item to write; its data may be null and must be there."""

    stream_name: str
    group_id: str
    item_id: str
    data: Raw


class StreamUpdateInput(Struct):
    """An item to change by operations, in one step (state.md §4)."""

    stream_name: str
    group_id: str
    item_id: str
    ops: Raw


class StreamListAllInput(Struct):
    """Nothing, but an object."""


class StreamSendInput(Struct):
    """An event that is passed on and not stored."""

    stream_name: str
    group_id: str
    type: str
    data: Raw
    id: str | None = None
    """An item's id, for matching."""


GET: Final = Input("stream::get", StreamGetInput, "StreamGetInput")
SET: Final = Input("stream::set", StreamSetInput, "StreamSetInput")
DELETE: Final = Input("stream::delete", StreamGetInput, "StreamDeleteInput")
UPDATE: Final = Input("stream::update", StreamUpdateInput, "StreamUpdateInput")
LIST: Final = Input("stream::list", StreamListInput, "StreamListInput")
LIST_GROUPS: Final = Input("stream::list_groups", StreamListGroupsInput, "StreamListGroupsInput")
LIST_ALL: Final = Input("stream::list_all", StreamListAllInput, "StreamListAllInput")
SEND: Final = Input("stream::send", StreamSendInput, "StreamSendInput")
