"""A channel's sockets, ``/ws/channels/{id}?key=...&dir=read|write`` (core.md §9).

Each end is served by its connection's own thread, which waits in one place only: for its socket and for the other end
(:class:`_Bell`) together. So an end always hears its peer, also while there is nothing to deliver or no room to write:
pings are answered, a leaving peer is noticed at once, and when the engine shuts the sockets down no thread stays.
"""

from __future__ import annotations

import logging
import math
import select
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Final

from pykka import ActorDeadError

from iii_actors.actor import ask
from iii_actors.core.ends import KnowsChannel, ReleaseChannelEnd, TakeChannelEnd
from iii_actors.core.pipe import Item, Pipe
from iii_actors.core.refs import Core
from iii_actors.limits import CHANNEL_ROUND_BYTES, CLOSE_WAIT_S, RECEIVE_BYTES
from iii_actors.transport.channel_request import asked_for
from iii_actors.transport.frames import BINARY, CLOSE, PING, TEXT, FrameReader, Message, header
from iii_actors.transport.handshake import Refused, Request
from iii_actors.transport.outbox import Outbox
from iii_actors.transport.receiving import receive

__all__ = ["ChannelEnds"]

logger = logging.getLogger(__name__)

_PONGS_WAITING: Final = 16
"""Older pings of a peer that does not read are not answered; RFC 6455 §5.5.3 asks only for the latest."""
_DONTWAIT: Final = socket.MSG_DONTWAIT
_BROKEN: Final = select.POLLHUP | select.POLLERR
_NO_STATUS: Final = 0


class ChannelEnds:
    """The door to one engine's channels. Ends are checked and served on their connections' own threads."""

    def __init__(self, core: Core) -> None:
        self._channels = core.channels
        self._changing = threading.Lock()
        """Held while the next two change."""
        self._reading: dict[_ReadingEnd, socket.socket] = {}
        self._ending: int | None = None

    def reading(self) -> set[socket.socket]:
        """Return the sockets of the reading ends that are served now. Any thread."""
        with self._changing:
            return set(self._reading.values())

    def end_reading(self, code: int) -> None:
        """End all reading ends with a Close of this code, those to come as well. Any thread; does not wait.

        A channel whose writing end goes after this does not end for its reader as if it were complete.
        """
        with self._changing:
            self._ending = code
            for end in self._reading:
                end.end(code)

    def check(self, request: Request) -> None:
        """Raise :class:`Refused` before the upgrade: 400 for a bad query, 404 for an unknown channel or a wrong key."""
        key, _ = asked_for(request)
        try:
            known = ask(self._channels, KnowsChannel(key))
        except ActorDeadError:
            raise Refused(503, "the engine is stopping") from None
        if not known:
            raise Refused(404, "Channel not found")

    def serve(self, sock: socket.socket, frames: FrameReader, request: Request) -> None:
        """Serve one end after its 101 and return when it is over; an end taken before is closed at once."""
        key, direction = asked_for(request)
        with suppress(ActorDeadError), closing(_Bell()) as bell:
            pipe: Pipe | None = ask(self._channels, TakeChannelEnd(key, direction))
            if pipe is None:
                _Wire(sock, frames, bell).say_good_bye(_NO_STATUS)
                return
            end: _End = (_ReadingEnd if direction == "read" else _WritingEnd)(sock, frames, bell, pipe)
            with self._listed(end, sock):
                try:
                    end.run()
                finally:
                    end.give_back()
                    self._channels.tell(ReleaseChannelEnd(key.channel_id, direction))
                if end.close_code is not None:
                    end.wire.say_good_bye(end.close_code, patient=end.patient)

    @contextmanager
    def _listed(self, end: _End, sock: socket.socket) -> Iterator[None]:
        """Know of a reading end for as long as it is served."""
        if not isinstance(end, _ReadingEnd):
            yield
            return
        with self._changing:
            self._reading[end] = sock
            if self._ending is not None:
                end.end(self._ending)
        try:
            yield
        finally:
            with self._changing:
                del self._reading[end]


