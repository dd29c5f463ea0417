"""Configuration entries."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import MIB, limit

CONFIGURATION_ENTRIES: Final = limit(
    "CONFIGURATION_ENTRIES",
    1_000,
    "entries",
    "one for each worker and some more; a worker that makes up ids would fill the folder with files",
)
CONFIGURATION_BYTES: Final = limit(
    "CONFIGURATION_BYTES",
    MIB,
    "bytes",
    "of an entry's value: settings that people read and edit; data belongs into iii-state",
)
CONFIGURATION_PROBLEMS: Final = limit(
    "CONFIGURATION_PROBLEMS",
    20,
    "problems",
    "of one value that an error names: who mends these will see the rest",
)
CONFIGURATION_SWEEP_S: Final = limit(
    "CONFIGURATION_SWEEP_S",
    1.0,
    "s",
    "how often entries without subscribers are looked at, where ttl_seconds is set",
)
