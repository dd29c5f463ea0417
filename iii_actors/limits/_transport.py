"""Frames, buffers and liveness of connections."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, limit

MAX_FRAME_BYTES: Final = limit(
    "MAX_FRAME_BYTES", 16 * MIB, "bytes", "the protocol's value (core.md §1.4); above it the connection is dropped"
)
MAX_MESSAGE_BYTES: Final = limit(
    "MAX_MESSAGE_BYTES",
    64 * MIB,
    "bytes",
    "the protocol's value for a message put together from fragments (core.md §1.4); it also bounds their number",
)
OUTBOX_BYTES: Final = limit(
    "OUTBOX_BYTES",
    64 * MIB,
    "bytes",
    "unsent bytes one connection may pile up, plus the message that crosses the line, so that the largest always "
    "fits; past it the peer is too slow and is closed, and nobody else waits (the protocol's own bound is 64 messages)",
)
RECEIVE_BYTES: Final = limit(
    "RECEIVE_BYTES",
    126 * KIB,
    "bytes",
    "read from a socket at once: many small frames in one system call and a whole one of 64 KiB; below the 128 KiB "
    "from which the C library fetches memory from the kernel each time",
)
FRAMES_PER_ROUND: Final = limit(
    "FRAMES_PER_ROUND",
    64,
    "frames",
    "taken from one connection before the next has its turn: enough to write answers together, few enough to be fair",
)
BUSY_WAIT_US: Final = limit(
    "BUSY_WAIT_US",
    150,
    "us",
    "the shared reader looks again for so long before it sleeps, where one message follows the other: about what "
    "waking a worker, and being woken by it, takes; calls one by one are faster by half",
)
BUSY_WAIT_MAX_US: Final = limit(
    "BUSY_WAIT_MAX_US", 10_000, "us", "the longest that may be set: more than that is no moment, and heats the room"
)
ACTOR_BATCH: Final = limit(
    "ACTOR_BATCH",
    512,
    "messages",
    "an actor handles so many of its own messages before the next actor on the thread's list has its turn",
)
THREAD_BATCH: Final = limit(
    "THREAD_BATCH",
    8192,
    "messages",
    "a thread handles so many messages for others, then gives the rest away so that its own connection is not starved; "
    "more than any round of reading makes, so that the reader normally finishes its own work",
)
MAILBOX_DEPTH: Final = limit(
    "MAILBOX_DEPTH",
    100_000,
    "messages",
    "beyond it a sender outside any actor waits and helps, and a threaded actor refuses what a light one tells it",
)
ASK_TIMEOUT_S: Final = limit(
    "ASK_TIMEOUT_S",
    10.0,
    "s",
    "no wait for an actor is without end; light actors answer in microseconds, so this only shows a fault",
)
UNDECODABLE_LOG_PER_S: Final = limit(
    "UNDECODABLE_LOG_PER_S",
    5,
    "log lines/s",
    "per connection; enough to see what is wrong, too few for a faulty worker to fill the disk",
)

# --- liveness ---------------------------------------------------------------------------------------------------------

PING_INTERVAL_S: Final = limit(
    "PING_INTERVAL_S",
    0.0,
    "s",
    "0 = off: an idle worker is never disconnected (core.md §1.4); workers ping by themselves",
)
PING_TIMEOUT_S: Final = limit(
    "PING_TIMEOUT_S",
    20.0,
    "s",
    "with pings on: how long a peer may stay silent after one; the official SDKs use the same",
)
CLOSE_WAIT_S: Final = limit(
    "CLOSE_WAIT_S",
    1.0,
    "s",
    "after our Close frame: how long a peer may take to close its end before TCP is cut",
)
GC_THRESHOLD: Final = limit(
    "GC_THRESHOLD",
    20_000,
    "objects",
    "new ones between two looks for cyclic garbage in `iii-actors serve` (Python's own: 700); some megabytes at most",
)
SHUTDOWN_DEADLINE_S: Final = limit(
    "SHUTDOWN_DEADLINE_S",
    3.0,
    "s",
    "process managers and the official suites expect an exit within about 3 s of SIGTERM",
)
DRAIN_DEADLINE_S: Final = limit(
    "DRAIN_DEADLINE_S",
    8.0,
    "s",
    "calls in flight get so long to end before the engine stops (`--drain-timeout`); with SHUTDOWN_DEADLINE_S close to"
    " the 10 s after which container runtimes kill",
)
