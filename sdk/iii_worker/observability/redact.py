"""What a span may show of payloads: secrets hidden, length bounded (spec sdk.md §9.2).

Works on JSON text as it came, without decoding it: most payloads hold no secret-looking key, and a look at the bytes
says so; a large one is cut first.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from iii_worker.limits import TRACE_PAYLOAD_DEPTH, TRACE_PAYLOAD_MAX_BYTES

__all__ = [
    "REDACTED_PLACEHOLDER",
    "is_secret_key",
    "payloads_shown",
    "redact",
    "redact_and_truncate",
    "redacted_json",
    "resolve_max_bytes_from_env",
]

REDACTED_PLACEHOLDER: Final = "[REDACTED]"
TRUNCATED: Final = "...[TRUNCATED]"
UNREADABLE: Final = "[UNSERIALISABLE]"

_ANYWHERE: Final = (
    "password", "passwd", "passphrase", "secret", "authorization", "apikey", "accesskey", "privatekey", "credential",
    "cookie",
)  # fmt: skip
"""A key is secret-looking if it holds one of these, whatever the case and without ``-``, ``_``, ``.`` and spaces."""
_AT_THE_END: Final = ("token", "jwt", "pwd")
"""Or if it ends with one of these: ``access_token``, but not ``max_tokens``."""

_FOLD: Final = bytes.maketrans(bytes(range(65, 91)), bytes(range(97, 123)))
_FILLERS: Final = b"-_. "
_STRIP: Final = str.maketrans("", "", "-_. ")
_HINTS: Final = tuple(word.encode() for word in (*_ANYWHERE, *_AT_THE_END))
_ESCAPE: Final = rb"\u"

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],:]|[^\s"{}\[\],:]++|\s++', re.DOTALL)
_COLON: Final = re.compile(rb"\s*+:\s*+")


def is_secret_key(key: str) -> bool:
    """Say whether what stands under this key is to be hidden: ``password``, ``apiKey``, ``X-Auth-Token``, ..."""
    plain = key.lower().translate(_STRIP)
    return plain.endswith(_AT_THE_END) or any(word in plain for word in _ANYWHERE)


def redact(value: Any) -> Any:
    """Return a copy of plain data (dicts, lists, tuples, scalars) with the value of every secret-looking key hidden."""
    return _redact(value, TRACE_PAYLOAD_DEPTH)


def _redact(value: Any, levels: int) -> Any:
    if isinstance(value, (str, bytes, int, float)) or value is None:
        return value
    if levels == 0:
        return TRUNCATED
    if isinstance(value, Mapping):
        return {
            key: REDACTED_PLACEHOLDER if isinstance(key, str) and is_secret_key(key) else _redact(item, levels - 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redact(item, levels - 1) for item in value]
    return value


def redact_and_truncate(value: Any, max_bytes: int | None = None) -> tuple[str, bool]:
    """Return a value as JSON text with secrets hidden, of at most ``max_bytes`` bytes, and whether it was cut.

    :param max_bytes: None: ``III_TRACE_PAYLOAD_MAX_BYTES``, else 8,192. A cut text ends with ``...[TRUNCATED]``.
    """
    try:
        raw = msgspec.json.encode(value, enc_hook=str)
    except Exception:
        # A value that JSON has no form for must not fail the call it was only to be shown of.
        return UNREADABLE, False
    return redacted_json(raw, max_bytes)


def redacted_json(raw: bytes | bytearray | memoryview, max_bytes: int | None = None) -> tuple[str, bool]:
    """Return the same of JSON text; what is no JSON is treated as far as it looks like it."""
    limit = max_bytes if max_bytes is not None else resolve_max_bytes_from_env() or TRACE_PAYLOAD_MAX_BYTES
    cut = len(raw) > limit
    text = bytes(raw[: max(0, limit - len(TRUNCATED))]) if cut else bytes(raw)
    if _may_hold_secrets(text):
        text = _hide(text)
    if len(text) > limit:
        # The placeholders may be longer than what they stand for.
        text, cut = text[: max(0, limit - len(TRUNCATED))], True
    shown = text.decode("utf-8", "ignore")
    return (shown + TRUNCATED[:limit], True) if cut else (shown, False)


def _may_hold_secrets(text: bytes) -> bool:
    folded = text.translate(_FOLD, _FILLERS)
    for hint in _HINTS:
        if hint in folded:
            return True
    return _ESCAPE in text


def _hide(text: bytes) -> bytes:
    parts: list[bytes] = []
    copied = at = 0
    while (token := _TOKEN.match(text, at)) is not None:
        at = token.end()
        if text[token.start()] != ord('"') or (colon := _COLON.match(text, at)) is None:
            continue
        at = colon.end()
        if not is_secret_key(_string(token.group())):
            continue
        parts += [text[copied:at], b'"', REDACTED_PLACEHOLDER.encode(), b'"']
        copied = at = _end_of_value(text, at)
    parts.append(text[copied:])
    return b"".join(parts)


def _string(literal: bytes) -> str:
    try:
        return str(json.loads(literal))
    except ValueError:
        return literal.decode("utf-8", "ignore")


def _end_of_value(text: bytes, at: int) -> int:
    depth = 0
    while (token := _TOKEN.match(text, at)) is not None:
        first = text[token.start()]
        if first in b"}]" and depth == 0:
            break
        at = token.end()
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        if depth == 0:
            break
    return at


def resolve_max_bytes_from_env() -> int | None:
    """Return ``III_TRACE_PAYLOAD_MAX_BYTES``, None if it is not set or not a positive whole number."""
    text = os.environ.get("III_TRACE_PAYLOAD_MAX_BYTES", "").strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None


def payloads_shown() -> bool:
    """Say whether spans show payloads at all: not with ``III_DISABLE_TRACE_PAYLOADS`` ``1`` or ``true``."""
    return os.environ.get("III_DISABLE_TRACE_PAYLOADS", "").strip().lower() not in ("1", "true")
