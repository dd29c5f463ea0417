"""Functions that are invoked over HTTP: what the core knows of whoever invokes them (core.md §5).

The core routes, files and ends such calls like all others. The function belongs to the worker that registered it; its
calls are told to the provider, which finds in :attr:`~iii_actors.core.messages.Target.endpoint` what it has prepared.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from iii_actors.actor import Ref
from iii_actors.wire import messages as wire

__all__ = ["ExternalProvider", "FindExternal", "ServeExternal", "WithdrawExternal"]


class ExternalProvider(Protocol):
    """The built-in worker that invokes functions over HTTP, as registrations see it."""

    @property
    def ref(self) -> Ref:
        """Told a :class:`~iii_actors.core.messages.Forward` per call; answers it, sooner or later."""

    def prepare(self, definition: wire.RegisterFunction) -> object:
        """Return what the provider wants to find again in every call of this function; never None.

        Runs on the registering connection's own thread and may wait. Raises ``EngineError`` if the function cannot be
        invoked so: then it is not registered.
        """


class ServeExternal(NamedTuple):
    """Asked of functions: from now on this provider takes them. Raises ``ConfigError`` if there is one already."""

    provider: ExternalProvider


class WithdrawExternal(NamedTuple):
    """Asked of functions: the provider leaves; every function that it invokes is removed."""

    provider: ExternalProvider


class FindExternal(NamedTuple):
    """Asked of functions: the :class:`ExternalProvider`, or None."""
