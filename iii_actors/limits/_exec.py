"""Commands that run beside the engine."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import limit

EXEC_STOP_S: Final = limit(
    "EXEC_STOP_S",
    3.0,
    "s",
    "the protocol's value (config-and-cli.md §8): between SIGTERM and SIGKILL when the engine stops",
)
EXEC_QUIET_MS: Final = limit(
    "EXEC_QUIET_MS",
    100,
    "ms",
    "without a further change before commands are begun anew: an editor saves several files at once",
)
