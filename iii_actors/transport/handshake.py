"""The opening handshake (RFC 6455 §4.2; core.md §1.1): pure, no sockets.

:func:`parse` turns a request's head into a :class:`Request` or raises :class:`Refused` with the answer to send.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from iii_actors.limits import MAX_HEADER_LINES

__all__ = ["Refused", "Request", "accept", "parse", "refusal"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_REQUEST_LINE: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/(\d)\.(\d)")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_REASONS: Final = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    426: "Upgrade Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """An upgrade request."""

    path: str
    """As sent, not percent-decoded, without the query."""
    query: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in the order sent."""
    key: str


class Refused(Exception):
    """The request is answered with plain HTTP and the connection closed."""

    def __init__(self, status: int, text: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{status} {text}")
        self.without_body = False
        """The answer to a HEAD request."""
        self.status = status
        self.text = text
        self.headers = headers


def parse(head: bytes, is_path: Callable[[str], bool]) -> Request:
    """Return the request in ``head`` (up to and including the empty line).

    ``is_path`` tells which paths exist. Raises :class:`Refused`.
    """
    lines = head.decode("latin-1").split("\r\n")[:-2]
    if len(lines) - 1 > MAX_HEADER_LINES:
        raise Refused(431, f"more than {MAX_HEADER_LINES} header lines")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise Refused(400, "the first line is not an HTTP request")
    method, target, major, minor = match.groups()
    headers = []
    for line in lines[1:]:
        named = _HEADER.fullmatch(line)
        if named is None:
            raise Refused(400, "a header line is malformed")
        headers.append((named[1].lower(), named[2]))
    path, _, query = target.partition("?")
    if not is_path(path):
        raise Refused(404)
    if method not in ("GET", "HEAD"):
        raise Refused(405, headers=(("allow", "GET,HEAD"),))
    if (major, minor) != ("1", "1"):
        raise Refused(426, "WebSocket needs HTTP/1.1", (("upgrade", "websocket"), ("connection", "upgrade")))
    try:
        return Request(path, query, tuple(headers), _key(method, headers))
    except Refused as refused:
        refused.without_body = method == "HEAD"
        raise


def _key(method: str, headers: list[tuple[str, str]]) -> str:
    """Return the request's key if it is an upgrade to WebSocket version 13."""

    def values(name: str) -> list[str]:
        return [one.strip() for key, value in headers if key == name for one in value.split(",")]

    if method != "GET" or "upgrade" not in (value.lower() for value in values("connection")):
        raise Refused(400, "Connection header did not include 'upgrade'")
    if "websocket" not in (value.lower() for value in values("upgrade")):
        raise Refused(400, "`Upgrade` header did not include 'websocket'")
    if values("sec-websocket-version") != ["13"]:
        raise Refused(400, "`Sec-WebSocket-Version` header did not include '13'", (("sec-websocket-version", "13"),))
    keys = values("sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise Refused(400, "`Sec-WebSocket-Key` header missing or malformed")
    return keys[0]


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def accept(request: Request) -> bytes:
    """Return the 101 answer; no sub-protocol and no extension is ever agreed on."""
    # SHA-1 is what RFC 6455 asks for; nothing here rests on its strength.
    digest = hashlib.sha1(request.key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: "
        + base64.b64encode(digest)
        + b"\r\n\r\n"
    )


def refusal(refused: Refused) -> bytes:
    """Return the plain HTTP answer to a refused request."""
    body = refused.text.encode()
    lines = [f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}"]
    lines += [f"{name}: {value}" for name, value in refused.headers]
    if body:
        lines.append("content-type: text/plain; charset=utf-8")
    lines += [f"content-length: {len(body)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + (b"" if refused.without_body else body)
