"""Spans as they are recorded and kept (observability.md §3). Pure.

Times are nanoseconds since the epoch; ids are lower-case hexadecimal, 32 digits a trace and 16 a span (W3C Trace
Context).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from iii_actors.wire.messages import ErrorBody

__all__ = ["REDACTED", "SECRETS", "Attributes", "SpanEvent", "SpanLink", "StoredSpan", "exception_event", "redacted"]

Attributes = tuple[tuple[str, str], ...]
"""Of spans and metrics: keys and values, in order, all texts.

Tuples, and structs that Python's collector of cycles does not look at: it would look through a million spans in vain.
"""

REDACTED: Final = "[REDACTED]"
SECRETS: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "api-key",
        "api_key",
        "access_token",
        "refresh_token",
        "password",
        "secret",
        "credential",
    }
)
"""Keys, in lower case, whose values are never kept (§2)."""


def redacted(attributes: Attributes) -> Attributes:
    """Return attributes without the values of secrets."""
    if any(key.lower() in SECRETS for key, _ in attributes):
        return tuple((key, REDACTED if key.lower() in SECRETS else value) for key, value in attributes)
    return attributes


class SpanEvent(Struct, frozen=True, gc=False):
    """Something that happened while a span lasted."""

    name: str
    timestamp_unix_nano: int
    attributes: Attributes


class SpanLink(Struct, frozen=True, gc=False):
    """A span that a span points to."""

    trace_id: str | None
    span_id: str | None
    trace_state: str | None
    attributes: Attributes


class StoredSpan(Struct, frozen=True, omit_defaults=True, gc=False):
    """A span; the end is 0 while it is pending."""

    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    name: str
    start_time_unix_nano: int
    end_time_unix_nano: int
    status: str
    """``unset``, ``ok`` or ``error``."""
    attributes: Attributes
    service_name: str
    events: tuple[SpanEvent, ...]
    links: tuple[SpanLink, ...]
    status_description: str | None = None
    instrumentation_scope_name: str | None = None
    instrumentation_scope_version: str | None = None
    flags: int | None = None
    trace_state: str | None = None
    pending: bool = False
    kind: str = ""
    """``internal``, ``server``, ``client``, ``producer``, ``consumer``; left out if the sender did not say."""

    @property
    def duration_ms(self) -> float:
        """Milliseconds; 0 while it is pending."""
        return max(0, self.end_time_unix_nano - self.start_time_unix_nano) / 1e6 if self.end_time_unix_nano else 0.0

    def attribute(self, key: str) -> str | None:
        """Return the value of one attribute; the last of several."""
        return next((value for name, value in reversed(self.attributes) if name == key), None)


def exception_event(error: ErrorBody, at_ns: int) -> SpanEvent:
    """Return the event that says why a span failed."""
    attributes: Attributes = (("exception.type", error.code), ("exception.message", error.message))
    if error.stacktrace is not None:
        attributes += (("exception.stacktrace", error.stacktrace),)
    return SpanEvent("exception", at_ns, attributes)