class _Bell:
    """Wakes a thread that polls: :meth:`ring` from any thread, the rest on the polling one."""

    def __init__(self) -> None:
        self._heard, self._struck = socket.socketpair()
        self._heard.setblocking(False)
        self._struck.setblocking(False)
        self._closing = threading.Lock()
        self._closed = False

    def fileno(self) -> int:
        return self._heard.fileno()

    def ring(self) -> None:
        """Make the polling thread's :meth:`fileno` readable; does nothing once closed."""
        with self._closing, suppress(BlockingIOError):
            if not self._closed:
                self._struck.send(b"\0")

    def silence(self) -> None:
        with suppress(BlockingIOError):
            self._heard.recv(64)

    def close(self) -> None:
        with self._closing:
            self._closed = True
            self._heard.close()
            self._struck.close()


class _Wire:
    """A socket that is read and written without waiting, and the one place to wait: :meth:`wait`."""

    def __init__(self, sock: socket.socket, frames: FrameReader, bell: _Bell) -> None:
        self.frames = frames
        self.outbox = Outbox(sock, sys.maxsize, "A channel's end", _nothing, _nothing)
        self._socket = sock
        self._bell = bell
        self._pongs: deque[bytes] = deque(maxlen=_PONGS_WAITING)
        self._poll = select.poll()
        self._poll.register(bell.fileno(), select.POLLIN)
        self._poll.register(sock.fileno(), 0)

    def at_hand(self) -> list[Message]:
        """What came together with the handshake."""
        return self.frames.taken(b"")

    def receive(self) -> list[Message] | None:
        """Read once; returns the messages complete now, or None: the peer has gone or has broken the protocol.

        Raises :class:`BlockingIOError` when nothing is there.
        """
        try:
            return receive(self._socket, self.frames, _DONTWAIT)
        except BlockingIOError:
            raise
        except OSError as error:
            logger.debug("A channel's end broke: %s", error)
            return None

    def violated(self) -> bool:
        """Whether the peer has broken the protocol; the messages before that were returned."""
        error = self.frames.error
        if error is None:
            return False
        logger.info("A channel's end is dropped: %s", error)
        return True

    def wait(self, events: int, timeout_s: float | None = None) -> int:
        """Wait until the socket is ready for one of ``events`` or the bell rings.

        What could not be written goes out meanwhile. Returns the socket's events, without that it has room.
        """
        if self.outbox.waiting:
            events |= select.POLLOUT
        own = self._socket.fileno()
        self._poll.modify(own, events)
        got = 0
        for descriptor, event in self._poll.poll(None if timeout_s is None else math.ceil(timeout_s * 1000)):
            if descriptor == own:
                got = event
            else:
                self._bell.silence()
        if got & select.POLLOUT:
            self.outbox.room()
            self.outbox.flush()
            self.send_pongs()
        return got & ~select.POLLOUT

    def pong(self, payload: bytes) -> None:
        """Answer a ping now, or between two messages as soon as the peer reads again."""
        self._pongs.append(payload)
        self.send_pongs()

    def send_pongs(self) -> None:
        if self._pongs and not self.outbox.waiting:
            for payload in self._pongs:
                self.outbox.pong(payload)
            self._pongs.clear()
            self.outbox.flush()

    def say_good_bye(self, code: int, *, patient: bool = False) -> None:
        """Send a Close frame (0: without status) and wait a moment for the peer to close; then all may be cut.

        ``patient``: the moment begins when the peer's machine has taken everything. A socket that is closed with data
        on its way loses it if the peer says anything more, a ping for example.
        """
        self.outbox.drop(code, "")
        deadline = time.monotonic() + CLOSE_WAIT_S
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                if not patient or not (self.outbox.waiting or _unsent(self._socket)):
                    return
                left = CLOSE_WAIT_S
                deadline = time.monotonic() + left
            if self.wait(select.POLLIN, left):
                try:
                    if not self._socket.recv(RECEIVE_BYTES, _DONTWAIT):
                        return
                except BlockingIOError:
                    continue
                except OSError:
                    return


def _nothing() -> None:
    """The outbox's owner polls by itself."""


