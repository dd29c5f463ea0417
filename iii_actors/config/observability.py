"""``iii-observability``: what is recorded, how much of it is kept, where it goes (config-and-cli.md §4)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, ConfigDict, Field

from iii_actors import limits
from iii_actors.config.settings import Port, Positive, Settings

__all__ = [
    "AlertAction",
    "AlertRule",
    "ObservabilitySettings",
    "PrometheusSettings",
    "SamplingRateLimit",
    "SamplingRule",
    "SamplingSettings",
]

Ratio = Annotated[float, Field(ge=0, le=1, strict=False)]
Text = Annotated[str, Field(min_length=1)]
Exporter = Literal["memory", "otlp", "both"]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class SamplingRule(Settings):
    """Which spans a rate is for; ``*`` stands for any characters, ``?`` for one."""

    operation: Text | None = None
    """The span's name; null: any."""
    service: Text | None = None
    """The engine's ``service_name``; null: any."""
    rate: Ratio
    """0 to 1."""


class SamplingRateLimit(Settings):
    """A bound on new traces."""

    max_traces_per_second: Positive


class SamplingSettings(Settings):
    """Which of the engine's own spans are recorded (observability.md §8)."""

    default: Ratio | None = None
    """For spans that no rule fits; null: `sampling_ratio`."""
    parent_based: bool = True
    """A span whose trace came from outside is recorded exactly if its parent was."""
    rules: list[SamplingRule] = Field(default_factory=list)
    """The first that fits decides."""
    rate_limit: SamplingRateLimit | None = None
    """Of traces that begin in the engine; null: none."""


def _web_address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("an http:// or https:// URL is wanted")
    return url


class AlertAction(Settings):
    """What is done when an alert begins to fire."""

    type: Literal["log", "webhook", "function"]
    url: Annotated[str, AfterValidator(_web_address)] | None = None
    """``webhook``: where the alert is POSTed; hosts on private networks are refused."""
    path: Text | None = None
    """``function``: whose id is called with the alert; built-in functions are refused."""

    def model_post_init(self, _: object) -> None:
        if self.type == "webhook" and self.url is None:
            raise ValueError("a webhook needs its url")
        if self.type == "function" and self.path is None:
            raise ValueError("a function action needs path, the function's id")


class AlertRule(Settings):
    """A threshold on a figure (observability.md §8)."""

    name: Text
    metric: Text
    """``iii.invocations.{total,success,error,deferred}``, ``iii.workers.{spawns,deaths,active}``, or a worker's own."""
    threshold: Annotated[float, Field(strict=False)]
    operator: Literal[">", ">=", "<", "<=", "==", "!="] = ">"
    window_seconds: Annotated[int, Field(ge=1, le=limits.ALERT_WINDOW_MAX_S)] = limits.ALERT_WINDOW_S
    """Counters are looked at by their increase within it, all others by their newest value within it."""
    cooldown_seconds: Annotated[int, Field(ge=0)] = limits.ALERT_COOLDOWN_S
    """An alert that has fired does not fire again within it."""
    enabled: bool = True
    action: AlertAction = Field(default_factory=lambda: AlertAction(type="log"))


class PrometheusSettings(Settings):
    """A port for Prometheus to scrape; not in the protocol."""

    host: Text = limits.PROMETHEUS_HOST
    """Address to listen on."""
    port: Port = limits.PROMETHEUS_PORT
    """TCP port; 0 takes a free one."""


class ObservabilitySettings(Settings):
    """``iii-observability``."""

    model_config = ConfigDict(populate_by_name=True)

    enabled: bool = True
    """Record spans, and take workers' telemetry; false: the engine's log, its functions and workers' logs only."""
    service_name: Text = "iii"
    service_version: Text | None = None
    """None: the engine's version."""
    service_namespace: Text | None = None
    exporter: Exporter = "memory"
    """Where spans go: kept here, to the collector at `endpoint`, or both."""
    endpoint: Annotated[str, AfterValidator(_web_address)] = limits.OTLP_ENDPOINT
    """An OTLP collector; gRPC unless ``OTEL_EXPORTER_OTLP_PROTOCOL`` is ``http/protobuf``."""
    sampling_ratio: Ratio = 1.0
    """The share of the engine's own traces that is recorded."""
    memory_max_spans: Positive = limits.SPANS_MAX
    live_spans: bool | None = None
    """Show spans that have not ended; null: if `exporter` is ``memory``."""
    metrics_enabled: bool = True
    metrics_exporter: Exporter = "memory"
    metrics_max_count: Positive = limits.METRICS_MAX
    metrics_retention_seconds: Positive = limits.TELEMETRY_RETENTION_S
    logs_enabled: bool = True
    logs_exporter: Exporter = "memory"
    logs_max_count: Positive = limits.LOGS_MAX
    logs_retention_seconds: Positive = limits.TELEMETRY_RETENTION_S
    logs_sampling_ratio: Ratio = 1.0
    """The share of log records that is kept."""
    logs_console_output: bool = True
    """Print workers' log records too."""
    logs_batch_size: Positive | None = None
    """Accepted; batches are of the engine's own choosing."""
    logs_flush_interval_ms: Positive | None = None
    """Accepted, likewise."""
    level: Annotated[Literal["trace", "debug", "info", "warn", "error"], BeforeValidator(_lower)] = Field(
        default="info", validation_alias=AliasChoices("level", "log_level")
    )
    """Least severe level logged."""
    format: Annotated[Literal["default", "json"], BeforeValidator(_lower)] = "default"
    """``default``: for people; ``json``: one object per line."""
    sampling: SamplingSettings = Field(default_factory=SamplingSettings)
    alerts: Annotated[list[AlertRule], Field(max_length=limits.ALERT_RULES)] = Field(default_factory=list)
    collapse_spans: list[Text] = Field(default_factory=list)
    """Names of spans left out of trees, ``*`` and ``?`` as for sampling; their children move up."""
    trace_storage: dict[str, Any] | None = None
    """Spans on disk: accepted, and not part of this version."""
    prometheus: PrometheusSettings | None = None
    """Figures at ``/metrics``; null: not."""

    def without_effect(self) -> Iterable[str]:
        return [name for name in ("logs_batch_size", "logs_flush_interval_ms", "trace_storage") if getattr(self, name)]

    @classmethod
    def with_environment(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Fill in, for the keys that a block leaves out, what the environment says (config-and-cli.md §4)."""
        filled = dict(given)
        for key, name in _VARIABLES.items():
            text = os.environ.get(name)
            if text and key not in filled:
                filled[key] = _scalar(text) if key in _NUMBERS_AND_FLAGS else text
        return filled


_VARIABLES: Final = {
    "enabled": "OTEL_ENABLED",
    "service_name": "OTEL_SERVICE_NAME",
    "service_version": "SERVICE_VERSION",
    "service_namespace": "SERVICE_NAMESPACE",
    "exporter": "OTEL_EXPORTER_TYPE",
    "endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "sampling_ratio": "OTEL_TRACES_SAMPLER_ARG",
    "memory_max_spans": "OTEL_MEMORY_MAX_SPANS",
    "live_spans": "OTEL_LIVE_SPANS",
}
_NUMBERS_AND_FLAGS: Final = frozenset({"enabled", "sampling_ratio", "memory_max_spans", "live_spans"})


def _scalar(text: str) -> object:
    """Return what YAML makes of a bare word, as in the file itself."""
    import yaml  # noqa: PLC0415 - for those who have such a word, or a file

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
