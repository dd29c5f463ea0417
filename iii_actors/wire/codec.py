"""Bytes to messages and back (core.md §1.3).

Decoding never raises anything but :class:`Undecodable`; what the engine forwards is spliced as text, never parsed.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import Raw

from iii_actors.wire.messages import (
    FromWorker,
    InvocationResult,
    InvokeFunction,
    RegistrationRejected,
    ToWorker,
)

__all__ = [
    "Part",
    "Undecodable",
    "caller_member",
    "canonical_uuid",
    "decode",
    "encode",
    "encode_parts",
    "is_object",
    "raw",
    "splice_caller",
]

Part = bytes | memoryview
"""A piece of a message's text."""


class Undecodable(ValueError):
    """A frame that is no message of the protocol; it is logged and dropped (core.md §1.3-2)."""


_decoder: Final = msgspec.json.Decoder(FromWorker)
_encoder: Final = msgspec.json.Encoder()
_EMPTY_OBJECT: Final = re.compile(rb"\{[ \t\r\n]*\}")
_CANONICAL: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_ANY_UUID: Final = re.compile(
    r"(?P<brace>\{)?(?:urn:uuid:)?(?P<a>[0-9a-f]{8})(?P<hyphen>-)?(?P<b>[0-9a-f]{4})(?(hyphen)-)(?P<c>[0-9a-f]{4})"
    r"(?(hyphen)-)(?P<d>[0-9a-f]{4})(?(hyphen)-)(?P<e>[0-9a-f]{12})(?(brace)\})",
    re.IGNORECASE | re.ASCII,
).fullmatch


def decode(payload: bytes | memoryview, is_utf8: bool = False) -> FromWorker:
    """Return the message in one frame's payload; ``is_utf8`` tells that the transport has checked it already.

    Its :class:`~msgspec.Raw` members are views that keep the payload alive. A call's id comes back canonical; a
    result's id is left as it is, because looking it up tells whether it needs to be. Raises :class:`Undecodable` for
    anything that is not one whole, well-formed message, whatever the bytes are.
    """
    try:
        if not is_utf8:
            # The decoder does not look into what it only skips.
            str(payload, "utf-8")
        message: FromWorker = _decoder.decode(payload)
        if type(message) is InvokeFunction:
            if message.invocation_id is not None and _CANONICAL(message.invocation_id) is None:
                return msgspec.structs.replace(message, invocation_id=canonical_uuid(message.invocation_id))
        elif type(message) is RegistrationRejected and (message.worker_name is None) == (message.function_id is None):
            raise Undecodable("registrationrejected names a worker or a function")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable(str(error) or type(error).__name__) from None
    return message


def canonical_uuid(text: str) -> str:
    """Return a UUID in lower case with hyphens, however it was spelled (core.md §1.3-6), or raise Undecodable."""
    if _CANONICAL(text):
        return text
    match = _ANY_UUID(text)
    if match is None or (match["brace"] and "urn" in text.lower()):
        raise Undecodable("Invalid UUID - at `$.invocation_id`")
    return "-".join(match.group("a", "b", "c", "d", "e")).lower()


def encode(message: ToWorker) -> bytes:
    """Return the text of one message; members at their default are left out, never written as null."""
    return _encoder.encode(message)


def encode_parts(message: InvokeFunction | InvocationResult, payload: Raw, member: bytes = b"") -> list[Part]:
    """Return the text of a message in parts that are to be written together, the payload itself uncopied.

    ``message`` has the number 0 in place of its ``data`` or ``result``, which is the last thing in its text. ``member``
    is spliced into ``payload``, which is an object that is not empty (see :func:`splice_caller`).
    """
    head = _encoder.encode(message)[:-2]
    whole = memoryview(payload)
    if member:
        return [head, whole[:-1], b",%b}" % member]
    return [head, whole, b"}"]


def raw(value: object) -> Raw:
    """Return any JSON-able value as text that can stand in a message."""
    return Raw(_encoder.encode(value))


def caller_member(worker_id: str) -> bytes:
    """Return the text that :func:`splice_caller` adds for one worker; made once per connection."""
    return b'"_caller_worker_id":"%b"}' % worker_id.encode()


def is_object(data: Raw) -> bool:
    """Return whether a payload is a JSON object."""
    return memoryview(data)[0] == 0x7B


def splice_caller(data: Raw, member: bytes) -> Raw:
    """Return an object's text with the caller's id as its last member (core.md §7.2).

    Nothing is parsed: where a member occurs twice every JSON parser keeps the last one, so a value supplied by the
    client is overridden. Costs one copy of the payload.
    """
    text = bytes(data)
    if text[1] != 0x22 and _EMPTY_OBJECT.fullmatch(text) is not None:
        return Raw(b"{" + member)
    return Raw(b"%b,%b" % (text[:-1], member))
