"""What a client is made with: :class:`InitOptions` and the environment variables behind it (spec sdk.md §1)."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from iii_worker import limits
from iii_worker.errors import AddressError

if TYPE_CHECKING:
    from iii_worker.observability import OtelConfig

__all__ = ["InitOptions", "ReconnectionConfig", "TelemetryOptions", "resolve_address"]

_Nested = TypeVar("_Nested")

_KINDS: Final[dict[str, tuple[type, str]]] = {
    "worker_name": (str, "a text"),
    "worker_description": (str, "a text"),
    "namespace": (str, "a text"),
    "invocation_timeout_ms": (Real, "a number of milliseconds"),
    "headers": (Mapping, "a dict of texts"),
    "connect_timeout": (Real, "a number of seconds"),
    "wait": (bool, "True or False; how long to wait is connect_timeout"),
    "ssl_context": (ssl.SSLContext, "an ssl.SSLContext"),
    "handler_threads": (int, "a whole number"),
    "handler_queue": (int, "a whole number"),
}
"""What an option that is given has to be."""


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
        for field in fields(self):
            if not isinstance(value := getattr(self, field.name), Real):
                raise TypeError(f"reconnection_config: {field.name} is {value!r}: it must be a number")
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
        self.telemetry = _nested("telemetry", TelemetryOptions, self.telemetry)
        self.reconnection_config = _nested("reconnection_config", ReconnectionConfig, self.reconnection_config)
        for name, (kind, wanted) in _KINDS.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                given = f"of type {type(value).__name__}" if name == "headers" else repr(value)
                raise TypeError(f"{name} is {given}: it must be {wanted}")
        _check_headers(self.headers or {})
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
    if not isinstance(options, (InitOptions, Mapping, type(None))):
        raise TypeError(
            f"options is {options!r:.80}: give a dict or InitOptions, or each option by keyword, as worker_name=..."
        )
    known = [field.name for field in fields(InitOptions)]
    given = dict(options) if isinstance(options, Mapping) else {}
    for name in [*given, *keywords]:
        if name not in known:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(known)}")
    merged = given | dict(keywords)
    return replace(options, **merged) if isinstance(options, InitOptions) else InitOptions(**merged)


def resolve_address(address: str | None) -> str:
    """Return the engine's address: the argument, else a non-empty ``III_URL``, else the default (spec sdk.md §1.1)."""
    if not isinstance(address, (str, type(None))):
        raise AddressError(f"the engine's address is {address!r:.80}: give a text, such as {limits.DEFAULT_ENGINE_URL}")
    return (address or "").strip() or os.environ.get("III_URL", "").strip() or limits.DEFAULT_ENGINE_URL


def _nested(name: str, kind: type[_Nested], given: Any) -> _Nested | None:
    """Return an option that has fields of its own, which may be given as a dict."""
    if given is None or isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} is {given!r:.80}: it must be a dict or {kind.__name__}")
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            raise TypeError(f"{name} has no field {key!r}; there are {', '.join(known)}")
    return kind(**given)


def _check_headers(headers: Mapping[Any, Any]) -> None:
    """Raise for what no request can be made of, without showing a value: it may be a secret."""
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"headers: {name!r} has a value of type {type(value).__name__}: both must be texts")
        if not name or any(not char.isprintable() for char in name + value.replace("\t", " ")):
            raise ValueError(f"headers: {name!r} or its value holds a line break or the like: strip() it")
