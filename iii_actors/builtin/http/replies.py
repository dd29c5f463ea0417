"""From what a handler or a middleware has returned to an answer (http.md §6, §8), and the engine's own (§9). Pure."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from iii_actors.builtin.http.request import Header
from iii_actors.wire.messages import ErrorBody

__all__ = [
    "MAX_STATUS",
    "MIN_STATUS",
    "NOT_FOUND",
    "NOT_MET",
    "TIMED_OUT",
    "Reply",
    "failed",
    "from_handler",
    "from_middleware",
    "legal_header",
    "method_not_allowed",
    "refused",
]

logger = logging.getLogger(__name__)

MIN_STATUS: Final = 200
"""Nothing below ends a request: 1xx are interim (RFC 9110 §15.2), and count as not given."""
MAX_STATUS: Final = 999

_JSON: Final[Header] = (b"content-type", b"application/json")
_CONTENT_TYPE: Final = b"content-type"
_ERROR_ID_BYTES: Final = 6
_is_name: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_is_value: Final = re.compile(r"[\t\x20-\x7e]*").fullmatch
_encode: Final = msgspec.json.Encoder().encode


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: list[Header]
    """Names in lower case; neither ``content-length`` nor what concerns the connection."""
    body: bytes


# --- the engine's own ------------------------------------------------------------------------------------------------


def _engine_made(status: int, code: str, message: str, **more: object) -> Reply:
    return Reply(status, [_JSON], _encode({"error": {"code": code, "message": message, **more}}))


NOT_FOUND: Final = _engine_made(404, "NOT_FOUND", "Not Found")
NOT_MET: Final = Reply(
    422,
    [_JSON],
    _encode({"error": {"code": "CONDITION_NOT_MET", "message": "Request condition not met"}, "skipped": True}),
)
TIMED_OUT: Final = Reply(504, [], b"")
"""Sent without cross-origin headers."""


def refused(status: int, code: str, message: str) -> Reply:
    """Answer a request that is no proper HTTP."""
    return _engine_made(status, code, message)


def method_not_allowed(allow: bytes) -> Reply:
    """Answer a method that the path does not have."""
    return Reply(405, [(b"allow", allow)], b"")


def failed(error: ErrorBody) -> tuple[Reply, str]:
    """Answer a call that has failed; also returns the id under which the log has it."""
    error_id = secrets.token_hex(_ERROR_ID_BYTES)
    return _engine_made(500, error.code, error.message, error_id=error_id), error_id


# --- from what was returned ------------------------------------------------------------------------------------------


class _Returned(msgspec.Struct):
    status_code: Any = None
    headers: Any = None
    body: Raw = Raw(b"")


class _Verdict(msgspec.Struct):
    action: Any = None
    response: Raw = Raw(b"")


_returned: Final = msgspec.json.Decoder(_Returned)
_verdict: Final = msgspec.json.Decoder(_Verdict)
_text: Final = msgspec.json.Decoder(str)
_EMPTY_OBJECT: Final = Raw(b"{}")
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


def from_handler(result: Raw) -> Reply:
    """Turn what the handler has returned into an answer (http.md §8.1); anything at all makes one."""
    returned = _read(result)
    body = returned.body if memoryview(returned.body) else _EMPTY_OBJECT
    status = _status(returned.status_code)
    if returned.headers is None:
        return Reply(status, [_JSON], _compact(body))
    headers = list(_headers(returned.headers))
    if all(name != _CONTENT_TYPE for name, _ in headers):
        headers.append(_JSON)
        return Reply(status, headers, _compact(body))
    if bytes(memoryview(body)[:1]) == b'"':
        return Reply(status, headers, _text.decode(body).encode())
    return Reply(status, headers, b"" if bytes(body) == b"null" else _compact(body))


def from_middleware(result: Raw) -> Reply | None:
    """Turn a middleware's verdict into an answer; None: go on (http.md §6)."""
    try:
        verdict = _verdict.decode(result)
    except _UNREADABLE:
        return None
    if verdict.action != "respond" or not memoryview(verdict.response):
        return None
    returned = _read(verdict.response)
    given = returned.headers
    named: list[Header] = []
    if isinstance(given, dict) and all(isinstance(value, str) for value in given.values()):
        named = list(_headers(given))
    if all(name != _CONTENT_TYPE for name, _ in named):
        named.append(_JSON)
    body = returned.body if memoryview(returned.body) else Raw(b"null")
    return Reply(_status(returned.status_code), named, _compact(body))


def _read(result: Raw) -> _Returned:
    try:
        return _returned.decode(result)
    except _UNREADABLE:
        return _Returned()


def _status(given: object) -> int:
    if type(given) is int and MIN_STATUS <= given <= MAX_STATUS:
        return given
    return 200


def _headers(given: object) -> Iterator[Header]:
    pairs: list[tuple[str, object]] = []
    if isinstance(given, dict):
        pairs = list(given.items())
    elif isinstance(given, list):
        split = [line.partition(":") for line in given if isinstance(line, str)]
        pairs = [(name.strip(), rest.strip()) for name, colon, rest in split if colon]
    for name, value in pairs:
        header = legal_header(name, value)
        if header is not None:
            yield header


def legal_header(name: str, value: object) -> Header | None:
    """Return a header as it may be sent, or None for an illegal name or value.

    None also for what frames the message, which is the server's business: ``content-length``, ``transfer-encoding``.
    """
    if not isinstance(value, str) or _is_name(name) is None or _is_value(value) is None:
        return None
    lower = name.lower().encode()
    return None if lower in _FRAMING else (lower, value.strip().encode())


_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"trailer", b"te"})


def _compact(body: Raw) -> bytes:
    try:
        return msgspec.json.format(bytes(body), indent=-1)
    except _UNREADABLE:  # deeper than the formatter goes: legal as text
        return bytes(body)
