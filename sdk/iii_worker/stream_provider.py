"""Streams that live in your own program: a provider is a handful of functions (spec stream.md §4, sdk.md §6.8)."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel

from iii_worker.stream_models import (
    StreamDeleteInput,
    StreamDeleteResult,
    StreamGetInput,
    StreamListGroupsInput,
    StreamListInput,
    StreamSetInput,
    StreamSetResult,
    StreamUpdateInput,
    StreamUpdateResult,
)

__all__ = ["IStream", "StreamProvider", "create_stream"]

Value = TypeVar("Value")
Answer = TypeVar("Answer")

MaybeAsync: TypeAlias = Answer | Awaitable[Answer]

_OPERATIONS: Final[dict[str, type[BaseModel]]] = {
    "get": StreamGetInput,
    "set": StreamSetInput,
    "delete": StreamDeleteInput,
    "list": StreamListInput,
    "list_groups": StreamListGroupsInput,
}


class IStream(ABC, Generic[Value]):
    """What a provider implements; each method may be a coroutine function as well.

    Methods run on handler threads, several at once. What they raise reaches the caller of ``stream::...``.
    """

    @abstractmethod
    def get(self, input: StreamGetInput, /) -> MaybeAsync[Value | None]:  # noqa: A002
        """Return the item, None if there is none."""

    @abstractmethod
    def set(self, input: StreamSetInput, /) -> MaybeAsync[StreamSetResult | dict[str, Any] | None]:  # noqa: A002
        """Store the item; return what it replaced (None: the event is a ``create``) and what was stored."""

    @abstractmethod
    def delete(self, input: StreamDeleteInput, /) -> MaybeAsync[StreamDeleteResult | dict[str, Any]]:  # noqa: A002
        """Remove the item; return what it was (None: there was none, and nobody is told)."""

    @abstractmethod
    def list(self, input: StreamListInput, /) -> MaybeAsync[builtins.list[Value]]:  # noqa: A002
        """Return all items of a group."""

    @abstractmethod
    def list_groups(self, input: StreamListGroupsInput, /) -> MaybeAsync[builtins.list[str]]:  # noqa: A002
        """Return the ids of all groups."""

    def update(self, input: StreamUpdateInput, /) -> MaybeAsync[StreamUpdateResult | dict[str, Any] | None]:  # noqa: A002
        """Apply update operations; only asked for with ``create_stream(..., updates=True)``."""
        raise NotImplementedError(f"{type(self).__name__} does not take updates")


class _FunctionRef(Protocol):
    def unregister(self) -> None: ...


class _Registrar(Protocol):
    def register_function(
        self, function_id: str, handler_or_invocation: Any, *, description: str | None = None
    ) -> _FunctionRef: ...


class StreamProvider:
    """A provider that is registered; :meth:`unregister` takes it back."""

    def __init__(self, name: str, functions: builtins.list[_FunctionRef]) -> None:
        self.name = name
        self._functions = functions

    def unregister(self) -> None:
        """Take the functions back: the engine's own store serves the stream again. Idempotent."""
        functions, self._functions = self._functions, []
        for function in functions:
            function.unregister()


def create_stream(
    client: _Registrar, stream_name: str, stream: IStream[Any], *, updates: bool = False
) -> StreamProvider:
    """Serve a stream from this program: registers ``stream::get(<name>)``, ``set``, ``delete``, ``list``,
    ``list_groups``.

    The engine finds providers only in the namespace ``default``.

    :param updates: register ``update`` as well. Without it an update changes the engine's own store, not the
    provider's.

    Raises ``ValueError`` for a blank name or one that is served by this client already, ``TypeError`` if a method is
    missing.
    """
    if not isinstance(stream_name, str) or not stream_name.strip():
        raise ValueError(f"the stream's name is {stream_name!r}: it must be a str that is not blank")
    operations = _OPERATIONS | ({"update": StreamUpdateInput} if updates else {})
    handlers = {name: _handler(stream, name, model) for name, model in operations.items()}
    functions: builtins.list[_FunctionRef] = []
    provider = StreamProvider(stream_name, functions)
    try:
        for name, handler in handlers.items():
            function_id = f"stream::{name}({stream_name})"
            description = f"{name} of the stream {stream_name}"
            functions.append(client.register_function(function_id, handler, description=description))
    except BaseException:
        provider.unregister()
        raise
    return provider


def _handler(stream: IStream[Any], name: str, model: type[BaseModel]) -> Callable[[Any], Any]:
    method = getattr(stream, name, None)
    if not callable(method):
        raise TypeError(f"{type(stream).__name__} has no method {name}(): a stream provider needs it")

    def handler(payload: Any) -> Any:
        return method(payload if isinstance(payload, model) else model.model_validate(payload))

    handler.__annotations__ = {"payload": model, "return": Any}
    handler.__name__ = name
    handler.__qualname__ = f"{type(stream).__qualname__}.{name}"
    return handler
