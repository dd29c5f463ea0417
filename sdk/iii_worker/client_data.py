"""Channels, state, streams, publishing: what users see of them on the client."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from iii_worker.channel import Channel, create_channel
from iii_worker.client_functions import FunctionMethods
from iii_worker.pubsub import publish
from iii_worker.queue import DurableTopic, NamedQueue
from iii_worker.state import StateScope
from iii_worker.stream import Stream
from iii_worker.stream_provider import IStream, StreamProvider, create_stream

__all__ = ["DataMethods"]

_Value = TypeVar("_Value")


class DataMethods(FunctionMethods):
    """The helpers of :mod:`iii_worker.helpers` as methods. All raise :class:`InvocationError` as :meth:`call` does."""

    def create_channel(self, buffer_size: int | None = None, *, timeout: float | None = None) -> Channel:
        """Have the engine make a channel; see :func:`iii_worker.channel.create_channel`."""
        return create_channel(self, buffer_size, timeout=timeout)

    def create_stream(self, stream_name: str, stream: IStream[Any], *, updates: bool = False) -> StreamProvider:
        """Serve a stream from this program; see :func:`iii_worker.stream_provider.create_stream`."""
        return create_stream(self, stream_name, stream, updates=updates)

    @overload
    def state(self, scope: str, model: type[_Value], *, timeout: float | None = None) -> StateScope[_Value]: ...
    @overload
    def state(self, scope: str, model: None = None, *, timeout: float | None = None) -> StateScope[Any]: ...
    def state(self, scope: str, model: type[Any] | None = None, *, timeout: float | None = None) -> StateScope[Any]:
        """Return one scope of the engine's state: ``worker.state("users").get("7")``; see :class:`StateScope`."""
        return StateScope(self, scope, model, timeout=timeout)

    @overload
    def stream(self, name: str, model: type[_Value], *, timeout: float | None = None) -> Stream[_Value]: ...
    @overload
    def stream(self, name: str, model: None = None, *, timeout: float | None = None) -> Stream[Any]: ...
    def stream(self, name: str, model: type[Any] | None = None, *, timeout: float | None = None) -> Stream[Any]:
        """Return one stream: ``worker.stream("chat").list("room")``; see :class:`Stream`."""
        return Stream(self, name, model, timeout=timeout)

    def publish(self, topic: str, data: Any = None, *, wait: bool = True, timeout: float | None = None) -> None:
        """Send ``data`` to everybody who is subscribed to ``topic`` now; see :func:`iii_worker.pubsub.publish`."""
        publish(self, topic, data, wait=wait, timeout=timeout)

    def named_queue(self, name: str, *, timeout: float | None = None) -> NamedQueue:
        """Return one of the engine's named queues, to look into it and to redrive dead letters; see
        :class:`NamedQueue`.
        """
        return NamedQueue(self, name, timeout=timeout)

    def durable_topic(self, name: str, *, timeout: float | None = None) -> DurableTopic:
        """Return a durable topic, to publish to it and to look into it; see :class:`DurableTopic`."""
        return DurableTopic(self, name, timeout=timeout)
