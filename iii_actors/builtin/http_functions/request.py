"""One HTTP request for one call: headers, body, signature (core.md §5.3). Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from iii_actors import __version__
from iii_actors.builtin.http_functions.invocation import ApiKey, Bearer, Endpoint, Hmac
from iii_actors.wire.codec import is_object, raw

__all__ = ["Request", "body", "request"]

_CALLER: Final = "_caller_worker_id"
_members: Final = msgspec.json.Decoder(dict[str, Raw])
_OWN: Final = (("User-Agent", f"iii-actors/{__version__}"), ("Accept", "*/*"), ("Accept-Encoding", "identity"))
"""What libraries would else put in; compressed answers are not asked for, so that their size is what it seems."""


class Request(NamedTuple):
    """What is sent, apart from the URL."""

    method: str
    headers: list[tuple[str, str]]
    """In order; a name may come twice. Text beyond ASCII is UTF-8, each byte as one character (RFC 9110 §5.5)."""
    body: bytes


def body(data: Raw, caller_id: str | None) -> bytes:
    """Return a call's data as compact JSON, with the caller's id in an object (core.md §7.2).

    Only the top level is read. The id replaces whatever the caller has put there itself: a foreign parser may keep the
    first of two members and not the last. Raises ``ValueError`` or ``RecursionError`` for what cannot be read.
    """
    text = bytes(data)
    if caller_id is not None and is_object(data):
        members = _members.decode(text)
        members[_CALLER] = raw(caller_id)
        text = msgspec.json.encode(members)
    return msgspec.json.format(text, indent=-1)


def request(endpoint: Endpoint, content: bytes, call_id: str, now: float) -> Request:
    """Return the request for one attempt at a call.

    :param call_id: a fresh UUID, the same for every attempt.
    :param now: seconds since the epoch; goes into the signature.
    """
    timestamp = str(int(now))
    headers = [
        ("Content-Type", "application/json"),
        ("x-iii-Function-Path", endpoint.function_id),
        ("x-iii-Invocation-ID", call_id),
        ("x-iii-Timestamp", timestamp),
        *endpoint.headers,
    ]
    match endpoint.auth:
        case Hmac(secret):
            headers.append(("x-iii-Signature", f"sha256={_signature(secret, timestamp, content)}"))
        case Bearer(token):
            headers.append(("Authorization", f"Bearer {token}"))
        case ApiKey(header, value):
            headers.append((header, value))
    given = {name.lower() for name, _ in headers}
    headers += [(name, value) for name, value in _OWN if name.lower() not in given]
    sent = [("Host", endpoint.url.authority), *headers, ("Content-Length", str(len(content)))]
    return Request(endpoint.method, [(name, _as_bytes(value)) for name, value in sent], content)


def _signature(secret: bytes, timestamp: str, content: bytes) -> str:
    signed = f"{timestamp}:{base64.b64encode(content).decode('ascii')}"
    return hmac.new(secret, signed.encode("ascii"), hashlib.sha256).hexdigest()


def _as_bytes(value: str) -> str:
    """Return text whose Latin-1 form, which the HTTP library writes, is the UTF-8 form of ``value``."""
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")
