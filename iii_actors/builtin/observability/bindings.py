"""The trigger types ``log`` and ``trace`` (observability.md §7). The archive's thread."""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec
from msgspec import Struct
from pykka import ActorDeadError

from iii_actors.builtin.calls import fire
from iii_actors.builtin.observability.records import StoredLog
from iii_actors.builtin.observability.traces import is_internal
from iii_actors.core.refs import Core
from iii_actors.core.spans import StoredSpan
from iii_actors.core.tallies import UNTRACED
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["LOG", "TRACE", "LogBindings", "LogConfig", "LogEvent", "TraceBindings", "TraceConfig", "TraceEvent"]

logger = logging.getLogger(__name__)

LOG: Final = "log"
TRACE: Final = "trace"
_ALL: Final = "all"
_FUNCTION_SPANS: Final = ("execute ", "call ", "trigger ")


class LogConfig(Struct, frozen=True):
    """Configuration of a ``log`` trigger."""

    level: str | None = None
    """Exactly that one: ``trace``, ``debug``, ``info``, ``warn``, ``error``, or any severity text; ``all`` if null."""


class LogEvent(Struct, frozen=True):
    """What the function of a ``log`` trigger is told: a stored record, all members."""

    timestamp_unix_nano: int
    observed_timestamp_unix_nano: int
    severity_number: int
    severity_text: str
    body: str
    attributes: dict[str, Any]
    trace_id: str | None
    span_id: str | None
    resource: dict[str, Any]
    service_name: str
    instrumentation_scope_name: str | None
    instrumentation_scope_version: str | None


class TraceConfig(Struct, frozen=True):
    """Configuration of a ``trace`` trigger."""

    service_name: str | None = None
    """Spans of that service only."""
    status: str | None = None
    """Spans of that status only: ``unset``, ``ok``, ``error``."""


class TraceEvent(Struct, frozen=True):
    """What the function of a ``trace`` trigger is told."""

    trace_ids: list[str]
    """Of the spans that came since the last time, sorted."""


_log_config: Final = msgspec.json.Decoder(LogConfig)
_trace_config: Final = msgspec.json.Decoder(TraceConfig)


def _read(decoder: msgspec.json.Decoder[Any], trigger: Trigger, default: Any) -> Any:
    if not wire.present(trigger.config):
        return default
    try:
        return decoder.decode(trigger.config)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TriggerRegistrationFailed(f"the configuration of a {trigger.trigger_type} trigger: {error}") from None


class _Bindings:
    def __init__(self, core: Core) -> None:
        self._core = core

    def _fire(self, trigger: Trigger, payload: msgspec.Raw) -> None:
        try:
            fire(self._core.functions, trigger, payload)
        except ActorDeadError:
            logger.debug("The engine is stopping")


class LogBindings(_Bindings):
    """The bindings of ``log``: each is told every record of its level."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._bound: dict[str, tuple[Trigger, str]] = {}

    def add(self, trigger: Trigger) -> None:
        """Serve a binding. Raises :class:`TriggerRegistrationFailed`."""
        config: LogConfig = _read(_log_config, trigger, LogConfig())
        self._bound[trigger.id] = (trigger, (config.level or _ALL).lower())

    def remove(self, trigger_id: str) -> None:
        self._bound.pop(trigger_id, None)

    def fire(self, log: StoredLog) -> None:
        """Tell whoever is bound to a record's level."""
        if not self._bound:
            return
        severity = log.severity_text.lower()
        wanted = [trigger for trigger, level in self._bound.values() if level in (_ALL, severity)]
        if wanted:
            payload = raw(LogEvent(*(getattr(log, name) for name in LogEvent.__struct_fields__)))
            for trigger in wanted:
                self._fire(trigger, payload)


class TraceBindings(_Bindings):
    """The bindings of ``trace``: each is told, now and then, in which traces there was something for it."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._bound: dict[str, tuple[Trigger, TraceConfig]] = {}
        self._noted: dict[str, set[str]] = {}

    @property
    def bound(self) -> bool:
        """Whether anybody is to be told."""
        return bool(self._bound)

    @property
    def noted(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._noted)

    def add(self, trigger: Trigger) -> None:
        """Serve a binding. Raises :class:`TriggerRegistrationFailed`."""
        self._bound[trigger.id] = (trigger, _read(_trace_config, trigger, TraceConfig()))

    def remove(self, trigger_id: str) -> None:
        self._bound.pop(trigger_id, None)
        self._noted.pop(trigger_id, None)

    def note(self, span: StoredSpan) -> None:
        """Remember a span's trace for the bindings that want it."""
        if span.trace_id is None or self._is_own(span):
            return
        for trigger_id, (_, config) in self._bound.items():
            if config.service_name in (None, span.service_name) and config.status in (None, span.status):
                self._noted.setdefault(trigger_id, set()).add(span.trace_id)

    def _is_own(self, span: StoredSpan) -> bool:
        """Return whether a span comes of telling, or asking, about spans: telling of it would have no end."""
        if span.parent_span_id is None and is_internal(span):
            return True
        prefix = next((one for one in _FUNCTION_SPANS if span.name.startswith(one)), None)
        called = {span.attribute("function_id"), span.attribute("faas.invoked_name")}
        if prefix is not None:
            called.add(span.name[len(prefix) :])
        if any(one is not None and one.startswith(UNTRACED) for one in called):
            return True
        return any(trigger.function_id in called for trigger, _ in self._bound.values())

    def tell(self) -> None:
        """Tell each binding what was noted for it."""
        noted, self._noted = self._noted, {}
        for trigger_id, trace_ids in noted.items():
            self._fire(self._bound[trigger_id][0], raw(TraceEvent(sorted(trace_ids))))
