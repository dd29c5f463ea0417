"""W3C trace context of the running code: what a handler got is what its own calls carry on (spec sdk.md §9.1).

Pure text in context variables; no tracing library is needed. The two values are the strings of the wire,
``traceparent`` and ``baggage``. Where neither was received and no span is recorded, there is no trace and calls carry
neither key, as the protocol has it (spec observability.md §1). Spans are somebody else's business:
:mod:`iii_worker.observability` installs a :class:`Recorder` here when telemetry is on.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self
from urllib.parse import quote, unquote

from iii_worker.limits import MAX_BAGGAGE_BYTES

__all__ = [
    "Carried",
    "Carrying",
    "Execution",
    "Recorder",
    "TraceContext",
    "activate",
    "carried",
    "current",
    "format_baggage",
    "install",
    "parse_baggage",
    "parse_traceparent",
    "recorder",
    "trace_context",
]

logger = logging.getLogger(__name__)

Carried = tuple[str | None, str | None]
"""``(traceparent, baggage)`` as on the wire; None: the frame has no such key."""

NOTHING: Final[Carried] = (None, None)
SAMPLED: Final = 1

_TRACEPARENT: Final = re.compile(
    "((?!ff)[0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?", re.ASCII
).fullmatch
_TRACEPARENT_LENGTH: Final = 55
_UNQUOTED: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""What a baggage value may hold unescaped (W3C Baggage, baggage-octet)."""

carried: Final[ContextVar[Carried]] = ContextVar("iii_worker_trace", default=NOTHING)
"""What the running code carries; for a :class:`Recorder` to set. Others read it with :func:`current`."""


class TraceContext(NamedTuple):
    """A position in a trace (W3C Trace Context)."""

    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits."""
    flags: int = SAMPLED
    """Bit 0: sampled."""

    @property
    def traceparent(self) -> str:
        """As a ``traceparent``, version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    @property
    def sampled(self) -> bool:
        """Whether the caller records this trace."""
        return bool(self.flags & SAMPLED)

    def child(self) -> TraceContext:
        """Return a new position below this one: same trace, same flags, a span id of its own."""
        return TraceContext(self.trace_id, secrets.token_hex(8), self.flags)

    @classmethod
    def root(cls) -> TraceContext:
        """Return the beginning of a new trace, sampled."""
        return cls(secrets.token_hex(16), secrets.token_hex(8))


class Execution(Protocol):
    """The run of one handler, entered around it. What it is told goes into the span, if there is one."""

    recording: bool
    """Whether :meth:`result` and :meth:`failed` are of any use."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the run; an exception that passes through is recorded and goes on."""

    def result(self, data: bytes | None) -> None:
        """Tell the result, as the JSON text that is sent; None is null."""

    def failed(self, code: str, message: str) -> None:
        """Tell that the invocation is answered with an error although no exception passes through."""


class Recorder(Protocol):
    """Records spans. One at most is installed in a process. Its methods may raise; nothing but a span is then lost."""

    def current(self) -> Carried:
        """What a call made by the running code carries."""

    def execution(self, function_id: str, context: Carried, data: bytes | None) -> Execution:
        """Return the run of a handler, still to be entered; ``data`` is the input's JSON text."""

    def remote(self, context: Carried) -> AbstractContextManager[object]:
        """Make a context that came from elsewhere the running code's."""


_recorder: Recorder | None = None


def install(new: Recorder | None) -> None:
    """Let ``new`` record spans from now on; None: nobody. Runs that were begun before end as they were begun."""
    global _recorder
    _recorder = new


def recorder() -> Recorder | None:
    """Return who records spans, None if nobody does."""
    return _recorder


def current() -> Carried:
    """Return the ``(traceparent, baggage)`` that frames sent by the running code are to carry. Never raises."""
    if _recorder is None:
        return carried.get()
    try:
        return _recorder.current()
    except Exception:
        logger.debug("The trace context could not be read", exc_info=True)
        return carried.get()


def activate(traceparent: str | None, baggage: str | None, function_id: str, data: bytes | None = None) -> Execution:
    """Return a context manager for the run of a handler: inside it :func:`current` is what the invocation brought.

    Entered and left on one thread. An invocation without either value clears what the thread carried before.

    :param data: the input's JSON text, for the span's ``iii.invocation.input`` event.
    """
    if _recorder is None:
        return Carrying((traceparent, baggage))
    try:
        return _recorder.execution(function_id, (traceparent, baggage), data)
    except Exception:
        logger.debug("No span could be begun for %s", function_id, exc_info=True)
        return Carrying((traceparent, baggage))


def trace_context(traceparent: str | None = None, baggage: str | None = None) -> AbstractContextManager[object]:
    """Return a context manager that continues a trace which came by another way than an invocation.

    For example in a web application: ``with trace_context(request.headers.get("traceparent")): worker.call(...)``.
    Raises :class:`ValueError` for a ``traceparent`` that is none.
    """
    if traceparent is not None and parse_traceparent(traceparent) is None:
        raise ValueError(
            f"traceparent {traceparent!r} is not a W3C trace context: expected "
            "'00-<32 hex digits>-<16 hex digits>-<2 hex digits>', lower case, ids not all zero"
        )
    context = (traceparent, baggage)
    return Carrying(context) if _recorder is None else _recorder.remote(context)


class Carrying:
    """A run of which nothing is recorded: what the running code carries is ``context``, and that is all."""

    __slots__ = ("_context", "_token")

    recording = False

    def __init__(self, context: Carried) -> None:
        self._context = context

    def __enter__(self) -> Self:
        self._token: Token[Carried] = carried.set(self._context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        carried.reset(self._token)

    def result(self, data: bytes | None) -> None:
        """Nothing is recorded."""

    def failed(self, code: str, message: str) -> None:
        """Nothing is recorded."""


def parse_traceparent(text: str | None) -> TraceContext | None:
    """Return what a ``traceparent`` says, None for one that is invalid, empty or absent (W3C Trace Context §3.2)."""
    if text is None or (match := _TRACEPARENT(text)) is None:
        return None
    version, trace_id, span_id, flags = match.groups()
    if version == "00" and len(text) != _TRACEPARENT_LENGTH:
        return None
    return TraceContext(trace_id, span_id, int(flags, 16))


def parse_baggage(text: str | None) -> dict[str, str]:
    """Return the entries of a ``baggage`` header, decoded; properties and what is no entry are dropped."""
    entries: dict[str, str] = {}
    for entry in (text or "").split(","):
        key, equals, value = entry.split(";", 1)[0].partition("=")
        if equals and key.strip():
            entries[key.strip()] = unquote(value.strip())
    return entries


def format_baggage(entries: Mapping[str, object]) -> str | None:
    """Return entries as a ``baggage`` header, None if there are none.

    What would make it longer than 8,192 bytes is left out (W3C Baggage §3.3.2).
    """
    parts: list[str] = []
    left = MAX_BAGGAGE_BYTES
    for key, value in entries.items():
        part = f"{quote(key.strip(), safe='!#$%&*+-.^_`|~')}={quote(str(value), safe=_UNQUOTED)}"
        left -= len(part) + 1
        if left < -1:
            break
        parts.append(part)
    return ",".join(parts) or None
