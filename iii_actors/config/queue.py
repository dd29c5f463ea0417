"""``iii-queue``: named queues, how topics are treated, and where jobs are kept (queue.md §3, §8 to §10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator

from iii_actors import limits
from iii_actors.config.adapters import Adapter, RedisSettings
from iii_actors.config.settings import Positive, Settings

__all__ = [
    "DEFAULT_QUEUE",
    "QueueAdapter",
    "QueueBuiltinSettings",
    "QueueConfig",
    "QueueRabbitSettings",
    "QueueRedisSettings",
    "QueueSettings",
]

DEFAULT_QUEUE = "default"
"""The named queue that is always there."""

NotNegative = Annotated[int, Field(ge=0)]
Concurrency = Annotated[int, Field(ge=1, le=limits.QUEUE_CONCURRENCY_MOST)]
Milliseconds = Annotated[int, Field(ge=1, le=limits.QUEUE_LONGEST_MS)]
_KINDS = ("standard", "fifo")


class QueueConfig(Settings):
    """A named queue."""

    max_retries: NotNegative = limits.QUEUE_MAX_RETRIES
    """Retries after the first try; then the job is a dead letter."""
    concurrency: Concurrency = limits.QUEUE_CONCURRENCY
    """Jobs in handlers' hands at once, in this engine."""
    type: Literal["standard", "fifo"] = "standard"
    """``fifo``: in order of arrival within a group, through retries too; groups beside each other."""
    message_group_field: str | None = None
    """With ``fifo``: the field of the job's data, at its top level, that names its group."""
    max_priority: Annotated[int, Field(ge=1, le=limits.QUEUE_PRIORITY_MOST)] | None = None
    """Higher priorities count as this one; null: 255."""
    priority_field: str | None = None
    """The field of the job's data, at its top level, that holds its priority: a whole number, the higher the sooner."""
    backoff_ms: NotNegative = limits.QUEUE_BACKOFF_MS
    """Before the first retry; doubled for each one after it."""
    poll_interval_ms: Positive = limits.QUEUE_POLL_INTERVAL_MS
    """Accepted, and without effect: nothing polls."""
    max_backoff_ms: Milliseconds | None = None
    """Ours. The longest pause before a retry; null: it doubles on."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Ours. The share of each pause that is left to chance, so that what failed together is not retried together."""
    visibility_timeout_ms: Milliseconds | None = None
    """Ours. A handler that has not answered by then has failed, and another gets the job; null: it may take forever."""
    idempotency_window_ms: Milliseconds = limits.QUEUE_IDEMPOTENCY_MS
    """Ours. How long an idempotency key is remembered."""
    max_jobs: Positive | None = None
    """Ours. Jobs that may wait, be delayed or be under way; more are refused. Null: what the adapter can hold."""

    @field_validator("jitter", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def without_effect(self) -> Iterable[str]:
        return [key for key in ("poll_interval_ms",) if key in self.model_fields_set]


class _Open(Settings):
    """An adapter's settings: keys that are not known are accepted, and said to do nothing (queue.md §3)."""

    model_config = ConfigDict(extra="allow")

    def without_effect(self) -> Iterable[str]:
        return sorted(self.model_extra or ())


def _known_method(value: object) -> object:
    """Take an unknown text for memory, as the protocol has it."""
    return "in_memory" if isinstance(value, str) and value != "file_based" else value


def _known_mode(value: object) -> object:
    """Take an unknown text for concurrent, as the protocol has it."""
    return "concurrent" if isinstance(value, str) and value != "fifo" else value


class QueueBuiltinSettings(_Open):
    """The adapter ``builtin``: in this process, or in one SQLite file; and how topics are treated by themselves."""

    store_method: Annotated[Literal["in_memory", "file_based"], BeforeValidator(_known_method)] = "in_memory"
    """``in_memory``: gone with the engine; ``file_based``: in a file below `file_path`."""
    file_path: Annotated[str, Field(min_length=1)] = "kv_store_data.db"
    """With ``file_based``: a directory, made if it is not there."""
    durability: Literal["disk", "process", "memory"] = "disk"
    """Ours, with ``file_based``. What a job with a receipt survives: ``disk`` a power cut, ``process`` the end of the
    engine (`kill -9` too), ``memory`` nothing but what was saved every `save_interval_ms`."""
    save_interval_ms: Positive = limits.SAVE_INTERVAL_MS
    """With durability ``memory``: how often the file is written. Values below 100 count as 100."""
    max_attempts: Positive | None = None
    """For topics: calls before a message is a dead letter; null: 4, which is 3 retries."""
    backoff_ms: NotNegative = limits.QUEUE_BACKOFF_MS
    """For topics: before the first retry; doubled for each one after it."""
    concurrency: Concurrency = limits.QUEUE_CONCURRENCY
    """For topics: messages of one subscription in handlers' hands at once."""
    poll_interval_ms: Positive = limits.QUEUE_POLL_INTERVAL_MS
    """Accepted, and without effect: nothing polls."""
    mode: Annotated[Literal["concurrent", "fifo"], BeforeValidator(_known_mode)] = "concurrent"
    """For topics: ``fifo`` delivers one message at a time, in order of arrival."""

    def without_effect(self) -> Iterable[str]:
        return [*super().without_effect(), *(key for key in ("poll_interval_ms",) if key in self.model_fields_set)]


class QueueRedisSettings(RedisSettings):
    """The adapter ``redis``: Streams with consumer groups; several engines share the work."""

    model_config = ConfigDict(extra="allow")

    lease_ms: Annotated[int, Field(ge=limits.QUEUE_LEASE_LEAST_MS)] = limits.QUEUE_LEASE_MS
    """How long after it was last heard of an engine's jobs in flight go to the others."""

    def without_effect(self) -> Iterable[str]:
        return sorted(self.model_extra or ())


def _amqp_url(url: str) -> str:
    if not url.startswith(("amqp://", "amqps://")):
        raise ValueError(f"not the URL of a RabbitMQ; write for example {limits.AMQP_URL}")
    return url


class QueueRabbitSettings(_Open):
    """The adapter ``rabbitmq``: queues of a RabbitMQ; several engines share the work."""

    amqp_url: Annotated[str, AfterValidator(_amqp_url)] = limits.AMQP_URL
    """``amqp://[user:password@]host[:port][/vhost]``, or ``amqps://`` over TLS."""
    max_attempts: Positive = limits.AMQP_MAX_ATTEMPTS
    """For topics: calls before a message is a dead letter."""
    prefetch_count: Positive = limits.AMQP_PREFETCH
    """For topics: messages of one subscription in this engine's hands at once."""
    queue_mode: Literal["standard", "fifo"] = "standard"
    """For topics: ``fifo`` delivers one message at a time."""
    priority_field: str | None = None
    """For topics: the field of a message, at its top level, that holds its priority."""
    queue_type: Literal["classic", "quorum"] = "classic"
    """Ours. The kind of queues that are made; those that exist stay what they are."""


class QueueAdapter(Adapter):
    """``{name, config?}``."""

    choices: ClassVar[dict[str, type[Settings]]] = {
        "builtin": QueueBuiltinSettings,
        "redis": QueueRedisSettings,
        "rabbitmq": QueueRabbitSettings,
    }

    name: str = "builtin"

    @property
    def store(self) -> object:
        """Where jobs are, to be compared: two adapters with equal ones differ in how topics are treated at most."""
        config = self.config
        if not isinstance(config, QueueBuiltinSettings):
            return self
        in_file = config.store_method == "file_based"
        return (in_file, config.file_path, config.durability, config.save_interval_ms) if in_file else in_file

    @field_validator("name", mode="before")
    @classmethod
    def _no_bridge(cls, name: object) -> object:
        if name == "bridge":
            raise ValueError(
                "the adapter 'bridge' is not part of this version; "
                "let the engines share one Redis or RabbitMQ, or connect the workers to the other engine"
            )
        return name


class QueueSettings(Settings):
    """Settings of ``iii-queue``."""

    adapter: QueueAdapter = QueueAdapter()
    """Where jobs are kept."""
    queue_configs: dict[str, QueueConfig] = Field(default_factory=dict)
    """The named queues. One called ``default`` is always there."""
    auto_create: bool = False
    """Ours. Named queues that are not in `queue_configs` come into being on first use, as ``default`` is."""
    forget_subscription_after_s: Positive = limits.QUEUE_FORGET_S
    """Ours. A subscription that is empty and has no trigger for so long is dropped; until then it gets its copies."""

    @field_validator("queue_configs", mode="before")
    @classmethod
    def _worded(cls, configs: object) -> object:
        """Refuse with the protocol's words what it has words for (queue.md §3)."""
        if isinstance(configs, Mapping):
            for name, config in configs.items():
                if isinstance(config, Mapping):
                    _check(str(name), config)
            return {name: {} if config is None else config for name, config in configs.items()}
        return configs

    @field_validator("queue_configs")
    @classmethod
    def _named(cls, configs: dict[str, QueueConfig]) -> dict[str, QueueConfig]:
        for name in configs:
            if not name or len(name) > limits.QUEUE_NAME_CHARS:
                raise ValueError(f"the name of a queue has 1 to {limits.QUEUE_NAME_CHARS} characters; give it another")
        return configs

    @property
    def queues(self) -> dict[str, QueueConfig]:
        """The named queues, ``default`` among them."""
        return {DEFAULT_QUEUE: QueueConfig(), **self.queue_configs}

    def without_effect(self) -> Iterable[str]:
        found = [
            f"queue_configs.{name}.{key}" for name, one in self.queue_configs.items() for key in one.without_effect()
        ]
        return [*found, *(f"adapter.config.{key}" for key in self.adapter.config.without_effect())]


def _check(name: str, config: Mapping[Any, Any]) -> None:
    kind = config.get("type", "standard")
    if isinstance(kind, str) and kind not in _KINDS:
        raise ValueError(f"Queue '{name}' has invalid type '{kind}'. Must be 'standard' or 'fifo'")
    if kind == "fifo" and not config.get("message_group_field"):
        raise ValueError(f"Queue '{name}' is of type 'fifo' but 'message_group_field' is not set")
    concurrency, most = config.get("concurrency"), config.get("max_priority")
    if concurrency == 0 and type(concurrency) is int:
        raise ValueError(f"Queue '{name}' has 'concurrency' 0; it must be at least 1")
    if type(most) is int and not 1 <= most <= limits.QUEUE_PRIORITY_MOST:
        raise ValueError(f"Queue '{name}' has 'max_priority' {most}; it must be between 1 and 255")
