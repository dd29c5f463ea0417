"""The writing end of a channel: a binary file that blocks (spec sdk.md §6.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from iii_worker import limits
from iii_worker.channel_end import ChannelEnd
from iii_worker.channel_refs import ChannelDirection
from iii_worker.channel_socket import ChannelSocket

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["ChannelWriter"]


class ChannelWriter(ChannelEnd):
    """The writing end: a binary file that can only be written, opened with its first use.

    :param address: the engine's, ``ws://host:port``.
    :param ref: the reference, with direction ``write``.
    :param headers: HTTP headers for the upgrade request.
    :param timeout: see :attr:`timeout`.

    Writing blocks while the reader is behind and the engine's buffer is full. Every method may be called from any
    thread; what one call of :meth:`write` sends stays together. Use it in a ``with`` block, or :meth:`close` it: the
    reader waits for that. What is used after the other end or the engine has gone raises :class:`ChannelClosedError`.
    """

    _direction = ChannelDirection.WRITE
    _preface: Callable[[], Iterable[str]] | None = None
    _confirmed = False

    def writable(self) -> bool:
        return True

    def set_preface(self, preface: Callable[[], Iterable[str]]) -> None:
        """Have text messages sent before anything else, asked for when the socket opens (HTTP: status and headers)."""
        self._preface = preface

    def _opened(self, sock: ChannelSocket) -> None:
        if self._preface is not None:
            for text in self._preface():
                sock.send(text, self.timeout)

    def write(self, data: ReadableBuffer, /) -> int:
        """Send bytes in binary frames of at most 64 KiB; return their number once the operating system has them all.

        Nothing is kept back to be sent together with more: each call's bytes are on their way when it returns. An empty
        ``data`` sends nothing.
        """
        if isinstance(data, str):
            raise TypeError("write() takes bytes: encode the text, or send it as a message with send_message()")
        view = memoryview(data).cast("B")
        with self._lock:
            sock = self._open()
            for start in range(0, len(view), limits.CHANNEL_FRAME_BYTES):
                sock.send(bytes(view[start : start + limits.CHANNEL_FRAME_BYTES]), self.timeout)
        return len(view)

    def send_bytes(self, data: ReadableBuffer) -> None:
        """Send one binary item as it is, also an empty one; at most 16 MiB."""
        item = bytes(data)
        self._send_item(item, len(item))

    def send_message(self, message: str) -> None:
        """Send one text item; at most 16 MiB. Readers get it apart from the bytes (``on_message``, ``items``)."""
        if not isinstance(message, str):
            raise TypeError(f"send_message() takes a str, not {type(message).__name__}")
        self._send_item(message, len(message.encode()))

    sendMessage = send_message  # noqa: N815  Node's name

    def _send_item(self, item: bytes | str, size: int) -> None:
        if size > limits.MAX_FRAME_BYTES:
            raise ValueError(
                f"an item of {size} bytes is too large: {limits.MAX_FRAME_BYTES} is the most; write() cuts"
            )
        with self._lock:
            self._open().send(item, self.timeout)

    def flush(self) -> None:
        """Raise if the writer is closed; there is nothing to flush, see :meth:`write`."""
        if self._closed:
            raise ValueError("flush of a closed ChannelWriter")

    def close(self) -> None:
        """Tell the reader that this was all, and wait until the engine has everything. Idempotent.

        A writer that was never used is opened for that. Waits while the reader is behind; with :attr:`timeout` set, no
        longer than that. As with a pipe it is no error if the reader has left meanwhile: :attr:`confirmed` tells.
        Raises :class:`ChannelTimeoutError`, and what opening raises.
        """
        with self._lock:
            if self._closed:
                return
            try:
                self._confirmed = self._open().finish(self.timeout)
            finally:
                self._closed = True
                if self._socket is not None:
                    self._socket.close()

    @property
    def confirmed(self) -> bool:
        """Whether the engine has confirmed, when the writer was closed, that it has everything.

        That the reader has it, only the reader can say. Deployed engines confirm nothing (spec core.md §1.4).
        """
        return self._confirmed

    def end(self, data: ReadableBuffer | None = None) -> None:
        """Write ``data``, if any, and close."""
        if data is not None:
            self.write(data)
        self.close()
