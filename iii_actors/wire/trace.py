"""W3C trace context as the engine passes it on (core.md §7.2, observability.md §1). Pure text, no tracing library."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

__all__ = ["forwarded_baggage", "valid_traceparent"]

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
    entries = []
    for entry in (baggage or "").split(","):
        member = entry.split(";", 1)[0].strip()
        key, equals, _ = member.partition("=")
        if equals and key.strip() and key.strip() != _FUNCTION_KEY:
            entries.append(member)
    entries.append(f"{_FUNCTION_KEY}={quote(function_id, safe=_UNQUOTED)}")
    return ",".join(entries)


_UNQUOTED: Final = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""What a baggage value may hold unescaped (W3C Baggage, baggage-octet)."""
