"""A worker's socket: bytes to messages to the session, on the shared reader or on the connection's own thread.

The connection's thread runs :meth:`WorkerSocket.serve`. With ``reader: shared`` the poller reads; a message that may
wait, and everything behind it, is handed to the thread, and the socket is not read until the thread is through with
it. With ``reader: own`` the thread reads by itself.
"""

from __future__ import annotations

import logging
import queue
import socket
from typing import Final

from pykka import ActorDeadError

from iii_actors.actor import Ref, Round
from iii_actors.clock import Timer
from iii_actors.config import ListenerSettings
from iii_actors.core.connection import Connection
from iii_actors.core.messages import Drop, Ping, Pong, Writable
from iii_actors.core.refs import Core
from iii_actors.core.session import Session
from iii_actors.limits import CLOSE_WAIT_S, UNDECODABLE_LOG_PER_S
from iii_actors.transport.frames import BINARY, CLOSE, PING, TEXT, FrameReader, Message
from iii_actors.transport.outbox import Outbox
from iii_actors.transport.poller import READ, WRITE, Poller
from iii_actors.transport.receiving import receive
from iii_actors.transport.telemetry_socket import TELEMETRY_PREFIXES
from iii_actors.wire.codec import Undecodable, decode
from iii_actors.wire.messages import FromWorker

__all__ = ["WorkerSocket"]

logger = logging.getLogger(__name__)

_LEAVE: Final = None
_DONTWAIT: Final = socket.MSG_DONTWAIT


