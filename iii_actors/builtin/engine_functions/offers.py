"""A built-in function as its module offers it: what it is called with, what it answers, who answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from iii_actors.builtin.base import Call, FunctionSpec
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["Nothing", "Offer"]


class Nothing(Struct, frozen=True):
    """The input of a function that takes none: any object."""


class Offer(NamedTuple):
    """One function. Its types make its schemas and check its input."""

    function_id: str
    description: str
    takes: Any
    """A ``msgspec.Struct``; whatever an input holds beside its members is ignored."""
    answer: Callable[[Any, Call], object]
    """Runs on the desk's thread: ``(input, call) -> result``, or ``DEFERRED``."""
    returns: Any = None
    """A ``msgspec.Struct``, or several in a tuple: one of them; None: no result."""
    internal: bool = False

    def spec(self) -> FunctionSpec:
        """Return it as it is registered."""
        response = wire.ABSENT if self.returns is None else _schema(self.returns)
        return FunctionSpec(self.function_id, self.description, _schema(self.takes), response, self.internal)


@cache
def _schema(kind: Any) -> Raw:
    """Return the JSON Schema of a type, or of "one of these types"."""
    if not isinstance(kind, tuple):
        return raw(msgspec.json.schema(kind))
    schemas, definitions = msgspec.json.schema_components(kind, ref_template="#/$defs/{name}")
    return raw({"anyOf": list(schemas), "$defs": definitions})
