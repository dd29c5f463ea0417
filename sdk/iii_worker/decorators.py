"""Decorators that register a function and bind it in one go: ``@worker.http("GET", "/users/:id")``.

A decorated function is registered under ``function_id``, or, if none is given, as ``<service>::<name of the
function>``. The service is the ``worker_name`` the program gives; else the name of the function's module (of a script,
its file's name). Neither depends on where the program runs: not on the environment, not on the process. Several
decorators on one function, and one above ``@worker.function(...)``, bind the same registered function. The function
itself stays as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, Unpack

from iii_worker.client_registry import RegistryMethods
from iii_worker.http import http as http_handler
from iii_worker.options import InitOptions
from iii_worker.registration import FunctionOptions
from iii_worker.trigger_inputs import RegisterTriggerInput, checked_id

__all__ = ["DecoratorMethods"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_NAME: Final = re.compile(r"[A-Za-z_]\w*\Z")


class DecoratorMethods(RegistryMethods):
    """Each returns a decorator. Common parameters:

    :param function_id: the function's id; see this module's text for the one it gets without.
    :param condition: id of a function that is asked before each call with the same payload; if it returns false the
        call is left out (spec http.md §7; ``subscribe``, ``stream:join`` and ``stream:leave`` never ask).
    :param trigger_metadata: JSON passed with each call by most types, as the handler's parameter ``metadata``.
    :param options: those of :meth:`register_function`.

    What is registered already under another decorator is bound as it is, without new options.
    """

    def __init__(self, address: str | None = None, options: InitOptions | None = None) -> None:
        super().__init__(address, options)
        self._service = None if options is None else options.worker_name
        self._decorated: dict[Callable[..., Any], str] = {}

    def function(self, function_id: str, **options: Unpack[FunctionOptions]) -> Callable[[_Function], _Function]:
        """Decorate a function to offer it: ``@worker.function("users::create")``. The function stays as it is.

        Options are those of :meth:`register_function`.
        """
        register = super().function(function_id, **options)

        def decorate(function: _Function) -> _Function:
            self._decorated[register(function)] = function_id
            return function

        return decorate

    def on(
        self,
        type: str,  # noqa: A002  as the protocol calls it
        config: Any = None,
        *,
        function_id: str | None = None,
        trigger_metadata: Any = None,
        trigger_namespace: str | None = None,
        **options: Unpack[FunctionOptions],
    ) -> Callable[[_Function], _Function]:
        """Bind to a trigger type of any worker: ``@worker.on("orders::placed", {"city": "Oslo"})``.

        :param trigger_namespace: where the type is provided; None: this worker's namespace, then ``default``.
        """
        self.check_process()
        trigger = RegisterTriggerInput(type, "", config, trigger_metadata, trigger_namespace=trigger_namespace)
        return self._binding(trigger, function_id, options, lambda function: function)

    def http(
        self,
        method: str,
        path: str,
        *,
        function_id: str | None = None,
        middleware: Sequence[str] = (),
        condition: str | None = None,
        trigger_metadata: Any = None,
        **options: Unpack[FunctionOptions],
    ) -> Callable[[_Function], _Function]:
        """Serve an HTTP route: ``@worker.http("GET", "/users/:id")`` on ``def get(req)`` or ``def get(req, res)``.

        The function is wrapped as :func:`iii_worker.http.http` does: see there for what it gets and may return. Above
        ``@worker.function(...)`` it is not: then it gets the payload as a dict and returns one (spec http.md §4, §8).

        :param middleware: ids of functions that are asked before it, in this order.
        """
        self.check_process()
        verb = checked_id(method, "an HTTP method").upper()
        if verb not in _METHODS:
            raise ValueError(f'the HTTP method is {method!r}: write @worker.http("GET", "/users/:id")')
        if isinstance(middleware, str):
            raise TypeError(f"middleware is the text {middleware!r}: give a list of function ids, [{middleware!r}]")
        config: dict[str, Any] = {"api_path": checked_id(path, "an HTTP path"), "http_method": verb}
        if middleware:
            config["middleware_function_ids"] = list(middleware)
        trigger = RegisterTriggerInput("http", "", _with_condition(config, condition), trigger_metadata)
        return self._binding(trigger, function_id, options, http_handler)

    def cron(
        self,
        expression: str,
        *,
        function_id: str | None = None,
        condition: str | None = None,
        trigger_metadata: Any = None,
        **options: Unpack[FunctionOptions],
    ) -> Callable[[_Function], _Function]:
        """Call at certain times, UTC: ``@worker.cron("0 */5 * * * *")``, which is every five minutes.

        Six fields, or seven with a year: second minute hour day month weekday (1 is Sunday). The payload is
        ``{"trigger", "job_id", "scheduled_time", "actual_time"}`` (spec cron.md §3, §4).
        """
        config = {"expression": checked_id(expression, "a cron expression")}
        return self._on("cron", config, function_id, condition, trigger_metadata, options)

    def queue(
        self,
        topic: str,
        *,
        queue_config: Any = None,
        function_id: str | None = None,
        condition: str | None = None,
        trigger_metadata: Any = None,
        **options: Unpack[FunctionOptions],
    ) -> Callable[[_Function], _Function]:
        """Take the messages of a durable topic: ``@worker.queue("mails")``. Raising means: try again later.

        :param queue_config: e.g. ``{"type": "fifo", "maxRetries": 5, "concurrency": 2, "backoffDelayMs": 1000}`` (spec
            queue.md §4; these keys are camelCase).
        """
        config = {"topic": checked_id(topic, "a topic")}
        if queue_config is not None:
            config["queue_config"] = queue_config
        return self._on("durable:subscriber", config, function_id, condition, trigger_metadata, options)

    def subscribe(
        self, topic: str, *, function_id: str | None = None, **options: Unpack[FunctionOptions]
    ) -> Callable[[_Function], _Function]:
        """Hear what is published to a topic from now on: ``@worker.subscribe("news")``. The payload is what was
        published.
        """
        return self._on("subscribe", {"topic": checked_id(topic, "a topic")}, function_id, None, None, options)

    def on_state(
        self,
        scope: str | None = None,
        key: str | None = None,
        *,
        function_id: str | None = None,
        condition: str | None = None,
        trigger_metadata: Any = None,
        **options: Unpack[FunctionOptions],
    ) -> Callable[[_Function], _Function]:
        """Hear of changes of the engine's state; None: of every scope, of every key.

        The payload fits :class:`iii_worker.state.StateEventData`.
        """
        config = _without_none(scope=scope, key=key)
        return self._on("state", config, function_id, condition, trigger_metadata, options)

    def on_stream(
        self,
        stream_name: str,
        group_id: str | None = None,
        item_id: str | None = None,
        *,
        function_id: str | None = None,
        condition: str | None = None,
        trigger_metadata: Any = None,
        **options: Unpack[FunctionOptions],
    ) -> Callable[[_Function], _Function]:
        """Hear of changes of a stream; None: of every group, of every item.

        The payload fits :class:`iii_worker.stream.StreamChangeEvent`.
        """
        config = {"stream_name": checked_id(stream_name, "a stream's name")}
        config |= _without_none(group_id=group_id, item_id=item_id)
        return self._on("stream", config, function_id, condition, trigger_metadata, options)

    # --- how ----------------------------------------------------------------------------------------------------------

    def _on(
        self,
        kind: str,
        config: dict[str, Any],
        function_id: str | None,
        condition: str | None,
        trigger_metadata: Any,
        options: FunctionOptions,
    ) -> Callable[[_Function], _Function]:
        self.check_process()
        trigger = RegisterTriggerInput(kind, "", _with_condition(config, condition), trigger_metadata)
        return self._binding(trigger, function_id, options, lambda function: function)

    def _binding(
        self,
        trigger: RegisterTriggerInput,
        function_id: str | None,
        options: FunctionOptions,
        wrap: Callable[[Any], Callable[..., Any]],
    ) -> Callable[[_Function], _Function]:
        def decorate(function: _Function) -> _Function:
            known = self._decorated.get(function)
            if known is None or self.function_table.ref(known) is None or function_id not in (None, known):
                known = function_id or self._id_for(function)
                self.function_table.register(known, wrap(function), **options)
                self._decorated[function] = known
            trigger.function_id = known
            self.trigger_table.register(trigger)
            return function

        return decorate

    def _id_for(self, function: Callable[..., Any]) -> str:
        name = getattr(function, "__name__", "")
        if not _NAME.match(name):
            raise ValueError(f"{function!r:.80} has no name to make an id of: give the decorator a function_id=")
        return f"{self._service or _module_of(function)}::{name}"


def _module_of(function: Callable[..., Any]) -> str:
    module = getattr(function, "__module__", None) or "__main__"
    if module == "__main__":
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        return Path(file).stem if file else "main"
    return str(module).rpartition(".")[2]


def _with_condition(config: dict[str, Any], condition: str | None) -> dict[str, Any]:
    if condition is None:
        return config
    return config | {"condition_function_id": checked_id(condition, "condition")}


def _without_none(**members: str | None) -> dict[str, Any]:
    return {key: value for key, value in members.items() if value is not None}
