"""``engine::log::*`` and ``engine::logs::*``: workers' log records (observability.md §5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta, Struct

from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions.offers import Nothing, Offer
from iii_actors.builtin.observability.engine_records import SEVERITIES
from iii_actors.builtin.observability.records import StoredLog
from iii_actors.core.tracing import parent_of
from iii_actors.wire.trace import baggage_entries

if TYPE_CHECKING:
    from iii_actors.builtin.observability.archive import Archive

__all__ = ["Cleared", "LogFunctions", "LogLine", "LogQuery", "LogsFound"]

_UNKNOWN: Final = "unknown"
_FUNCTION: Final = "iii.function.id"
"""Baggage: the function that is logging (core.md §7.2)."""
_MS: Final = 1_000_000


class LogLine(Struct, frozen=True):
    """Input of ``engine::log::*``."""

    message: str
    data: Any = None
    trace_id: str | None = None
    """That of the call, if null; likewise the span's."""
    span_id: str | None = None
    service_name: str | None = None


class LogQuery(Struct, frozen=True):
    """Input of ``engine::logs::list``; all conditions must hold. Times are milliseconds since the epoch."""

    trace_id: str | None = None
    span_id: str | None = None
    severity_min: int | None = None
    severity_text: str | None = None
    """In any case."""
    start_time: float | None = None
    end_time: float | None = None
    offset: Annotated[int, Meta(ge=0)] | None = None
    limit: Annotated[int, Meta(ge=0)] | None = None


class LogsFound(Struct, frozen=True):
    """Output of ``engine::logs::list``, newest first."""

    logs: list[StoredLog]
    total: int
    """Before paging."""
    query: LogQuery
    timestamp: int


class Cleared(Struct, frozen=True):
    """Output of ``clear``."""

    success: bool


class LogFunctions:
    """Answers them. Runs on the archive's thread."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def offers(self) -> list[Offer]:
        return [
            *(
                Offer(f"engine::log::{level}", f"Writes a log record of level {level}.", LogLine, self._writer(level))
                for level in SEVERITIES
            ),
            Offer("engine::logs::list", "Lists log records, newest first.", LogQuery, self.list_logs, LogsFound),
            Offer("engine::logs::clear", "Forgets all log records.", Nothing, self.clear, Cleared),
        ]

    def _writer(self, level: str) -> Callable[[LogLine, Call], None]:
        archive = self._archive

        def write(line: LogLine, call: Call) -> None:
            trace: tuple[str | None, ...] = (line.trace_id or None, line.span_id or None)
            if trace == (None, None):
                trace = (parent_of(call.call.traceparent) or (None, None))[:2]
            service = line.service_name or _UNKNOWN
            log = archive.records.worker_line(level, archive.now_ns, line.message, line.data, service, trace)
            archive.keep_log(log)
            if archive.settings.logs_console_output:
                archive.console.show(log, baggage_entries(call.call.baggage).get(_FUNCTION))

        return write

    def list_logs(self, query: LogQuery, _: Call) -> LogsFound:
        severity = (query.severity_text or "").lower()
        start_ns = query.start_time * _MS if query.start_time is not None else None
        end_ns = query.end_time * _MS if query.end_time is not None else None
        found = [
            log
            for log in self._archive.logs.newest_first()
            if (query.trace_id is None or log.trace_id == query.trace_id)
            and (query.span_id is None or log.span_id == query.span_id)
            and (query.severity_min is None or log.severity_number >= query.severity_min)
            and (not severity or log.severity_text.lower() == severity)
            and (start_ns is None or log.timestamp_unix_nano >= start_ns)
            and (end_ns is None or log.timestamp_unix_nano <= end_ns)
        ]
        found.sort(key=_when, reverse=True)
        offset = query.offset or 0
        page = found[offset:] if query.limit is None else found[offset : offset + query.limit]
        return LogsFound(page, len(found), query, self._archive.now_ns // _MS)

    def clear(self, _: Nothing, __: Call) -> Cleared:
        self._archive.logs.clear()
        return Cleared(success=True)


def _when(log: StoredLog) -> int:
    return log.timestamp_unix_nano
