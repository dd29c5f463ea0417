"""The worker ``iii-queue``: what it does with the jobs that a broker keeps."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import limit

QUEUE_MAX_RETRIES: Final = limit(
    "QUEUE_MAX_RETRIES",
    3,
    "retries",
    "the protocol's number (queue.md §3), after the first try: four calls before a job is a dead letter, for named "
    "queues and topics alike",
)
QUEUE_BACKOFF_MS: Final = limit(
    "QUEUE_BACKOFF_MS", 1_000, "ms", "the protocol's value (queue.md §3, §4): before the first retry; then doubled"
)
QUEUE_CONCURRENCY: Final = limit(
    "QUEUE_CONCURRENCY", 10, "jobs", "the protocol's value (queue.md §3, §4): of one queue in handlers' hands at once"
)
QUEUE_CONCURRENCY_MOST: Final = limit(
    "QUEUE_CONCURRENCY_MOST",
    10_000,
    "jobs",
    "what a worker may have in flight is bounded too, and a queue that asks for more would only fail them there",
)
QUEUE_POLL_INTERVAL_MS: Final = limit(
    "QUEUE_POLL_INTERVAL_MS", 100, "ms", "the protocol's value (queue.md §3); accepted, and nothing here polls"
)
QUEUE_IDEMPOTENCY_MS: Final = limit(
    "QUEUE_IDEMPOTENCY_MS",
    24 * 60 * 60 * 1_000,
    "ms",
    "how long an idempotency key is remembered: whoever tries again after a day has looked at what happened",
)
QUEUE_FORGET_S: Final = limit(
    "QUEUE_FORGET_S",
    7 * 24 * 60 * 60,
    "s",
    "a subscription that is empty and whose worker has been away for a week is dropped: renamed functions would leave "
    "one behind each, and each is stored a copy of every message",
)
QUEUE_LONGEST_MS: Final = limit(
    "QUEUE_LONGEST_MS",
    10 * 365 * 24 * 60 * 60 * 1_000,
    "ms",
    "ten years: a doubled pause grows no further, and a later time asked for is a mistake",
)
QUEUE_ABSENT_HOLD_MS: Final = limit(
    "QUEUE_ABSENT_HOLD_MS",
    1_000,
    "ms",
    "how long a job whose function is not there, or whose worker went away, keeps its place among the `concurrency` "
    "at most (less with a smaller backoff): else all that waits would fail at once while a worker restarts",
)
QUEUE_START_GRACE_S: Final = limit(
    "QUEUE_START_GRACE_S",
    10.0,
    "s",
    "after its queue is opened a job from before then waits so long for its function, at no cost: after an engine's "
    "restart its workers are back within seconds, and none of their jobs should have failed for that",
)
QUEUE_PREFETCH: Final = limit(
    "QUEUE_PREFETCH",
    16,
    "jobs",
    "taken beyond `concurrency` from a broker on another machine, so that its answer is not waited for between jobs",
)
QUEUE_LOOK_AROUND_S: Final = limit(
    "QUEUE_LOOK_AROUND_S",
    0.25,
    "s",
    "how often an engine that shares its broker looks which subscriptions others have made: a new one gets what all "
    "engines publish from then on at the latest",
)
QUEUE_PAGE: Final = limit(
    "QUEUE_PAGE", 50, "jobs", "the protocol's value (queue.md §7): listed unless more are asked for"
)
QUEUE_PAGE_MOST: Final = limit(
    "QUEUE_PAGE_MOST", 1_000, "jobs", "listed in one answer at most: with 16 KiB each that is the largest frame"
)
QUEUE_OFFSET_MOST: Final = limit(
    "QUEUE_OFFSET_MOST",
    10_000,
    "jobs",
    "skipped in a listing that merges several subscriptions of one topic, for all before them are read as well",
)
QUEUE_QUEUES_MOST: Final = limit(
    "QUEUE_QUEUES_MOST",
    100_000,
    "queues",
    "named ones, subscriptions and topics without subscribers together: a topic's name may be anything, and a mistake "
    "that makes a new one per message must not fill the memory",
)
QUEUE_NAME_CHARS: Final = limit(
    "QUEUE_NAME_CHARS", 1_024, "characters", "of a topic, or of a queue made on first use: it becomes part of a key"
)
QUEUE_KEY_CHARS: Final = limit(
    "QUEUE_KEY_CHARS", 1_024, "characters", "of an idempotency key or a group: it is kept for a day, or compared often"
)
QUEUE_PRIORITY_MOST: Final = limit(
    "QUEUE_PRIORITY_MOST", 255, "priority", "the protocol's value (queue.md §3): what RabbitMQ can do"
)
AMQP_URL: Final = limit(
    "AMQP_URL", "amqp://localhost:5672", "URL", "the protocol's value (queue.md §9): where RabbitMQ is by itself"
)
AMQP_MAX_ATTEMPTS: Final = limit("AMQP_MAX_ATTEMPTS", 3, "attempts", "the protocol's value (queue.md §9)")
AMQP_PREFETCH: Final = limit("AMQP_PREFETCH", 10, "jobs", "the protocol's value (queue.md §9)")
