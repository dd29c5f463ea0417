"""The HTTP front."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, limit

HTTP_PORT: Final = limit("HTTP_PORT", 3111, "TCP port", "the protocol's port for HTTP triggers (http.md §11)")
HTTP_HOST: Final = limit(
    "HTTP_HOST",
    "127.0.0.1",
    "address",
    "ours, on purpose, as for workers: the protocol's default is 0.0.0.0, every interface",
)
HTTP_TIMEOUT_MS: Final = limit(
    "HTTP_TIMEOUT_MS", 30_000, "ms", "the protocol's value (http.md §11): until a response's headers are ready"
)
HTTP_CONCURRENCY: Final = limit(
    "HTTP_CONCURRENCY",
    1024,
    "requests",
    "the protocol's value (http.md §11): waiting for workers at once, others queue",
)
HTTP_MAX_CONNECTIONS: Final = limit(
    "HTTP_MAX_CONNECTIONS",
    10_000,
    "connections",
    "as for workers; each costs a descriptor and, with its request, some 10 KB; it also bounds the queue of requests",
)
HTTP_BACKLOG: Final = limit(
    "HTTP_BACKLOG", 1024, "connections", "a burst of new clients waits in the kernel instead of being refused"
)
HTTP_HEADERS: Final = limit(
    "HTTP_HEADERS", 100, "headers", "the protocol's value (http.md §5): more is answered with 431"
)
HTTP_HEADER_BYTES: Final = limit(
    "HTTP_HEADER_BYTES", 64 * KIB, "bytes", "of all header lines together: room for large cookies; more is answered 431"
)
HTTP_URI_BYTES: Final = limit(
    "HTTP_URI_BYTES", 64 * KIB - 1, "bytes", "the protocol's value (http.md §5): more is answered with 414"
)
HTTP_HEADER_TIMEOUT_MS: Final = limit(
    "HTTP_HEADER_TIMEOUT_MS",
    10_000,
    "ms",
    "from a request's first byte (a connection's beginning) to the end of its headers; as for workers' handshakes",
)
HTTP_KEEP_ALIVE_S: Final = limit(
    "HTTP_KEEP_ALIVE_S",
    75,
    "s",
    "a connection without a request is closed; longer than the minute for which common clients keep theirs",
)
HTTP_STALLED_WRITE_S: Final = limit(
    "HTTP_STALLED_WRITE_S", 60.0, "s", "a client that takes not one byte of its response for so long is gone"
)
HTTP_SWEEP_S: Final = limit(
    "HTTP_SWEEP_S", 1.0, "s", "how often connections are looked at for the deadlines above; costs 1 us a connection"
)
HTTP_LINGER_S: Final = limit(
    "HTTP_LINGER_S",
    30.0,
    "s",
    "behind a response: how long what the client still sends is read and thrown away, so that the reset for unread "
    "data does not overtake the response",
)
HTTP_LINGER_IDLE_S: Final = limit(
    "HTTP_LINGER_IDLE_S", 5.0, "s", "meanwhile: how long it may send nothing; it has read the response by then"
)
HTTP_DISCARD_BYTES: Final = limit(
    "HTTP_DISCARD_BYTES",
    16 * MIB,
    "bytes",
    "of an upload that nobody reads, thrown away behind its response to keep the connection; more ends it",
)
HTTP_UPLOAD_HELD_BYTES: Final = limit(
    "HTTP_UPLOAD_HELD_BYTES", 64 * KIB, "bytes", "of an upload that nobody has opened yet; then its client waits"
)
HTTP_UPLOAD_ITEM_BYTES: Final = limit(
    "HTTP_UPLOAD_ITEM_BYTES",
    64 * KIB,
    "bytes",
    "what SDKs write and read at a time; the Python one refuses above 1 MiB",
)
HTTP_PIPE_BYTES: Final = limit(
    "HTTP_PIPE_BYTES",
    8 * MIB,
    "bytes",
    "what waits in a request's channel, one larger message excepted: twice its 64 messages of the SDKs' 64 KiB; many "
    "requests are open at once, so less than any other channel may hold",
)
HTTP_JSON_BODY_BYTES: Final = limit(
    "HTTP_JSON_BODY_BYTES",
    64 * MIB,
    "bytes",
    "the largest message of the protocol; there is no 413 (http.md §5), so a larger JSON body is streamed like any "
    "other and its `body` is null",
)
HTTP_JSON_TOTAL_BYTES: Final = limit(
    "HTTP_JSON_TOTAL_BYTES",
    512 * MIB,
    "bytes",
    "of all JSON bodies read at once; one that finds no room is streamed, as one that is too large",
)
HTTP_FAILURES_LOGGED_PER_S: Final = limit(
    "HTTP_FAILURES_LOGGED_PER_S",
    5,
    "log lines/s",
    "failed requests; a handler that fails always must not fill the disk",
)
HTTP_REBIND_S: Final = limit(
    "HTTP_REBIND_S", 10.0, "s", "the protocol's value (http.md §11): requests on an address given up may take so long"
)
