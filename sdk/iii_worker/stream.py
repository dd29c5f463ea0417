"""Streams: items by stream, group and id, kept by the engine's ``iii-stream`` or by a provider (spec stream.md).

::

    chat = worker.stream("chat")
    chat.set("room-1", "m1", {"text": "hello"})
    chat.list("room-1")
"""

from __future__ import annotations

import builtins
from typing import Any, Final, Generic, TypeVar

from iii_worker._types import Caller
from iii_worker.stream_models import (
    StreamAuthInput,
    StreamAuthResult,
    StreamChangeEvent,
    StreamChangeEventDetail,
    StreamDeleteInput,
    StreamDeleteResult,
    StreamGetInput,
    StreamJoinLeaveEvent,
    StreamJoinLeaveTriggerConfig,
    StreamJoinResult,
    StreamListGroupsInput,
    StreamListInput,
    StreamSetInput,
    StreamSetResult,
    StreamTriggerConfig,
    StreamUpdateInput,
    StreamUpdateResult,
)
from iii_worker.stream_provider import IStream, StreamProvider, create_stream
from iii_worker.typed_values import TypedValues, ValueMismatchError
from iii_worker.update_ops import (
    Update,
    UpdateAppend,
    UpdateDecrement,
    UpdateFailedError,
    UpdateIncrement,
    UpdateMerge,
    UpdateOp,
    UpdateOpError,
    UpdateRemove,
    UpdateSet,
    wire_ops,
)

__all__ = [
    "IStream",
    "Stream",
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
    "StreamProvider",
    "StreamSetInput",
    "StreamSetResult",
    "StreamTriggerConfig",
    "StreamUpdateInput",
    "StreamUpdateResult",
    "Update",
    "UpdateAppend",
    "UpdateDecrement",
    "UpdateFailedError",
    "UpdateIncrement",
    "UpdateMerge",
    "UpdateOp",
    "UpdateOpError",
    "UpdateRemove",
    "UpdateSet",
    "ValueMismatchError",
    "create_stream",
    "list_streams",
]

Value = TypeVar("Value")

_HOME: Final = "default"
"""Streams are global to the engine: its functions live here, whatever the caller's namespace (spec stream.md §1)."""


class Stream(Generic[Value]):
    """One stream; made by ``worker.stream(name)``. Holds nothing: every method is one call. Any thread.

    :param client: calls the engine.
    :param name: any string; a stream exists while it holds items.
    :param model: the type that items are checked into, for :meth:`get` and :meth:`list`; None: they stay plain JSON.
    :param timeout: seconds each call may take; None: the client's default.

    Every method raises :class:`iii_worker.InvocationError` as a call does; ``function_not_found`` means that the engine
    runs without its ``iii-stream``.
    """

    def __init__(
        self, client: Caller, name: str, model: type[Value] | None = None, *, timeout: float | None = None
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the stream's name is {name!r}: it must be a str")
        self.name = name
        self._client = client
        self._values = TypedValues(model)
        self._timeout = timeout

    def _call(self, operation: str, **members: Any) -> Any:
        payload = {"stream_name": self.name, **members}
        return self._client.call(f"stream::{operation}", payload, timeout=self._timeout, namespace=_HOME)

    def get(self, group_id: str, item_id: str, default: Any = None) -> Any:
        """Return the item, ``default`` if there is none (or it is null).

        Raises :class:`ValueMismatchError` if it does not fit the model.
        """
        value = self._call("get", group_id=group_id, item_id=item_id)
        return default if value is None else self._values.take(value, f"stream item {self.name}/{group_id}/{item_id}")

    def set(self, group_id: str, item_id: str, data: Any) -> StreamSetResult:
        """Store an item and tell everybody who follows it. Returns what it replaced and what was stored."""
        answer = self._call("set", group_id=group_id, item_id=item_id, data=data)
        return StreamSetResult.model_validate(answer)

    def update(self, group_id: str, item_id: str, *ops: UpdateOp | dict[str, Any]) -> StreamUpdateResult:
        """Apply operations in one step, in their order; an item that is not there begins as ``{}``.

        Operations that do not fit are left out and told in ``errors``; ``raise_for_errors()`` of the result raises
        them. Of a stream with a provider this changes the engine's own store and not the provider's, unless the
        provider takes updates, see :func:`create_stream`.
        """
        answer = self._call("update", group_id=group_id, item_id=item_id, ops=wire_ops(ops))
        return StreamUpdateResult.model_validate(answer)

    def delete(self, group_id: str, item_id: str) -> StreamDeleteResult:
        """Remove an item; ``old_value`` of the result is what it was, None if there was none."""
        return StreamDeleteResult.model_validate(self._call("delete", group_id=group_id, item_id=item_id) or {})

    def list(self, group_id: str) -> builtins.list[Any]:
        """Return all items of a group, without their ids. Raises :class:`ValueMismatchError` as :meth:`get`."""
        where = f"stream {self.name}/{group_id}"
        found = self._call("list", group_id=group_id) or []
        return [self._values.take(value, f"{where}[{index}]") for index, value in enumerate(found)]

    def list_groups(self) -> builtins.list[str]:
        """Return the ids of all groups, in no particular order."""
        return builtins.list(self._call("list_groups") or [])

    def send(self, group_id: str, type: str, data: Any = None, *, id: str | None = None) -> None:  # noqa: A002
        """Send an event to who follows the group, or the item ``id`` of it; nothing is stored.

        :param type: the event's name, yours to choose.
        """
        members = {"group_id": group_id, "type": type, "data": data}
        self._call("send", **(members if id is None else members | {"id": id}))

    def __repr__(self) -> str:
        return f"<Stream {self.name!r}>"


def list_streams(client: Caller, *, timeout: float | None = None) -> dict[str, builtins.list[str]]:
    """Return the groups of every stream (``stream::list_all``); streams of providers are not among them."""
    answer = client.call("stream::list_all", {}, timeout=timeout, namespace=_HOME)
    return {stream["id"]: builtins.list(stream["groups"]) for stream in answer["stream"]}
