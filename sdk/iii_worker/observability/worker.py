"""What a client has of all this: telemetry from its connection to its shutdown, and its logger."""

from __future__ import annotations

import threading
from functools import partial
from typing import Final

from iii_worker import logger as logs
from iii_worker._types import ClientPort
from iii_worker.limits import TELEMETRY_FLUSH_S
from iii_worker.observability import pipeline
from iii_worker.observability.config import otel_config_from
from iii_worker.observability.link import open_link

__all__ = ["WorkerSight"]


class WorkerSight:
    """One client's share in this process's telemetry. Thread-safe; both methods are idempotent.

    Raises ``TypeError`` or ``ValueError`` for bad ``otel`` settings.
    """

    def __init__(self, client: ClientPort) -> None:
        self._client = client
        self._config = otel_config_from(client.options.otel)
        self._lock = threading.Lock()
        self._running = False
        self._telemetry: pipeline.Telemetry | None = None
        self.logger: Final = logs.Logger(service_name=client.options.worker_name, worker=client)
        """Writes to the engine's logs over the client's own connection."""

    def start(self) -> None:
        """Begin; to be called when the client starts to connect. Opens no connection by itself."""
        with self._lock:
            if self._running:
                return
            self._running = True
            client = self._client
            connect = partial(open_link, ssl_context=client.options.ssl_context)
            self._telemetry = pipeline.start(self._config, client.address, client.headers, connect=connect)
            if self._telemetry is not None and self._client.options.enable_metrics_reporting:
                self._telemetry.add(self._identity)
            logs.attach(self._client)

    def stop(self, timeout: float = TELEMETRY_FLUSH_S) -> bool:
        """End; to be called when the client has shut down. Returns whether all had left within ``timeout`` seconds."""
        with self._lock:
            if not self._running:
                return True
            self._running = False
            telemetry, self._telemetry = self._telemetry, None
        logs.detach(self._client)
        if telemetry is None:
            return True
        telemetry.remove(self._identity)
        return pipeline.stop(telemetry, timeout)

    def _identity(self) -> tuple[str | None, str]:
        return self._client.worker_id, self._client.options.worker_name or ""
