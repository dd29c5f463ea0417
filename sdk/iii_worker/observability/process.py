"""Telemetry of a process without a worker, or before its first one (spec sdk.md §9.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iii_worker.limits import TELEMETRY_FLUSH_S
from iii_worker.observability import pipeline
from iii_worker.observability.config import OtelConfig, otel_config_from
from iii_worker.options import resolve_address

__all__ = ["flush_otel", "init_otel", "shutdown_otel"]


def init_otel(config: OtelConfig | Mapping[str, Any] | None = None, loop: object = None) -> bool:  # noqa: ARG001
    """Start telemetry now; workers made later share it. Returns whether it is on.

    It goes to ``config.engine_ws_url``, else ``III_URL``, else the default address. Where telemetry runs already, that
    one stays as it is.

    :param loop: accepted for the official SDK's sake; there is no event loop here.
    """
    if pipeline.active() is None:
        pipeline.start(otel_config_from(config), resolve_address(None), {})
    return pipeline.active() is not None


def flush_otel(timeout: float = TELEMETRY_FLUSH_S) -> bool:
    """Send now what waits; return whether it has left within ``timeout`` seconds. At once if the engine is away."""
    telemetry = pipeline.active()
    return telemetry is None or telemetry.flush(timeout)


def shutdown_otel(timeout: float = TELEMETRY_FLUSH_S) -> bool:
    """Flush and end telemetry, also that of workers; return whether all had left. It can be started again."""
    return pipeline.stop(None, timeout)
