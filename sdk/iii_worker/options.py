"""What a client is made with: :class:`InitOptions` and the environment variables behind it (spec sdk.md §1)."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from iii_worker import limits

if TYPE_CHECKING:
    from iii_worker.observability import OtelConfig

__all__ = ["InitOptions", "ReconnectionConfig", "TelemetryOptions", "resolve_address"]


@dataclass
class ReconnectionConfig:
    """How a lost connection is made again: delay = min(initial * multiplier ** attempt, max) * (1 +- jitter)."""

    initial_delay_ms: int = limits.INITIAL_DELAY_MS
    max_delay_ms: int = limits.MAX_DELAY_MS
    backoff_multiplier: float = limits.BACKOFF_MULTIPLIER
    jitter_factor: float = limits.JITTER_FACTOR
    """0 to 1: the part of the delay that is left to chance."""
    max_retries: int = -1
    """Attempts in a row before the client gives up and is ``failed``; -1: never."""

    def __post_init__(self) -> None:
        if self.initial_delay_ms < 0 or self.max_delay_ms < self.initial_delay_ms:
            raise ValueError("reconnection_config: 0 <= initial_delay_ms <= max_delay_ms is needed")
        if self.backoff_multiplier < 1:
            raise ValueError("reconnection_config: backoff_multiplier must be at least 1")
        if not 0 <= self.jitter_factor <= 1:
            raise ValueError("reconnection_config: jitter_factor must be between 0 and 1")


@dataclass
class TelemetryOptions:
    """What the worker says of its project when it announces itself (spec sdk.md §5.5); what is None is found out."""

    language: str | None = None
    project_name: str | None = None
    framework: str | None = None
    amplitude_api_key: str | None = None


@dataclass
class InitOptions:
    """Options of :func:`iii_worker.register_worker`; every one may also be given to it as a keyword."""

    worker_name: str | None = None
    """Unique among the live workers of a namespace. A non-empty ``III_WORKER_NAME`` beats it; else ``hostname:pid``."""
    worker_description: str | None = None
    """One line on what this worker does, shown in listings."""
    namespace: str | None = None
    """Where the worker, its functions, its calls and triggers are at home; else ``III_NAMESPACE``, else ``default``."""
    enable_metrics_reporting: bool = True
    invocation_timeout_ms: int = limits.INVOCATION_TIMEOUT_MS
    """What a call waits that gives no timeout of its own, in milliseconds."""
    reconnection_config: ReconnectionConfig | None = None
    otel: OtelConfig | dict[str, Any] | None = None
    """OpenTelemetry; None: enabled with defaults, if `opentelemetry` is installed."""
    headers: dict[str, str] | None = None
    """HTTP headers of the upgrade request, e.g. the token an RBAC listener wants."""
    telemetry: TelemetryOptions | None = None
    connect_timeout: float | None = None
    """Seconds until ``register_worker`` raises if there is no connection; None: it warns after 30 s and keeps trying.
    """
    wait: bool = True
    """False: ``register_worker`` returns at once and connects behind; calls wait for the connection."""
    offline_calls: Literal["wait", "fail"] = "wait"
    """A call made while there is no connection: ``wait`` for it (within the call's timeout), or ``fail`` at once."""
    ssl_context: ssl.SSLContext | None = None
    """For ``wss://`` addresses; None: the system's certificates are trusted."""
    handler_threads: int | None = None
    """Handlers that run at once at most; None: see ``iii_worker.limits``."""
    handler_queue: int | None = None
    """Invocations that wait for a thread at most; one more is answered with an error. None: see ``iii_worker.limits``.
    """

    def __post_init__(self) -> None:
        if self.namespace is not None and not self.namespace.strip():
            raise ValueError("namespace is blank: give it a name, or leave it out")
        if self.invocation_timeout_ms <= 0:
            raise ValueError(f"invocation_timeout_ms is {self.invocation_timeout_ms}: it must be above 0")
        if self.connect_timeout is not None and self.connect_timeout <= 0:
            raise ValueError(f"connect_timeout is {self.connect_timeout}: it must be above 0 seconds, or None")
        if self.offline_calls not in ("wait", "fail"):
            raise ValueError(f"offline_calls is {self.offline_calls!r}: say 'wait' or 'fail'")

    def resolved(self) -> InitOptions:
        """Return a copy with what the environment says and the defaults filled in."""
        blank_is_unset = os.environ.get("III_NAMESPACE", "").strip() or None
        return replace(
            self,
            worker_name=os.environ.get("III_WORKER_NAME")
            or self.worker_name
            or f"{socket.gethostname()}:{os.getpid()}",
            namespace=self.namespace or blank_is_unset,
            reconnection_config=self.reconnection_config or ReconnectionConfig(),
        )


def options_from(options: InitOptions | Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> InitOptions:
    """Return options with keywords laid over them. Raises ``TypeError`` for a name that is no option."""
    known = [field.name for field in fields(InitOptions)]
    given = dict(options) if isinstance(options, Mapping) else {}
    for name in [*given, *keywords]:
        if name not in known:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(known)}")
    merged = given | dict(keywords)
    for name, kind in (("telemetry", TelemetryOptions), ("reconnection_config", ReconnectionConfig)):
        if isinstance(merged.get(name), Mapping):
            merged[name] = kind(**merged[name])
    return replace(options, **merged) if isinstance(options, InitOptions) else InitOptions(**merged)


def resolve_address(address: str | None) -> str:
    """Return the engine's address: the argument, else a non-empty ``III_URL``, else the default (spec sdk.md §1.1)."""
    return address or os.environ.get("III_URL") or limits.DEFAULT_ENGINE_URL
