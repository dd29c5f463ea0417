"""THE table of defaults and limits: every number the engine starts from, with its unit and the reason for it.

Other modules import the constants; nothing else in the package spells such a number. ``python -m iii_actors.limits``
prints :data:`TABLE` as ``docs/limits.rst`` shows it, and a test holds the two equal. Chapters named in the reasons are
those of the behaviour specification.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

__all__ = ["TABLE", "Limit"]  # beside the constants, which are imported as limits.NAME

KIB: Final = 1024
MIB: Final = 1024 * KIB

_Value = TypeVar("_Value", int, float, str)


class Limit(NamedTuple):
    """One row of the table."""

    name: str
    """The constant's name in this module."""
    value: int | float | str
    """The value, in :attr:`unit`."""
    unit: str
    """``ms``, ``s``, ``bytes``, or what is counted."""
    reason: str
    """Why this value and not another."""


_rows: list[Limit] = []


def _limit(name: str, value: _Value, unit: str, reason: str) -> _Value:
    """Enter a row and return its value, so that a constant and its reason are written in one place."""
    _rows.append(Limit(name, value, unit, reason))
    return value


# --- listening --------------------------------------------------------------------------------------------------------

PORT: Final = _limit(
    "PORT", 49134, "TCP port", "the protocol's port: where every official worker looks first (core.md §1.1)"
)
HOST: Final = _limit(
    "HOST",
    "127.0.0.1",
    "address",
    "ours, on purpose: the protocol's default is 0.0.0.0, but a plain listener lets everyone who reaches it call "
    "everything, so reaching beyond this machine is a decision to write down",
)
LISTEN_BACKLOG: Final = _limit(
    "LISTEN_BACKLOG",
    1024,
    "connections",
    "a whole fleet reconnects at once after a restart; the package's own 5 makes the kernel drop them for seconds",
)
MAX_CONNECTIONS: Final = _limit(
    "MAX_CONNECTIONS",
    10_000,
    "connections",
    "per listener; each costs a thread and a descriptor, and without a cap one faulty client could take them all",
)
SPARE_THREADS: Final = _limit(
    "SPARE_THREADS",
    32,
    "threads",
    "per listener, kept from connections that have ended for those that come: enough for a fleet that flaps",
)
SPARE_THREAD_S: Final = _limit("SPARE_THREAD_S", 10.0, "s", "how long a spare thread waits for its next connection")
HANDSHAKE_TIMEOUT_MS: Final = _limit(
    "HANDSHAKE_TIMEOUT_MS",
    10_000,
    "ms",
    "the protocol's value (core.md §1.1); half a request must not hold a connection for ever",
)
MAX_HEADER_BYTES: Final = _limit(
    "MAX_HEADER_BYTES", 64 * KIB, "bytes", "room for large cookies and tokens; anything above is not a handshake"
)
MAX_HEADER_LINES: Final = _limit(
    "MAX_HEADER_LINES", 128, "lines", "proxies add a dozen; the bound keeps parsing a hostile request cheap"
)

# --- frames and buffers -----------------------------------------------------------------------------------------------

MAX_FRAME_BYTES: Final = _limit(
    "MAX_FRAME_BYTES", 16 * MIB, "bytes", "the protocol's value (core.md §1.4); above it the connection is dropped"
)
MAX_MESSAGE_BYTES: Final = _limit(
    "MAX_MESSAGE_BYTES",
    64 * MIB,
    "bytes",
    "the protocol's value for a message put together from fragments (core.md §1.4); it also bounds their number",
)
OUTBOX_BYTES: Final = _limit(
    "OUTBOX_BYTES",
    64 * MIB,
    "bytes",
    "unsent bytes one connection may pile up, plus the message that crosses the line, so that the largest always "
    "fits; past it the peer is too slow and is closed, and nobody else waits (the protocol's own bound is 64 messages)",
)
READ_BUFFER_BYTES: Final = _limit(
    "READ_BUFFER_BYTES",
    256 * KIB,
    "bytes",
    "one reusable buffer per reader; takes many small frames in one system call and four 64 KiB ones",
)
FRAMES_PER_ROUND: Final = _limit(
    "FRAMES_PER_ROUND",
    64,
    "frames",
    "taken from one connection before the next has its turn: enough to write answers together, few enough to be fair",
)
ACTOR_BATCH: Final = _limit(
    "ACTOR_BATCH",
    512,
    "messages",
    "an actor handles so many of its own messages before the next actor on the thread's list has its turn",
)
THREAD_BATCH: Final = _limit(
    "THREAD_BATCH",
    8192,
    "messages",
    "a thread handles so many messages for others, then gives the rest away so that its own connection is not starved; "
    "more than any round of reading makes, so that the reader normally finishes its own work",
)
MAILBOX_DEPTH: Final = _limit(
    "MAILBOX_DEPTH",
    100_000,
    "messages",
    "beyond it a sender outside any actor waits and helps, and a threaded actor refuses what a light one tells it",
)
ASK_TIMEOUT_S: Final = _limit(
    "ASK_TIMEOUT_S",
    10.0,
    "s",
    "no wait for an actor is without end; light actors answer in microseconds, so this only shows a fault",
)
UNDECODABLE_LOG_PER_S: Final = _limit(
    "UNDECODABLE_LOG_PER_S",
    5,
    "log lines/s",
    "per connection; enough to see what is wrong, too few for a faulty worker to fill the disk",
)

