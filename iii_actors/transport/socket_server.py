"""A bound port for WebSockets: ``websocket_server`` accepts and gives each connection its thread (design.md §6).

What all of them share: the cap on connections, the handshake with its deadline and its limits, the way to stop. What
an upgraded socket is for, the subclasses know: :mod:`.listener` for workers, :mod:`.stream_socket` for subscribers.

The package's own reading and writing cannot carry these protocols (it closes on binary frames and on pings that are not
text, hands over the first fragment as the message, has no limits), so its handler class is replaced.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import struct
import threading
import time
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from websocket_server import WebsocketServer

from iii_actors.core.conversation import SocketOptions
from iii_actors.errors import ListenError
from iii_actors.limits import CLOSE_WAIT_S, LISTEN_BACKLOG, MAX_HEADER_BYTES
from iii_actors.transport.frames import FrameReader
from iii_actors.transport.handshake import Refused, Request, accept, parse, refusal
from iii_actors.transport.threads import ConnectionThreads

if TYPE_CHECKING:
    from socketserver import BaseServer

__all__ = ["Accepted", "SocketServer", "cut"]

logger = logging.getLogger(__name__)

_TIMEVAL: Final = struct.Struct("@ll").pack
_HEAD_END: Final = b"\r\n\r\n"
_BUSY: Final = refusal(Refused(503, "this listener has as many connections as it may have (max_connections)"))


class Accepted:
    """A connection that asks for an upgrade, or has been upgraded."""

    __slots__ = ("first", "ip_address", "port", "request", "sock")

    def __init__(self, sock: socket.socket, client_address: Any, request: Request, first: bytes) -> None:
        self.sock = sock
        self.ip_address: str = client_address[0]
        self.port: int = client_address[1]
        self.request = request
        self.first = first
        """What had come behind the request's headers."""

    def frames(self, options: SocketOptions) -> FrameReader:
        """Return the reader of what comes, beginning with what is there. To be called once."""
        first, self.first = self.first, b""
        return FrameReader(options.max_frame_bytes, options.max_message_bytes, first)


class SocketServer(WebsocketServer, ABC):
    """One bound port. :meth:`open` serves on a thread of its own; each connection has one too."""

    request_queue_size = LISTEN_BACKLOG
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, options: SocketOptions, name: str) -> None:
        """Bind; raises :class:`ListenError` when that cannot be. ``name`` is for threads."""
        self.options = options
        self.changed = threading.Condition()
        """Held while the tables of connections change."""
        self._sockets: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept, name=f"{name}-{options.port}", daemon=True)
        self._connection_threads = ConnectionThreads(f"iii-connection-{options.port}")
        self._is_open = False
        self.address_family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        try:
            super().__init__(options.host, options.port, loglevel=logging.WARNING)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ListenError(options.host, options.port, reason) from None
        self.RequestHandlerClass = _Handler

    @property
    def address(self) -> tuple[str, int]:
        """Host as configured and the port really bound (a configured 0 is any free one)."""
        return self.options.host, self.port

    def open(self) -> None:
        """Begin to accept."""
        self._is_open = True
        self._accepting.start()

    def _accept(self) -> None:
        self.serve_forever(poll_interval=0.2)

    def stop_accepting(self) -> None:
        """Close the port; the connections go on."""
        if self._is_open:
            self._is_open = False
            # Wakes the accepting thread, which looks only now and then whether it is to end.
            cut(self.socket)
            self.shutdown()
        self.server_close()
        self._connection_threads.stop()

    def sockets(self) -> set[socket.socket]:
        """The connections there are now, whatever they are for."""
        with self.changed:
            return set(self._sockets)

    def cut_all(self) -> None:
        """End every connection at once, without a Close frame."""
        for sock in self.sockets():
            cut(sock)

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until every connection has ended and cleaned up, its thread too; returns whether that came in time."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            empty = self.changed.wait_for(lambda: not self._sockets, timeout_s)
        if empty:
            self._connection_threads.join(max(0.0, deadline - time.monotonic()))
        return empty

    # --- what a subclass says; it runs on the connection's own thread, which may wait --------------------------------

    @abstractmethod
    def is_path(self, path: str) -> bool:
        """Return whether there is such a path; 404 if not."""

    def admit(self, accepted: Accepted) -> object:
        """Look at a request before its upgrade; returns what :meth:`serve` is to know. Raises :class:`Refused`."""
        return None

    @abstractmethod
    def serve(self, accepted: Accepted, admitted: Any) -> None:
        """Serve an upgraded socket to its end, and clean up."""

    # --- socketserver's hooks ----------------------------------------------------------------------------------------

    def process_request(self, request: Any, client_address: Any) -> None:
        """Runs on the accepting thread: one more connection, or one too many."""
        with self.changed:
            full = len(self._sockets) >= self.options.max_connections
            if not full:
                self._sockets.add(request)
        if full:
            logger.warning("%s is turned away: %d connections", client_address[0], self.options.max_connections)
            request.setblocking(False)
            try:
                request.send(_BUSY)
            except OSError:
                logger.debug("It has gone already")
            request.close()
            return
        try:
            self._connection_threads.run(partial(self.process_request_thread, request, client_address))
        except RuntimeError as error:
            logger.warning("No thread for a connection from %s: %s", client_address[0], error)
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Runs on the connection's thread, when all is over."""
        with self.changed:
            self._sockets.discard(request)
            self.changed.notify_all()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Runs inside socketserver's except clause."""
        logger.exception("A connection from %s failed", client_address[0])  # noqa: LOG004