def _unsent(sock: socket.socket) -> int:
    """Return how many bytes the peer's machine has not taken yet."""
    try:
        return int.from_bytes(ioctl(sock, TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


class _End(ABC):
    """One end, from its taking to its last word."""

    close_code: int | None = None
    """Of the Close that the peer gets in the end, 0 for one without status; None: it gets none."""
    patient = False
    """What we have written must reach the peer, however slowly it reads."""

    def __init__(self, sock: socket.socket, frames: FrameReader, bell: _Bell, pipe: Pipe) -> None:
        self.wire = _Wire(sock, frames, bell)
        self.pipe = pipe

    @abstractmethod
    def run(self) -> None:
        """Serve until the end is over."""

    @abstractmethod
    def give_back(self) -> None:
        """Let the other end know."""

    def hear(self) -> bool:
        """Read once and heed what came; returns whether the peer is still there. Nothing to read is fine."""
        try:
            messages = self.wire.receive()
        except BlockingIOError:
            return True
        return messages is not None and self.heed(messages)

    def heed(self, messages: list[Message]) -> bool:
        """Answer pings and note a Close; returns whether the peer is still there.

        Pings come first: what was sent before them may have to wait for room.
        """
        for opcode, payload in messages:
            if opcode == PING:
                self.wire.pong(payload)
        for opcode, payload in messages:
            if opcode in (TEXT, BINARY):
                if not self.take(Item(opcode == TEXT, payload)):
                    return False
            elif opcode == CLOSE:
                self.close_code = int.from_bytes(payload[:2], "big")
                return False
        return not self.wire.violated()

    @abstractmethod
    def take(self, item: Item) -> bool:
        """Take a message of the peer's; returns whether it may go on."""


class _WritingEnd(_End):
    """Takes items from its peer; stops reading while the channel is full."""

    def __init__(self, sock: socket.socket, frames: FrameReader, bell: _Bell, pipe: Pipe) -> None:
        super().__init__(sock, frames, bell, pipe)
        self._peer_gone = False
        pipe.attach_writer(bell.ring)

    def run(self) -> None:
        present = self.heed(self.wire.at_hand())
        while present and not self.pipe.left:
            self.wire.wait(select.POLLIN)
            present = self.hear()

    def give_back(self) -> None:
        self.pipe.finish()

    def take(self, item: Item) -> bool:
        """Wait for room and put the item in; returns False when the reader has left."""
        while not self.pipe.offer(item, self._peer_gone):
            if self.pipe.left:
                return False
            if self.wire.wait(0) & _BROKEN:
                # What is still in the socket is finite: it moves into the pipe, and the thread is through.
                self._peer_gone = True
        return True


class _ReadingEnd(_End):
    """Gives its peer the items; what the peer sends is ignored, but for pings and its Close."""

    def __init__(self, sock: socket.socket, frames: FrameReader, bell: _Bell, pipe: Pipe) -> None:
        super().__init__(sock, frames, bell, pipe)
        self._ring = bell.ring
        self._ending: int | None = None
        pipe.attach_reader(bell.ring)

    def end(self, code: int) -> None:
        """Have it closed with this code before the channel is at its end. Any thread; does not wait."""
        self._ending = code
        self._ring()

    def _is_ending(self) -> bool:
        return self._ending is not None

    def run(self) -> None:
        wire = self.wire
        present = self.heed(wire.at_hand())
        while present and not self._is_ending():
            if wire.outbox.waiting:
                delivered: int | None = 0
            else:
                delivered = self._deliver()
                if delivered is None:
                    if not self._is_ending():
                        self.close_code, self.patient = _NO_STATUS, True
                        return
                    break
            # Between two deliveries one look at the socket: a peer that is sent to without a pause is heard as well.
            if wire.wait(select.POLLIN, 0.0 if delivered and not wire.outbox.waiting else None):
                present = self.hear()
        if present:
            self.close_code = self._ending

    def give_back(self) -> None:
        self.pipe.leave()

    def take(self, item: Item) -> bool:
        return True

    def _deliver(self) -> int | None:
        """Write what the pipe has; returns how many items that was, or None: nothing will come any more."""
        items = self.pipe.take(CHANNEL_ROUND_BYTES)
        if items is None:
            return None
        outbox = self.wire.outbox
        for is_text, payload in items:
            outbox.frame(header(TEXT if is_text else BINARY, len(payload)))
            outbox.frame(payload)
        outbox.flush()
        return len(items)
