"""The built-in worker ``iii-observability``: starts what records, and registers what it answers."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

import pykka

from iii_actors.actor import Ref, ask, launch
from iii_actors.builtin.base import Builtin, BuiltinContext, Opened
from iii_actors.builtin.observability import figures
from iii_actors.builtin.observability.archive import Apply, Archive, Exports
from iii_actors.builtin.observability.bindings import (
    LOG,
    TRACE,
    LogConfig,
    LogEvent,
    TraceConfig,
    TraceEvent,
)
from iii_actors.builtin.observability.capture import Capture
from iii_actors.builtin.observability.figures import EngineFigures
from iii_actors.builtin.observability.gauges import Gauges
from iii_actors.builtin.observability.intake import Intake, Ready
from iii_actors.builtin.observability.sampling import Sampler
from iii_actors.builtin.schemas import schema_of
from iii_actors.config.observability import ObservabilitySettings, PrometheusSettings
from iii_actors.config.settings import Settings
from iii_actors.core.observing import Lookout, Observe, Waiting
from iii_actors.core.tallies import Count
from iii_actors.core.tracing import Span, Tracer
from iii_actors.errors import ConfigError
from iii_actors.limits import CLOSE_WAIT_S, DISCOVERY_SPANS_PER_S, INTAKE_ITEMS

if TYPE_CHECKING:
    from iii_actors.builtin.observability.otlp_export import Export
    from iii_actors.builtin.observability.prometheus import PrometheusPort

__all__ = ["Observability"]

logger = logging.getLogger(__name__)

_LOG: Final = "A log record was kept."
_TRACE: Final = "Spans were recorded; the ids of their traces come together, every 300 ms."
_FIXED: Final = (
    "enabled",
    "metrics_enabled",
    "logs_enabled",
    "prometheus",
    "exporter",
    "metrics_exporter",
    "logs_exporter",
    "endpoint",
)
"""Settings that take effect at the start."""
_TRACE_BUILTINS: Final = "III_OTEL_TRACE_BUILTINS"


class Observability(Builtin):
    """Records what happens in the engine and what workers tell of themselves (observability.md). Every engine has it.

    Switched off (``enabled: false``) it keeps the engine's and the workers' log lines only, and nothing on the path of
    a call or a request knows of it.
    """

    description = "Spans, logs and metrics of workers and of the engine: kept, listed, exported."
    always_on = True

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        settings = context.instance.settings
        if not isinstance(settings, ObservabilitySettings):
            raise TypeError(f"{self.id} has settings of {type(settings).__name__}")
        self.settings = settings
        self._refs: list[Ref] = []
        self._intake: Ref | None = None
        self._archive: Ref | None = None
        self._capture: Capture | None = None
        self._export: Export | None = None
        self._prometheus: PrometheusPort | None = None

    def set_up(self) -> None:
        core, settings = self.core, self.settings
        gauges = launch(Gauges(core.clock))
        export = self._export = self._exporting()
        exports = Exports()
        if export is not None:
            spans, logs = export.spans, export.logs
            exports = Exports(spans.offer if spans else None, logs.offer if logs else None, export.dropped)
        archive = Archive(core, settings, self.id, gauges, exports)
        self._archive = self._run(archive)
        ended: Waiting[Span] = Waiting(INTAKE_ITEMS)
        lookout = Lookout(core.clock, Waiting(INTAKE_ITEMS), DISCOVERY_SPANS_PER_S)
        intake = self._intake = self._run(Intake(core.clock, self._archive, ended, lookout))
        ended.sink = lookout.waiting.sink = intake
        self._refs.append(gauges)
        archive.intake = intake
        for offer in archive.offers:
            self.register_function(self._archive, offer.spec())
        if settings.logs_enabled:
            self._capture = Capture(intake, settings.level)
            self._capture.begin()
        if export is not None:
            export.begin()
        if settings.prometheus is not None:
            self._prometheus = self._metrics_port(settings.prometheus, archive)
        if settings.enabled:
            self._look_on(ended, lookout, intake, gauges)
            self.register_trigger_type(self._archive, LOG, _LOG, schema_of(LogConfig), schema_of(LogEvent))
            self.register_trigger_type(self._archive, TRACE, _TRACE, schema_of(TraceConfig), schema_of(TraceEvent))

    def _look_on(self, ended: Waiting[Span], lookout: Lookout, intake: Ref, gauges: Ref) -> None:
        """Have everything told to the intake."""
        core, observing = self.core, self.core.observing
        builtins = os.environ.get(_TRACE_BUILTINS) == "1"
        tracer = Tracer(
            core.clock,
            ended,
            Sampler(self.settings, core.clock.monotonic),
            service_name=self.settings.service_name,
            builtins=builtins,
        )
        observing.intake, observing.gauges, observing.tracer = intake, gauges, tracer
        ask(core.invocations, Count(core.clock.monotonic, tracer, calls=self.settings.metrics_enabled))
        for registry in (core.functions, core.workers, core.triggers):
            ask(registry, Observe(lookout))

    def _exporting(self) -> Export | None:
        """Return what exports, if anything is to be; the packages for it are loaded only then."""
        settings = self.settings
        if {settings.exporter, settings.metrics_exporter, settings.logs_exporter} == {"memory"}:
            return None
        try:
            from iii_actors.builtin.observability.otlp_export import Export  # noqa: PLC0415
        except ImportError as error:
            raise _missing("exporter", "otlp", error) from None
        return Export(settings, self._figures)

    def _metrics_port(self, settings: PrometheusSettings, archive: Archive) -> PrometheusPort:
        try:
            from iii_actors.builtin.observability.prometheus import Figures, PrometheusPort  # noqa: PLC0415
        except ImportError as error:
            raise _missing("prometheus", "prometheus", error) from None
        return PrometheusPort(settings, Figures(self._figures, archive.kept, archive.lost))

    def _figures(self) -> EngineFigures:
        return figures.read(self.core, self._intake)

    def open(self) -> None:
        if self._prometheus is not None:
            self._prometheus.open()

    def stop_accepting(self) -> None:
        port, self._prometheus = self._prometheus, None
        if port is not None:
            port.close()

    def _run(self, actor: pykka.Actor) -> Ref:
        ref = launch(actor)
        self._refs.append(ref)
        return ref

    def apply(self, settings: ObservabilitySettings) -> None:
        """Go on by other settings: limits, sampling, alerts, what of logs is kept and shown. Any thread.

        ``enabled``, ``metrics_enabled``, ``prometheus`` and everything about exporting wait for the next start.
        """
        self.settings = settings.model_copy(update={name: getattr(self.settings, name) for name in _FIXED})
        tracer = self.core.observing.tracer
        if tracer is not None:
            tracer.service_name = self.settings.service_name
            tracer.sample = Sampler(self.settings, self.core.clock.monotonic)
        if self._capture is not None:
            self._capture.follow(settings.level)
        if self._archive is not None:
            self._archive.tell(Apply(self.settings))

    def change(self, settings: Settings) -> bool:
        """Go by other settings while it runs, unless they concern what is set up at the start."""
        if not isinstance(settings, ObservabilitySettings):
            return False
        if any(getattr(settings, name) != getattr(self.settings, name) for name in _FIXED):
            return False
        self.apply(settings)
        return True

    def tear_down(self) -> None:
        if self._capture is not None:
            self._capture.end()
        observing = self.core.observing
        observing.intake = observing.gauges = observing.tracer = None
        if self._archive is not None:
            self._archive.tell(Ready())  # what has come last is kept, and exported, too
        for ref in self._refs:
            try:
                ref.stop(timeout=CLOSE_WAIT_S)
            except pykka.Timeout:
                logger.warning("%s waits for another actor; the engine stops without it", ref)
        if self._export is not None:
            self._export.end()
        if self.settings.enabled and self._intake is not None:
            ask(self.core.invocations, Count(self.core.clock.monotonic, None, calls=False))
            for registry in (self.core.functions, self.core.workers, self.core.triggers):
                ask(registry, Observe(None))

    def actors(self) -> list[Ref]:
        return list(self._refs)

    def opened(self) -> list[Opened]:
        return [Opened("metrics", "http", *self._prometheus.address)] if self._prometheus is not None else []


def _missing(key: str, extra: str, error: ImportError) -> ConfigError:
    return ConfigError(
        f"iii-observability, {key}",
        f"a package for it is not installed ({error.name or error})",
        f"pip install 'iii-actors[{extra}]', or remove the setting",
    )
