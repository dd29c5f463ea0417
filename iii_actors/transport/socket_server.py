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
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from websocket_server import WebsocketServer

from iii_actors.access.addresses import crowd
from iii_actors.access.origins import Origins
from iii_actors.core.conversation import SocketOptions
from iii_actors.errors import ListenError
from iii_actors.limits import CLOSE_WAIT_S, LISTEN_BACKLOG, MAX_HEADER_BYTES
from iii_actors.transport.frames import FrameReader
from iii_actors.transport.handshake import Refused, Request, accept, parse, refusal
from iii_actors.transport.threads import ConnectionThreads
from iii_actors.transport.tls_socket import TlsSocket, limit_receiving

if TYPE_CHECKING:
    from socketserver import BaseServer

__all__ = ["Accepted", "SocketServer", "cut", "linger"]

logger = logging.getLogger(__name__)

_HEAD_END: Final = b"\r\n\r\n"
_BUSY: Final = refusal(Refused(503, "this listener has as many connections as it may have (max_connections)"))
_CROWDED: Final = refusal(Refused(429, "your address has as many connections as it may have (max_connections_per_ip)"))
_CLIENT_HELLO: Final = 0x16
"""The first byte of TLS."""


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
        self._sockets: dict[socket.socket, str] = {}
        """With whose crowd each belongs to."""
        self._crowds: Counter[str] = Counter()
        origins = options.allowed_origins
        self._origins = Origins(origins) if origins is not None else None
        self._tls = self._context(options)
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

    @staticmethod
    def _context(options: SocketOptions) -> ssl.SSLContext | None:
        try:
            return options.tls.context() if options.tls is not None else None
        except ValueError as error:  # the files were fine when the settings were read
            problem, _, mend = str(error).partition("; ")
            raise ListenError(options.host, options.port, problem, mend) from None

    @property
    def is_encrypted(self) -> bool:
        """Whether clients have to speak TLS."""
        return self._tls is not None

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

    def check_origin(self, request: Request) -> None:
        """Raise :class:`Refused` for a web page that may not connect."""
        if self._origins is not None and not self._origins.allow(request.headers):
            raise Refused(403, "pages of this origin may not connect (allowed_origins)")

    # --- socketserver's hooks ----------------------------------------------------------------------------------------

    def process_request(self, request: Any, client_address: Any) -> None:
        """Runs on the accepting thread: one more connection, or one too many."""
        most = self.options.max_connections_per_ip
        crowd_of = crowd(client_address[0]) if most is not None else ""
        refused = b""
        with self.changed:
            if len(self._sockets) >= self.options.max_connections:
                refused = _BUSY
            elif most is not None and self._crowds[crowd_of] >= most:
                refused = _CROWDED
            else:
                self._sockets[request] = crowd_of
                self._crowds[crowd_of] += 1
        if refused:
            logger.warning("%s is turned away: %s", client_address[0], "too many connections")
            self._turn_away(request, refused)
            return
        try:
            self._connection_threads.run(partial(self.process_request_thread, request, client_address))
        except RuntimeError as error:
            logger.warning("No thread for a connection from %s: %s", client_address[0], error)
            self.shutdown_request(request)

    def _turn_away(self, request: socket.socket, answer: bytes) -> None:
        """Answer without waiting. Who speaks TLS could not read it, and learns no more than that it is closed."""
        request.setblocking(False)
        try:
            if self._tls is None:
                request.send(answer)
                # What it has said already is taken out: closing over it would reset the connection under the answer.
                request.shutdown(socket.SHUT_WR)
                request.recv(MAX_HEADER_BYTES)
        except OSError:
            logger.debug("It has gone already, or has said nothing yet")
        request.close()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Runs on the connection's own thread: all of it."""
        if self._tls is not None:
            encrypted = self._encrypted(request, self._tls, client_address)
            if encrypted is None:
                return
            request = encrypted
        super().process_request_thread(request, client_address)

    def _encrypted(self, raw: socket.socket, context: ssl.SSLContext, client_address: Any) -> TlsSocket | None:
        """Shake hands; None: that failed, and the connection is closed."""
        with self.changed:
            sock = TlsSocket(raw, context)
            self._sockets[sock] = self._sockets.pop(raw)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.handshake(sock.began + self.options.handshake_timeout_ms / 1000)
        except OSError as error:
            reason = getattr(error, "reason", None) or error or "not in time"
            logger.info("%s is closed: no TLS handshake: %s", client_address[0], reason)
            self.shutdown_request(sock)
            return None
        return sock

    def shutdown_request(self, request: Any) -> None:
        """Runs on the connection's thread, when all is over."""
        with self.changed:
            crowd_of = self._sockets.pop(request, "")
            self._crowds[crowd_of] -= 1
            if self._crowds[crowd_of] <= 0:
                del self._crowds[crowd_of]
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
            server.check_origin(request)
            accepted = Accepted(self.request, self.client_address, request, self._first)
            admitted = server.admit(accepted)
        except Refused as refused:
            self._refuse(refused)
            return
        self._first = b""
        self.request.sendall(accept(request))
        server.serve(accepted, admitted)

    def _refuse(self, refused: Refused) -> None:
        """Answer, and let the answer arrive."""
        self.request.sendall(refusal(refused))
        linger(self.request, CLOSE_WAIT_S)

    def _read_head(self) -> bytes | None:
        """Read up to the empty line; silence and slowness past the deadline end the connection without an answer."""
        began = self.request.began if isinstance(self.request, TlsSocket) else time.monotonic()
        deadline = began + self.server.options.handshake_timeout_ms / 1000
        received = bytearray()
        while True:
            end = received.find(_HEAD_END)
            if end >= 0:
                end += len(_HEAD_END)
                self._first = bytes(received[end:])
                limit_receiving(self.request, 0)
                return bytes(received[:end])
            if len(received) > MAX_HEADER_BYTES:
                self._refuse(Refused(431, f"more than {MAX_HEADER_BYTES} bytes of headers"))
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                logger.info("%s did not finish its handshake in time", self.client_address[0])
                return None
            limit_receiving(self.request, max(left, 0.001))
            try:
                chunk = self.request.recv(8192)
            except BlockingIOError:
                continue
            if not chunk:
                return None
            if not received and chunk[0] == _CLIENT_HELLO:
                logger.info("%s speaks TLS, and this port does not", self.client_address[0])
                self._refuse(Refused(400, "this port does not speak TLS; use ws:// in place of wss://"))
                return None
            received += chunk


def cut(sock: socket.socket) -> None:
    """End a connection at once, in both directions; one that has ended is no mistake. Any thread."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("A connection had ended already")


def linger(sock: socket.socket, seconds: float) -> None:
    """Say no more, and wait a moment for the peer to close. Runs on the connection's own thread.

    Closing with bytes unread would reset the connection under our last word.
    """
    sock.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + seconds
    unread = 16 * MAX_HEADER_BYTES
    try:
        while unread > 0 and (left := deadline - time.monotonic()) > 0:
            limit_receiving(sock, left)
            chunk = sock.recv(65536)
            if not chunk:
                return
            unread -= len(chunk)
    except BlockingIOError:
        logger.debug("A peer does not close after its refusal")
