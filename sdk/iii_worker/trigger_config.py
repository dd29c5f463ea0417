"""A trigger as the provider of its type sees it, and what a provider implements (spec sdk.md §2.3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from iii_worker._types import Caller
from iii_worker.errors import Error

__all__ = ["TriggerConfig", "TriggerHandler"]

Config = TypeVar("Config")

HOME: Final = "default"
"""The namespace of a function that a ``registertrigger`` names none for (spec core.md §2.2)."""


@dataclass
class TriggerConfig(Generic[Config]):
    """A function that somebody has bound to a trigger type of this worker. Any thread."""

    id: str
    """The trigger's: unique, and the same when it is bound again with another config."""
    function_id: str
    config: Config
    """As the type's ``trigger_request_format`` says, if that is a type; else plain JSON."""
    metadata: Any = None
    """What the binding wants to be passed with each call; :meth:`fire` does."""
    namespace: str | None = None
    """Where the function is; None is ``default``, whatever this worker's own namespace."""
    caller: Caller | None = field(default=None, repr=False, compare=False)
    """The client that :meth:`fire` calls with; the SDK fills it in."""

    def fire(self, payload: Any = None) -> None:
        """Call the function in its namespace, with the binding's metadata; nobody waits, nobody hears of failures."""
        self._caller().send(self.function_id, payload, namespace=self.namespace or HOME, metadata=self.metadata)

    def call(self, payload: Any = None, *, timeout: float | None = None) -> Any:
        """As :meth:`fire`, but wait for the result and return it. Raises :class:`iii_worker.InvocationError`.

        :param timeout: seconds; None: the client's ``invocation_timeout_ms``.
        """
        return self._caller().call(
            self.function_id, payload, timeout=timeout, namespace=self.namespace or HOME, metadata=self.metadata
        )

    def _caller(self) -> Caller:
        if self.caller is None:
            raise Error(
                f"the trigger {self.id!r} was made by hand: give it a client, TriggerConfig(..., caller=worker)"
            )
        return self.caller


class TriggerHandler(ABC, Generic[Config]):
    """What the provider of a trigger type implements; each method may be a coroutine function as well.

    Methods run on handler threads, for one type one after the other, in the order in which the engine says it.
    Any other class with these two methods does as well.
    """

    @abstractmethod
    def register_trigger(self, config: TriggerConfig[Config]) -> Awaitable[None] | None:
        """Somebody binds a function. What is raised here refuses it, and its message is what they are told.

        The same ``config.id`` again means that the binding has changed: forget what it was.
        """

    @abstractmethod
    def unregister_trigger(self, config: TriggerConfig[Config]) -> Awaitable[None] | None:
        """A binding is over: taken back, its worker has left, or this worker has lost the engine.

        After a lost connection the engine binds anew whatever is still wanted. What is raised here is logged.
        """
