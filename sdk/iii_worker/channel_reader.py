"""The reading end of a channel: a binary file, and an iterator of what comes (spec sdk.md §6.4)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from iii_worker.channel_end import ChannelEnd
from iii_worker.channel_refs import ChannelDirection, StreamChannelRef
from iii_worker.channel_socket import ChannelError, ChannelSocket

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["ChannelItem", "ChannelReader", "MessageCallback"]

logger = logging.getLogger(__name__)

MessageCallback = Callable[[str], Any]
"""Takes a text item; what it returns is ignored."""


@dataclass(frozen=True, slots=True)
class ChannelItem:
    """One item as it was sent: either ``text`` or ``binary`` is set."""

    text: str | None = None
    binary: bytes | None = None

    @classmethod
    def text_item(cls, text: str) -> ChannelItem:
        return cls(text=text)

    @classmethod
    def binary_item(cls, binary: bytes) -> ChannelItem:
        return cls(binary=binary)

    @property
    def is_text(self) -> bool:
        return self.text is not None

    @property
    def is_binary(self) -> bool:
        return self.binary is not None


class ChannelReader(ChannelEnd):
    """The reading end: a binary file that can only be read, opened with its first use.

    Parameters as for :class:`ChannelWriter`, with a reference of direction ``read``.

    Iterating gives the bytes in pieces as they come; :meth:`readline` and ``io.TextIOWrapper(reader)`` give lines. Text
    items are not part of the bytes: they go to the callbacks of :meth:`on_message` while somebody reads, and
    :meth:`items` gives both kinds in order. One thread reads at a time.

    The end of the channel reads like the end of a file. A channel that breaks off (the engine goes, the socket breaks)
    raises :class:`ChannelClosedError` instead, after everything that came. That the *writer* vanished without closing
    looks like its end: the engine does not tell the two apart; neither does it refuse to open a reading end a second
    time, which is at its end at once.
    """

    _direction = ChannelDirection.READ

    def __init__(
        self,
        address: str,
        ref: StreamChannelRef | Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        received: bool = False,
    ) -> None:
        super().__init__(address, ref, headers=headers, timeout=timeout, received=received)
        self._rest = memoryview(b"")
        self._at_end = False
        self._callbacks: list[MessageCallback] = []

    def readable(self) -> bool:
        return True

    # --- items -------------------------------------------------------------------------------------------------------

    def on_message(self, callback: MessageCallback) -> Callable[[], None]:
        """Have ``callback(text)`` called for every text item, on the thread that reads, when the reading gets there.

        What it raises is logged. Returns a function that takes the callback away again.
        """
        self._callbacks.append(callback)

        def remove() -> None:
            with suppress(ValueError):
                self._callbacks.remove(callback)

        return remove

    def _next(self) -> bytes | str | None:
        """Wait for the next item; None at the end. Text has been given to the callbacks."""
        with self._lock:
            if self._at_end and not self._closed:
                return None
            item = self._open().receive(self.timeout)
            if item is None:
                self._at_end = True
                if self._socket is not None:
                    self._socket.close()
        if isinstance(item, str):
            for callback in tuple(self._callbacks):
                try:
                    callback(item)
                except Exception:
                    logger.exception("A message callback of %r failed", self)
        return item

    def _next_bytes(self) -> bytes | None:
        """Wait for the next binary item that is not empty; None at the end."""
        while True:
            item = self._next()
            if item is None or (item and isinstance(item, bytes)):
                return item

    def items(self) -> Iterator[ChannelItem]:
        """Give the items one by one as they were sent, text and binary, up to the end."""
        if self._rest:
            yield ChannelItem(binary=self._take_rest())
        while (item := self._next()) is not None:
            yield ChannelItem(text=item) if isinstance(item, str) else ChannelItem(binary=item)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        """Return the next bytes as they came, of one item at most."""
        if self._rest:
            return self._take_rest()
        item = self._next_bytes()
        if item is None:
            raise StopIteration
        return item

    # --- as a file ---------------------------------------------------------------------------------------------------

    def _take_rest(self, size: int | None = None) -> bytes:
        taken = bytes(self._rest if size is None else self._rest[:size])
        self._rest = self._rest[len(taken) :]
        return taken

    def _fill(self) -> bool:
        """See to it that there are bytes at hand; False at the end."""
        if not self._rest:
            if self._closed:
                raise ValueError("I/O operation on a closed ChannelReader")
            item = self._next_bytes()
            if item is None:
                return False
            self._rest = memoryview(item)
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, fewer only at the end; all that is left without a size."""
        if size is None or size < 0:
            return self.read_all()
        parts: list[bytes] = []
        while size > 0 and self._fill():
            parts.append(self._take_rest(size))
            size -= len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Read what is at hand, at most ``size`` bytes; waits only if nothing is. ``b""`` at the end."""
        if size == 0 or not self._fill():
            return b""
        return self._take_rest(None if size < 0 else size)

    def read_all(self, max_bytes: int | None = None) -> bytes:
        """Read everything up to the end.

        Raises :class:`ChannelError` with code ``channel_too_long`` as soon as there are more than ``max_bytes``.
        """
        parts: list[bytes] = []
        size = 0
        while self._fill():
            parts.append(self._take_rest())
            size += len(parts[-1])
            if max_bytes is not None and size > max_bytes:
                raise ChannelError(f"more than {max_bytes} bytes came", "channel_too_long")
        return b"".join(parts)

    readAll = read_all  # noqa: N815  Node's names
    onMessage = on_message  # noqa: N815

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes without taking them: what is at hand, waiting only if nothing is."""
        return bytes(self._rest) if self._fill() else b""

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._readinto(buffer, once=False)

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        return self._readinto(buffer, once=True)

    def _readinto(self, buffer: WriteableBuffer, *, once: bool) -> int:
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and not (once and filled) and self._fill():
            count = min(len(view) - filled, len(self._rest))
            view[filled : filled + count] = self._rest[:count]
            self._rest = self._rest[count:]
            filled += count
        return filled

    def readlines(self, hint: int = -1, /) -> list[bytes]:
        """Read lines up to the end, or until they are ``hint`` bytes long together."""
        lines: list[bytes] = []
        size = 0
        while (hint <= 0 or size < hint) and (line := self.readline()):
            lines.append(line)
            size += len(line)
        return lines

    def close(self) -> None:
        """Take no more: the writer is told, and who reads in another thread gets an error. Idempotent; never raises.

        A reader that came in a payload and was not used is opened for that, so that its writer does not wait for it;
        one of a channel made here is not: its reference may have been passed on.
        """
        if self._closed:
            return
        self._closed = True
        self._rest = memoryview(b"")
        sock = self._socket
        if sock is None:
            if self._received:
                with suppress(ChannelError), self._lock:
                    sock = ChannelSocket(self._address, self.ref, self._headers)
                    sock.leave()
            return
        if not self._lock.acquire(blocking=False):
            sock.cut()
            self._lock.acquire()
        try:
            sock.leave()
        finally:
            self._lock.release()
