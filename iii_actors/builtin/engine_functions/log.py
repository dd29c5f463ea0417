"""``engine::log::{trace,debug,info,warn,error}``: workers' log lines, in the engine's own log (observability.md §5).

Each line goes to the logger ``iii_actors.worker_log`` as ``<service> <function> <message>``; ``data``, ``trace_id`` and
``span_id`` are extra fields of the record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from iii_actors.builtin.base import Call
from iii_actors.builtin.engine_functions.baggage import entries
from iii_actors.builtin.engine_functions.offers import Offer

__all__ = ["LogLine", "offers"]

logger = logging.getLogger("iii_actors.worker_log")

_LEVELS: Final = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_UNKNOWN: Final = "unknown"
_FUNCTION: Final = "iii.function.id"
"""Baggage: the function that is logging (core.md §7.2)."""


class LogLine(Struct, frozen=True):
    """Input of the five functions."""

    message: str
    data: Any = None
    trace_id: str | None = None
    span_id: str | None = None
    service_name: str | None = None


def offers() -> list[Offer]:
    """Return one function per level; none has a result."""
    return [
        Offer(f"engine::log::{name}", f"Writes a line of level {name} to the engine's log.", LogLine, _writer(level))
        for name, level in _LEVELS.items()
    ]


def _writer(level: int) -> Callable[[LogLine, Call], None]:
    def write(line: LogLine, call: Call) -> None:
        if not logger.isEnabledFor(level):
            return
        function_id = entries(call.call.baggage).get(_FUNCTION)
        source = f"{line.service_name or _UNKNOWN} {function_id}" if function_id else line.service_name or _UNKNOWN
        extra = {"data": line.data, "trace_id": line.trace_id, "span_id": line.span_id}
        logger.log(level, "%s %s", source, line.message, extra={k: v for k, v in extra.items() if v is not None})

    return write