class _Handler(socketserver.BaseRequestHandler):
    """One connection, from its handshake to its end, on its own thread."""

    request: socket.socket
    server: SocketServer

    def __init__(self, request: Any, client_address: Any, server: BaseServer) -> None:
        self._first = b""
        super().__init__(request, client_address, server)

    def handle(self) -> None:
        try:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve()
        except OSError as error:
            logger.debug("The connection from %s broke: %s", self.client_address[0], error)

    def _serve(self) -> None:
        head = self._read_head()
        if head is None:
            return
        server = self.server
        try:
            request = parse(head, server.is_path)
            accepted = Accepted(self.request, self.client_address, request, self._first)
            admitted = server.admit(accepted)
        except Refused as refused:
            self._refuse(refused)
            return
        self._first = b""
        self.request.sendall(accept(request))
        server.serve(accepted, admitted)

    def _refuse(self, refused: Refused) -> None:
        """Answer, and let the answer arrive: closing with bytes unread would reset the connection under it."""
        self.request.sendall(refusal(refused))
        self.request.shutdown(socket.SHUT_WR)
        _limit_receiving(self.request, CLOSE_WAIT_S)
        unread = 16 * MAX_HEADER_BYTES
        try:
            while unread > 0 and (chunk := self.request.recv(65536)):
                unread -= len(chunk)
        except BlockingIOError:
            logger.debug("%s does not close after its refusal", self.client_address[0])

    def _read_head(self) -> bytes | None:
        """Read up to the empty line; silence and slowness past the deadline end the connection without an answer."""
        deadline = time.monotonic() + self.server.options.handshake_timeout_ms / 1000
        received = bytearray()
        while True:
            end = received.find(_HEAD_END)
            if end >= 0:
                end += len(_HEAD_END)
                self._first = bytes(received[end:])
                _limit_receiving(self.request, 0)
                return bytes(received[:end])
            if len(received) > MAX_HEADER_BYTES:
                self._refuse(Refused(431, f"more than {MAX_HEADER_BYTES} bytes of headers"))
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                logger.info("%s did not finish its handshake in time", self.client_address[0])
                return None
            _limit_receiving(self.request, max(left, 0.001))
            try:
                chunk = self.request.recv(8192)
            except BlockingIOError:
                continue
            if not chunk:
                return None
            received += chunk


def cut(sock: socket.socket) -> None:
    """End a connection at once, in both directions; one that has ended is no mistake. Any thread."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("A connection had ended already")


def _limit_receiving(sock: socket.socket, seconds: float) -> None:
    """Let the kernel end a blocking receive; 0 means never. (``settimeout`` would cost two more calls each time.)"""
    whole = int(seconds)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL(whole, int((seconds - whole) * 1_000_000)))
