"""Who may connect and what a session may do."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, limit

AUTH_WAIT_S: Final = limit(
    "AUTH_WAIT_S",
    10.0,
    "s",
    "how long a listener's auth function may take (core.md §10.2 sets no end): then the connection is refused, as a "
    "client that hears nothing for so long has given up itself",
)
HOOK_WAIT_S: Final = limit(
    "HOOK_WAIT_S",
    30.0,
    "s",
    "how long a registration hook may take (core.md §10.5 sets no end): then the registration is denied. Also ends the "
    "deadlock of a hook that is served by the very connection it is asked about",
)
GONE_CHECK_S: Final = limit(
    "GONE_CHECK_S",
    0.25,
    "s",
    "how often a thread that waits for an auth function or a hook looks whether its client is still there",
)
DECISIONS_REMEMBERED: Final = limit(
    "DECISIONS_REMEMBERED",
    1_024,
    "functions",
    "per session, so that a call does not go through all rules again; more than any one client calls",
)
REMEMBERED_ID_CHARS: Final = limit(
    "REMEMBERED_ID_CHARS",
    512,
    "characters",
    "of a function's id and namespace; decisions about longer ones are made anew",
)
REFUSALS_LOGGED_PER_S: Final = limit(
    "REFUSALS_LOGGED_PER_S", 5, "lines", "per session: a client that is refused again and again must not fill the log"
)
MAX_TOKENS: Final = limit(
    "MAX_TOKENS", 1_000, "tokens", "per listener; each connection compares all of them. More belong to an auth function"
)
TOKEN_BYTES: Final = limit(
    "TOKEN_BYTES", 32, "random bytes", "256 bits: no search finds one, so a fast hash is enough to store them"
)
MAX_TOKEN_CHARS: Final = limit(
    "MAX_TOKEN_CHARS", 4_096, "characters", "longer ones are no tokens of ours and are not even hashed"
)
EXPIRY_LOOK_S: Final = limit(
    "EXPIRY_LOOK_S",
    3_600.0,
    "s",
    "how often a session's token is looked at, at least: its end may be years away, and the wall clock may be set",
)
QUOTA_DEBT: Final = limit(
    "QUOTA_DEBT",
    4,
    "bursts",
    "bytes above a session's quota that are not calls are taken, up to so much; then the connection is closed (1008)",
)
TLS_READ_BYTES: Final = limit(
    "TLS_READ_BYTES", 64 * KIB, "bytes", "decrypted at a time: four of the largest records that TLS has"
)
TLS_WRITE_BYTES: Final = limit(
    "TLS_WRITE_BYTES",
    256 * KIB,
    "bytes",
    "encrypted before the system is asked whether it takes them: what it does not take is held once more",
)
