"""How a handler wants to be called: what its signature and its hints say (spec sdk.md §3.2, §3.13)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, Final, Literal, NamedTuple, cast

from iii_worker.hints import NO_HINT, resolved_hints
from iii_worker.values import type_name

__all__ = ["Shape", "shape_of"]

METADATA: Final = "metadata"
_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Shape(NamedTuple):
    """What a handler takes and returns."""

    payload: bool
    """Whether it takes the payload, its one positional argument."""
    metadata: Literal["", "positional", "keyword"]
    """How it takes the call's metadata, if it does."""
    payload_hint: Any
    payload_default: Any
    """As :data:`NO_HINT` if there is none."""
    metadata_hint: Any
    return_hint: Any
    coroutine: bool
    """Whether calling it runs nothing yet. Others may return an awaitable all the same."""

    def without_hints(self) -> Shape:
        """Return the same as if nothing was said of what the parameters are."""
        return self._replace(payload_hint=NO_HINT, metadata_hint=NO_HINT)


def shape_of(handler: Callable[..., Any]) -> Shape:
    """Read a handler's signature.

    The payload is the only positional argument; a handler without any gets none. ``metadata`` is passed to a parameter
    of that name if it is the second positional or keyword-only. Raises ``TypeError`` for a handler that cannot be
    called like this.
    """
    target = _function_behind(handler)
    coroutine = inspect.iscoroutinefunction(target)
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # some built-in functions have none
        return Shape(True, "", NO_HINT, NO_HINT, NO_HINT, NO_HINT, coroutine)
    hints = resolved_hints(target)
    parameters = list(signature.parameters.values())
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    anything = any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters)
    first = positional[0] if positional else None
    metadata = _metadata(positional, parameters)
    _check(handler, positional[1:], parameters, metadata)
    return Shape(
        payload=first is not None or anything,
        metadata=metadata,
        payload_hint=hints.get(first.name, NO_HINT) if first is not None else NO_HINT,
        payload_default=NO_HINT if first is None or first.default is Parameter.empty else first.default,
        metadata_hint=hints.get(METADATA, NO_HINT) if metadata else NO_HINT,
        return_hint=hints.get("return", NO_HINT),
        coroutine=coroutine,
    )


def _function_behind(handler: Any) -> Callable[..., Any]:
    """Return the function whose hints a handler has: behind partials, and an object's ``__call__``."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    if isinstance(handler, type):
        return cast("Callable[..., Any]", vars(handler).get("__init__", handler))
    if inspect.isroutine(handler) or hasattr(handler, "__wrapped__"):
        return cast("Callable[..., Any]", handler)
    called: Callable[..., Any] = type(handler).__call__
    return called


def _metadata(positional: list[Parameter], parameters: list[Parameter]) -> Literal["", "positional", "keyword"]:
    if len(positional) > 1 and positional[1].name == METADATA:
        return "positional"
    if any(parameter.name == METADATA and parameter.kind is Parameter.KEYWORD_ONLY for parameter in parameters):
        return "keyword"
    return ""


def _check(handler: Callable[..., Any], further: list[Parameter], parameters: list[Parameter], metadata: str) -> None:
    if metadata == "positional":
        further = further[1:]
    missing = [parameter.name for parameter in further if parameter.default is Parameter.empty]
    missing += [
        parameter.name
        for parameter in parameters
        if parameter.kind is Parameter.KEYWORD_ONLY
        and parameter.default is Parameter.empty
        and not (metadata == "keyword" and parameter.name == METADATA)
    ]
    if missing:
        name = getattr(handler, "__qualname__", None) or type_name(type(handler))
        raise TypeError(
            f"handler {name} has more required parameters than it is given: {', '.join(missing)}. A handler takes the "
            "payload, and the call's metadata as `metadata` if it wants it"
        )