# --- liveness ---------------------------------------------------------------------------------------------------------

PING_INTERVAL_S: Final = _limit(
    "PING_INTERVAL_S",
    0.0,
    "s",
    "0 = off: an idle worker is never disconnected (core.md §1.4); workers ping by themselves",
)
PING_TIMEOUT_S: Final = _limit(
    "PING_TIMEOUT_S",
    20.0,
    "s",
    "with pings on: how long a peer may stay silent after one; the official SDKs use the same",
)
CLOSE_WAIT_S: Final = _limit(
    "CLOSE_WAIT_S",
    1.0,
    "s",
    "after our Close frame: how long a peer may take to close its end before TCP is cut",
)
GC_THRESHOLD: Final = _limit(
    "GC_THRESHOLD",
    20_000,
    "objects",
    "new ones between two looks for cyclic garbage in `iii-actors serve` (Python's own: 700); some megabytes at most",
)
SHUTDOWN_DEADLINE_S: Final = _limit(
    "SHUTDOWN_DEADLINE_S",
    3.0,
    "s",
    "process managers and the official suites expect an exit within about 3 s of SIGTERM",
)

# --- workers, functions, triggers, calls ------------------------------------------------------------------------------

NAMESPACE_GRACE_MS: Final = _limit(
    "NAMESPACE_GRACE_MS",
    5_000,
    "ms",
    "the protocol's value (core.md §3.2): registrations wait so long for the worker to name its namespace",
)
REATTACH_WAIT_S: Final = _limit(
    "REATTACH_WAIT_S",
    5.0,
    "s",
    "the protocol's value (core.md §3.5): how long a reconnecting worker waits for its old self",
)
PROVIDER_ACK_WAIT_S: Final = _limit(
    "PROVIDER_ACK_WAIT_S",
    10.0,
    "s",
    "the protocol's value (core.md §6.7): a provider silent for so long has accepted the trigger",
)
NAME_CHARS: Final = _limit(
    "NAME_CHARS", 280, "characters", "the protocol's cut for worker names and descriptions (core.md §3.3)"
)
BATCH_IDS: Final = _limit("BATCH_IDS", 32, "ids", "the protocol's bound for one batch of engine::functions::info")
MAX_CALLS_PENDING_PER_WORKER: Final = _limit(
    "MAX_CALLS_PENDING_PER_WORKER",
    100_000,
    "calls",
    "calls never time out in the engine (core.md §7.3), so a caller whose callee never answers needs some end",
)
MAX_CALLS_AT_WORKER: Final = _limit(
    "MAX_CALLS_AT_WORKER",
    200_000,
    "calls",
    "in flight towards one worker, events included: one that never answers must not fill the tracker; about 200 MB",
)
MAX_FUNCTIONS_PER_WORKER: Final = _limit(
    "MAX_FUNCTIONS_PER_WORKER",
    100_000,
    "functions",
    "twenty times the largest worker measured; ends a registration loop",
)
MAX_TRIGGERS_PER_WORKER: Final = _limit(
    "MAX_TRIGGERS_PER_WORKER", 100_000, "triggers", "as for functions; instances and types count together"
)

# --- discovery --------------------------------------------------------------------------------------------------------

