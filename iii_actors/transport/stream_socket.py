"""Sockets of clients that are no workers, on a port of their own, path ``/`` (stream.md §6).

What they say goes to the built-in worker behind the port as it comes; see :mod:`iii_actors.core.conversation`. All of
them are read by the shared reader; the connection's own thread waits for the end and cleans up. Writing is the same as
for workers: a bounded outbox, and a client that reads too slowly is cut off while the others go on.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Any, Final

from pykka import ActorDeadError

from iii_actors.actor import Ref
from iii_actors.clock import Clock, Timer
from iii_actors.core.conversation import (
    Admit,
    ClientCame,
    ClientLeft,
    ClientSaid,
    ClientWriter,
    OpenSockets,
    SocketOptions,
    Visitor,
)
from iii_actors.core.messages import Drop, Ping, Pong, Writable
from iii_actors.errors import EngineError
from iii_actors.limits import CLOSE_WAIT_S, STREAM_MESSAGES_WAITING, STREAM_RECEIVE_BYTES
from iii_actors.transport.frames import BINARY, CLOSE, PING, TEXT, FrameReader, Message, frame
from iii_actors.transport.handshake import Refused
from iii_actors.transport.keepalive import Keepalive
from iii_actors.transport.outbox import Outbox
from iii_actors.transport.poller import READ, WRITE, Poller
from iii_actors.transport.receiving import receive
from iii_actors.transport.socket_server import Accepted, SocketServer

__all__ = ["StreamServer", "StreamSocket", "StreamSockets"]

logger = logging.getLogger(__name__)

PATH: Final = "/"
_DONTWAIT: Final = socket.MSG_DONTWAIT
_SERVICE_RESTART: Final = 1012


class StreamSocket:
    """One upgraded socket: a :class:`~iii_actors.core.conversation.Client`, as its host sees it."""

    def __init__(self, sock: socket.socket, frames: FrameReader, address: str, host: Ref, server: StreamServer) -> None:
        self.socket = sock
        self.address = address
        self.interest = 0
        self.heard = 0
        """How often something came; for whoever looks for dead peers."""
        self._frames = frames
        self._host = host
        self._poller = server.poller
        self._clock = server.clock
        self._ended = threading.Event()
        self._counting = threading.Lock()
        """Held while the next two change."""
        self._waiting = 0
        self._held = False
        """Not read because too many messages wait."""
        self._closing: Timer | None = None
        self._outbox = Outbox(
            sock,
            server.options.outbox_bytes,
            f"The stream client at {address}",
            self._wait_for_room,
            self._close_sent,
        )
        self.writer: Ref = ClientWriter.start(self._outbox)

    def dealt_with(self) -> None:
        with self._counting:
            self._waiting -= 1
            resume = self._held and self._waiting < STREAM_MESSAGES_WAITING
            if resume:
                self._held = False
        if resume and not self._ended.is_set():
            self._poller.watch(self, READ, True)

    def close(self, code: int, reason: str) -> None:
        """Say good-bye with a Close frame. Any thread."""
        self._tell(Drop(code, reason))

    def ping(self) -> None:
        """Send a WebSocket ping. Any thread."""
        self._tell(Ping())

    def cut(self, reason: str) -> None:
        """End the connection at once, without a Close frame. Any thread."""
        logger.warning("The stream client at %s is cut off: %s", self.address, reason)
        self._cut()

    # --- the connection's own thread ---------------------------------------------------------------------------------

    def serve(self, admitted: Any) -> None:
        """Be a client until the socket ends; clean up."""
        self._tell_host(ClientCame(self, admitted))
        try:
            if self._take(self._frames.taken(b"")):
                self._poller.watch(self, READ, True)
            if not self._over():
                self._ended.wait()
        finally:
            self._poller.forget(self)
            self._tell_host(ClientLeft(self))
            self.writer.stop(block=False)
            if self._closing is not None:
                self._closing.cancel()

    # --- the poller's thread -----------------------------------------------------------------------------------------

    def readable(self) -> int:
        """Read once; what came goes to the host."""
        try:
            messages = receive(self.socket, self._frames, _DONTWAIT, STREAM_RECEIVE_BYTES)
        except BlockingIOError:
            return 0
        except OSError:
            messages = None
        if messages is None:
            self._end()
            return 0
        self.heard += 1
        self._take(messages)
        if self._over():
            self._end()
        return len(messages)

    def writable(self) -> None:
        self._outbox.room()
        self._tell(Writable())

    def broken(self) -> None:
        """Leave, as if the peer had."""
        self._ended.set()

    def _end(self) -> None:
        if self._frames.error is not None:
            logger.info("The stream client at %s is dropped: %s", self.address, self._frames.error)
        self._poller.pause(self)
        self._ended.set()

    # --- either thread -----------------------------------------------------------------------------------------------

    def _take(self, messages: list[Message]) -> bool:
        """Pass messages on; returns False when so many wait that no more are read for now."""
        for opcode, payload in messages:
            if opcode in (TEXT, BINARY):
                with self._counting:
                    self._waiting += 1
                self._tell_host(ClientSaid(self, payload))
            elif opcode == PING:
                self._tell(Pong(payload))
            elif opcode == CLOSE:
                self._tell(Drop(int.from_bytes(payload[:2], "big")))
        with self._counting:
            self._held = self._waiting >= STREAM_MESSAGES_WAITING
            if self._held:
                self._poller.hold(self)  # under the lock: whoever deals with a message may have it undone at once
            return not self._held

    def _over(self) -> bool:
        return self._frames.closed or self._frames.error is not None

    def _tell_host(self, message: object) -> None:
        try:
            self._host.tell(message)
        except ActorDeadError:
            self._cut()

    def _tell(self, message: object) -> None:
        try:
            self.writer.tell(message)
        except ActorDeadError:
            logger.debug("The connection has ended")

    def _wait_for_room(self) -> None:
        self._poller.watch(self, WRITE, True)

    def _close_sent(self) -> None:
        """The peer closes now; one that does not is cut off."""
        self._closing = self._clock.call_later(CLOSE_WAIT_S, self._cut)

    def _cut(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("The socket was closed already")
        self._ended.set()


class StreamServer(SocketServer):
    """One port for such clients: an :class:`~iii_actors.core.conversation.OpenSockets`."""

    def __init__(self, options: SocketOptions, admit: Admit, host: Ref, poller: Poller, clock: Clock) -> None:
        """Bind; raises :class:`~iii_actors.errors.ListenError` when that cannot be."""
        self.poller = poller
        self.clock = clock
        self._admit = admit
        self._host = host
        self._clients: set[StreamSocket] = set()
        self._keepalive = Keepalive(clock, self.open_clients, options.ping_interval_s, options.ping_timeout_s)
        super().__init__(options, "iii-stream")

    def open(self) -> None:
        super().open()
        self._keepalive.start()

    def stop_accepting(self) -> None:
        self._keepalive.stop()
        super().stop_accepting()
        for client in self.open_clients():
            client.close(_SERVICE_RESTART, "the engine is stopping")

    def close(self) -> None:
        deadline = time.monotonic() + CLOSE_WAIT_S
        if not self.wait_until_empty(CLOSE_WAIT_S):
            self.cut_all()
            for client in self.open_clients():
                client.broken()
            self.wait_until_empty(deadline + CLOSE_WAIT_S - time.monotonic())

    def open_clients(self) -> list[StreamSocket]:
        """The clients there are now."""
        with self.changed:
            return list(self._clients)

    def writers(self) -> list[Ref]:
        return [client.writer for client in self.open_clients()]

    # --- one connection, on its own thread ---------------------------------------------------------------------------

    def is_path(self, path: str) -> bool:
        return path == PATH

    def admit(self, accepted: Accepted) -> object:
        request = accepted.request
        visitor = Visitor(request.path, request.query, request.headers, _address(accepted))
        try:
            return self._admit(visitor)
        except EngineError as error:
            raise Refused(503, str(error)) from None
        except ActorDeadError:
            raise Refused(503, "the engine is stopping") from None

    def serve(self, accepted: Accepted, admitted: Any) -> None:
        frames = accepted.frames(self.options)
        client = StreamSocket(accepted.sock, frames, _address(accepted), self._host, self)
        with self.changed:
            self._clients.add(client)
        try:
            client.serve(admitted)
        finally:
            with self.changed:
                self._clients.discard(client)


class StreamSockets:
    """What the composition root gives to a built-in worker: a :class:`~iii_actors.core.conversation.Sockets`."""

    def __init__(self, poller: Poller, clock: Clock) -> None:
        self._poller = poller
        self._clock = clock

    def bind(self, options: SocketOptions, admit: Admit, host: Ref) -> OpenSockets:
        return StreamServer(options, admit, host, self._poller, self._clock)

    def text_frame(self, text: bytes) -> bytes:
        return frame(TEXT, text)


def _address(accepted: Accepted) -> str:
    ip = accepted.ip_address
    return f"[{ip}]:{accepted.port}" if ":" in ip else f"{ip}:{accepted.port}"
