"""The command line's own waits."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import limit

CALL_TIMEOUT_MS: Final = limit(
    "CALL_TIMEOUT_MS", 30_000, "ms", "what official SDKs wait for an answer; `iii-actors call` waits as long"
)
CONNECT_TIMEOUT_MS: Final = limit(
    "CONNECT_TIMEOUT_MS",
    5_000,
    "ms",
    "`iii-actors call` and `list`: an engine on any network answers sooner or not at all",
)
ACTORS_SHOWN: Final = limit(
    "ACTORS_SHOWN",
    100,
    "actors",
    "lines for actors that are not idle after SIGUSR1: what is stuck is at the top, and the rest would scroll it away",
)
PROCESSOR_LOOK_S: Final = limit(
    "PROCESSOR_LOOK_S",
    0.25,
    "s",
    "how often a busy engine looks whether its threads are to be kept on one processor: a look costs some 0.2 ms",
)
PROCESSOR_IDLE_S: Final = limit("PROCESSOR_IDLE_S", 0.25, "s", "and one that has little to do: whether it still has")
SETTINGS_QUIET_MS: Final = limit(
    "SETTINGS_QUIET_MS",
    500,
    "ms",
    "the protocol's value (config-and-cli.md §6): a settings file is read again after so much quiet",
)
SETTINGS_LOOK_MS: Final = limit(
    "SETTINGS_LOOK_MS",
    1_000,
    "ms",
    "a settings file is looked at so often without being told of a change: some network file systems tell nothing",
)
