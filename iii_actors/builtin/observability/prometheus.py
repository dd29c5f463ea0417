"""``/metrics`` for Prometheus: the engine's figures, on a port of its own (not in the protocol).

Needs the package ``prometheus-client`` (extra ``prometheus``). Scrapers are served one after the other, on one thread.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import make_wsgi_app
from prometheus_client.registry import Collector
from pykka import ActorDeadError, Timeout

from iii_actors.builtin.observability.figures import EngineFigures
from iii_actors.config.observability import PrometheusSettings
from iii_actors.core.tallies import DURATION_BOUNDS_S
from iii_actors.errors import ListenError
from iii_actors.limits import CLOSE_WAIT_S, PROMETHEUS_TIMEOUT_S

__all__ = ["Figures", "PrometheusPort"]

logger = logging.getLogger(__name__)

_MEND: Final = "set prometheus.port of iii-observability to another one (0 takes a free one), or remove prometheus"


class Figures(Collector):
    """Makes the series of a scrape.

    :param read: asks the engine; runs on the port's thread, and may wait.
    :param kept: how many records of each kind are kept now.
    :param lost: how many records the archive has lost, by reason.
    """

    def __init__(
        self,
        read: Callable[[], EngineFigures],
        kept: Callable[[], dict[str, int]],
        lost: Callable[[], dict[str, int]],
    ) -> None:
        self._read = read
        self._kept = kept
        self._lost = lost

    def collect(self) -> Iterator[Metric]:
        """Yield every series; at most so many functions and codes have one of their own (:mod:`~iii_actors.limits`)."""
        try:
            figures = self._read()
        except (ActorDeadError, Timeout):
            return  # the engine is stopping
        total = CounterMetricFamily("iii_invocations", "Calls that have ended", labels=("function_id", "status"))
        failed = CounterMetricFamily("iii_invocation_errors", "Calls that failed", labels=("function_id", "error_code"))
        lasted = HistogramMetricFamily(
            "iii_invocation_duration_seconds", "From filing a call to its outcome", labels=("function_id",)
        )
        in_flight = GaugeMetricFamily("iii_invocations_in_flight", "Calls not answered yet")
        for one in figures.tallies.functions:
            total.add_metric((one.function_id, "success"), one.success)
            total.add_metric((one.function_id, "error"), one.error)
            for code, count in one.errors.items():
                failed.add_metric((one.function_id, code), count)
            lasted.add_metric((one.function_id,), _cumulative(one.buckets), one.seconds)
        in_flight.add_metric((), sum(figures.tallies.in_flight.values()))
        yield from (total, failed, lasted, in_flight)
        yield from self._workers(figures)
        dropped = CounterMetricFamily("iii_records_dropped", "Records not kept, by kind", labels=("kind",))
        for kind, count in {**figures.dropped, **self._lost()}.items():
            dropped.add_metric((kind,), count)
        kept = GaugeMetricFamily("iii_records_kept", "Spans, logs and metric records kept now", labels=("kind",))
        for kind, count in self._kept().items():
            kept.add_metric((kind,), count)
        yield from (dropped, kept)

    @staticmethod
    def _workers(figures: EngineFigures) -> Iterator[Metric]:
        workers = figures.workers
        active = GaugeMetricFamily("iii_workers_active", "Workers connected now")
        active.add_metric((), workers.joined - workers.left)
        spawns = CounterMetricFamily("iii_workers_spawns", "Workers that have connected")
        spawns.add_metric((), workers.joined)
        deaths = CounterMetricFamily("iii_workers_deaths", "Workers that have gone")
        deaths.add_metric((), workers.left)
        by_status = GaugeMetricFamily("iii_workers_by_status", "Workers connected now, by status", labels=("status",))
        for status, count in workers.by_status.items():
            by_status.add_metric((status,), count)
        yield from (active, spawns, deaths, by_status)


def _cumulative(buckets: tuple[int, ...]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    so_far = 0
    for bound, count in zip((*map(str, DURATION_BOUNDS_S), "+Inf"), buckets, strict=True):
        so_far += count
        found.append((bound, so_far))
    return found


class _Handler(WSGIRequestHandler):
    timeout = PROMETHEUS_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        logger.debug(format, *args)


class _Server(WSGIServer):
    def server_bind(self) -> None:
        """Bind, without asking a resolver for this machine's name."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that breaks off, or says nothing in time, is no fault of the engine's."""
        logger.debug("A scraper at %s was not served", client_address)


class _SixServer(_Server):
    address_family = socket.AF_INET6


class PrometheusPort:
    """The port, from its binding to its end. Raises :class:`ListenError` if it cannot be bound."""

    def __init__(self, settings: PrometheusSettings, figures: Figures) -> None:
        registry = CollectorRegistry()
        for collector in (figures, PlatformCollector(registry=None), ProcessCollector(registry=None)):
            registry.register(collector)
        kind = _SixServer if ":" in settings.host else _Server
        try:
            self._server = kind((settings.host, settings.port), _Handler)
        except OSError as error:
            number = error.errno or 0
            reason = (
                "the port is in use" if number == errno.EADDRINUSE else os.strerror(number) if number else str(error)
            )
            raise ListenError(settings.host, settings.port, reason, _MEND) from None
        self._server.set_app(make_wsgi_app(registry))
        self.address = settings.host, self._server.server_port
        """Host as configured, and the port really bound."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="iii-prometheus", daemon=True)

    def open(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(CLOSE_WAIT_S)
        self._server.server_close()
