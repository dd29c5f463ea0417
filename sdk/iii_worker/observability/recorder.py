"""Recording spans: what every recorder is to the rest, and the run of a handler as a span (spec sdk.md §9.2)."""

from __future__ import annotations

import logging
import traceback as tracebacks
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from iii_worker import tracing
from iii_worker.limits import TRACE_PAYLOAD_MAX_BYTES
from iii_worker.observability.redact import (
    payloads_shown,
    redact_and_truncate,
    redacted_json,
    resolve_max_bytes_from_env,
)

__all__ = ["Opened", "Payloads", "RecordedExecution", "Span", "SpanRecorder", "exception_attributes"]

logger = logging.getLogger(__name__)

FUNCTION_ID: Final = "iii.function.id"
"""Attribute of the span of a handler: which function it ran."""


class Span(Protocol):
    """What user code may do to a span: a part of OpenTelemetry's ``Span``."""

    def is_recording(self) -> bool: ...
    def set_attribute(self, key: str, value: Any) -> None: ...
    def set_attributes(self, attributes: Mapping[str, Any]) -> None: ...
    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None: ...
    def record_exception(self, exception: BaseException) -> None: ...
    def update_name(self, name: str) -> None: ...


class SpanRecorder(tracing.Recorder, Protocol):
    """A recorder that also records users' spans."""

    def span(self, name: str, kind: object, traceparent: str | None) -> AbstractContextManager[Span]:
        """Return a context manager that records a span around its body and is given it.

        The parent is ``traceparent``, else the running code's span, else there is none. An exception that passes
        through is recorded and goes on.
        """

    def active(self) -> Span | None:
        """Return the running code's span, None if it has none that records."""

    def fail(self, span: Span, message: str) -> None:
        """Give a span the status ``error``."""

    def succeed(self, span: Span) -> None:
        """Give a span the status ``ok``."""


class Opened(NamedTuple):
    """A span that has become the running code's."""

    span: Span
    close: Callable[[], None]
    """Ends the span and makes the running code's what was so before."""


class Payloads:
    """What spans show of inputs and results, as the environment says when telemetry starts."""

    def __init__(self) -> None:
        self._max_bytes = resolve_max_bytes_from_env() or TRACE_PAYLOAD_MAX_BYTES
        self._shown = payloads_shown()

    def input(self, span: Span, data: bytes | None) -> None:
        """Add the event ``iii.invocation.input``."""
        if self._shown:
            text, cut = redacted_json(data if data is not None else b"null", self._max_bytes)
            span.add_event("iii.invocation.input", {"iii.payload.json": text, "iii.payload.truncated": cut})

    def output(self, span: Span, data: bytes | None, *, ok: bool) -> None:
        """Add the event ``iii.invocation.output``."""
        if self._shown:
            text, cut = redacted_json(data if data is not None else b"null", self._max_bytes)
            attributes = {"iii.payload.json": text, "iii.payload.truncated": cut, "iii.payload.ok": ok}
            span.add_event("iii.invocation.output", attributes)

    def failure(self, span: Span, message: str) -> None:
        """Add the event ``iii.invocation.output`` of an invocation that failed."""
        if self._shown:
            text, cut = redact_and_truncate({"error": message}, self._max_bytes)
            attributes = {"iii.payload.json": text, "iii.payload.truncated": cut, "iii.payload.ok": False}
            span.add_event("iii.invocation.output", attributes)


class RecordedExecution:
    """The run of a handler, as the span ``execute <function_id>``. Entered and left on one thread.

    Whatever goes wrong with the recording is a debug line; the handler runs as if nothing were recorded.
    """

    __slots__ = (
        "_context",
        "_data",
        "_function_id",
        "_opened",
        "_payloads",
        "_plain",
        "_recorder",
        "_told",
        "recording",
    )

    def __init__(
        self,
        recorder: SpanRecorder,
        opened: Callable[[], Opened],
        function_id: str,
        context: tracing.Carried,
        data: bytes | None,
        payloads: Payloads,
    ) -> None:
        self.recording = True
        self._recorder = recorder
        self._opened: Callable[[], Opened] | Opened | None = opened
        self._plain: tracing.Carrying | None = None
        self._function_id = function_id
        self._context = context
        self._data = data
        self._payloads = payloads
        self._told = False

    def __enter__(self) -> Self:
        open_span, self._opened = self._opened, None
        try:
            if callable(open_span):
                self._opened = open_span()
        except Exception:
            logger.debug("No span could be begun for %s", self._function_id, exc_info=True)
        if not isinstance(self._opened, Opened):
            self.recording = False
            self._plain = tracing.Carrying(self._context).__enter__()
            return self
        try:
            span = self._opened.span
            span.set_attributes({**tracing.parse_baggage(self._context[1]), FUNCTION_ID: self._function_id})
            self._payloads.input(span, self._data)
        except Exception:
            logger.debug("The input of %s could not be recorded", self._function_id, exc_info=True)
        return self

    def result(self, data: bytes | None) -> None:
        """Tell the result, as JSON text; None is null."""
        if not self._told and isinstance(self._opened, Opened):
            self._told = True
            try:
                self._payloads.output(self._opened.span, data, ok=True)
                self._recorder.succeed(self._opened.span)
            except Exception:
                logger.debug("The result of %s could not be recorded", self._function_id, exc_info=True)

    def failed(self, code: str, message: str) -> None:
        """Tell that the invocation is answered with an error."""
        if not self._told and isinstance(self._opened, Opened):
            self._told = True
            try:
                self._opened.span.set_attribute("error.type", code)
                self._payloads.failure(self._opened.span, message)
                self._recorder.fail(self._opened.span, message)
            except Exception:
                logger.debug("The failure of %s could not be recorded", self._function_id, exc_info=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._plain is not None:
            self._plain.__exit__(kind, error, traceback)
            return
        if not isinstance(self._opened, Opened):
            return
        try:
            if error is not None:
                self._opened.span.record_exception(error)
                self.failed(str(getattr(error, "code", type(error).__name__)), str(error))
        except Exception:
            logger.debug("The exception of %s could not be recorded", self._function_id, exc_info=True)
        try:
            self._opened.close()
        except Exception:
            logger.debug("The span of %s could not be ended", self._function_id, exc_info=True)


def exception_attributes(error: BaseException) -> dict[str, Any]:
    """Return the attributes of an ``exception`` event (OpenTelemetry's names); the trace is cut to 8 KiB."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    stack = "".join(tracebacks.format_exception(error))
    return {
        "exception.type": name,
        "exception.message": str(error),
        "exception.stacktrace": stack[-TRACE_PAYLOAD_MAX_BYTES:],
    }