FUNCTIONS_DEBOUNCE_MS: Final = _limit(
    "FUNCTIONS_DEBOUNCE_MS",
    200,
    "ms",
    "subscribers hear of changes at most 250 ms after the last one (engine-functions.md §5); a burst becomes one event",
)
FUNCTIONS_MAX_DELAY_MS: Final = _limit(
    "FUNCTIONS_MAX_DELAY_MS", 5_000, "ms", "and at least so often while changes never pause (engine-functions.md §5)"
)

CONFIG_SUMMARY_CHARS: Final = _limit(
    "CONFIG_SUMMARY_CHARS",
    80,
    "characters",
    "the protocol's cut for a trigger's configuration in listings (engine-functions.md §3)",
)

# --- channels ---------------------------------------------------------------------------------------------------------

CHANNEL_BUFFER_DEFAULT: Final = _limit("CHANNEL_BUFFER_DEFAULT", 64, "messages", "the protocol's value (core.md §9.1)")
CHANNEL_BUFFER_MAX: Final = _limit(
    "CHANNEL_BUFFER_MAX", 1024, "messages", "the protocol's value (core.md §9.1); larger requests are cut to it"
)
CHANNEL_SWEEP_S: Final = _limit(
    "CHANNEL_SWEEP_S", 60.0, "s", "the protocol's value: how often unused channels are looked for"
)
CHANNEL_UNUSED_S: Final = _limit(
    "CHANNEL_UNUSED_S",
    300.0,
    "s",
    "the protocol's value: older channels with an end never taken are removed (core.md §9.3)",
)
CHANNEL_BUFFER_BYTES: Final = _limit(
    "CHANNEL_BUFFER_BYTES",
    64 * MIB,
    "bytes",
    "what one channel may hold beside its bound in messages, one larger message excepted: room for the largest buffer "
    "full of the 64 KiB messages that SDKs write; without it 1024 messages of 64 MiB could wait",
)
CHANNEL_ROUND_BYTES: Final = _limit(
    "CHANNEL_ROUND_BYTES",
    256 * KIB,
    "bytes",
    "taken out of a channel's buffer at a time (at least one message) and written with one system call",
)
MAX_CHANNELS: Final = _limit(
    "MAX_CHANNELS",
    50_000,
    "channels",
    "open at once; some 600 bytes each while unused. An HTTP request in flight has two; ends a loop that creates "
    "channels and never opens them",
)
CHANNELS_REMEMBERED: Final = _limit(
    "CHANNELS_REMEMBERED",
    4_096,
    "channels",
    "past ones, whose ends still count as taken (core.md §9.2) instead of as unknown; some 200 bytes each",
)

# --- command line -----------------------------------------------------------------------------------------------------

CALL_TIMEOUT_MS: Final = _limit(
    "CALL_TIMEOUT_MS", 30_000, "ms", "what official SDKs wait for an answer; `iii-actors call` waits as long"
)
CONNECT_TIMEOUT_MS: Final = _limit(
    "CONNECT_TIMEOUT_MS",
    5_000,
    "ms",
    "`iii-actors call` and `list`: an engine on any network answers sooner or not at all",
)

TABLE: Final[tuple[Limit, ...]] = tuple(_rows)
"""Every row, in the order of this file."""


def as_rst() -> str:
    """Return the table as a page of reStructuredText: the whole of ``docs/limits.rst``."""
    lines = [
        "Defaults and limits",
        "===================",
        "",
        "Every number the engine starts from, and why it is that number. What of it can be set stands in",
        "`Configuration <configuration.rst>`_. This page is written by ``python -m iii_actors.limits``.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 28 14 12 46",
    ]
    rows = [("Name", "Value", "Unit", "Reason")]
    rows += [(f"``{row.name}``", _written(row), row.unit, row.reason) for row in TABLE]
    for name, value, unit, reason in rows:
        lines += ["", f"   * - {name}", f"     - {value}", f"     - {unit}", f"     - {reason}"]
    return "\n".join(lines) + "\n"


def _written(row: Limit) -> str:
    """Write a value as people read it: bytes in whole Ki or Mi, thousands grouped, whole seconds without a fraction."""
    value = row.value
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    if row.unit == "bytes":
        return f"{value // MIB} Mi" if value % MIB == 0 else f"{value // KIB} Ki"
    return str(value) if row.name == "PORT" else f"{value:,}".replace(",", " ")


if __name__ == "__main__":
    print(as_rst(), end="")
