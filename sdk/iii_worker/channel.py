"""Channels: bytes and messages that flow between two workers through the engine, beside the calls (spec core.md §9).

::

    channel = worker.create_channel()
    future = worker.call_async("report::store", {"name": "june", "content": channel.reader_ref})
    with channel.writer as out:
        shutil.copyfileobj(open("june.csv", "rb"), out)

The worker behind ``report::store`` finds a :class:`ChannelReader` in ``data["content"]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from iii_worker._types import Caller
from iii_worker.channel_reader import ChannelItem, ChannelReader, MessageCallback
from iii_worker.channel_refs import (
    ChannelDirection,
    StreamChannelRef,
    extract_channel_refs,
    is_channel_ref,
    may_hold_refs,
)
from iii_worker.channel_socket import (
    ChannelClosedError,
    ChannelError,
    ChannelNotFoundError,
    ChannelTimeoutError,
    channel_url,
)
from iii_worker.channel_writer import ChannelWriter

__all__ = [
    "Channel",
    "ChannelClosedError",
    "ChannelDirection",
    "ChannelError",
    "ChannelHost",
    "ChannelItem",
    "ChannelNotFoundError",
    "ChannelReader",
    "ChannelTimeoutError",
    "ChannelWriter",
    "MessageCallback",
    "ReadableStream",
    "StreamChannelRef",
    "WritableStream",
    "channel_url",
    "create_channel",
    "extract_channel_refs",
    "is_channel_ref",
    "may_hold_refs",
    "revive",
]

ReadableStream = ChannelReader
"""In other SDKs the file-like part of a reader is an object of its own; here the reader is it."""
WritableStream = ChannelWriter


class ChannelHost(Caller, Protocol):
    """What a channel needs of a client."""

    @property
    def address(self) -> str:
        """The engine's address."""

    @property
    def headers(self) -> Mapping[str, str]:
        """HTTP headers of every upgrade request."""


@dataclass(frozen=True)
class Channel:
    """A new channel: both its ends, of which one is used here and the other's reference passed on (or both used here).

    Each end can be opened once, by whoever has its reference. As a context manager it closes the ends that were used
    here.
    """

    writer: ChannelWriter
    reader: ChannelReader
    writer_ref: StreamChannelRef
    reader_ref: StreamChannelRef

    def close(self) -> None:
        """Close the ends that were opened here."""
        try:
            if self.writer.opened:
                self.writer.close()
        finally:
            if self.reader.opened:
                self.reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.writer.abort()
            self.reader.abort()


def create_channel(client: ChannelHost, buffer_size: int | None = None, *, timeout: float | None = None) -> Channel:
    """Have the engine make a channel (``engine::channels::create``).

    :param buffer_size: items the engine keeps while the reader is behind; None: the engine's 64. It takes 1 to 1024.
    :param timeout: seconds that one wait of either end may last, see :attr:`ChannelWriter.timeout`.

    Nobody owns a channel: it stays when its maker leaves, and goes when both ends are through, or after some minutes if
    an end was never opened. Raises :class:`iii_worker.InvocationError` as a call does, ``ValueError`` for a
    ``buffer_size`` below 1.
    """
    if buffer_size is not None and buffer_size < 1:
        raise ValueError(f"buffer_size is {buffer_size}: it must be at least 1, or None for the engine's default")
    pair = client.call("engine::channels::create", {"buffer_size": buffer_size})
    writer_ref = StreamChannelRef.model_validate(_plain(pair, "writer"))
    reader_ref = StreamChannelRef.model_validate(_plain(pair, "reader"))
    return Channel(
        ChannelWriter(client.address, writer_ref, headers=client.headers, timeout=timeout),
        ChannelReader(client.address, reader_ref, headers=client.headers, timeout=timeout),
        writer_ref,
        reader_ref,
    )


def _plain(pair: Any, end: str) -> Any:
    """Return one reference of the engine's answer; the client may have made an object of it already."""
    found = pair.get(end) if isinstance(pair, dict) else None
    if isinstance(found, (ChannelReader, ChannelWriter)):
        return found.to_ref()
    if not is_channel_ref(found):
        raise ChannelError(f"the engine's answer to engine::channels::create has no reference {end!r}")
    return found


def revive(value: Any, base_address: str, headers: Mapping[str, str] | None = None) -> Any:
    """Put a reader or a writer in place of every reference in a decoded JSON value (spec sdk.md §6.3).

    Lists and objects are changed in place; the value itself is returned, or the object that took its place. Nothing is
    opened. Ask :func:`may_hold_refs` first where the JSON text is at hand.
    """
    if not isinstance(value, (dict, list)):
        return value
    if isinstance(value, dict) and is_channel_ref(value):
        return _revived(value, base_address, headers)
    pending: list[dict[Any, Any] | list[Any]] = [value]
    while pending:
        container = pending.pop()
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for key, item in list(entries):
            if isinstance(item, dict) and is_channel_ref(item):
                container[key] = _revived(item, base_address, headers)
            elif isinstance(item, (dict, list)):
                pending.append(item)
    return value


def _revived(ref: dict[str, Any], address: str, headers: Mapping[str, str] | None) -> ChannelReader | ChannelWriter:
    end = ChannelReader if ref["direction"] == ChannelDirection.READ else ChannelWriter
    return end(address, ref, headers=headers, received=True)
