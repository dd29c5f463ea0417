"""Settings of telemetry: :class:`OtelConfig` and the environment variables behind it (spec sdk.md §9.4)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

from iii_worker import limits
from iii_worker.version import __version__

__all__ = ["OtelConfig", "otel_config_from", "telemetry_url"]

DEFAULT_SERVICE_NAME: Final = "iii-python-sdk"
_T = TypeVar("_T")

_OFF: Final = frozenset({"false", "0", "no", "off"})
_ON: Final = frozenset({"true", "1", "yes", "on"})


@dataclass(frozen=True)
class OtelConfig:
    """How telemetry is recorded and sent. What is None is taken from the environment or has the default named."""

    enabled: bool | None = None
    """Else ``OTEL_ENABLED``; else on if `opentelemetry-sdk` is installed. True works without it too, more plainly."""
    service_name: str | None = None
    """Else ``OTEL_SERVICE_NAME``, else ``iii-python-sdk``."""
    service_version: str | None = None
    """Else ``SERVICE_VERSION``, else ``unknown``."""
    service_namespace: str | None = None
    """Else ``SERVICE_NAMESPACE``, else not sent."""
    service_instance_id: str | None = None
    """Else ``SERVICE_INSTANCE_ID``, else a UUID of this process's own."""
    engine_ws_url: str | None = None
    """The engine's address, without ``/otel``; else the worker's own."""
    engine_ws_headers: dict[str, str] | None = None
    """HTTP headers of the upgrade request; else the worker's own."""
    spans_flush_interval_ms: int | None = None
    """How long a span waits for others; 100 ms."""
    logs_enabled: bool | None = None
    """Whether :class:`~iii_worker.logger.Logger` may use the telemetry socket; yes."""
    logs_flush_interval_ms: int | None = None
    """How long log records wait for a batch to fill; 100 ms."""
    logs_batch_size: int | None = None
    """So many log records leave at once; 1."""
    metrics_enabled: bool = True
    """Whether the worker's own gauges are sent."""
    metrics_export_interval_ms: int = limits.METRICS_EXPORT_INTERVAL_MS
    fetch_instrumentation_enabled: bool = True
    """Whether requests of ``urllib``, ``requests``, ``httpx`` are traced, where their instrumentation is installed."""

    def __post_init__(self) -> None:
        for name in ("spans_flush_interval_ms", "logs_flush_interval_ms"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"otel: {name} is {value}: it must not be below 0")
        for name in ("logs_batch_size", "metrics_export_interval_ms"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"otel: {name} is {value}: it must be above 0")

    def resolved(self, *, installed: bool) -> OtelConfig:
        """Return a copy with nothing but the addresses left None.

        :param installed: whether `opentelemetry` is, which decides where nobody has said ``enabled``.
        """
        return replace(
            self,
            enabled=_first(self.enabled, _switch("OTEL_ENABLED"), installed),
            service_name=_first(self.service_name, _text("OTEL_SERVICE_NAME"), DEFAULT_SERVICE_NAME),
            service_version=_first(self.service_version, _text("SERVICE_VERSION"), "unknown"),
            service_namespace=_first(self.service_namespace, _text("SERVICE_NAMESPACE"), ""),
            service_instance_id=_first(self.service_instance_id, _text("SERVICE_INSTANCE_ID"), str(uuid.uuid4())),
            spans_flush_interval_ms=_first(self.spans_flush_interval_ms, None, limits.SPANS_FLUSH_INTERVAL_MS),
            logs_enabled=_first(self.logs_enabled, None, True),
            logs_flush_interval_ms=_first(self.logs_flush_interval_ms, None, limits.LOGS_FLUSH_INTERVAL_MS),
            logs_batch_size=_first(self.logs_batch_size, None, limits.LOGS_BATCH_SIZE),
        )

    def resource(self) -> dict[str, str]:
        """Return the attributes that name the sender (OpenTelemetry's resource) of a resolved configuration."""
        attributes = {
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": DEFAULT_SERVICE_NAME,
            "telemetry.sdk.version": __version__,
            "service.name": self.service_name or DEFAULT_SERVICE_NAME,
            "service.version": self.service_version or "",
            "service.namespace": self.service_namespace or "",
            "service.instance.id": self.service_instance_id or "",
        }
        return {key: value for key, value in attributes.items() if value}


def otel_config_from(given: OtelConfig | Mapping[str, Any] | None) -> OtelConfig:
    """Return the configuration somebody gave: as it is, from a mapping, or the defaults.

    Raises ``TypeError`` for a key that is no setting, ``ValueError`` for a value out of range.
    """
    if given is None:
        return OtelConfig()
    if isinstance(given, OtelConfig):
        return given
    known = [field.name for field in fields(OtelConfig)]
    if unknown := [str(key) for key in given if key not in known]:
        raise TypeError(f"otel: there is no setting {', '.join(unknown)}; there are {', '.join(known)}")
    return OtelConfig(**given)


def telemetry_url(address: str) -> str:
    """Return where an engine takes telemetry: ``/otel`` behind its address's path, the query kept (core.md §1.5)."""
    scheme, host, path, query, _ = urlsplit(address)
    scheme = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    return urlunsplit((scheme, host, path.rstrip("/") + "/otel", query, ""))


def _first(given: _T | None, environment: _T | None, default: _T) -> _T:
    if given is not None:
        return given
    return environment if environment is not None else default


def _text(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _switch(name: str) -> bool | None:
    value = os.environ.get(name, "").strip().lower()
    if value in _OFF:
        return False
    return True if value in _ON else None
