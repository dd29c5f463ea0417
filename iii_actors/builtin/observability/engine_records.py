"""The engine's own spans and log lines, made into what is kept (observability.md §4, §7). Pure."""

from __future__ import annotations

import logging
import re
from typing import Any, Final, NamedTuple

from iii_actors import __version__
from iii_actors.builtin.observability.intake import LineLogged
from iii_actors.builtin.observability.records import StoredLog
from iii_actors.config.observability import ObservabilitySettings
from iii_actors.core.observing import Happened
from iii_actors.core.spans import Attributes, StoredSpan, exception_event
from iii_actors.core.tracing import INTERNAL, SCOPE, new_span_id, new_trace_id, parent_of
from iii_actors.wire.messages import ErrorBody

__all__ = ["SEVERITIES", "EngineRecords", "without_ansi"]

_NS: Final = 1_000_000_000
_LINES: Final = "tracing"
"""The scope of the engine's own log lines, as the protocol calls it."""
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII).fullmatch
_ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
CONNECT: Final = "connect worker"

SEVERITIES: Final = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17}
"""Severity numbers by the protocol's levels (§5)."""
_LEVELS: Final = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"), (logging.DEBUG, "debug"))


class _Place(NamedTuple):
    trace_id: str
    span_id: str
    parent_span_id: str | None


def without_ansi(text: str) -> str:
    """Return a text without a terminal's escape sequences."""
    return _ANSI.sub("", text) if "\x1b" in text else text


class EngineRecords:
    """Makes records of one engine, with its name and version on them."""

    def __init__(self, settings: ObservabilitySettings) -> None:
        self.service_name = settings.service_name
        self.resource: dict[str, Any] = {
            "service.name": settings.service_name,
            "service.version": settings.service_version or __version__,
        }
        """The engine's, for logs."""
        if settings.service_namespace is not None:
            self.resource["service.namespace"] = settings.service_namespace

    def discovery(self, happened: Happened) -> StoredSpan | None:
        """Return the span of a change among workers, functions and triggers; None for the engine's own built-ins.

        All that a connection does is one trace, whose id is the worker's without hyphens: its root is the span
        ``connect worker``. What was part of a traced call belongs to that call's trace.
        """
        at, noticed = happened
        worker_id = noticed.worker_id
        caller = parent_of(noticed.traceparent)
        if caller is not None:
            place = _Place(caller.trace_id, new_span_id(), caller.span_id)
        elif worker_id is None:
            place = _Place(new_trace_id(), new_span_id(), None)
        elif _UUID(worker_id) is None:
            return None
        else:
            trace_id = worker_id.replace("-", "")
            root = trace_id[16:]
            connecting = noticed.operation == CONNECT
            place = _Place(trace_id, root, None) if connecting else _Place(trace_id, new_span_id(), root)
        end_ns = int(at * _NS)
        attributes: Attributes = (("iii.function.kind", "internal"), *noticed.attributes)
        if worker_id is not None:
            attributes += (("iii.worker.id", worker_id),)
        error = ErrorBody(noticed.error, f"{noticed.operation}: {noticed.subject}") if noticed.error else None
        name = f"{noticed.operation} {noticed.subject}" if noticed.subject != worker_id else noticed.operation
        return StoredSpan(
            *place,
            name,
            end_ns - int(noticed.lasted_s * _NS),
            end_ns,
            "error" if error is not None else "ok",
            attributes,
            self.service_name,
            (exception_event(error, end_ns),) if error is not None else (),
            (),
            error.message if error is not None else None,
            SCOPE,
            __version__,
            1,
            kind=INTERNAL,
        )

    def worker_line(
        self, level: str, now_ns: int, message: str, data: object, service_name: str, trace: tuple[str | None, ...]
    ) -> StoredLog:
        """Return what a worker has logged by ``engine::log::<level>``; ``trace`` is its trace and span id."""
        attributes = data if isinstance(data, dict) else {} if data is None else {"data": data}
        return StoredLog(
            now_ns,
            now_ns,
            SEVERITIES[level],
            level.upper(),
            without_ansi(message),
            attributes,
            trace[0],
            trace[1],
            self.resource,
            service_name,
            SCOPE,
            __version__,
        )

    def engine_line(self, line: LineLogged) -> StoredLog:
        """Return a line that the engine itself has logged."""
        now_ns = int(line.at * _NS)
        level = next((name for number, name in _LEVELS if line.level >= number), "trace")
        return StoredLog(
            now_ns,
            now_ns,
            SEVERITIES[level],
            level.upper(),
            without_ansi(line.message),
            {"target": line.target, **line.fields},
            None,
            None,
            self.resource,
            self.service_name,
            _LINES,
            __version__,
        )
