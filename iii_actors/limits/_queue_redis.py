"""The broker in Redis."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import MIB, limit

QUEUE_LEASE_MS: Final = limit(
    "QUEUE_LEASE_MS",
    30_000,
    "ms",
    "an engine that has not been heard of for so long has lost its jobs in flight to the other engines on its Redis: "
    "longer than a pause of a busy machine, shorter than anybody's patience",
)
QUEUE_LEASE_LEAST_MS: Final = limit(
    "QUEUE_LEASE_LEAST_MS",
    100,
    "ms",
    "the shortest lease there is: it is renewed three times in this time. For tests: a pause of the machine is longer",
)
QUEUE_TAKE_JOBS: Final = limit(
    "QUEUE_TAKE_JOBS",
    256,
    "jobs",
    "taken from one queue in Redis by one round trip at most: its share is small by then, and other engines want some",
)
QUEUE_TAKE_BYTES: Final = limit(
    "QUEUE_TAKE_BYTES", 8 * MIB, "bytes", "of jobs taken so, one larger job excepted, and the last one that fits"
)
QUEUE_TEND_JOBS: Final = limit(
    "QUEUE_TEND_JOBS", 1_000, "jobs", "whose leases one step in Redis renews or takes over: about a millisecond of it"
)
QUEUE_DUE_JOBS: Final = limit(
    "QUEUE_DUE_JOBS",
    1_000,
    "jobs",
    "that have become due and get into line in one step in Redis: some 10 ms, in which all others wait",
)
QUEUE_MOVE_JOBS: Final = limit(
    "QUEUE_MOVE_JOBS",
    10_000,
    "jobs",
    "given from a topic to its first subscriber by one step in Redis: some 100 ms, in which all others wait; in one "
    "step, because they are delivered from then on, and in their order",
)
QUEUE_WAITING: Final = limit(
    "QUEUE_WAITING",
    50_000,
    "operations",
    "waiting for Redis; more are refused. Seconds of work at full speed: who waits behind more has given up",
)
QUEUE_WAITING_BYTES: Final = limit(
    "QUEUE_WAITING_BYTES", 256 * MIB, "bytes", "of jobs waiting to be sent to Redis, one larger one excepted"
)
QUEUE_ANSWERS_KEPT_MS: Final = limit(
    "QUEUE_ANSWERS_KEPT_MS",
    60_000,
    "ms",
    "for which Redis keeps the answers to an engine's last parcel, should they be lost on the way: ten times as long "
    "as the engine tries before it gives the parcel up",
)
QUEUE_FORGET_KEYS: Final = limit(
    "QUEUE_FORGET_KEYS",
    8,
    "keys",
    "idempotency keys whose time is over that go when a new one comes: more than come, so that none are left behind",
)
QUEUE_FORGET_LEASES: Final = limit(
    "QUEUE_FORGET_LEASES",
    10,
    "leases",
    "after so many times the lease an engine that was not heard of is struck off a queue's consumer group, if it has "
    "nothing in flight; one that comes back is entered again",
)
QUEUE_REDIS_OLDEST: Final = limit(
    "QUEUE_REDIS_OLDEST", "6.2", "version", "of Redis, the first one that can take over what a dead engine has left"
)
