"""THE table of the SDK's defaults and limits: every number it starts from, its unit and the reason for it.

Other modules import the constants from here, and nothing else in the package spells such a number. ``_S`` is seconds,
``_MS`` milliseconds, ``_BYTES`` bytes. Chapters are those of the behaviour specification.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# --- connection -------------------------------------------------------------------------------------------------------
DEFAULT_ENGINE_URL: Final = "ws://127.0.0.1:49134"
"""The protocol's port (sdk.md §1.1). An IPv4 literal: ``localhost`` may mean ``::1``, where the engine may not listen.
"""
FIRST_CONNECTION_WAIT_S: Final = 30.0
"""How long ``register_worker`` waits before it warns and returns (sdk.md §1.1): an engine that starts beside is up by
then.
"""
HANDSHAKE_TIMEOUT_S: Final = 10.0
"""Name look-up, TCP, TLS and upgrade together (sdk.md §5.7), the value of the other SDKs."""
PING_INTERVAL_S: Final = 20.0
"""A ping after so much silence (sdk.md §5.7): below the 60 s after which home routers forget a connection."""
SILENCE_LIMIT_S: Final = 60.0
"""Nothing heard for so long, three pings unanswered: the link is dead (sdk.md §5.7)."""
STABLE_AFTER_S: Final = 5.0
"""A connection that lived so long was a good one: the next reconnect starts from the first delay (sdk.md §7.3)."""
LONGEST_TIMEOUT_S: Final = 20.0 * 86_400
"""A longer timeout, infinity too, is taken for this: the system's `poll` counts milliseconds in 31 bits, 24 days."""
CLOSE_WAIT_S: Final = 0.25
"""What ``shutdown`` waits for the engine's answer to a Close frame: deployed engines just drop the socket."""
SEND_TIMEOUT_S: Final = 30.0
"""An engine that takes no byte for so long is gone: the connection is dropped rather than all senders held."""
INITIAL_DELAY_MS: Final = 1000
"""First reconnect delay (sdk.md §7.2), the protocol's value."""
MAX_DELAY_MS: Final = 30_000
"""Longest reconnect delay (sdk.md §7.2), the protocol's value."""
BACKOFF_MULTIPLIER: Final = 2.0
"""Each failed attempt doubles the delay (sdk.md §7.2)."""
JITTER_FACTOR: Final = 0.3
"""Each delay is 30 % shorter to 30 % longer by chance, so that a thousand workers do not return at once (sdk.md §7.2).
"""
MAX_MESSAGE_BYTES: Final = 64 * MIB
"""Largest message accepted and sent: the engine's own limit for a message (core.md §1.4); the SDK must take 16 MiB."""
MAX_FRAME_BYTES: Final = 16 * MIB
"""Largest frame sent; a longer message goes in several: the engine drops a connection for a longer frame (core.md
§1.4).
"""
READ_BUFFER_BYTES: Final = 64 * KIB
"""What a round's first read takes at most: some hundred small messages."""
LARGE_READ_BYTES: Final = 512 * KIB
"""What its further reads take, when the first was full: a large payload is under way."""
READS_PER_ROUND: Final = 16
"""Reads before what came is handed on: eight megabytes, some milliseconds."""
SEND_BATCH_BYTES: Final = 64 * KIB
"""Small frames of several threads leave together up to this size; beyond it copying costs more than a system call."""
SEND_ROUNDS: Final = 64
"""A thread that has written so many batches of others' frames hands the rest over and goes on with its own work."""
PROXY_ANSWER_BYTES: Final = 8 * KIB
"""Longest answer of a proxy to CONNECT: what common servers allow all headers of a request together."""
TLS_RETRY_S: Final = 0.05
"""A TLS write that waits looks again after so long: what it waits for may be a read, which is another thread's."""
SHOWN_BYTES: Final = 200
"""Of a message or an answer that cannot be understood, what a log line or an error shows."""
SEND_QUEUE_BYTES: Final = 4 * MIB
"""Frames that wait for the socket while another thread writes: with more, senders wait for their turn."""

# --- calls ------------------------------------------------------------------------------------------------------------
INVOCATION_TIMEOUT_MS: Final = 30_000
"""What a call waits for its answer if it does not say (sdk.md §1.3), the protocol's value."""
OUTBOX_MESSAGES: Final = 1000
"""Calls kept while there is no connection (sdk.md §7.7); with more, the oldest fails."""
MAX_PENDING_CALLS: Final = 100_000
"""Calls under way at once, the engine's own bound per worker; one more fails at once."""

