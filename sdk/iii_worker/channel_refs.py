"""References to channels, as they travel inside payloads (spec core.md §9.1, sdk.md §6.3).

A channel has two references, one for each end. Both hold the same id and the same key: who has one can open that end
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["ChannelDirection", "StreamChannelRef", "extract_channel_refs", "is_channel_ref", "may_hold_refs"]

_KEY = b'"channel_id"'


class ChannelDirection(StrEnum):
    """Which end a reference is for. Compares equal to the wire's text: ``ChannelDirection.READ == "read"``."""

    READ = "read"
    WRITE = "write"


def _plain(value: object) -> object:
    """Make a direction an ordinary string, so that a reference prints and dumps as it is written on the wire."""
    return value.value if isinstance(value, ChannelDirection) else value


class StreamChannelRef(BaseModel):
    """One end of a channel, as it is written in a payload: ``{"channel_id", "access_key", "direction"}``.

    Validation raises ``pydantic.ValidationError``; keys that are not its own are ignored. The access key lets anybody
    open the end, so ``repr`` does not show it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel_id: str
    access_key: str = Field(repr=False)
    direction: Annotated[Literal["read", "write"], BeforeValidator(_plain)]

    def to_ref(self) -> dict[str, str]:
        """Return the reference as plain JSON."""
        return {"channel_id": self.channel_id, "access_key": self.access_key, "direction": self.direction}


def is_channel_ref(value: object) -> bool:
    """Say whether a decoded JSON value is a reference: an object with the three keys, all of them strings.

    More keys may be there: the engine adds ``_caller_worker_id`` to a payload that is nothing but a reference.
    """
    return (
        isinstance(value, dict)
        and isinstance(value.get("channel_id"), str)
        and isinstance(value.get("access_key"), str)
        and value.get("direction") in ("read", "write")
    )


def may_hold_refs(text: bytes | bytearray | memoryview) -> bool:
    """Say whether JSON text can hold a reference: a look at the bytes that saves a walk through most payloads."""
    return _KEY in (bytes(text) if isinstance(text, memoryview) else text)


def extract_channel_refs(data: Any) -> list[tuple[str, StreamChannelRef]]:
    """Find all references in a decoded JSON value, in document order.

    Returns pairs ``(path, reference)``: keys are joined by dots, list indices stand in brackets
    (``"files[0].content"``); the path of a value that is itself a reference is ``""``. What is inside of a reference is
    not looked at.
    """
    return [(path, StreamChannelRef.model_validate(found)) for path, found in _walk(data)]


def _walk(data: Any) -> Iterator[tuple[str, Any]]:
    pending: list[tuple[str, Any]] = [("", data)]
    while pending:
        path, value = pending.pop()
        if is_channel_ref(value):
            yield path, value
        elif isinstance(value, dict):
            inner = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
            pending.extend(reversed(inner))
        elif isinstance(value, list):
            inner = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
            pending.extend(reversed(inner))
