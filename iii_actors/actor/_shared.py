"""What both kinds of actor have in common: marking handlers, starting, the reference type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import pykka

__all__ = ["HandlerTable", "Ref", "handles", "launch"]

Ref = pykka.ActorRef[Any]
"""Any actor, light or threaded: something that can be told."""

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


def handles(message_type: type) -> Callable[[_Handler], _Handler]:
    """Mark a method as the handler of one message type; its return value is the answer to an ``ask``."""

    def mark(method: _Handler) -> _Handler:
        method.__handles__ = message_type  # type: ignore[attr-defined]
        return method

    return mark


class HandlerTable:
    """Collects the methods marked with :func:`handles`, of a class and of those it derives from."""

    _handler_names: ClassVar[dict[type, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = dict(cls._handler_names)
        for name, member in vars(cls).items():
            if hasattr(member, "__handles__"):
                names[member.__handles__] = name
        cls._handler_names = names

    def _bound_handlers(self) -> dict[type, Callable[[Any], Any]]:
        """The table of one actor: message type to bound method."""
        return {kind: getattr(self, name) for kind, name in self._handler_names.items()}


def launch(actor: pykka.Actor) -> Ref:
    """Start an actor that has been made already: what ``Actor.start`` does for one that it makes itself."""
    pykka.ActorRegistry.register(actor.actor_ref)
    actor._start_actor_loop()
    return actor.actor_ref
