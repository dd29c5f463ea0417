"""How a queue's jobs are tried, and tried again (queue.md §3 to §5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from iii_actors.brokers.job import QueueSpec
from iii_actors.config.queue import QueueBuiltinSettings, QueueConfig, QueueRabbitSettings, QueueSettings
from iii_actors.limits import (
    QUEUE_BACKOFF_MS,
    QUEUE_CONCURRENCY,
    QUEUE_CONCURRENCY_MOST,
    QUEUE_IDEMPOTENCY_MS,
    QUEUE_LONGEST_MS,
    QUEUE_MAX_JOBS,
    QUEUE_MAX_JOBS_FILE,
    QUEUE_MAX_RETRIES,
    QUEUE_PRIORITY_MOST,
)

__all__ = ["Treatment", "Tuning", "bare_spec", "named_treatment", "pause_ms", "topic_treatment"]

_DOUBLINGS: Final = 64
"""More of them exceed the longest pause whatever the first one was."""


class Tuning(NamedTuple):
    """What a consumer goes by."""

    concurrency: int
    """Jobs in handlers' hands at once; 0: none is taken."""
    max_retries: int
    backoff_ms: int
    max_backoff_ms: int | None = None
    jitter: float = 0.0
    condition: str | None = None
    """Id of the function that is asked before the handler."""


class Treatment(NamedTuple):
    """All that settings or a trigger say about one queue."""

    spec: QueueSpec
    tuning: Tuning
    group_field: str | None = None
    priority_field: str | None = None


def pause_ms(tuning: Tuning, attempts: int, chance: Callable[[], float]) -> int:
    """Return how long to wait after so many failed attempts: doubled each time, up to the longest, less by chance.

    :param chance: gives numbers from 0 to 1.
    """
    most = QUEUE_LONGEST_MS if tuning.max_backoff_ms is None else tuning.max_backoff_ms
    doubled = min(tuning.backoff_ms << min(attempts - 1, _DOUBLINGS), most)
    return round(doubled * (1 - tuning.jitter * chance())) if tuning.jitter else doubled


def named_treatment(config: QueueConfig, settings: QueueSettings) -> Treatment:
    """Return how a named queue is treated."""
    ordered = config.type == "fifo"
    group = config.message_group_field if ordered else None
    spec = QueueSpec(
        ordered=ordered,
        max_priority=config.max_priority,
        visibility_ms=config.visibility_timeout_ms,
        idempotency_ms=config.idempotency_window_ms,
        max_jobs=config.max_jobs or _most(settings),
        backoff_ms=config.backoff_ms,
        options=_options(group),
    )
    tuning = Tuning(config.concurrency, config.max_retries, config.backoff_ms, config.max_backoff_ms, config.jitter)
    return Treatment(spec, tuning, group, config.priority_field)


def bare_spec(settings: QueueSettings) -> QueueSpec:
    """Return how a topic without subscriber is treated: its messages only wait."""
    return QueueSpec(idempotency_ms=QUEUE_IDEMPOTENCY_MS, max_jobs=_most(settings))


class _TopicDefaults(NamedTuple):
    max_retries: int
    backoff_ms: int
    concurrency: int
    ordered: bool
    priority_field: str | None


def _topic_defaults(settings: QueueSettings) -> _TopicDefaults:
    adapter = settings.adapter.config
    if isinstance(adapter, QueueBuiltinSettings):
        retries = QUEUE_MAX_RETRIES if adapter.max_attempts is None else adapter.max_attempts - 1
        return _TopicDefaults(retries, adapter.backoff_ms, adapter.concurrency, adapter.mode == "fifo", None)
    if isinstance(adapter, QueueRabbitSettings):
        given = "max_attempts" in adapter.model_fields_set
        retries = adapter.max_attempts - 1 if given else QUEUE_MAX_RETRIES
        ordered = adapter.queue_mode == "fifo"
        return _TopicDefaults(retries, QUEUE_BACKOFF_MS, adapter.prefetch_count, ordered, adapter.priority_field)
    return _TopicDefaults(QUEUE_MAX_RETRIES, QUEUE_BACKOFF_MS, QUEUE_CONCURRENCY, False, None)


class _Config(Struct):
    """A trigger's ``queue_config``, whatever it holds."""

    queue_config: Any = None


_config: Final = msgspec.json.Decoder(_Config)


def topic_treatment(config: Raw, condition: str | None, settings: QueueSettings) -> Treatment:
    """Return how a subscription is treated that a trigger with this configuration makes; wrong types are ignored."""
    try:
        given = _config.decode(config).queue_config
    except (msgspec.MsgspecError, ValueError, RecursionError):
        given = None
    values: dict[str, Any] = given if isinstance(given, dict) else {}
    usual = _topic_defaults(settings)
    kind = values.get("type")
    ordered = kind == "fifo" if isinstance(kind, str) else usual.ordered
    backoff_ms = _number(values, "backoffDelayMs", 0, usual.backoff_ms)
    named = values.get("messageGroupField")
    group = named if ordered and isinstance(named, str) and named else None
    spec = QueueSpec(
        ordered=ordered,
        max_priority=_number(values, "maxPriority", 1, None, QUEUE_PRIORITY_MOST),
        visibility_ms=_number(values, "visibilityTimeout", 1, None),
        idempotency_ms=_number(values, "idempotencyWindowMs", 1, QUEUE_IDEMPOTENCY_MS),
        max_jobs=_number(values, "maxJobs", 1, _most(settings)),
        backoff_ms=backoff_ms,
        options=_options(group),
    )
    jitter = values.get("jitter")
    tuning = Tuning(
        _number(values, "concurrency", 0, usual.concurrency, QUEUE_CONCURRENCY_MOST),
        _number(values, "maxRetries", 0, usual.max_retries),
        backoff_ms,
        _number(values, "maxBackoffMs", 1, None),
        float(jitter) if isinstance(jitter, int | float) and 0 <= jitter <= 1 else 0.0,
        condition,
    )
    priority = values.get("priorityField")
    return Treatment(
        spec,
        tuning,
        group,
        priority if isinstance(priority, str) and priority else usual.priority_field,
    )


def _options(group: str | None) -> dict[str, str]:
    """What RabbitMQ must know to put other programs' messages into their groups."""
    return {} if group is None else {"group_field": group}


def _number(values: dict[str, Any], key: str, least: int, otherwise: Any, most: int = QUEUE_LONGEST_MS) -> Any:
    """Return a whole number, cut to what is possible; what is none, or too small, counts as not given."""
    value = values.get(key)
    return min(value, most) if type(value) is int and value >= least else otherwise


def _most(settings: QueueSettings) -> int:
    """Return how many jobs a queue may hold if its own settings do not say."""
    adapter = settings.adapter.config
    in_memory = isinstance(adapter, QueueBuiltinSettings) and adapter.store_method == "in_memory"
    return QUEUE_MAX_JOBS if in_memory else QUEUE_MAX_JOBS_FILE