# --- life -------------------------------------------------------------------------------------------------------------
SHUTDOWN_JOIN_S: Final = 5.0
"""What ``shutdown`` waits for its threads at most (sdk.md §8.3)."""
ERRANDS: Final = 10_000
"""Callbacks of users that wait for the one that runs; with more, the oldest is left out."""
ERRANDS_IDLE_S: Final = 10.0
"""The thread that runs callbacks ends after so long without any, as handlers' threads do."""
SETTLE_S: Final = 1.0
"""What ``register_worker`` gives the engine to refuse a worker it has just let in; one round trip, when it does not."""
EXIT_DRAIN_S: Final = 5.0
"""What running handlers get at the end of a ``with`` block and of ``run()``: as long as ``shutdown`` takes at most."""

# --- channels (D) -----------------------------------------------------------------------------------------------------
CHANNEL_FRAME_BYTES: Final = 64 * KIB
"""What a channel's writer puts into one binary frame (sdk.md §6.4): readers of other SDKs take no more than 1 MiB."""
CHANNEL_READ_BYTES: Final = 256 * KIB
"""What a channel's reader takes from its socket at once: four full frames; it holds no more than that and one frame."""
CHANNEL_CLOSE_WAIT_S: Final = 5.0
"""What a writer that closes waits for the engine's Close. After that the rest stays with the operating system's
buffers.
"""
KEEPALIVE_IDLE_S: Final = 20
"""TCP keepalive of a channel's socket after so much silence. WebSocket pings will not do: deployed engines do not
answer them on channels (core.md §9.3)."""
KEEPALIVE_INTERVAL_S: Final = 10
"""Between two TCP keepalives that got no answer."""
KEEPALIVE_PROBES: Final = 4
"""Unanswered TCP keepalives until the peer's machine counts as gone: 60 s in all, as on the worker's connection."""

# --- sight: trace context, telemetry, logs ----------------------------------------------------------------------------
MAX_BAGGAGE_BYTES: Final = 8 * KIB
"""Longest ``baggage`` made here: what every party of a trace must be able to pass on (W3C Baggage §3.3.2)."""
TRACE_PAYLOAD_MAX_BYTES: Final = 8 * KIB
"""Of an input or a result, what a span shows: enough to read, and 1,000 waiting spans stay below 16 MiB."""
TRACE_PAYLOAD_DEPTH: Final = 64
"""Levels of a Python value that are looked at for secrets; what lies deeper is not shown."""
SPAN_ITEMS: Final = 128
"""Attributes, and events, a span of the SDK's own recorder keeps: the default of OpenTelemetry."""
TELEMETRY_BUFFER: Final = 1000
"""Spans, and log records, kept while the telemetry socket is slow or down (sdk.md §9.3); then the oldest goes."""
TELEMETRY_BATCH: Final = 100
"""Spans or log records in one frame: with payloads about 2 MB, far below the longest frame the engine takes."""
SPANS_FLUSH_INTERVAL_MS: Final = 100
"""How long a span waits for others to leave with it (sdk.md §9.4)."""
LOGS_FLUSH_INTERVAL_MS: Final = 100
"""How long log records wait for a batch to fill (sdk.md §9.4)."""
LOGS_BATCH_SIZE: Final = 1
"""With so many log records waiting they leave at once (sdk.md §9.4): by default each one."""
METRICS_EXPORT_INTERVAL_MS: Final = 60_000
"""Between two reports of the worker's own gauges (sdk.md §9.4); the engine shows what is younger than two minutes."""
FIRST_METRICS_S: Final = 1.0
"""The first report comes so soon: a listing shows a new worker's figures at once."""
TELEMETRY_WARNING_S: Final = 60.0
"""Between two warnings that telemetry was dropped."""
TELEMETRY_FLUSH_S: Final = 2.0
"""What ``shutdown`` gives to unsent telemetry: less than the 5 s it has in all (sdk.md §8.3)."""
TRACED_REQUEST_TIMEOUT_S: Final = 30.0
"""What ``execute_traced_request`` waits for a server, the value calls have."""
TEST_CONNECT_TIMEOUT_S: Final = 10.0
"""What the fixtures of the test kit wait for their engine, which runs in the same process."""