class WorkerSocket:
    """One upgraded socket on ``/``."""

    def __init__(
        self, sock: socket.socket, first: bytes, ip_address: str, core: Core, poller: Poller, options: ListenerSettings
    ) -> None:
        self.socket = sock
        self.interest = 0
        self.heard = 0
        """How often something came; for whoever looks for dead peers."""
        self._core = core
        self._poller = poller
        self._shared = options.reader == "shared"
        self._frames = FrameReader(options.max_frame_bytes, options.max_message_bytes, first)
        self._first = bool(first)
        self._evicted = False
        self._work: queue.SimpleQueue[list[Message] | None] = queue.SimpleQueue()
        self._outbox = Outbox(
            sock, options.outbox_bytes, f"Worker at {ip_address}", self._wait_for_room, self._close_sent
        )
        self.connection, self._session = self._converse(ip_address)
        self._receive = self._session.receive
        self._closing: Timer | None = None
        self._muted_until = 0.0
        self._logged = 0

    def _converse(self, ip_address: str) -> tuple[Ref, Session]:
        """Start the connection's actor and what its frames are told to."""
        connection = Connection.start(self._outbox)
        return connection, Session(self._core, connection, ip_address, self._cut)

    def close(self, code: int | None, reason: str) -> None:
        """Have the connection ended; see :class:`~iii_actors.core.messages.Drop`. Callable from any thread."""
        self._tell(Drop(code, reason))

    def ping(self) -> None:
        """Send a WebSocket ping; what comes back, whatever it is, adds to :attr:`heard`. Callable from any thread."""
        self._tell(Ping())

    def cut(self, reason: str) -> None:
        """End the connection at once, without a Close frame. Callable from any thread."""
        logger.warning("Worker %s is cut off: %s", self._session.worker_id, reason)
        self._cut()

    # --- the connection's own thread ---------------------------------------------------------------------------------

    def serve(self) -> None:
        """Join, serve until the socket ends, clean up. Runs on the connection's thread and returns when all is over."""
        try:
            self._session.open()
            if self._first:
                self._first = False
                self._take(self._frames.taken(b""))
            if self._shared:
                self._serve_shared()
            else:
                self._serve_own()
        except ActorDeadError:
            logger.debug("A worker came while the engine was stopping")
        finally:
            self._session.departure.run()
            self._poller.forget(self)
            if self._closing is not None:
                self._closing.cancel()

    def _serve_shared(self) -> None:
        while not self._over():
            self._poller.watch(self, READ, True)
            messages = self._work.get()
            while messages is not _LEAVE:
                if not self._take(messages):
                    break
                messages = self._more()
            else:
                return

    def _more(self) -> list[Message] | None:
        """What has come meanwhile: a worker that registers much need not go back and forth between two threads."""
        if self._over():
            return _LEAVE
        try:
            messages = receive(self.socket, self._frames, _DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            return _LEAVE
        self.heard += 1
        return messages

    def _serve_own(self) -> None:
        while not self._over():
            try:
                messages = receive(self.socket, self._frames)
            except OSError:
                return
            if messages is None:
                return
            self.heard += 1
            self._take(messages)

    def _take(self, messages: list[Message]) -> bool:
        """Handle messages on the connection's own thread, which may wait; returns whether any of them might."""
        waiting = False
        with Round():
            for opcode, payload in messages:
                if self._evicted:
                    return False
                message = self._decoded(opcode, payload)
                if message is not None and not self._receive(message):
                    waiting = True
                    self._session.receive_waiting(message)
        return waiting

    def _over(self) -> bool:
        return self._frames.closed or self._frames.error is not None or self._evicted

    # --- the poller's thread -----------------------------------------------------------------------------------------

    def readable(self) -> int:
        """Read once; what may wait goes to the connection's thread together with everything behind it."""
        frames = self._frames
        try:
            messages = receive(self.socket, frames, _DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            messages = None
        if messages is None or self._evicted:
            self._hand_over(_LEAVE)
            return 0
        self.heard += 1
        for index, (opcode, payload) in enumerate(messages):
            message = self._decoded(opcode, payload)
            if message is not None and not self._receive(message):
                self._hand_over(messages[index:])
                return index
        if frames.closed or frames.error is not None:
            self._hand_over(_LEAVE)
        return len(messages)

    def writable(self) -> None:
        self._outbox.room()
        self._tell(Writable())

    def broken(self) -> None:
        """Leave, as if the peer had."""
        self._work.put(_LEAVE)

    def _hand_over(self, messages: list[Message] | None) -> None:
        self._poller.pause(self)
        self._work.put(messages)

    # --- either thread -----------------------------------------------------------------------------------------------

    def _decoded(self, opcode: int, payload: bytes) -> FromWorker | None:
        """Return the message in a frame; control frames and telemetry are dealt with here, garbage dropped."""
        if opcode == TEXT or (opcode == BINARY and payload[:4] not in TELEMETRY_PREFIXES):
            try:
                return decode(payload, opcode == TEXT)
            except Undecodable as error:
                self._undecodable(payload, error)
        elif opcode == BINARY:
            self._core.observing.take(payload)
        elif opcode == PING:
            self._tell(Pong(payload))
        elif opcode == CLOSE:
            self._tell(Drop(int.from_bytes(payload[:2], "big")))
        return None

    def _tell(self, message: object) -> None:
        try:
            self.connection.tell(message)
        except ActorDeadError:
            logger.debug("The connection has ended")

    def _undecodable(self, payload: bytes, error: Undecodable) -> None:
        """Log a dropped frame; a worker that sends many is not allowed to fill the log."""
        if not payload.strip():
            return
        now = self._core.clock.monotonic()
        if now >= self._muted_until:
            if self._logged > UNDECODABLE_LOG_PER_S:
                logger.warning("Worker %s: %d more", self._session.worker_id, self._logged - UNDECODABLE_LOG_PER_S)
            self._muted_until, self._logged = now + 1.0, 0
        self._logged += 1
        if self._logged <= UNDECODABLE_LOG_PER_S:
            logger.warning(
                "Worker %s sent a frame that is no message of the protocol; dropped. %s: %.200r",
                self._session.worker_id,
                error,
                payload[:200],
            )

    def _wait_for_room(self) -> None:
        self._poller.watch(self, WRITE, True)

    def _close_sent(self) -> None:
        """The peer closes now; one that does not is cut off."""
        self._closing = self._core.clock.call_later(CLOSE_WAIT_S, self._cut)

    def _cut(self) -> None:
        """End the reading at once: no further frame is looked at. Callable from any thread."""
        self._evicted = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("The socket was closed already")
