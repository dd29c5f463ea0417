"""W3C trace context as the engine passes it on (core.md §7.2, observability.md §1). Pure text, no tracing library."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

__all__ = ["baggage_entries", "forwarded_baggage", "valid_traceparent"]

_TRACEPARENT: Final = re.compile(
    "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII
).fullmatch
_FUNCTION_KEY: Final = "iii.function.id"


def valid_traceparent(text: str | None) -> str | None:
    """Return a valid ``traceparent`` unchanged; None for an invalid or empty one, which the callee does not get."""
    if text is None or _TRACEPARENT(text) is None:
        return None
    if len(text) != 55 and text.startswith("00"):
        return None
    return text


def forwarded_baggage(baggage: str | None, function_id: str) -> str:
    """Return the caller's entries, their properties dropped, with ``iii.function.id`` set to the target."""
    own = _own_entry(function_id)
    if not baggage:
        return own
    entries = []
    for entry in baggage.split(","):
        member = entry.split(";", 1)[0].strip()
        key, equals, _ = member.partition("=")
        if equals and key.strip() and key.strip() != _FUNCTION_KEY:
            entries.append(member)
    entries.append(own)
    return ",".join(entries)


@lru_cache(maxsize=1024)
def _own_entry(function_id: str) -> str:
    return f"{_FUNCTION_KEY}={quote(function_id, safe=_UNQUOTED)}"


_UNQUOTED: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""What a baggage value may hold unescaped (W3C Baggage, baggage-octet)."""


def baggage_entries(baggage: str | None) -> dict[str, str]:
    """Return a baggage header's entries: values percent-decoded, properties dropped, malformed entries left out."""
    found: dict[str, str] = {}
    for entry in (baggage or "").split(","):
        key, equals, value = entry.partition(";")[0].partition("=")
        if equals and key.strip():
            found[key.strip()] = unquote(value.strip())
    return found
