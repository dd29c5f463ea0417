"""What is recorded of what happens, and how much of it is kept."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import MIB, limit

TALLIED_FUNCTIONS: Final = limit(
    "TALLIED_FUNCTIONS",
    2_000,
    "functions",
    "counted each by itself; the calls of all others share the series (other), so that invented ids fill nothing",
)
TALLIED_CODES: Final = limit(
    "TALLIED_CODES",
    20,
    "error codes",
    "counted each by itself for one function; codes are the workers' own words, and the rest share one count",
)
INTAKE_ITEMS: Final = limit(
    "INTAKE_ITEMS",
    20_000,
    "records",
    "spans, log lines and telemetry frames that wait for the archive; beyond it new ones are dropped and counted",
)
INTAKE_BYTES: Final = limit(
    "INTAKE_BYTES", 64 * MIB, "bytes", "telemetry that waits for the archive: one frame of the largest size, or many"
)
INTAKE_BATCH: Final = limit(
    "INTAKE_BATCH", 512, "records", "of the engine's own wake the archive at once; fewer wait for company"
)
INTAKE_DELAY_MS: Final = limit(
    "INTAKE_DELAY_MS", 200, "ms", "how long they wait: below what a person notices, and the archive sleeps meanwhile"
)
DISCOVERY_SPANS_PER_S: Final = limit(
    "DISCOVERY_SPANS_PER_S",
    1_000,
    "spans/s",
    "of registering, leaving and look-ups in vain; a storm of these must not drive out the spans of calls",
)
SPANS_MAX: Final = limit("SPANS_MAX", 1_000_000, "spans", "the protocol's value (config-and-cli.md §4)")
SPAN_STORE_BYTES: Final = limit(
    "SPAN_STORE_BYTES", 256 * MIB, "bytes", "the protocol's value (observability.md §3), estimated from the texts held"
)
PENDING_SPAN_S: Final = limit(
    "PENDING_SPAN_S", 3_600, "s", "the protocol's value (observability.md §3): a span whose end never comes"
)
LOGS_MAX: Final = limit("LOGS_MAX", 1_000, "logs", "the protocol's value (observability.md §3)")
LOG_STORE_BYTES: Final = limit(
    "LOG_STORE_BYTES", 64 * MIB, "bytes", "a thousand logs of the largest size would be a gigabyte; oldest go first"
)
METRICS_MAX: Final = limit("METRICS_MAX", 10_000, "records", "the protocol's value (observability.md §3)")
METRIC_NAMES: Final = limit(
    "METRIC_NAMES", 10_000, "names", "the protocol's value (observability.md §3); records of further names are dropped"
)
METRIC_STORE_BYTES: Final = limit(
    "METRIC_STORE_BYTES", 64 * MIB, "bytes", "as for logs: one record may hold any number of points"
)
TELEMETRY_RETENTION_S: Final = limit(
    "TELEMETRY_RETENTION_S", 3_600, "s", "the protocol's value for logs and metrics (observability.md §3)"
)
TELEMETRY_RECORD_BYTES: Final = limit(
    "TELEMETRY_RECORD_BYTES",
    1 * MIB,
    "bytes",
    "of one span, log or metric, estimated; a larger one is dropped and counted, or it would drive out all others",
)
TRACE_PAGE: Final = limit(
    "TRACE_PAGE", 10_000, "spans", "listed at once, whatever is asked for: an answer has to fit into one message"
)
TREE_SPANS: Final = limit("TREE_SPANS", 10_000, "spans", "of one trace in a tree, the first to begin; likewise")
TREE_DEPTH: Final = limit(
    "TREE_DEPTH", 100, "spans", "one within the other; JSON readers give up on text that nests much deeper"
)
SWEEP_S: Final = limit("SWEEP_S", 60.0, "s", "the protocol's value (observability.md §3): how often old records go")
TRACE_TRIGGER_MS: Final = limit(
    "TRACE_TRIGGER_MS", 300, "ms", "the protocol's value (observability.md §7): traces of so long are told together"
)
WORKER_FIGURES_S: Final = limit(
    "WORKER_FIGURES_S", 120.0, "s", "the protocol's value (observability.md §6): older figures of a worker are no news"
)
WORKER_FIGURES: Final = limit(
    "WORKER_FIGURES", 10_000, "workers", "whose figures are kept; workers name themselves there, so there is an end"
)
CONSOLE_LINES_PER_S: Final = limit(
    "CONSOLE_LINES_PER_S",
    1_000,
    "lines/s",
    "of workers' logs on the console; further ones are stored all the same, and counted in one line",
)
ALERT_INTERVAL_S: Final = limit(
    "ALERT_INTERVAL_S", 10.0, "s", "the protocol's value (observability.md §8): how often alert rules are looked at"
)
ALERT_WINDOW_S: Final = limit("ALERT_WINDOW_S", 60, "s", "the protocol's value (observability.md §8)")
ALERT_WINDOW_MAX_S: Final = limit(
    "ALERT_WINDOW_MAX_S", 3_600, "s", "a rule looks back no further: metric records are not kept longer either"
)
ALERT_COOLDOWN_S: Final = limit("ALERT_COOLDOWN_S", 60, "s", "the protocol's value (observability.md §8)")
ALERT_RULES: Final = limit("ALERT_RULES", 200, "rules", "each is looked at every ten seconds, on the archive's thread")
WEBHOOK_TIMEOUT_S: Final = limit(
    "WEBHOOK_TIMEOUT_S", 5.0, "s", "for an alert's webhook to connect, and again to answer; it is not tried again"
)
WEBHOOKS_WAITING: Final = limit(
    "WEBHOOKS_WAITING", 100, "alerts", "that wait for a slow webhook; further ones are dropped with a warning"
)
PROMETHEUS_HOST: Final = limit(
    "PROMETHEUS_HOST", "127.0.0.1", "address", "figures tell an outsider much; open it knowingly"
)
PROMETHEUS_PORT: Final = limit(
    "PROMETHEUS_PORT", 9_464, "TCP port", "what OpenTelemetry's own Prometheus exporters listen on"
)
PROMETHEUS_TIMEOUT_S: Final = limit(
    "PROMETHEUS_TIMEOUT_S", 5.0, "s", "for a scraper to say its request; scrapers are served one after the other"
)
OTLP_ENDPOINT: Final = limit(
    "OTLP_ENDPOINT", "http://localhost:4317", "URL", "the protocol's value: a collector on this machine, over gRPC"
)
EXPORT_WAITING: Final = limit(
    "EXPORT_WAITING",
    10_000,
    "records",
    "that wait to be exported; while the collector is away further ones are dropped and counted",
)
EXPORT_BATCH: Final = limit("EXPORT_BATCH", 512, "records", "sent in one request, as OpenTelemetry's processors do")
EXPORT_TIMEOUT_S: Final = limit("EXPORT_TIMEOUT_S", 5.0, "s", "for one request to the collector, its retries included")
EXPORT_METRICS_MS: Final = limit(
    "EXPORT_METRICS_MS", 60_000, "ms", "between two exports of the figures, as OpenTelemetry's readers do"
)
