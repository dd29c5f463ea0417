"""Files that values are kept in."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, limit

STORE_WAITING: Final = limit(
    "STORE_WAITING",
    50_000,
    "operations",
    "waiting for a file; more are refused. A second's work at full speed: who waits behind more has given up",
)
STORE_WAITING_BYTES: Final = limit(
    "STORE_WAITING_BYTES",
    256 * MIB,
    "bytes",
    "of values waiting to be written, one larger one excepted: a disk that hangs must not fill the memory",
)
STORE_GROUP: Final = limit(
    "STORE_GROUP",
    1_024,
    "operations",
    "carried out in one transaction at most: the share of a commit is small by then, and the first still waits little",
)
STORE_READ_KEYS: Final = limit(
    "STORE_READ_KEYS", 64, "keys", "read from a file by one statement; larger ones gain nothing measurable"
)
STORE_UNSAVED_BYTES: Final = limit(
    "STORE_UNSAVED_BYTES",
    32 * MIB,
    "bytes",
    "with durability `memory`, written early once so much waits: what is unsaved is held twice",
)
STORE_SAVE_FLOOR_MS: Final = limit(
    "STORE_SAVE_FLOOR_MS", 100, "ms", "the protocol's value (state.md §7): the shortest save interval there is"
)
STORE_SWEEP: Final = limit(
    "STORE_SWEEP",
    1_000,
    "values",
    "expired ones removed from a file in one transaction: some 10 ms, in which others wait",
)
STORE_SWEEP_PAUSE_S: Final = limit(
    "STORE_SWEEP_PAUSE_S",
    1.0,
    "s",
    "least time between two rounds of removing what has expired; nobody sees an expired value in between",
)
STORE_VERSIONS: Final = limit(
    "STORE_VERSIONS",
    1 << 20,
    "versions",
    "set aside in a file ahead of their use, so that none is given twice though the last writes may be lost",
)
STORE_CHECKED_BYTES: Final = limit(
    "STORE_CHECKED_BYTES",
    16 * MIB,
    "bytes",
    "files up to this size are read through at the start to find damage: a fraction of a second",
)
STORE_CLOSE_S: Final = limit(
    "STORE_CLOSE_S", 30.0, "s", "for writing out what waits when the engine stops; then the file is left as it is"
)
SQLITE_CACHE_BYTES: Final = limit(
    "SQLITE_CACHE_BYTES",
    16 * MIB,
    "bytes",
    "pages of a file that SQLite keeps; the operating system caches the rest, and its share can be taken back",
)
SQLITE_LOG_BYTES: Final = limit(
    "SQLITE_LOG_BYTES",
    16 * MIB,
    "bytes",
    "of write-ahead log before it is worked into the file: less often is cheaper, and a start reads the log through",
)
SQLITE_STATEMENTS: Final = limit(
    "SQLITE_STATEMENTS", 128, "statements", "kept compiled: one for each number of keys read at once, and some others"
)
SQLITE_PAGE_BYTES: Final = limit(
    "SQLITE_PAGE_BYTES", 4 * KIB, "bytes", "SQLite's own page size, and that of most disks and memories"
)
STORE_LOOK_S: Final = limit(
    "STORE_LOOK_S",
    3_600.0,
    "s",
    "the longest wait before Redis is searched for what has expired, also if nothing is known to expire before",
)
REDIS_PARCEL: Final = limit(
    "REDIS_PARCEL",
    512,
    "operations",
    "sent to Redis in one round trip at most: its share is small by then, and other engines' come in between",
)
REDIS_PARCEL_BYTES: Final = limit(
    "REDIS_PARCEL_BYTES", 8 * MIB, "bytes", "of values in one such round trip, one larger one excepted"
)
REDIS_SWAP_TRIES: Final = limit(
    "REDIS_SWAP_TRIES",
    1_000,
    "tries",
    "of an update that other engines are quicker than each time; one of the racing ones gets through at each, so ten "
    "that do nothing else meet this once in 10^45 updates",
)
REDIS_SCAN: Final = limit(
    "REDIS_SCAN", 1_000, "names", "looked at by one SCAN: under a millisecond of Redis' time, in which all others wait"
)
