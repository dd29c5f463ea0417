"""From an HTTP response to a call's outcome (core.md §5.4). Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from iii_actors.builtin.http_functions.errors import InvalidResponse, ResponseFailed
from iii_actors.core.outcome import wire_error
from iii_actors.wire import messages as wire

__all__ = ["HTTP_ERROR", "Outcome", "failed", "outcome"]

HTTP_ERROR: Final = "http_error"
_NO_MESSAGE: Final = "HTTP request failed"
_OTHERWISE: Final = object()
_PHRASES: Final = {
    413: "Payload Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    418: "I'm a teapot",
    422: "Unprocessable Entity",
}
"""Where Python's words differ from one version to the next."""


class Outcome(NamedTuple):
    """How one attempt ended."""

    result: Raw
    error: wire.ErrorBody | None = None
    may_repeat: bool = False
    """A configured retry may help: nothing was sent, or the server said 5xx."""


def failed(error: Exception, *, may_repeat: bool = False) -> Outcome:
    """Return the outcome of an attempt that has no response."""
    return Outcome(wire.ABSENT, wire_error(error), may_repeat)


def outcome(status: int, reason: str, content: bytes) -> Outcome:
    """Return what a whole response means.

    :param reason: the server's reason phrase, used for statuses that have no usual one.
    """
    if status < HTTPStatus.OK:
        return failed(ResponseFailed(f"HTTP {status} is no final response"))
    if status >= HTTPStatus.BAD_REQUEST:
        return Outcome(wire.ABSENT, _error(status, reason, content), status >= HTTPStatus.INTERNAL_SERVER_ERROR)
    successful = status < HTTPStatus.MULTIPLE_CHOICES
    if not content and successful:
        return Outcome(wire.ABSENT)
    try:
        _parsed(content)
    except ValueError as error:
        return failed(InvalidResponse(str(error))) if successful else Outcome(wire.ABSENT)
    return Outcome(Raw(content.strip(b" \t\r\n")))


def _error(status: int, reason: str, content: bytes) -> wire.ErrorBody:
    """Return the error that the endpoint words itself, or one made from the status."""
    try:
        given = _parsed(content)
    except ValueError:
        given = None
    named = given.get("error", _OTHERWISE) if isinstance(given, dict) else _OTHERWISE
    if named is _OTHERWISE:
        return wire.ErrorBody(HTTP_ERROR, f"HTTP {status} {_phrase(status, reason)}".rstrip())
    members = named if isinstance(named, dict) else {}
    code, message = members.get("code"), members.get("message")
    return wire.ErrorBody(
        code if isinstance(code, str) else HTTP_ERROR, message if isinstance(message, str) else _NO_MESSAGE
    )


def _parsed(content: bytes) -> Any:
    """Parse strictly, to the last byte: what is sent on must be readable for every worker. Raises ``ValueError``."""
    try:
        return msgspec.json.decode(content)
    except RecursionError:
        raise ValueError("the response is nested too deeply") from None


def _phrase(status: int, reason: str) -> str:
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "".join(character for character in reason if character.isprintable())
