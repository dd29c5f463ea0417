"""Workers, functions, triggers, calls, discovery and channels."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, limit

NAMESPACE_GRACE_MS: Final = limit(
    "NAMESPACE_GRACE_MS",
    5_000,
    "ms",
    "the protocol's value (core.md §3.2): registrations wait so long for the worker to name its namespace",
)
REATTACH_WAIT_S: Final = limit(
    "REATTACH_WAIT_S",
    5.0,
    "s",
    "the protocol's value (core.md §3.5): how long a reconnecting worker waits for its old self",
)
PROVIDER_ACK_WAIT_S: Final = limit(
    "PROVIDER_ACK_WAIT_S",
    10.0,
    "s",
    "the protocol's value (core.md §6.7): a provider silent for so long has accepted the trigger",
)
NAME_CHARS: Final = limit(
    "NAME_CHARS", 280, "characters", "the protocol's cut for worker names and descriptions (core.md §3.3)"
)
BATCH_IDS: Final = limit("BATCH_IDS", 32, "ids", "the protocol's bound for one batch of engine::functions::info")
MAX_CALLS_PENDING_PER_WORKER: Final = limit(
    "MAX_CALLS_PENDING_PER_WORKER",
    100_000,
    "calls",
    "calls never time out in the engine (core.md §7.3), so a caller whose callee never answers needs some end",
)
MAX_CALLS_AT_WORKER: Final = limit(
    "MAX_CALLS_AT_WORKER",
    200_000,
    "calls",
    "in flight towards one worker, events included: one that never answers must not fill the tracker; about 200 MB",
)
MAX_FUNCTIONS_PER_WORKER: Final = limit(
    "MAX_FUNCTIONS_PER_WORKER",
    100_000,
    "functions",
    "twenty times the largest worker measured; ends a registration loop",
)
MAX_TRIGGERS_PER_WORKER: Final = limit(
    "MAX_TRIGGERS_PER_WORKER", 100_000, "triggers", "as for functions; instances and types count together"
)

# --- discovery --------------------------------------------------------------------------------------------------------

FUNCTIONS_DEBOUNCE_MS: Final = limit(
    "FUNCTIONS_DEBOUNCE_MS",
    200,
    "ms",
    "subscribers hear of changes at most 250 ms after the last one (engine-functions.md §5); a burst becomes one event",
)
FUNCTIONS_MAX_DELAY_MS: Final = limit(
    "FUNCTIONS_MAX_DELAY_MS", 5_000, "ms", "and at least so often while changes never pause (engine-functions.md §5)"
)

CONFIG_SUMMARY_CHARS: Final = limit(
    "CONFIG_SUMMARY_CHARS",
    80,
    "characters",
    "the protocol's cut for a trigger's configuration in listings (engine-functions.md §3)",
)

# --- channels ---------------------------------------------------------------------------------------------------------

CHANNEL_BUFFER_DEFAULT: Final = limit("CHANNEL_BUFFER_DEFAULT", 64, "messages", "the protocol's value (core.md §9.1)")
CHANNEL_BUFFER_MAX: Final = limit(
    "CHANNEL_BUFFER_MAX", 1024, "messages", "the protocol's value (core.md §9.1); larger requests are cut to it"
)
CHANNEL_SWEEP_S: Final = limit(
    "CHANNEL_SWEEP_S", 60.0, "s", "the protocol's value: how often unused channels are looked for"
)
CHANNEL_UNUSED_S: Final = limit(
    "CHANNEL_UNUSED_S",
    300.0,
    "s",
    "the protocol's value: older channels with an end never taken are removed (core.md §9.3)",
)
CHANNEL_BUFFER_BYTES: Final = limit(
    "CHANNEL_BUFFER_BYTES",
    64 * MIB,
    "bytes",
    "what one channel may hold beside its bound in messages, one larger message excepted: room for the largest buffer "
    "full of the 64 KiB messages that SDKs write; without it 1024 messages of 64 MiB could wait",
)
CHANNEL_ROUND_BYTES: Final = limit(
    "CHANNEL_ROUND_BYTES",
    256 * KIB,
    "bytes",
    "taken out of a channel's buffer at a time (at least one message) and written with one system call",
)
MAX_CHANNELS: Final = limit(
    "MAX_CHANNELS",
    50_000,
    "channels",
    "open at once; some 600 bytes each while unused. An HTTP request in flight has two; ends a loop that creates "
    "channels and never opens them",
)
CHANNELS_REMEMBERED: Final = limit(
    "CHANNELS_REMEMBERED",
    4_096,
    "channels",
    "past ones, whose ends still count as taken (core.md §9.2) instead of as unknown; some 200 bytes each",
)
