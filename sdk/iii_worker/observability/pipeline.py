"""Telemetry of this process: one at a time, started by the first worker that wants it (spec sdk.md §9)."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from iii_worker import limits, tracing
from iii_worker import logger as logs
from iii_worker.observability import otel, otlp
from iii_worker.observability.config import OtelConfig, telemetry_url
from iii_worker.observability.gauges import ProcessGauges
from iii_worker.observability.light import LightRecorder
from iii_worker.observability.link import OpenLink, open_link
from iii_worker.observability.recorder import SpanRecorder
from iii_worker.observability.uplink import Uplink
from iii_worker.version import __version__

__all__ = ["Identity", "Telemetry", "active", "start", "stop"]

logger = logging.getLogger(__name__)

LOGGER_SCOPE: Final = "iii.logger"
METRICS_SCOPE: Final = "iii.worker"

Identity = Callable[[], tuple[str | None, str]]
"""A worker's ``(worker_id, worker_name)`` at present; without an id it is not connected."""


class Telemetry:
    """Spans, log records and gauges of this process, on their way to one engine. Thread-safe.

    :param config: as resolved; see :meth:`OtelConfig.resolved`.
    :param address: the engine's, unless ``config`` names another.
    """

    def __init__(
        self, config: OtelConfig, address: str, headers: Mapping[str, str], *, connect: OpenLink = open_link
    ) -> None:
        self.config: Final = config
        self._resource = config.resource()
        self._workers: list[Identity] = []
        self._lock = threading.Lock()
        self._gauges = ProcessGauges()
        where = telemetry_url(config.engine_ws_url or address)
        self.uplink: Final = Uplink(where, config.engine_ws_headers or headers, connect=connect)
        self._spans = self.uplink.lane(self._spans_frame, (config.spans_flush_interval_ms or 0) / 1000)
        batch = config.logs_batch_size or limits.LOGS_BATCH_SIZE
        self._logs = self.uplink.lane(self._logs_frame, (config.logs_flush_interval_ms or 0) / 1000, batch)
        self._metrics = self.uplink.lane(self._metrics_frame, 0.0, 1)
        self.recorder: Final[SpanRecorder] = self._make_recorder()
        self._instrumentation_off: Callable[[], None] = _nothing
        if otel.is_installed() and config.fetch_instrumentation_enabled:
            self._instrumentation_off = otel.instrument_requests()
        if config.metrics_enabled:
            self.uplink.every(limits.FIRST_METRICS_S, config.metrics_export_interval_ms / 1000, self._read_gauges)

    def _make_recorder(self) -> SpanRecorder:
        if otel.is_installed():
            return otel.OtelRecorder(self._take_span, self._resource)
        return LightRecorder(self._take_span)

    def _take_span(self, span: Any) -> None:
        self.uplink.offer(self._spans, span)

    def log(self, line: logs.LogLine) -> bool:
        """Take a log line; False if logs are off."""
        if not self.config.logs_enabled:
            return False
        attributes: dict[str, Any] = {}
        if line.service_name is not None:
            attributes["service.name"] = line.service_name
        if line.data is not None:
            attributes["log.data"] = line.data
        record = otlp.LogRecord(
            line.time_ns,
            logs.SEVERITIES[line.level],
            line.level.upper(),
            line.message,
            attributes,
            line.trace_id,
            line.span_id,
        )
        self.uplink.offer(self._logs, record)
        return True

    def add(self, worker: Identity) -> None:
        """Send the process's gauges for this worker too."""
        with self._lock:
            self._workers.append(worker)

    def remove(self, worker: Identity) -> None:
        """Stop doing so."""
        with self._lock:
            if worker in self._workers:
                self._workers.remove(worker)

    def flush(self, timeout: float) -> bool:
        """Send what there is; return whether it has left within ``timeout`` seconds. Gives up if the engine is away."""
        return self.uplink.flush(timeout)

    def shutdown(self, timeout: float) -> bool:
        """Flush, then end. Idempotent."""
        self._instrumentation_off()
        self._instrumentation_off = _nothing
        otel.detach()
        return self.uplink.close(timeout)

    # --- on the telemetry thread -------------------------------------------------------------------------------------

    def _read_gauges(self) -> None:
        with self._lock:
            workers = [worker() for worker in self._workers]
        for point in self._gauges.read((worker_id, name) for worker_id, name in workers if worker_id is not None):
            self.uplink.offer(self._metrics, point)

    def _spans_frame(self, spans: Sequence[Any]) -> bytes:
        records = [span if isinstance(span, otlp.SpanRecord) else otel.record_of(span) for span in spans]
        return otlp.spans_frame(self._resource, records)

    def _logs_frame(self, records: Sequence[otlp.LogRecord]) -> bytes:
        return otlp.logs_frame(self._resource, LOGGER_SCOPE, __version__, records)

    def _metrics_frame(self, points: Sequence[otlp.GaugePoint]) -> bytes:
        return otlp.metrics_frame(self._resource, METRICS_SCOPE, __version__, points)


_lock = threading.Lock()
_active: Telemetry | None = None
_users = 0


def active() -> Telemetry | None:
    """Return this process's telemetry, None while there is none."""
    return _active


def start(
    config: OtelConfig, address: str, headers: Mapping[str, str], *, connect: OpenLink = open_link
) -> Telemetry | None:
    """Start telemetry, or share what runs; None if the configuration has it off, or it cannot be started.

    Each start needs one :func:`stop`.
    """
    global _active, _users
    resolved = config.resolved(installed=otel.is_installed())
    if not resolved.enabled:
        return None
    with _lock:
        if _active is None:
            try:
                _active = Telemetry(resolved, address, headers, connect=connect)
            except Exception:
                logger.warning("Telemetry could not be started; calls are not affected", exc_info=True)
                return None
            tracing.install(_active.recorder)
            logs.set_sink(_active.log)
        elif _active.uplink.url != telemetry_url(resolved.engine_ws_url or address):
            logger.info("Telemetry of this process goes to %s, where the first worker sent it", _active.uplink.url)
        _users += 1
        return _active


def stop(telemetry: Telemetry | None, timeout: float = limits.TELEMETRY_FLUSH_S) -> bool:
    """Give up one's share in ``telemetry``; the last who does ends it. None: end what runs, whoever uses it.

    Returns whether everything had left. Telemetry can be started again afterwards.
    """
    global _active, _users
    with _lock:
        running = _active
        if running is None or telemetry not in (None, running):
            return True
        _users = 0 if telemetry is None else _users - 1
        if _users > 0:
            return running.flush(timeout)
        _active = None
        tracing.install(None)
        logs.set_sink(None)
    return running.shutdown(timeout)


def _stop_at_exit() -> None:
    stop(None)


def _nothing() -> None:
    """What there is to switch off when nothing was switched on."""


def _after_fork() -> None:
    """The thread and the socket are the parent's: the child starts without telemetry."""
    global _lock, _active, _users
    _lock = threading.Lock()
    _active, _users = None, 0
    tracing.install(None)
    logs.set_sink(None)
    otel.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_stop_at_exit)
