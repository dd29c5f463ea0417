"""Workers' log records on the engine's console (config-and-cli.md §7)."""

from __future__ import annotations

import logging

from iii_actors.builtin.observability.capture import WORKER_LOG
from iii_actors.builtin.observability.records import StoredLog
from iii_actors.clock import Clock
from iii_actors.limits import CONSOLE_LINES_PER_S

__all__ = ["Console"]

_log = logging.getLogger(WORKER_LOG)
_LEVELS = ((17, logging.ERROR), (13, logging.WARNING), (9, logging.INFO), (5, logging.DEBUG))
_TRACE = 5


class Console:
    """Prints ``<service> <function> <message>``, with what else a record holds as fields; so many in a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._shown = 0

    def show(self, log: StoredLog, function_id: str | None = None) -> None:
        """Print a record."""
        level = next((number for severity, number in _LEVELS if log.severity_number >= severity), _TRACE)
        if not _log.isEnabledFor(level):
            return
        second = int(self._clock.monotonic())
        if second != self._second:
            if self._shown > CONSOLE_LINES_PER_S:
                _log.warning("%d more lines were kept and not shown", self._shown - CONSOLE_LINES_PER_S)
            self._second, self._shown = second, 0
        self._shown += 1
        if self._shown > CONSOLE_LINES_PER_S:
            return
        source = f"{log.service_name} {function_id}" if function_id else log.service_name
        extra = {"data": log.attributes or None, "trace_id": log.trace_id, "span_id": log.span_id}
        fields = {key: value for key, value in extra.items() if value is not None}
        _log.log(level, "%s %s", source, log.body, extra=fields)
