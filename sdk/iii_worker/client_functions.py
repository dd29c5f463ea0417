"""Offering functions: what users see of :mod:`iii_worker.functions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Unpack

from iii_worker.client_parts import ClientParts
from iii_worker.external import HttpInvocationConfig
from iii_worker.functions import FunctionRef
from iii_worker.registration import FunctionOptions

__all__ = ["FunctionMethods"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


class FunctionMethods(ClientParts):
    """Registering and taking back; everything registered is registered again on every new connection."""

    def register_function(
        self,
        function_id: str | Mapping[str, Any],
        handler_or_invocation: Callable[..., Any] | HttpInvocationConfig | Mapping[str, Any],
        **options: Unpack[FunctionOptions],
    ) -> FunctionRef:
        """Offer a function to everybody in the worker's namespace, until ``FunctionRef.unregister()``.

        See :meth:`iii_worker.functions.FunctionTable.register` for the handler, the options and what is raised.
        """
        self.check_open()
        return self.function_table.register(function_id, handler_or_invocation, **options)

    def function(self, function_id: str, **options: Unpack[FunctionOptions]) -> Callable[[_Function], _Function]:
        """Decorate a function to offer it: ``@worker.function("users::create")``. The function stays as it is.

        Options are those of :meth:`register_function`.
        """
        self.check_open()
        return self.function_table.decorator(function_id, **options)
