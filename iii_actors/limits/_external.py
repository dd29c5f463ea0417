"""Functions that are invoked over HTTP."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import MIB, limit

__all__ = [
    "EXTERNAL_BACKOFF_MS",
    "EXTERNAL_CALLS",
    "EXTERNAL_CALLS_PER_HOST",
    "EXTERNAL_HEADERS",
    "EXTERNAL_IDLE_ADDRESSES",
    "EXTERNAL_LONGEST_TIMEOUT_MS",
    "EXTERNAL_READ_BYTES",
    "EXTERNAL_RESPONSE_BYTES",
    "EXTERNAL_RETRIES",
    "EXTERNAL_TIMEOUT_MS",
    "EXTERNAL_URL_CHARS",
    "EXTERNAL_WAITING",
    "EXTERNAL_WAITING_PER_HOST",
]

EXTERNAL_TIMEOUT_MS: Final = limit(
    "EXTERNAL_TIMEOUT_MS", 30_000, "ms", "the protocol's value for a call without `timeout_ms` (core.md §5.3)"
)
EXTERNAL_LONGEST_TIMEOUT_MS: Final = limit(
    "EXTERNAL_LONGEST_TIMEOUT_MS",
    3_600_000,
    "ms",
    "a longer `timeout_ms` counts as this: a call holds a thread, and an endpoint that never answers must let go of it",
)
EXTERNAL_RESPONSE_BYTES: Final = limit(
    "EXTERNAL_RESPONSE_BYTES",
    16 * MIB,
    "bytes",
    "of one response's body: as much as one frame of a worker; an endless one ends here",
)
EXTERNAL_READ_BYTES: Final = limit(
    "EXTERNAL_READ_BYTES", 1 * MIB, "bytes", "read at once, so that an over-long body is noticed while it comes"
)
EXTERNAL_CALLS: Final = limit(
    "EXTERNAL_CALLS",
    64,
    "calls",
    "made at once, each on a thread of its own that is started when needed and kept; a waiting thread costs little",
)
EXTERNAL_CALLS_PER_HOST: Final = limit(
    "EXTERNAL_CALLS_PER_HOST",
    32,
    "calls",
    "half of all: one slow endpoint leaves the other half to the others; below the protocol's 50 idle connections",
)
EXTERNAL_WAITING_PER_HOST: Final = limit(
    "EXTERNAL_WAITING_PER_HOST",
    1_000,
    "calls",
    "waiting for their turn; further ones are refused, since they would only time out",
)
EXTERNAL_WAITING: Final = limit(
    "EXTERNAL_WAITING", 10_000, "calls", "waiting for all hosts together: payloads are kept meanwhile"
)
EXTERNAL_RETRIES: Final = limit(
    "EXTERNAL_RETRIES", 10, "retries", "the most that can be set: the whole call ends with its timeout anyway"
)
EXTERNAL_BACKOFF_MS: Final = limit(
    "EXTERNAL_BACKOFF_MS", 1_000, "ms", "before the first retry, doubled for each further one; as for queues"
)
EXTERNAL_HEADERS: Final = limit(
    "EXTERNAL_HEADERS", 64, "headers", "of an `invocation`: common servers refuse requests with more than 100"
)
EXTERNAL_IDLE_ADDRESSES: Final = limit(
    "EXTERNAL_IDLE_ADDRESSES",
    8,
    "connections",
    "kept open by each thread, one per address; a thread is given calls to hosts that it has a connection to",
)
EXTERNAL_URL_CHARS: Final = limit(
    "EXTERNAL_URL_CHARS", 8192, "characters", "of an external function's URL: as much as servers commonly read"
)
