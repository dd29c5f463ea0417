"""What the functions of ``iii-stream`` answer, and what its trigger types take and give (stream.md §2, §3, §5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from iii_actors.builtin.updates.applying import ErrorEntry

__all__ = [
    "StreamDeleteResult",
    "StreamDoorConfig",
    "StreamEvent",
    "StreamJoinOrLeave",
    "StreamListAllResult",
    "StreamSetResult",
    "StreamTriggerConfig",
    "StreamUpdateResult",
]

_Old = Annotated[Any, Meta(description="The value before; null if there was none.")]


class StreamSetResult(Struct):
    """The value before and now."""

    old_value: _Old
    new_value: Any


class StreamUpdateResult(Struct):
    """The value before and now, and the operations that were rejected."""

    old_value: _Old
    new_value: Any
    errors: Annotated[list[ErrorEntry], Meta(description="Left out if there are none.")] | UnsetType = UNSET


class StreamDeleteResult(Struct):
    """The value that was deleted."""

    old_value: _Old


class StreamGroups(Struct):
    """A stream and its groups, sorted."""

    id: str
    groups: list[str]


class StreamListAllResult(Struct):
    """The streams that hold something, sorted."""

    stream: list[StreamGroups]
    count: int


class StreamTriggerConfig(Struct):
    """Which events to be told of."""

    stream_name: Annotated[str | None, Meta(description="Of this stream; `stream` is a synonym. One must be there.")]
    group_id: Annotated[str | None, Meta(description="Only of this group; none or empty: of any.")] = None
    item_id: Annotated[str | None, Meta(description="Only of this item; none or empty: of any.")] = None
    condition_function_id: Annotated[
        str | None, Meta(description="Function that is asked first, with the same event; exactly false: do not call.")
    ] = None


class StreamEvent(Struct):
    """Something that happened in a stream."""

    type: Literal["stream"]
    timestamp: Annotated[int, Meta(description="Milliseconds since the epoch, UTC.")]
    streamName: str  # noqa: N815 - the protocol's spelling
    groupId: str  # noqa: N815
    id: Annotated[str | None, Meta(description="The item; null for an event of no item.")]
    event: Annotated[
        dict[str, Any],
        Meta(description="`type` is create, update or delete, with `data`; or event, with the `event` that was sent."),
    ]


class StreamDoorConfig(Struct):
    """Of join and leave: both members are accepted and have no effect; every join and leave is told."""

    stream_name: Annotated[str | None, Meta(description="Without effect.")] = None
    condition_function_id: Annotated[str | None, Meta(description="Without effect.")] = None


class StreamJoinOrLeave(Struct):
    """A client of the subscription socket asks to follow something, or follows it no more.

    Of join: an answer with `unauthorized: true` refuses it.
    """

    subscription_id: Annotated[str, Meta(description="The client's own name for it.")]
    stream_name: str
    group_id: str
    id: Annotated[str | None, Meta(description="The item; null: the whole group.")]
    context: Annotated[Any, Meta(description="What the auth function has said about the connection; null if nothing.")]
