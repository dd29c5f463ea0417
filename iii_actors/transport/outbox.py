"""What waits to be written to one socket (design.md §6). Writing never blocks anyone.

Only the thread that is just running the connection's actor touches an outbox, so it needs no lock. Messages collect
until :meth:`Outbox.flush`, which tries the socket once; what does not fit stays, and the poller tells the actor when
there is room. A peer that lets more than its bound pile up is dropped.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Final

from iii_actors.transport.frames import PING, PONG, TEXT, close_frame, frame, header
from iii_actors.wire.codec import Part

__all__ = ["Outbox"]

logger = logging.getLogger(__name__)

_JOIN_BELOW: Final = 131072
"""Up to so many bytes it is cheaper to copy the parts together than to hand the kernel a list."""
_PARTS_AT_ONCE: Final = 256
"""Parts per ``sendmsg``; IOV_MAX is 1024 where it is smallest."""
_DONTWAIT: Final = socket.MSG_DONTWAIT


class Outbox:
    """The writing half of one connection; see :class:`iii_actors.core.connection.Outlet`."""

    __slots__ = ("_blocked", "_closing", "_dead", "_finished", "_limit", "_name", "_parts", "_size", "_socket", "_wait")

    def __init__(
        self,
        sock: socket.socket,
        limit: int,
        name: str,
        wait_for_room: Callable[[], None],
        finished: Callable[[], None],
    ) -> None:
        """``limit`` in bytes; ``wait_for_room`` asks for :meth:`room`; ``finished``: our Close is written."""
        self._socket = sock
        self._limit = limit
        self._wait = wait_for_room
        self._finished = finished
        self._name = name
        self._parts: list[Part] = []
        self._size = 0
        self._blocked = False
        self._closing = False
        self._dead = False

    @property
    def waiting(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._size

    def write(self, payload: bytes) -> None:
        if self._closing or (self._size > self._limit and self._is_too_much()):
            return
        whole = header(TEXT, len(payload)) + payload
        self._parts.append(whole)
        self._size += len(whole)

    def write_parts(self, parts: list[Part]) -> None:
        if self._closing or (self._size > self._limit and self._is_too_much()):
            return
        length = sum(map(len, parts))
        self._parts.append(header(TEXT, length))
        self._parts += parts
        self._size += length + 10

    def write_frame(self, whole: bytes) -> None:
        """Queue one message that is a whole frame already; the same one may wait in other outboxes too."""
        if self._closing or (self._size > self._limit and self._is_too_much()):
            return
        self._parts.append(whole)
        self._size += len(whole)

    def pong(self, payload: bytes) -> None:
        # Bounded like a message: a peer may ping without end and never read.
        self.write_frame(frame(PONG, payload))

    def ping(self) -> None:
        self.frame(frame(PING, b""))

    def frame(self, whole: bytes) -> None:
        """Queue one frame that is encoded already."""
        if not self._closing:
            self._parts.append(whole)
            self._size += len(whole)

    def room(self) -> None:
        """The poller says that the socket has room; the flush follows."""
        self._blocked = False

    def drop(self, code: int | None, reason: str) -> None:
        """Say good-bye with a Close frame (code 0: without status), or with None cut the connection at once."""
        if self._closing:
            return
        self._closing = True
        if code is None:
            self._cut()
            return
        whole = close_frame(code, reason)
        self._parts.append(whole)
        self._size += len(whole)
        self.flush()

    def flush(self) -> None:
        """Write what the socket takes now."""
        parts = self._parts
        if not parts or self._blocked:
            return
        if self._dead:
            self._forget()
            return
        try:
            if len(parts) == 1 and self._size < _JOIN_BELOW:
                # By far the most frequent: one small message, which the socket takes whole.
                data = parts[0]
                sent = self._socket.send(data, _DONTWAIT)
                if sent == len(data):
                    parts.clear()
                    self._size = 0
                else:
                    self._parts = [memoryview(data)[sent:]]
                    self._size = len(data) - sent
            if self._parts:
                self._send()
        except BlockingIOError:
            self._blocked = True
            self._wait()
        except OSError as error:
            logger.debug("%s: writing failed: %s", self._name, error)
            self._cut()
            return
        if self._closing and not self._parts:
            self._finish()

    def _send(self) -> None:
        while parts := self._parts:
            if self._size < _JOIN_BELOW:
                data: Part = b"".join(parts) if len(parts) > 1 else parts[0]
                sent = self._socket.send(data, _DONTWAIT)
                left = len(data) - sent
                self._size = left
                self._parts = [memoryview(data)[sent:]] if left else []
            else:
                sent = self._socket.sendmsg(parts[:_PARTS_AT_ONCE], (), _DONTWAIT)
                self._parts = _without(parts, sent)
                self._size = self._size - sent if self._parts else 0

    def _is_too_much(self) -> bool:
        """One more message is to be written, and more than the bound waits already: drop the peer if it is so slow.

        The message that crosses the bound still fits, so that the largest always does.
        """
        self.flush()
        if self._size <= self._limit:
            return self._closing
        logger.warning("%s reads too slowly: %d bytes wait for it; it is dropped", self._name, self._size)
        self._closing = True
        self._cut()
        return True

    def _finish(self) -> None:
        """All is written, the Close too: no more from us. The peer's end is still read until it closes."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._dead = True
        self._finished()

    def _cut(self) -> None:
        self._dead = True
        self._forget()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("%s was gone already", self._name)

    def _forget(self) -> None:
        self._parts = []
        self._size = 0


def _without(parts: list[Part], sent: int) -> list[Part]:
    """Return what is left of the parts behind ``sent`` bytes."""
    for index, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[index + 1 :]]
        sent -= len(part)
    return []
