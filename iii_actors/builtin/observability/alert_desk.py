"""The alert rules of one engine, and what is done when one fires (observability.md §8). The archive's thread."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pykka import ActorDeadError

from iii_actors.actor import Ref, launch
from iii_actors.builtin.base import is_builtin
from iii_actors.builtin.observability.alerts import AlertEvent, AlertsFound, Watched
from iii_actors.builtin.observability.figures import EngineMetrics
from iii_actors.builtin.observability.records import StoredMetric
from iii_actors.clock import Clock
from iii_actors.config.observability import AlertRule
from iii_actors.core.ids import invocation_id
from iii_actors.core.messages import DEFAULT_NAMESPACE, Invoke
from iii_actors.core.refs import Core
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

if TYPE_CHECKING:
    from iii_actors.builtin.observability.webhooks import Webhooks

__all__ = ["AlertDesk"]

logger = logging.getLogger(__name__)


class AlertDesk:
    """Holds the rules; a changed rule begins afresh."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._watched: list[Watched] = []
        self._webhooks: Webhooks | None = None
        self._webhooks_ref: Ref | None = None

    def apply(self, rules: Iterable[AlertRule]) -> None:
        """Go by these rules; one that has not changed keeps what it has seen."""
        held = {one.rule.name: one for one in self._watched}
        kept = []
        for rule in rules:
            old = held.get(rule.name)
            kept.append(old if old is not None and old.rule == rule else Watched(rule))
        self._watched = kept

    def stop(self) -> None:
        if self._webhooks_ref is not None:
            self._webhooks_ref.stop(block=False)

    def evaluate(self, metrics: EngineMetrics, stored: Iterable[StoredMetric], clock: Clock) -> list[AlertEvent]:
        """Look at every rule, act where one begins to fire, and return those events."""
        events = []
        for watched in self._watched:
            event = watched.evaluate(metrics, stored, clock.now(), clock.monotonic())
            if event is not None:
                events.append(event)
                self._act(watched.rule, event)
        return events

    def found(self, timestamp: int) -> AlertsFound:
        """Return all rules and how they stand."""
        states = [one.state() for one in self._watched]
        rules = [one.rule.model_dump() for one in self._watched]
        return AlertsFound(states, rules, sum(one.firing for one in states), timestamp)

    def _act(self, rule: AlertRule, event: AlertEvent) -> None:
        action = rule.action
        if action.type == "webhook" and action.url is not None:
            from iii_actors.builtin.observability.webhooks import Post, Webhooks  # noqa: PLC0415 - requests is slow to load

            if self._webhooks is None or self._webhooks_ref is None:
                self._webhooks = Webhooks()
                self._webhooks_ref = launch(self._webhooks)
            self._webhooks.offer(self._webhooks_ref, Post(action.url, event))
        elif action.type == "function" and action.path is not None:
            self._call(action.path, event)
        else:
            logger.warning(
                "Alert %s: %s is %g, %s %g", event.alert, event.metric, event.value, event.operator, event.threshold
            )

    def _call(self, function_id: str, event: AlertEvent) -> None:
        if is_builtin(function_id):
            logger.warning("Alert %s: %s is a built-in function; it is not called", event.alert, function_id)
            return
        own_id = invocation_id()
        call = wire.InvokeFunction(function_id, own_id, data=raw(event))
        try:
            self._core.functions.tell(Invoke(call, DEFAULT_NAMESPACE, own_id, None, None))
        except ActorDeadError:
            logger.debug("The engine is stopping")
