"""The trigger types this worker provides, and who is bound to them (spec sdk.md §2.2, §2.3, §5.3; core.md §6)."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from iii_worker._types import ClientPort
from iii_worker.hints import NO_HINT
from iii_worker.pool import HandlerPool
from iii_worker.provider import Provider
from iii_worker.schemas import format_of
from iii_worker.trigger_config import TriggerConfig, TriggerHandler
from iii_worker.trigger_inputs import (
    RegisterTriggerInput,
    RegisterTriggerTypeInput,
    UnregisterTriggerTypeInput,
    checked_id,
    input_from,
)
from iii_worker.triggers import Trigger, TriggerTable

if TYPE_CHECKING:
    from iii_worker.functions import FunctionRef, FunctionTable

__all__ = ["NO_CONFIG", "TriggerTypeRef", "TriggerTypeTable"]

logger = logging.getLogger(__name__)

Config = TypeVar("Config")

_TYPE_NOT_FOUND: Final = "trigger_type_not_found"


class _NoConfig:
    def __repr__(self) -> str:
        return "NO_CONFIG"


NO_CONFIG: Final = _NoConfig()
"""In place of a config: register the function and bind nothing."""


class TriggerTypeRef(Generic[Config]):
    """A trigger type of this worker. Any thread."""

    def __init__(self, provider: Provider, table: TriggerTypeTable) -> None:
        self.id: Final = provider.id
        self._provider = provider
        self._table = table

    @property
    def bindings(self) -> list[TriggerConfig[Config]]:
        """Who is bound now: what its handler has accepted, in order."""
        return self._provider.bindings()

    def fire(self, payload: Any = None, *, where: Callable[[TriggerConfig[Config]], bool] | None = None) -> int:
        """Call every bound function with ``payload``, without waiting; return how many there were.

        :param where: which bindings; None: all. For example ``where=lambda one: one.config.get("city") == "Oslo"``.
        """
        chosen = [one for one in self.bindings if where is None or where(one)]
        for one in chosen:
            one.fire(payload)
        return len(chosen)

    def register_trigger(
        self, function_id: str, config: Config | None = None, metadata: Any = None, *, namespace: str | None = None
    ) -> Trigger:
        """Bind a function to this type; see :meth:`iii_worker.IIIClient.register_trigger`."""
        return self._table.triggers.register(RegisterTriggerInput(self.id, function_id, config, metadata, namespace))

    def register_function(
        self,
        function_id: str,
        handler: Callable[..., Any],
        config: Config | _NoConfig | None = NO_CONFIG,
        metadata: Any = None,
        **options: Any,
    ) -> FunctionRef:
        """Register a function for this type; with a ``config`` (None is ``{}``), bind it too.

        :param metadata: the binding's, not the function's own.
        :param options: as :meth:`iii_worker.IIIClient.register_function` has them.
        """
        ref = self._table.functions.register(function_id, handler, **options)
        if not isinstance(config, _NoConfig):
            self.register_trigger(function_id, config, metadata)
        return ref

    registerTrigger = register_trigger  # noqa: N815  Node's names
    registerFunction = register_function  # noqa: N815

    def unregister(self) -> None:
        """Take the type back: bindings are over, further ones are refused. Unregistering again changes nothing.

        Engines have no message for this: in listings the type stays until this worker's connection ends.
        """
        self._table.forget(self._provider)

    def __repr__(self) -> str:
        return f"TriggerTypeRef({self.id!r})"


class TriggerTypeTable:
    """The trigger types of one client; it takes the engine's frames about triggers. Thread-safe.

    :param pool: where handlers' methods run.
    :param functions: for :meth:`TriggerTypeRef.register_function`.
    """

    def __init__(self, client: ClientPort, pool: HandlerPool, triggers: TriggerTable, functions: FunctionTable) -> None:
        self.triggers = triggers
        self.functions = functions
        self._client = client
        self._pool = pool
        self._lock = threading.Lock()
        self._providers: dict[str, Provider] = {}
        self._listening = False

    def register(
        self,
        given: RegisterTriggerTypeInput | Mapping[str, Any],
        handler: TriggerHandler[Any] | Any | None = None,
    ) -> TriggerTypeRef[Any]:
        """Provide a trigger type; see :meth:`iii_worker.IIIClient.register_trigger_type`."""
        wanted = input_from(RegisterTriggerTypeInput, given, "register_trigger_type()")
        kind = checked_id(wanted.id, "a trigger type's id")
        if not isinstance(wanted.description, str):
            raise TypeError(f"a trigger type's description is {wanted.description!r:.80}: it must be a text")
        if handler is not None:
            _check_handler(handler)
        config, call = wanted.trigger_request_format, wanted.call_request_format
        frame: dict[str, Any] = {"type": "registertriggertype", "id": kind, "description": wanted.description}
        formats = {
            "trigger_request_format": format_of(config, NO_HINT, "validation", "trigger_request_format"),
            "call_request_format": format_of(call, NO_HINT, "validation", "call_request_format"),
        }
        frame |= {name: schema for name, schema in formats.items() if schema is not None}
        hint = NO_HINT if config is None or isinstance(config, (dict, bool)) else config
        provider = Provider(kind, handler, hint, self._client, self._pool)
        with self._lock:
            if kind in self._providers:
                raise ValueError(f"trigger type {kind!r} is registered already: unregister it first")
            self._providers[kind] = provider
            first, self._listening = not self._listening, True
        if first:
            self._client.add_connection_state_listener(self._state_changed)
        self._client.replay.add_trigger_type(frame)
        return TriggerTypeRef(provider, self)

    def unregister(self, given: UnregisterTriggerTypeInput | TriggerTypeRef[Any] | Mapping[str, Any] | str) -> None:
        """Take a type back, by its id, its reference or the input it was registered with; else change nothing."""
        if isinstance(given, (TriggerTypeRef, RegisterTriggerTypeInput)):
            kind = given.id
        elif isinstance(given, str):
            kind = given
        else:
            kind = input_from(UnregisterTriggerTypeInput, given, "unregister_trigger_type()").id
        provider = self._providers.get(checked_id(kind, "a trigger type's id"))
        if provider is not None:
            self.forget(provider)

    def forget(self, provider: Provider) -> None:
        """Take a type back; see :meth:`TriggerTypeRef.unregister`."""
        with self._lock:
            if self._providers.get(provider.id) is not provider:
                return
            del self._providers[provider.id]
        self._client.replay.remove_trigger_type(provider.id)
        provider.close()

    # --- what the engine says -----------------------------------------------------------------------------------------

    def on_frame(self, frame: dict[str, Any]) -> None:
        """Take a frame; see :class:`iii_worker._types.Notices`."""
        if frame["type"] == "triggerregistrationresult":
            self.triggers.on_result(frame)
            return
        trigger_id, kind = frame.get("id"), frame.get("trigger_type")
        if not isinstance(trigger_id, str) or not isinstance(kind, str):
            logger.debug("A %s frame without id or trigger_type was ignored", frame["type"])
            return
        provider = self._providers.get(kind)
        if frame["type"] == "unregistertrigger":
            if provider is not None:
                provider.unbind(trigger_id)
        elif provider is not None:
            provider.bind(frame)
        else:
            answer = {key: frame.get(key) for key in ("id", "trigger_type", "function_id")}
            error = {"code": _TYPE_NOT_FOUND, "message": f"This worker does not provide the trigger type {kind!r}"}
            self._client.send_frame({"type": "triggerregistrationresult", **answer, "error": error})

    def _state_changed(self, state: str) -> None:
        if state in ("disconnected", "reconnecting", "failed"):
            for provider in list(self._providers.values()):
                provider.forget_lost()


def _check_handler(handler: Any) -> None:
    missing = [
        name for name in ("register_trigger", "unregister_trigger") if not callable(getattr(handler, name, None))
    ]
    if inspect.isclass(handler):
        raise TypeError(f"the handler is the class {handler.__name__}: give an object of it, {handler.__name__}()")
    if missing:
        raise TypeError(
            f"{type(handler).__name__} has no method {missing[0]}(): the handler of a trigger type needs "
            "register_trigger(config) and unregister_trigger(config)"
        )
