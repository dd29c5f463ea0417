"""The archive: the thread that keeps spans, logs and metric records, and answers for them (observability.md).

It asks the core's actors and its own intake; nobody on the path of a call ever waits for it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import structs
from pykka import ActorDeadError

from iii_actors.actor import Ref, ask, handles
from iii_actors.builtin.base import Desk
from iii_actors.builtin.observability import otlp
from iii_actors.builtin.observability.alert_desk import AlertDesk
from iii_actors.builtin.observability.bindings import LOG, TRACE, LogBindings, TraceBindings
from iii_actors.builtin.observability.console import Console
from iii_actors.builtin.observability.engine_records import EngineRecords, without_ansi
from iii_actors.builtin.observability.functions import Functions
from iii_actors.builtin.observability.gauges import figures_in
from iii_actors.builtin.observability.intake import Item, LineLogged, Ready, Take, Taken
from iii_actors.builtin.observability.metric_store import MetricStore
from iii_actors.builtin.observability.records import (
    StoredLog,
    StoredMetric,
    size_of_log,
    size_of_metric,
    size_of_span,
)
from iii_actors.builtin.observability.span_store import SpanStore
from iii_actors.builtin.observability.timed_store import TimedStore
from iii_actors.clock import Timer
from iii_actors.config.observability import ObservabilitySettings
from iii_actors.core.messages import Forward
from iii_actors.core.observing import Happened, TelemetryFrame
from iii_actors.core.refs import Core
from iii_actors.core.spans import StoredSpan
from iii_actors.core.tracing import Span
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.limits import (
    ALERT_INTERVAL_S,
    LOG_STORE_BYTES,
    PENDING_SPAN_S,
    SWEEP_S,
    TELEMETRY_RECORD_BYTES,
    TRACE_TRIGGER_MS,
    UNDECODABLE_LOG_PER_S,
)

__all__ = ["Apply", "Archive", "Exports"]

logger = logging.getLogger(__name__)

_NS = 1_000_000_000


class Apply(NamedTuple):
    """Told to the archive: go on by other settings."""

    settings: ObservabilitySettings


class _Sweep(NamedTuple):
    """From the clock: forget what is too old."""


class _Evaluate(NamedTuple):
    """From the clock: look at the alert rules."""


class _TellTraces(NamedTuple):
    """From the clock: the time for which traces are gathered is over."""


class Exports(NamedTuple):
    """Where records go besides; any of them may be missing. Called on the archive's thread, and must not wait."""

    spans: Callable[[list[StoredSpan]], None] | None = None
    logs: Callable[[list[StoredLog]], None] | None = None
    dropped: Callable[[], int] = lambda: 0
    """How many records could not be exported."""


