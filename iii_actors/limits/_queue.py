"""Queues and brokers."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, limit

QUEUE_MAX_JOBS: Final = limit(
    "QUEUE_MAX_JOBS",
    1_000_000,
    "jobs",
    "waiting, delayed and in flight in one queue kept in memory; more are refused with `queue_full`. A small job takes "
    "some 700 bytes there",
)
QUEUE_MEMORY_BYTES: Final = limit(
    "QUEUE_MEMORY_BYTES",
    1024 * MIB,
    "bytes",
    "of the data of all jobs kept in memory, dead letters too; more is refused: large jobs must not fill the machine "
    "before any queue is full",
)
QUEUE_MAX_JOBS_FILE: Final = limit(
    "QUEUE_MAX_JOBS_FILE",
    10_000_000,
    "jobs",
    "the same where jobs are kept in a file or on a server: 45 to 220 bytes of each are in memory",
)
QUEUE_FAILURES_KEPT: Final = limit(
    "QUEUE_FAILURES_KEPT",
    5,
    "failures",
    "kept with a job, the last ones: enough to see whether it always fails alike, whatever the number of retries",
)
QUEUE_KEYS: Final = limit(
    "QUEUE_KEYS",
    1_000_000,
    "keys",
    "idempotency keys remembered by one broker, over all queues; past it those that end first are forgotten early",
)
QUEUE_AHEAD_JOBS: Final = limit(
    "QUEUE_AHEAD_JOBS",
    4_096,
    "jobs",
    "at a queue's head that are in memory too while a file keeps them all: a burst need not be read back",
)
QUEUE_AHEAD_BYTES: Final = limit(
    "QUEUE_AHEAD_BYTES", 64 * MIB, "bytes", "of such jobs, over all queues; one larger job excepted"
)
QUEUE_READ_JOBS: Final = limit(
    "QUEUE_READ_JOBS",
    256,
    "jobs",
    "read from the file at once, ahead of their delivery: some 20 ms of it at full speed",
)
QUEUE_READ_AGAIN_S: Final = limit(
    "QUEUE_READ_AGAIN_S", 1.0, "s", "before jobs are read again from a file that could not be read"
)
QUEUE_LOOK_S: Final = limit(
    "QUEUE_LOOK_S",
    3_600.0,
    "s",
    "the longest wait before a broker looks at its clock again, however far off the next job is",
)
QUEUE_MARK_STEP: Final = limit(
    "QUEUE_MARK_STEP",
    1_024,
    "jobs",
    "written to a file ahead as having perhaps been delivered: one short write for so many deliveries. After a restart "
    "all that is older than that counts as redelivered",
)
QUEUE_REDRIVE_PAGE: Final = limit(
    "QUEUE_REDRIVE_PAGE", 500, "jobs", "dead letters put back in one step: some ms, in which others wait"
)
QUEUE_CLOSE_S: Final = limit(
    "QUEUE_CLOSE_S", 30.0, "s", "for writing out what waits when the engine stops; then the file is left as it is"
)
QUEUE_FILE_ROWS: Final = limit(
    "QUEUE_FILE_ROWS", 64, "jobs", "written to a file by one statement; larger ones gain nothing measurable"
)
QUEUE_SMALL_BYTES: Final = limit(
    "QUEUE_SMALL_BYTES",
    16 * KIB,
    "bytes",
    "jobs of up to this size are read from a file together with their neighbours; larger ones where there is room",
)
QUEUE_WRITE_AGAIN_S: Final = limit(
    "QUEUE_WRITE_AGAIN_S",
    1.0,
    "s",
    "before what a disk has refused is tried again: soon enough for people who have made room, seldom enough for it",
)
QUEUE_KEYS_LOOK_S: Final = limit(
    "QUEUE_KEYS_LOOK_S",
    60.0,
    "s",
    "the longest wait before a file is searched for idempotency keys whose time is over, as long as it has any",
)
