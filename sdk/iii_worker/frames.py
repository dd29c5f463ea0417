"""JSON text frames in and out (spec sdk.md §5.1, core.md §2): the envelope only; payloads stay JSON text here."""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ["NULL", "Inbound", "Invoke", "Result", "decode", "decode_fully", "encode"]

NULL: Final = msgspec.Raw(b"null")


class Inbound(msgspec.Struct, frozen=True, gc=False):
    """Any frame from the engine, as far as the reading thread looks at it; what it does not have is null.

    JSON text compares by value: ``frame.error == NULL``.
    """

    type: str
    invocation_id: str | None = None
    function_id: str | None = None
    data: msgspec.Raw = NULL
    result: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    metadata: msgspec.Raw = NULL
    traceparent: str | None = None
    baggage: str | None = None
    worker_id: str | None = None
    reattach_token: str | None = None


class Invoke(msgspec.Struct, tag_field="type", tag="invokefunction", omit_defaults=True, gc=False):
    """A call. ``data`` is always there (spec sdk.md §4.3); what is None is left out (§4.4)."""

    function_id: str
    data: msgspec.Raw
    invocation_id: str | None = None
    action: dict[str, Any] | None = None
    metadata: msgspec.Raw | None = None
    namespace: str | None = None
    traceparent: str | None = None
    baggage: str | None = None


class Result(msgspec.Struct, tag_field="type", tag="invocationresult", omit_defaults=True, gc=False):
    """An answer: ``result``, or ``error``."""

    invocation_id: str
    function_id: str
    result: msgspec.Raw | None = None
    error: dict[str, Any] | None = None
    traceparent: str | None = None
    baggage: str | None = None


_encoder: Final = msgspec.json.Encoder()
_inbound: Final = msgspec.json.Decoder(Inbound)
_anything: Final = msgspec.json.Decoder()

encode: Final = _encoder.encode
"""Return a frame (a dict or a message of this module) as JSON text."""


def decode(data: bytes | bytearray) -> Inbound:
    """Return the envelope of a frame. Raises ``msgspec.MsgspecError`` for what is no message, ``ValueError`` if no
    UTF-8.
    """
    return _inbound.decode(data)


def decode_fully(data: bytes | bytearray | msgspec.Raw) -> Any:
    """Return JSON text as Python's own types. Raises ``msgspec.DecodeError``."""
    return _anything.decode(data)
