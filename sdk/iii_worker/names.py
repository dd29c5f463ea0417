"""Names from other SDKs and from earlier published material, as aliases (spec sdk.md §10).

Node's camelCase methods, and its options (``workerName``, ``reconnectionConfig={"initialDelayMs": ...}``). What goes
over the wire keeps its snake_case in every SDK: ``function_id``, ``timeout_ms``.
"""

# ruff: noqa: N802, N815  the names are other people's

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from iii_worker.client_calls import CallMethods
from iii_worker.client_data import DataMethods
from iii_worker.decorators import DecoratorMethods
from iii_worker.external import HttpInvocationConfig
from iii_worker.functions import FunctionRef
from iii_worker.options import InitOptions
from iii_worker.states import IIIConnectionState

if TYPE_CHECKING:
    from iii_worker.client import IIIClient

__all__ = ["OlderNames", "registerWorker"]

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


class OlderNames(CallMethods, DataMethods, DecoratorMethods):
    """The client's methods under their other names."""

    registerTrigger = DecoratorMethods.register_trigger
    registerTriggerType = DecoratorMethods.register_trigger_type
    unregisterTriggerType = DecoratorMethods.unregister_trigger_type
    registerService = DecoratorMethods.register_service
    listFunctions = DecoratorMethods.list_functions
    listWorkers = DecoratorMethods.list_workers
    createChannel = DataMethods.create_channel
    createStream = DataMethods.create_stream
    addConnectionStateListener = CallMethods.add_connection_state_listener

    def registerFunction(
        self,
        function_id: str | Mapping[str, Any],
        handler_or_invocation: Callable[..., Any] | HttpInvocationConfig | Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> FunctionRef:
        """See :meth:`iii_worker.IIIClient.register_function`; options may be a dict, as in Node."""
        named = {_HUMP.sub(_lower, key): value for key, value in (options or {}).items()}
        return self.register_function(function_id, handler_or_invocation, **(named | keywords))

    def getConnectionState(self) -> IIIConnectionState:
        """See :meth:`iii_worker.IIIClient.get_connection_state`."""
        return self.states.current

    def getAddress(self) -> str:
        """See :meth:`iii_worker.IIIClient.get_address`."""
        return self.address

    def getFatalError(self) -> Exception | None:
        """See :attr:`iii_worker.IIIClient.fatal_error`."""
        return self.connection.fatal_error

    def on_functions_available(self, callback: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
        """Call back with ``{"event": "functions_changed", "functions": [...]}`` of all namespaces after each change.

        :meth:`on_functions_changed` says what has changed instead.
        """
        live = self.live_functions

        def tell(_: object) -> None:
            callback({"event": "functions_changed", "functions": [asdict(row) for row in live.rows.values()]})

        return self.on_functions_changed(tell)

    onFunctionsAvailable = on_functions_available


def registerWorker(
    address: str | None = None, options: InitOptions | Mapping[str, Any] | None = None, **keywords: Any
) -> IIIClient:
    """See :func:`iii_worker.register_worker`; options may be spelt as in Node: ``registerWorker(url, {"workerName":
    "users"})``.

    Raises ``TypeError`` for an option that is none.
    """
    from iii_worker.entry import register_worker  # noqa: PLC0415  it imports the client, which has these names

    if isinstance(options, Mapping):
        options = _snake_case(options)
    return register_worker(address, options, **_snake_case(keywords))


def _snake_case(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the protocol's names, those of nested options included; headers are nobody's options."""
    return {
        _HUMP.sub(_lower, key): value if key == "headers" or not isinstance(value, Mapping) else _snake_case(value)
        for key, value in options.items()
    }


def _lower(hump: re.Match[str]) -> str:
    return "_" + hump[1].lower()