class Archive(Desk):
    """Keeps, lists, tells and exports.

    :param gauges: told what workers say of themselves.
    :param exports: where records go besides.
    """

    def __init__(
        self, core: Core, settings: ObservabilitySettings, provider_id: str, gauges: Ref, exports: Exports
    ) -> None:
        super().__init__(core)
        self.provider_id = provider_id
        self.gauges = gauges
        self.exports = exports
        self.intake: Ref | None = None
        """Set before the first message."""
        self.settings = settings
        self.records = EngineRecords(settings)
        self.spans: SpanStore | None = None
        """None: spans are not kept here."""
        self.logs: TimedStore[StoredLog] = TimedStore(settings.logs_max_count, LOG_STORE_BYTES, size_of_log)
        self.metrics = MetricStore(settings.metrics_max_count)
        self.console = Console(core.clock)
        self.alerts = AlertDesk(core)
        self.dropped: dict[str, int] = {}
        """What the archive itself has dropped, by reason."""
        self._log_bindings = LogBindings(core)
        self._trace_bindings = TraceBindings(core)
        self._timers: dict[str, Timer] = {}
        self._random = random.Random()  # noqa: S311 - sampling
        self._complaints_second, self._complaints = -1, 0
        self._apply(settings)
        self._answers = Functions(self)
        self.offers = self._answers.offers()
        """What it answers; read by the worker that registers them, before the first call."""
        for offer in self.offers:
            self.offer(offer.function_id, offer.takes, offer.answer)

    # --- time --------------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        self._later("sweep", SWEEP_S, _Sweep())
        if self.settings.alerts:
            self._later("alerts", ALERT_INTERVAL_S, _Evaluate())

    def on_stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self.alerts.stop()

    def _later(self, name: str, delay_s: float, message: object) -> None:
        def tell() -> None:
            try:
                self.actor_ref.tell(message)
            except ActorDeadError:
                logger.debug("The engine is stopping")

        before = self._timers.get(name)
        if before is not None:
            before.cancel()
        self._timers[name] = self.core.clock.call_later(delay_s, tell)

    @property
    def now_ns(self) -> int:
        return int(self.core.clock.now() * _NS)

    @handles(Apply)
    def apply(self, request: Apply) -> None:
        """Go on by other settings; what is kept stays, as far as the new limits let it."""
        before = self.settings
        self._apply(request.settings)
        if self.settings.alerts and not before.alerts:
            self._later("alerts", ALERT_INTERVAL_S, _Evaluate())

    def _apply(self, settings: ObservabilitySettings) -> None:
        self.settings = settings
        self.records = EngineRecords(settings)
        if not settings.enabled or settings.exporter == "otlp":
            self.spans = None
        elif self.spans is None:
            self.spans = SpanStore(settings.memory_max_spans)
        else:
            self.spans.most = settings.memory_max_spans
            self.spans.trim()
        self.logs.most, self.metrics.most = settings.logs_max_count, settings.metrics_max_count
        self.logs.trim()
        self.metrics.trim()
        self.alerts.apply(settings.alerts)
        live = settings.live_spans
        self._live = settings.exporter == "memory" if live is None else live

    @handles(_Sweep)
    def sweep(self, _: _Sweep) -> None:
        self._later("sweep", SWEEP_S, _Sweep())
        now = self.core.clock.monotonic()
        self.logs.drop(now - self.settings.logs_retention_seconds)
        self.metrics.drop(now - self.settings.metrics_retention_seconds)
        if self.spans is not None:
            self.spans.drop_pending(now - PENDING_SPAN_S)

    @handles(_Evaluate)
    def evaluate(self, _: _Evaluate) -> None:
        if self.settings.alerts:
            self._later("alerts", ALERT_INTERVAL_S, _Evaluate())
        self.drain()
        self._answers.evaluate_alerts()

    # --- what comes in -----------------------------------------------------------------------------------------------

    @handles(Forward)
    def execute(self, forward: Forward) -> None:
        """Answer a call, from all that was recorded before it."""
        self.drain()
        super().execute(forward)

    @handles(Ready)
    def ready(self, _: Ready) -> None:
        self.drain()

    def drain(self) -> None:
        """Keep what waits in the intake."""
        if self.intake is None:
            return
        try:
            taken: Taken = ask(self.intake, Take())
        except ActorDeadError:
            return
        spans: list[StoredSpan] = []
        ended: list[Span] = []
        as_they_come = not self._trace_bindings.bound and self.exports.spans is None
        for item in taken.items:
            try:
                if type(item) is Span and item.error is None and not item.baggage and as_they_come:
                    ended.append(item)
                else:
                    self._keep(item, spans)
            except Exception:
                logger.exception("A record could not be kept")
        self._keep_spans(spans)
        if self.spans is not None:
            for _ in range(self.spans.put(ended, TELEMETRY_RECORD_BYTES)):
                self.drop("too_large")

    def _keep(self, item: Item, spans: list[StoredSpan]) -> None:
        if isinstance(item, Span):
            spans.append(item.stored())
        elif isinstance(item, Happened):
            span = self.records.discovery(item)
            if span is not None:
                self._keep_spans([span], tell=False)
        elif isinstance(item, LineLogged):
            self.keep_log(self.records.engine_line(item))
        elif isinstance(item, TelemetryFrame):
            self._keep_frame(item.payload, spans)

    def _keep_frame(self, payload: bytes, spans: list[StoredSpan]) -> None:
        kind, text = bytes(payload[:4]), memoryview(payload)[4:]
        try:
            if kind == otlp.TRACES:
                spans += otlp.read_spans(text, live=self._live)
            elif kind == otlp.LOGS:
                if self.settings.logs_enabled:
                    self._keep_logs(otlp.read_logs(text, self.now_ns))
            elif self.settings.metrics_enabled:
                self._keep_metrics(otlp.read_metrics(text, self.now_ns))
        except otlp.Malformed as error:
            self.drop("malformed")
            self._complain(kind, error)

    def kept(self) -> dict[str, int]:
        """Return how many records of each kind are kept now. Any thread: a moment's picture."""
        spans = self.spans
        return {
            "spans": len(spans) if spans is not None else 0,
            "logs": len(self.logs),
            "metrics": len(self.metrics),
        }

    def lost(self) -> dict[str, int]:
        """Return how many records were not kept, or not for long, or not exported, by reason. Any thread."""
        spans = self.spans
        return {
            **self.dropped,
            "export": self.exports.dropped(),
            "evicted_spans": spans.evicted if spans is not None else 0,
            "evicted_logs": self.logs.evicted,
            "evicted_metrics": self.metrics.evicted,
        }

    def drop(self, reason: str) -> None:
        """Count something that is not kept."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def _complain(self, kind: bytes, error: Exception) -> None:
        """Say that a frame was malformed, unless that was said often enough in this second."""
        second = int(self.core.clock.monotonic())
        if second != self._complaints_second:
            self._complaints_second, self._complaints = second, 0
        self._complaints += 1
        if self._complaints <= UNDECODABLE_LOG_PER_S:
            logger.warning("A worker's telemetry (%s) is no OTLP/JSON; dropped. %.200s", kind.decode("latin-1"), error)

    def _keep_spans(self, spans: Iterable[StoredSpan], *, tell: bool = True) -> None:
        """Keep and export spans; bindings are not told of those of discovery, which come of binding itself."""
        now = self.core.clock.monotonic()
        store, bindings, export = self.spans, self._trace_bindings, self.exports.spans
        noting = tell and bindings.bound
        kept = []
        for span in spans:
            size = size_of_span(span)
            if size > TELEMETRY_RECORD_BYTES:
                self.drop("too_large")
                continue
            if store is not None:
                store.add(span, now, size)
            if noting:
                bindings.note(span)
            if export is not None and not span.pending:
                kept.append(span)
        if bindings.noted and "traces" not in self._timers:
            self._later("traces", TRACE_TRIGGER_MS / 1000, _TellTraces())
        if export is not None:
            export(kept)

    def _keep_logs(self, logs: Iterable[StoredLog]) -> None:
        for log in logs:
            self.keep_log(log)
            if self.settings.logs_console_output:
                self.console.show(log)

    def keep_log(self, log: StoredLog) -> None:
        """Keep a log record, tell whoever is bound to it, export it; unless it is sampled away."""
        settings = self.settings
        if not settings.logs_enabled or self._random.random() >= settings.logs_sampling_ratio:
            return
        if size_of_log(log) > TELEMETRY_RECORD_BYTES:
            self.drop("too_large")
            return
        if "\x1b" in log.body:
            log = structs.replace(log, body=without_ansi(log.body))
        self.logs.add(log, self.core.clock.monotonic())
        self._log_bindings.fire(log)
        if self.exports.logs is not None:
            self.exports.logs([log])

    def _keep_metrics(self, metrics: Iterable[StoredMetric]) -> None:
        now = self.core.clock.monotonic()
        for metric in metrics:
            if size_of_metric(metric) > TELEMETRY_RECORD_BYTES:
                self.drop("too_large")
            elif not self.metrics.admit(metric, now):
                self.drop("too_many_names")
            else:
                for figures in figures_in(metric):
                    self.gauges.tell(figures)

    # --- triggers ----------------------------------------------------------------------------------------------------

    def bind(self, trigger: Trigger) -> None:
        if trigger.trigger_type == LOG:
            self._log_bindings.add(trigger)
        elif trigger.trigger_type == TRACE:
            self._trace_bindings.add(trigger)
        else:
            raise TriggerRegistrationFailed(f"iii-observability serves no trigger type {trigger.trigger_type}")

    def unbind(self, trigger: Trigger) -> None:
        self._log_bindings.remove(trigger.id)
        self._trace_bindings.remove(trigger.id)

    @handles(_TellTraces)
    def tell_traces(self, _: _TellTraces) -> None:
        self._timers.pop("traces", None)
        self._trace_bindings.tell()
