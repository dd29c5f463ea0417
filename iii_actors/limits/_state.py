"""State and streams."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import limit

UPDATE_PATH_DEPTH: Final = limit(
    "UPDATE_PATH_DEPTH", 32, "segments", "the protocol's value (state.md §4.2): how deep one update operation reaches"
)
UPDATE_SEGMENT_BYTES: Final = limit(
    "UPDATE_SEGMENT_BYTES", 256, "octets", "the protocol's value (state.md §4.2), of one path segment in UTF-8"
)
UPDATE_MERGE_KEYS: Final = limit(
    "UPDATE_MERGE_KEYS", 1024, "keys", "the protocol's value (state.md §4.2), of one merged object's top level"
)
UPDATE_MERGE_DEPTH: Final = limit(
    "UPDATE_MERGE_DEPTH", 16, "levels", "the protocol's value (state.md §4.2): containers in one merged value"
)
SAVE_INTERVAL_MS: Final = limit(
    "SAVE_INTERVAL_MS",
    5_000,
    "ms",
    "the protocol's value (state.md §7): how often a file with durability `memory` is written; what came after is lost",
)
