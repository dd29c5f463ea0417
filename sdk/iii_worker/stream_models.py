"""What stream functions, triggers and socket hooks take and give (spec stream.md)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from iii_worker.update_ops import UpdateOp, UpdateResult

__all__ = [
    "StreamAuthInput",
    "StreamAuthResult",
    "StreamChangeEvent",
    "StreamChangeEventDetail",
    "StreamDeleteInput",
    "StreamDeleteResult",
    "StreamGetInput",
    "StreamJoinLeaveEvent",
    "StreamJoinLeaveTriggerConfig",
    "StreamJoinResult",
    "StreamListGroupsInput",
    "StreamListInput",
    "StreamSetInput",
    "StreamSetResult",
    "StreamTriggerConfig",
    "StreamUpdateInput",
    "StreamUpdateResult",
]


class _Input(BaseModel):
    model_config = ConfigDict(extra="ignore")

    stream_name: str


class StreamGetInput(_Input):
    """Input of ``stream::get``."""

    group_id: str
    item_id: str


class StreamSetInput(_Input):
    """Input of ``stream::set``."""

    group_id: str
    item_id: str
    data: Any = None


class StreamDeleteInput(_Input):
    """Input of ``stream::delete``."""

    group_id: str
    item_id: str


class StreamListInput(_Input):
    """Input of ``stream::list``."""

    group_id: str


class StreamListGroupsInput(_Input):
    """Input of ``stream::list_groups``."""


class StreamUpdateInput(_Input):
    """Input of ``stream::update``."""

    group_id: str
    item_id: str
    ops: list[UpdateOp]


class StreamSetResult(BaseModel):
    """Result of ``stream::set``."""

    old_value: Any = None
    """None also if there was none."""
    new_value: Any = None


StreamUpdateResult = UpdateResult
"""Result of ``stream::update``."""


class StreamDeleteResult(BaseModel):
    """Result of ``stream::delete``."""

    old_value: Any = None
    """None also if there was none."""


class StreamChangeEventDetail(BaseModel):
    """What happened; :attr:`StreamChangeEvent.event`."""

    type: Literal["create", "update", "delete", "event"]
    data: Any = None
    """The new value; of a delete the old one; None for ``event``."""
    event: dict[str, Any] | None = None
    """Of ``event``: ``{"type", "data"}`` as they were sent with ``stream::send``."""


class StreamChangeEvent(BaseModel):
    """What a ``stream`` trigger's handler gets (spec stream.md §3); camelCase as on the wire."""

    type: Literal["stream"] = "stream"
    timestamp: int
    """Unix time in milliseconds."""
    streamName: str  # noqa: N815  the wire's own name
    groupId: str  # noqa: N815
    id: str | None = None
    """The item's; None for an event that was sent to the whole group."""
    event: StreamChangeEventDetail


class StreamTriggerConfig(BaseModel):
    """Config of a ``stream`` trigger; what is None matches everything."""

    stream_name: str
    group_id: str | None = None
    item_id: str | None = None
    condition_function_id: str | None = None


class StreamJoinLeaveTriggerConfig(BaseModel):
    """Config of a ``stream:join`` or ``stream:leave`` trigger; engines take it and do not heed it (stream.md §5.2)."""

    stream_name: str | None = None
    condition_function_id: str | None = None


class StreamJoinLeaveEvent(BaseModel):
    """What a ``stream:join`` or ``stream:leave`` trigger's handler gets."""

    subscription_id: str
    stream_name: str
    group_id: str
    id: str | None = None
    context: Any = None
    """What the stream socket's auth function returned for this connection."""


class StreamJoinResult(BaseModel):
    """What a ``stream:join`` handler may return; ``unauthorized=True`` refuses."""

    unauthorized: bool


class StreamAuthInput(BaseModel):
    """Input of the stream socket's auth function."""

    headers: dict[str, str]
    path: str
    query_params: dict[str, list[str]]
    """Not percent-decoded."""
    addr: str
    """``ip:port`` of the client."""


class StreamAuthResult(BaseModel):
    """What the auth function returns; it cannot refuse a connection (stream.md §6.1)."""

    context: Any = None
