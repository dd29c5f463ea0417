"""The actor that owns the routes: it is asked for every binding of an ``http`` trigger (http.md §2, §3)."""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec

from iii_actors.actor import LightActor, handles
from iii_actors.builtin.http.paths import parse
from iii_actors.builtin.http.table import METHODS, Route, Table
from iii_actors.builtin.http.tracing import traced
from iii_actors.core.messages import AcknowledgeTrigger, BindTrigger, UnbindTrigger
from iii_actors.core.outcome import wire_error
from iii_actors.core.triggers import Trigger
from iii_actors.errors import EngineError, TriggerRegistrationFailed
from iii_actors.wire import messages as wire

__all__ = ["Routes", "route_of"]

logger = logging.getLogger(__name__)

_PATH_REQUIRED: Final = "api_path is required for http triggers"


class _Config(msgspec.Struct):
    api_path: Any = None
    http_method: Any = None
    condition_function_id: Any = None
    middleware_function_ids: Any = None


_config: Final = msgspec.json.Decoder(_Config)
_encode: Final = msgspec.json.Encoder().encode


def route_of(trigger: Trigger) -> Route:
    """Read a binding's configuration; raises :class:`TriggerRegistrationFailed`."""
    try:
        config = _config.decode(trigger.config)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise TriggerRegistrationFailed(_PATH_REQUIRED) from None
    path, method, condition = config.api_path, config.http_method, config.condition_function_id
    if not isinstance(path, str):
        raise TriggerRegistrationFailed(_PATH_REQUIRED)
    method = method.upper() if isinstance(method, str) else "GET"
    named = config.middleware_function_ids
    told = {"path": path, "trigger": {"type": "http", "path": path, "method": method}}
    return Route(
        trigger,
        method,
        path,
        parse(path, f"{method} {path}"),
        condition if isinstance(condition, str) else None,
        tuple(one for one in named if isinstance(one, str)) if isinstance(named, list) else (),
        _encode(told)[1:-1],
        traced(method, path, trigger.function_id),
    )


class Routes(LightActor):
    """Owns the table. A route lives as long as the binding that registered it last (http.md §3, "Ownership").

    :param provider_id: the built-in worker's id, for refusals.
    """

    def __init__(self, provider_id: str) -> None:
        super().__init__()
        self._provider_id = provider_id
        self._of_trigger: dict[str, Route] = {}
        self.table = Table()
        """The routes now. Read from any thread: a change puts another table here."""

    def routes(self) -> list[Route]:
        """Return every route there is now, by path and method. Any thread."""
        return self.table.routes()

    @handles(BindTrigger)
    def bind(self, request: BindTrigger) -> None:
        trigger: Trigger = request.trigger
        try:
            self._add(route_of(trigger))
        except EngineError as error:
            if request.answer_to is None:
                raise
            refusal = wire.TriggerRegistrationResult(
                trigger.id, trigger.trigger_type, trigger.function_id, wire_error(error)
            )
            request.answer_to.tell(AcknowledgeTrigger(self._provider_id, refusal))

    @handles(UnbindTrigger)
    def unbind(self, request: UnbindTrigger) -> None:
        trigger: Trigger = request.trigger
        route = self._of_trigger.get(trigger.id)
        if route is not None and _same_owner(route.trigger, trigger):
            self._remove(route)

    def _add(self, route: Route) -> None:
        trigger_id = route.trigger.id
        place = self.table.at(route.parsed)
        there = place.methods.get(route.method) if place is not None else None
        if there is not None and there.parsed.key != route.parsed.key and there.trigger.id != trigger_id:
            raise TriggerRegistrationFailed(
                f"Route '{route.title}' conflicts with already-registered route '{there.title}': routes with "
                "identical structure but different path-parameter names are not supported"
            )
        former = self._of_trigger.get(trigger_id)
        if former is not None:
            self._remove(former)
        if there is not None:
            self._of_trigger.pop(there.trigger.id, None)
        self._of_trigger[trigger_id] = route
        if route.method in METHODS:
            self.table = self.table.with_route(route)
        else:
            logger.warning("Route '%s' of trigger %s: the method is never served", route.title, trigger_id)

    def _remove(self, route: Route) -> None:
        del self._of_trigger[route.trigger.id]
        if route.method in METHODS:
            self.table = self.table.without(route)


def _same_owner(one: Trigger, other: Trigger) -> bool:
    first = one.owner.worker_id if one.owner is not None else None
    return first == (other.owner.worker_id if other.owner is not None else None)
