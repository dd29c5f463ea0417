"""What clients say on the subscription socket (stream.md §6.2): pure."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

__all__ = ["Join", "Leave", "Subscription", "Undecodable", "decode"]


class Subscription(Struct, frozen=True, rename="camel"):
    """What is followed, under a name that the client has given it."""

    subscription_id: str
    stream_name: str
    group_id: str
    id: str | None = None
    """Only this item; None: the whole group."""


class Join(Struct, frozen=True, tag_field="type", tag="join"):
    """Follow this."""

    data: Subscription


class Leave(Struct, frozen=True, tag_field="type", tag="leave"):
    """Follow it no more."""

    data: Subscription


class Undecodable(Exception):
    """Neither of the two; the text says why."""


_decode: Final = msgspec.json.Decoder(Join | Leave).decode


def decode(payload: bytes) -> Join | Leave | None:
    """Return a message; None for white space. Raises :class:`Undecodable`."""
    if not payload.strip():
        return None
    try:
        message: Join | Leave = _decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable(str(error)) from None
    return message
