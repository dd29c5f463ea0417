"""What the listeners start from."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, limit

PORT: Final = limit(
    "PORT", 49134, "TCP port", "the protocol's port: where every official worker looks first (core.md §1.1)"
)
HOST: Final = limit(
    "HOST",
    "127.0.0.1",
    "address",
    "ours, on purpose: the protocol's default is 0.0.0.0, but a plain listener lets everyone who reaches it call "
    "everything, so reaching beyond this machine is a decision to write down",
)
LISTEN_BACKLOG: Final = limit(
    "LISTEN_BACKLOG",
    1024,
    "connections",
    "a whole fleet reconnects at once after a restart; the package's own 5 makes the kernel drop them for seconds",
)
MAX_CONNECTIONS: Final = limit(
    "MAX_CONNECTIONS",
    10_000,
    "connections",
    "per listener; each costs a thread and a descriptor, and without a cap one faulty client could take them all",
)
SPARE_THREADS: Final = limit(
    "SPARE_THREADS",
    32,
    "threads",
    "per listener, kept from connections that have ended for those that come: enough for a fleet that flaps",
)
SPARE_THREAD_S: Final = limit("SPARE_THREAD_S", 10.0, "s", "how long a spare thread waits for its next connection")
HANDSHAKE_TIMEOUT_MS: Final = limit(
    "HANDSHAKE_TIMEOUT_MS",
    10_000,
    "ms",
    "the protocol's value (core.md §1.1); half a request must not hold a connection for ever",
)
MAX_HEADER_BYTES: Final = limit(
    "MAX_HEADER_BYTES", 64 * KIB, "bytes", "room for large cookies and tokens; anything above is not a handshake"
)
MAX_HEADER_LINES: Final = limit(
    "MAX_HEADER_LINES", 128, "lines", "proxies add a dozen; the bound keeps parsing a hostile request cheap"
)
