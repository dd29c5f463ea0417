"""What the functions of ``iii-queue`` answer, and what its trigger type takes (queue.md §4, §7)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

__all__ = [
    "CancelResult",
    "DeadLetter",
    "DeadLetterTopic",
    "EditResult",
    "FailureShown",
    "ForgetResult",
    "JobPage",
    "JobShown",
    "MessageResult",
    "PauseResult",
    "PurgeResult",
    "QueueCounts",
    "Receipt",
    "RedriveResult",
    "Statistics",
    "SubscriberConfig",
    "SubscriberQueueConfig",
    "TopicRow",
    "TopicStats",
]

_Data = Annotated[Raw, Meta(description="Any JSON.", extra_json_schema={})]
_Time = Annotated[int, Meta(description="Unix time in ms.")]


class Receipt(Struct):
    """What a producer gets."""

    messageReceiptId: Annotated[str, Meta(description="The job is stored; it can be found and cancelled by this.")]  # noqa: N815
    duplicate: Annotated[bool, Meta(description="It was there already, with this idempotency key.")]


class RedriveResult(Struct):
    """Dead letters that went back into their queue."""

    queue: str
    redriven: int


class MessageResult(Struct):
    """What became of one dead letter."""

    queue: str
    message_id: str
    redriven: Annotated[int, Meta(description="1, or 0 if there is none; one that was discarded is counted as well.")]


class TopicRow(Struct):
    """A topic or a named queue."""

    name: str
    broker_type: str
    subscriber_count: int


class TopicStats(Struct):
    """How a topic or a named queue is doing."""

    depth: Annotated[int, Meta(description="Jobs that wait or are under way; delayed ones are not counted.")]
    consumer_count: int
    dlq_depth: int
    config: None = None


class DeadLetterTopic(Struct):
    """The dead letters of a topic or a named queue."""

    topic: str
    broker_type: str
    message_count: int


class DeadLetter(Struct):
    """A job whose last attempt has failed."""

    id: str
    payload: _Data
    error: str
    failed_at: Annotated[int, Meta(description="Unix time in seconds.")]
    retries: Annotated[int, Meta(description="Attempts made.")]
    size_bytes: int


class FailureShown(Struct, omit_defaults=True):
    """Why an attempt failed."""

    code: str
    message: str
    at_ms: _Time
    stacktrace: str | None = None


class JobShown(Struct):
    """A job."""

    id: str
    receipt: str
    queue: Annotated[str, Meta(description="The queue's key.")]
    function_id: str
    namespace: str
    state: str
    data: _Data
    attempts: Annotated[int, Meta(description="Attempts that have failed.")]
    failures: Annotated[list[FailureShown], Meta(description="The last of them, oldest first.")]
    created_at_ms: _Time
    due_at_ms: Annotated[int | None, Meta(description="Unix time in ms before which it is not delivered.")]
    group: str | None
    priority: int
    max_retries: Annotated[int | None, Meta(description="Its own; null: the queue's.")]
    idempotency_key: str | None
    size_bytes: int


class JobPage(Struct):
    """Jobs of one state: waiting ones in their order of delivery, delayed ones by time, dead ones newest first."""

    jobs: list[JobShown]


class EditResult(Struct):
    """Whether there was such a job, and it was not in flight."""

    queue: str
    id: str
    edited: bool


class CancelResult(Struct):
    """How many jobs were cancelled: the copies of one publication share a receipt."""

    queue: str
    id: str
    cancelled: int


class PurgeResult(Struct):
    """How many jobs were thrown away."""

    queue: str
    purged: int


class PauseResult(Struct):
    """Whether the queue delivers now, and whether that is new."""

    queue: str
    paused: bool
    changed: bool


class ForgetResult(Struct):
    """How many subscriptions without a trigger get no more copies; the empty ones are gone."""

    queue: str
    forgotten: int


class QueueCounts(Struct):
    """One queue's book: enqueued = done + dead + removed + waiting + delayed + in_flight."""

    name: Annotated[str, Meta(description="The named queue or the topic.")]
    key: str
    function_id: Annotated[str | None, Meta(description="Of a subscription: the function.")]
    namespace: str | None
    subscribed: Annotated[bool, Meta(description="Somebody is there to deliver to, or it is a named queue.")]
    enqueued: int
    done: int
    dead: int
    removed: int
    waiting: int
    delayed: int
    in_flight: int
    redriven: int
    retried: int
    duplicates: int
    paused: bool
    oldest_waiting_ms: int | None
    exact: bool
    balanced: Annotated[bool, Meta(description="The equation holds.")]


class Statistics(Struct):
    """The books of all queues asked for."""

    broker_type: str
    queues: list[QueueCounts]


class SubscriberQueueConfig(Struct, rename="camel"):
    """How the subscription's messages are tried. What has a wrong type is ignored."""

    type: Annotated[
        str | UnsetType, Meta(description="fifo: in order of arrival; anything else: beside each other.")
    ] = UNSET
    max_retries: Annotated[int | UnsetType, Meta(description="Retries after the first try.")] = UNSET
    concurrency: Annotated[int | UnsetType, Meta(description="Handlers at work at once; 0 pauses.")] = UNSET
    backoff_delay_ms: Annotated[int | UnsetType, Meta(description="Before the first retry; then doubled.")] = UNSET
    max_backoff_ms: Annotated[int | UnsetType, Meta(description="The longest pause before a retry.")] = UNSET
    jitter: Annotated[float | UnsetType, Meta(description="Share of each pause that is left to chance.")] = UNSET
    visibility_timeout: Annotated[
        int | UnsetType, Meta(description="In ms: a handler that has not answered by then has failed.")
    ] = UNSET
    message_group_field: Annotated[
        str | UnsetType, Meta(description="With fifo: the field of the data that names the group.")
    ] = UNSET
    max_priority: int | UnsetType = UNSET
    priority_field: Annotated[str | UnsetType, Meta(description="The field of the data that holds the priority.")] = (
        UNSET
    )
    idempotency_window_ms: int | UnsetType = UNSET
    max_jobs: int | UnsetType = UNSET


class SubscriberConfig(Struct):
    """What to subscribe to."""

    topic: Annotated[str, Meta(description="Its name, byte for byte; `queue` is a synonym.")]
    condition_function_id: Annotated[
        str | None, Meta(description="Function that is asked first, with the same data; exactly false: do not call.")
    ] = None
    queue_config: Annotated[SubscriberQueueConfig | None, Meta(description="Members of a wrong type are ignored.")] = (
        None
    )
