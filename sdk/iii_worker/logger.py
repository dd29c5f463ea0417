"""Log lines that reach the engine's logs (spec sdk.md §9.5, observability.md §5).

A worker's own logger (``worker.logger``) says them to the engine over the worker's connection: ``engine::log::info``
and so on. A :class:`Logger` made by itself, as in the official SDK, sends them over the telemetry socket where
telemetry is on. Each takes the other way when its own is closed, and standard logging (logger ``iii_worker.log``) when
both are. No way waits, and none raises.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from iii_worker import tracing

__all__ = ["EngineLogHandler", "LogLine", "LogWorker", "Logger", "attach", "detach", "set_sink"]

logger = logging.getLogger("iii_worker.log")

SEVERITIES: Final = {"debug": 5, "info": 9, "warn": 13, "error": 17}
"""Level to OpenTelemetry's severity number."""
_STANDARD: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_OWN: Final = ("iii_worker", "websockets")
"""Loggers whose records an :class:`EngineLogHandler` leaves alone: sending them would make more of them."""


class LogLine(msgspec.Struct, frozen=True):
    """A line on its way."""

    level: str
    """A key of :data:`SEVERITIES`."""
    message: str
    data: Any
    """Plain JSON data, None if there is none."""
    time_ns: int
    trace_id: str | None
    span_id: str | None
    service_name: str | None


class LogWorker(Protocol):
    """What a worker is to a logger."""

    @property
    def worker_id(self) -> str | None:
        """None while there is no connection."""

    def send(
        self, function_id: str, payload: object = None, *, namespace: str | None = None, metadata: object = None
    ) -> None: ...


_sink: Callable[[LogLine], bool] | None = None
_workers: list[weakref.ref[LogWorker]] = []
_workers_lock: Final = threading.Lock()


def set_sink(sink: Callable[[LogLine], bool] | None) -> None:
    """Offer lines to telemetry from now on; ``sink`` says whether it took one."""
    global _sink
    _sink = sink


def attach(worker: LogWorker) -> None:
    """Let loggers without a worker of their own use this one, where telemetry is off."""
    with _workers_lock:
        _workers[:] = [known for known in _workers if known() is not None]
        _workers.append(weakref.ref(worker))


def detach(worker: LogWorker) -> None:
    """Let them no longer do so."""
    with _workers_lock:
        _workers[:] = [known for known in _workers if known() not in (None, worker)]


class Logger:
    """Writes to the engine's logs. Any thread; cheap to make.

    :param trace_id: 32 hex digits; else the running code's trace at each line.
    :param service_name: who is speaking; else the worker's name, or the one of the telemetry settings.
    :param span_id: 16 hex digits; else the running code's span at each line.
    :param worker: say the lines over this worker's connection; ``worker.logger`` is such a logger.
    """

    def __init__(
        self,
        trace_id: str | None = None,
        service_name: str | None = None,
        span_id: str | None = None,
        *,
        worker: LogWorker | None = None,
    ) -> None:
        self._trace_id = trace_id
        self._service_name = service_name
        self._span_id = span_id
        # The worker holds its logger; the other way round it would never be freed.
        self._worker = None if worker is None else weakref.ref(worker)

    def debug(self, message: str, data: Any = None) -> None:
        """Write a line of severity 5. ``data`` is JSON data (or models, dates ...) shown beside the message."""
        self._write("debug", message, data)

    def info(self, message: str, data: Any = None) -> None:
        """Write a line of severity 9."""
        self._write("info", message, data)

    def warn(self, message: str, data: Any = None) -> None:
        """Write a line of severity 13."""
        self._write("warn", message, data)

    def error(self, message: str, data: Any = None) -> None:
        """Write a line of severity 17."""
        self._write("error", message, data)

    warning = warn

    def _write(self, level: str, message: str, data: Any) -> None:
        context = tracing.parse_traceparent(tracing.current()[0])
        line = LogLine(
            level,
            str(message),
            None if data is None else _plain(data),
            time.time_ns(),
            self._trace_id or (context.trace_id if context is not None else None),
            self._span_id or (context.span_id if context is not None else None),
            self._service_name,
        )
        own = self._worker() if self._worker is not None else None
        if own is not None:
            taken = _say(own, line) or _offer(line)
        else:
            taken = _offer(line) or any(_say(worker, line) for worker in _attached())
        if not taken:
            extra = {"data": line.data, "trace_id": line.trace_id, "span_id": line.span_id}
            logger.log(_STANDARD[level], "%s", _text(line), extra={k: v for k, v in extra.items() if v is not None})


class EngineLogHandler(logging.Handler):
    """Lets ordinary ``logging`` reach the engine: ``logging.getLogger().addHandler(EngineLogHandler(worker.logger))``.

    The logger's name becomes ``data["logger"]``, a traceback ``data["exception"]``. The SDK's own records stay out.
    """

    def __init__(self, target: Logger | None = None, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._target = target if target is not None else Logger()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in _OWN:
            return
        try:
            data = {"logger": record.name}
            if record.exc_info:
                data["exception"] = logging.Formatter().formatException(record.exc_info)
            # Between two levels the lower one is taken, as `logging` itself does when it compares.
            level = next(name for name in reversed(_STANDARD) if record.levelno >= _STANDARD[name] or name == "debug")
            getattr(self._target, level)(record.getMessage(), data)
        except Exception:
            self.handleError(record)


def _attached() -> list[LogWorker]:
    with _workers_lock:
        return [worker for known in reversed(_workers) if (worker := known()) is not None]


def _offer(line: LogLine) -> bool:
    sink = _sink
    return sink is not None and sink(line)


def _say(worker: LogWorker, line: LogLine) -> bool:
    """Say a line to the engine; False if the worker is not connected.

    A line must not take a call's place in the outbox.
    """
    if worker.worker_id is None:
        return False
    payload: dict[str, Any] = {"message": line.message}
    if line.data is not None:
        # The engine shows the members of an object as attributes, and nothing of other data.
        payload["data"] = line.data if isinstance(line.data, dict) else {"log.data": line.data}
    for name in ("trace_id", "span_id", "service_name"):
        if (value := getattr(line, name)) is not None:
            payload[name] = value
    try:
        worker.send(f"engine::log::{line.level}", payload)
    except Exception:
        return False
    return True


def _text(line: LogLine) -> str:
    if line.data is None:
        return line.message
    return f"{line.message} {msgspec.json.encode(line.data).decode()}"


def _plain(data: Any) -> Any:
    try:
        return msgspec.json.decode(msgspec.json.encode(data, enc_hook=_foreign))
    except Exception:
        return str(data)


def _foreign(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump()
    return dict(value) if isinstance(value, Mapping) else str(value)