# --- handlers ---------------------------------------------------------------------------------------------------------
HANDLER_THREADS: Final = 32
"""Handlers that run at once: enough for handlers that wait for databases, few enough to share one interpreter lock."""
LENT_THREADS: Final = 512
"""Threads beyond those, lent while handlers wait in calls: nested calls may go so deep; a thread costs some 100 KiB."""
HANDLER_QUEUE: Final = 10_000
"""Invocations that wait for a thread: with more, callers are better told at once than after their timeout."""
HANDLER_QUEUE_BYTES: Final = 256 * MIB
"""Their payloads together: four of the largest messages; one more is refused."""
HANDLER_IDLE_S: Final = 10.0
"""A thread without work ends after so long: bursts reuse threads, a quiet worker has none."""
STALL_S: Final = 5.0
"""If all threads there may be wait in calls for so long, what is queued is refused: they may wait for just that."""
COROUTINES: Final = 10_000
"""Coroutine handlers under way at once; each is as small as an invocation in the queue, so there may be as many."""
DEADLINES_IDLE_S: Final = 10.0
"""The thread that watches handlers' timeouts ends after so long without any, as handlers' threads do."""
MAX_DEPTH: Final = 120
"""Levels of nesting in a result: engines drop frames deeper than 127 (core.md §1.3), and the frame needs some itself.
"""
REFUSAL_LOG_S: Final = 1.0
"""Between two log lines on refused invocations: a flood refuses thousands a second."""
MAX_STACKTRACE_CHARS: Final = 32 * KIB
"""Of a stack trace, what is sent: the end of it, where it was raised; chained errors can be endless."""
MAX_INPUT_ERRORS: Final = 8
"""Faults of one input that are named in the error: more nobody reads in one line."""
HTTP_BODY_BYTES: Final = 64 * MIB
"""What a request's ``read``, ``text``, ``json`` and ``form`` take if it is not said: as much as a message may have.
Engines set no limit (http.md §5); who wants more iterates over the body, or says how much."""
DEAD_LETTERS_PAGE: Final = 50
"""Dead letters listed at once if it is not said (queue.md §7), the protocol's value."""
PATH_STEPS: Final = 12
"""Steps of a path that an error names (``result.items[3].price``): what is deeper is a structure that holds itself."""
KNOWN_CLASSES: Final = 1024
"""Classes whose fields are remembered: more than programs have, and a bound for those that make classes as they go."""
MAX_MESSAGE_CHARS: Final = 8 * KIB
"""Of an exception's text, what is sent: some put whole payloads into it."""
RESULT_FRAME_BYTES: Final = 16 * KIB
"""Of a message that carries a result, what the frame around it may need: ids, and trace context of 8 KiB."""

# --- triggers, live registry (C) --------------------------------------------------------------------------------------
TRIGGER_POLL_S: Final = 0.5
"""Between two questions whether a trigger that waits for its type is live: engines do not say when that happens."""
TRIGGER_SETTLE_S: Final = 0.1
"""What ``Trigger.wait`` gives the type's worker to refuse a trigger: a round trip between two workers, with room."""
TRIGGER_BINDINGS: Final = 100_000
"""Triggers bound to one type of this worker; one more is refused: some 100 MB, if each has a small config."""
TRIGGER_CALLBACKS: Final = 100_000
"""Bindings that wait for a type's handler: a type that comes back gets all its bindings at once."""
REGISTRY_CALL_S: Final = 10.0
"""What the engine may take to list its functions or workers: it is asked again after that."""
REGISTRY_POLL_S: Final = 1.0
"""While somebody waits for a function the engine is asked for it so often, too: deployed engines push every 5 s only.
"""
REGISTRY_FIRST_PUSH_S: Final = 0.25
"""What an engine gets to push all functions to a new binding, as this one does, before it is asked for the list."""
REGISTRY_CONFIRM_S: Final = 6.0
"""After which the first list of functions is fetched once more from an engine that looks for changes every 5 s."""
REGISTRY_PAUSE_S: Final = 0.05
"""Between two listings of the workers: those that come and go together are looked at together."""
REGISTRY_RETRY_S: Final = 2.0
"""After a listing that failed: soon enough to notice, seldom enough for an engine that is overloaded."""
REGISTRY_HELD: Final = 1_000
"""Changes that come while a list is fetched and are applied after it; with more, the list is fetched again."""
SIMILAR_IDS: Final = 3
"""Ids that are named as similar when a function does not come."""
