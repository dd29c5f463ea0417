"""Queues kept by a RabbitMQ."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, limit

AMQP_WAIT_S: Final = limit(
    "AMQP_WAIT_S", 10.0, "s", "for RabbitMQ to be reached or to answer; a server that is only busy has done so by then"
)
AMQP_HEARTBEAT_S: Final = limit(
    "AMQP_HEARTBEAT_S", 30, "s", "between signs of life; a connection that was cut without a word is given up after two"
)
AMQP_AGAIN_MIN_S: Final = limit(
    "AMQP_AGAIN_MIN_S", 0.2, "s", "before a lost connection or channel is opened again; doubled each time"
)
AMQP_AGAIN_MAX_S: Final = limit(
    "AMQP_AGAIN_MAX_S", 5.0, "s", "the longest such pause: a node takes about that long to start"
)
AMQP_UNCONFIRMED: Final = limit(
    "AMQP_UNCONFIRMED",
    20_000,
    "messages",
    "on their way to RabbitMQ and not confirmed yet; more are refused, `queue_unavailable`: some seconds of its work",
)
AMQP_UNCONFIRMED_BYTES: Final = limit("AMQP_UNCONFIRMED_BYTES", 128 * MIB, "bytes", "of such messages, one excepted")
AMQP_ORDERED_AHEAD: Final = limit(
    "AMQP_ORDERED_AHEAD",
    256,
    "jobs",
    "taken from an ordered queue beyond what is asked for, to find groups that are not blocked: if all of them belong "
    "to blocked groups, the groups behind them wait",
)
AMQP_SETTLED: Final = limit(
    "AMQP_SETTLED",
    4_096,
    "jobs",
    "of one queue, done last, that are remembered: if a cut swallowed the acknowledgement, they are not done again",
)
AMQP_SETTLED_S: Final = limit(
    "AMQP_SETTLED_S", 120.0, "s", "for which they are: by then RabbitMQ has noticed any cut, after two heartbeats"
)
AMQP_BROWSED: Final = limit(
    "AMQP_BROWSED",
    10_000,
    "dead letters",
    "looked at to list or find one: all of them are read, which takes about a second",
)
AMQP_REDRIVE_PAGE: Final = limit(
    "AMQP_REDRIVE_PAGE",
    200,
    "messages",
    "read, stored elsewhere and acknowledged together; a crash repeats at most these",
)
AMQP_HERE_MS: Final = limit(
    "AMQP_HERE_MS",
    500,
    "ms",
    "the last part of a delay, for which a job is with an engine: for less a queue of its own is not worth its making",
)
AMQP_DUE_AHEAD: Final = limit("AMQP_DUE_AHEAD", 1_000, "jobs", "with one engine for that last part")
AMQP_LONGEST_HOLD_MS: Final = limit(
    "AMQP_LONGEST_HOLD_MS",
    1 << 31,
    "ms",
    "in one holding queue: RabbitMQ knows no time to live from 2^32 ms; longer delays go through several",
)
AMQP_HOLD_NEW_S: Final = limit(
    "AMQP_HOLD_NEW_S", 60.0, "s", "after which a holding queue is declared again before a job is put into it"
)
AMQP_HOLD_KEPT_MS: Final = limit(
    "AMQP_HOLD_KEPT_MS",
    30 * 60 * 1_000,
    "ms",
    "that a holding queue stays beyond its delay when nobody declares it again; RabbitMQ drops it then, so it is much "
    "longer than the time after which it is declared again, and than any stop of an engine that holds a job",
)
AMQP_COUNTINGS: Final = limit(
    "AMQP_COUNTINGS",
    5,
    "times",
    "a queue is counted if its numbers do not add up, since jobs move between two questions; then it is not exact",
)
AMQP_IDLE_S: Final = limit(
    "AMQP_IDLE_S", 15.0, "s", "after which the connection for looking at queues is closed; it is opened when needed"
)
AMQP_CLOSE_S: Final = limit("AMQP_CLOSE_S", 10.0, "s", "for what is unconfirmed when the engine stops")
AMQP_NAME_BYTES: Final = limit("AMQP_NAME_BYTES", 255, "bytes", "of a name, which the AMQP standard gives it")
AMQP_HEADERS_BYTES: Final = limit(
    "AMQP_HEADERS_BYTES", 112 * KIB, "bytes", "of a message's headers: they must fit into one frame of 128 KiB"
)
AMQP_OWN_HEADERS_BYTES: Final = limit(
    "AMQP_OWN_HEADERS_BYTES", 64 * KIB, "bytes", "of those when a job is put in, so that there is room for its failures"
)
AMQP_FAILURES_BYTES: Final = limit(
    "AMQP_FAILURES_BYTES",
    32 * KIB,
    "bytes",
    "of those for the failures of a job; older ones and long texts are cut off",
)
AMQP_PREFETCH_MOST: Final = limit("AMQP_PREFETCH_MOST", 65_535, "jobs", "the most that the AMQP standard can name")
AMQP_RETURNS: Final = limit(
    "AMQP_RETURNS",
    1_000_000_000,
    "times",
    "a job of a quorum queue may come back undone, which RabbitMQ counts; release 4 would drop it after 20",
)
