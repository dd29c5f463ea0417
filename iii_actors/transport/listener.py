"""A listener: ``websocket_server`` accepts and gives each connection its thread; the rest is ours (design.md §6).

The package's own reading and writing cannot carry this protocol (it closes on binary frames and on pings that are not
text, hands over the first fragment as the message, has no limits), so its handler class is replaced.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from websocket_server import WebsocketServer

from iii_actors.config import ListenerSettings
from iii_actors.core.refs import Core
from iii_actors.errors import ListenError
from iii_actors.limits import CLOSE_WAIT_S, LISTEN_BACKLOG, MAX_HEADER_BYTES
from iii_actors.transport.channel_socket import ChannelEnds
from iii_actors.transport.frames import FrameReader, close_frame
from iii_actors.transport.handshake import Refused, Request, accept, parse, refusal
from iii_actors.transport.keepalive import Keepalive
from iii_actors.transport.poller import Poller
from iii_actors.transport.telemetry_socket import TelemetrySink, serve_telemetry
from iii_actors.transport.threads import ConnectionThreads
from iii_actors.transport.worker_socket import WorkerSocket

if TYPE_CHECKING:
    from socketserver import BaseServer

__all__ = ["Listener"]

logger = logging.getLogger(__name__)

WORKER_PATH: Final = "/"
TELEMETRY_PATH: Final = "/otel"
CHANNEL_PREFIX: Final = "/ws/channels/"
_TIMEVAL: Final = struct.Struct("@ll").pack
_HEAD_END: Final = b"\r\n\r\n"
_BUSY: Final = refusal(Refused(503, "this listener has as many connections as it may have (max_connections)"))


class Listener(WebsocketServer):
    """One bound port. :meth:`open` serves on a thread of its own; each connection has one too."""

    request_queue_size = LISTEN_BACKLOG
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    socket_class: type[WorkerSocket] = WorkerSocket
    """Serves an upgraded socket on ``/``; the conformance tests put an echo in its place."""

    def __init__(self, options: ListenerSettings, core: Core, poller: Poller, telemetry: TelemetrySink) -> None:
        """Bind; raises :class:`ListenError` when that cannot be."""
        self.options = options
        self.core = core
        self.poller = poller
        self.telemetry = telemetry
        self.channel_ends = ChannelEnds(core)
        self._sockets: set[socket.socket] = set()
        self._workers: set[WorkerSocket] = set()
        self._telemetry: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._accepting = threading.Thread(target=self._accept, name=f"iii-listener-{options.port}", daemon=True)
        self._keepalive = Keepalive(core.clock, self.workers, options.ping_interval_s, options.ping_timeout_s)
        self._connection_threads = ConnectionThreads(f"iii-connection-{options.port}")
        self._is_open = False
        self.address_family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        try:
            super().__init__(options.host, options.port, loglevel=logging.WARNING)
        except (OSError, OverflowError) as error:
            raise ListenError(options.host, options.port, getattr(error, "strerror", None) or str(error)) from None
        self.RequestHandlerClass = _Handler

    @property
    def address(self) -> tuple[str, int]:
        """Host as configured and the port really bound (a configured 0 is any free one)."""
        return self.options.host, self.port

    def open(self) -> None:
        """Begin to accept."""
        self._is_open = True
        self._accepting.start()
        self._keepalive.start()

    def _accept(self) -> None:
        self.serve_forever(poll_interval=0.2)

    def stop_accepting(self) -> None:
        """Close the port; the connections go on."""
        self._keepalive.stop()
        if self._is_open:
            self._is_open = False
            # Wakes the accepting thread, which looks only now and then whether it is to end.
            _cut(self.socket)
            self.shutdown()
        self.server_close()
        self._connection_threads.stop()

    def workers(self) -> list[WorkerSocket]:
        """The worker sockets open now."""
        with self._changed:
            return list(self._workers)

    def end_others(self) -> None:
        """End what is no worker: telemetry sockets with a Close without status (core.md §1.4), channels at once."""
        with self._changed:
            telemetry = set(self._telemetry)
            others = self._sockets - telemetry - {worker.socket for worker in self._workers}
        for sock in telemetry:
            try:
                sock.send(close_frame(0), socket.MSG_DONTWAIT)
            except OSError:
                logger.debug("A telemetry socket takes no good-bye")
        for sock in telemetry | others:
            _cut(sock)

    def cut_all(self) -> None:
        """End every connection at once, without a Close frame."""
        with self._changed:
            sockets = list(self._sockets)
        for sock in sockets:
            _cut(sock)

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until every connection has ended and cleaned up, its thread too; returns whether that came in time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            empty = self._changed.wait_for(lambda: not self._sockets, timeout_s)
        if empty:
            self._connection_threads.join(max(0.0, deadline - time.monotonic()))
        return empty

    # --- socketserver's hooks ----------------------------------------------------------------------------------------

    def process_request(self, request: Any, client_address: Any) -> None:
        """Runs on the accepting thread: one more connection, or one too many."""
        with self._changed:
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
        with self._changed:
            self._sockets.discard(request)
            self._changed.notify_all()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Runs inside socketserver's except clause."""
        logger.exception("A connection from %s failed", client_address[0])  # noqa: LOG004

    @contextmanager
    def telemetry_socket(self, sock: socket.socket) -> Iterator[None]:
        """Count a socket among the telemetry sockets for as long as it is served."""
        with self._changed:
            self._telemetry.add(sock)
        try:
            yield
        finally:
            with self._changed:
                self._telemetry.discard(sock)

    def joined(self, worker: WorkerSocket) -> None:
        with self._changed:
            self._workers.add(worker)

    def left(self, worker: WorkerSocket) -> None:
        with self._changed:
            self._workers.discard(worker)


class _Handler(socketserver.BaseRequestHandler):
    """One connection, from its handshake to its end, on its own thread."""

    request: socket.socket
    server: Listener

    def __init__(self, request: Any, client_address: Any, server: BaseServer) -> None:
        self._first = b""
        super().__init__(request, client_address, server)

    def handle(self) -> None:
        sock = self.request
        listener = self.server
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = self._shake_hands()
            if request is None:
                return
            if request.path == WORKER_PATH:
                self._serve_worker()
            elif request.path == TELEMETRY_PATH:
                self._serve_telemetry()
            else:
                listener.channel_ends.serve(sock, self._frames(), request)
        except OSError as error:
            logger.debug("The connection from %s broke: %s", self.client_address[0], error)

    def _frames(self) -> FrameReader:
        options = self.server.options
        return FrameReader(options.max_frame_bytes, options.max_message_bytes, self._first)

    def _serve_worker(self) -> None:
        listener = self.server
        worker = listener.socket_class(
            self.request, self._first, self.client_address[0], listener.core, listener.poller, listener.options
        )
        self._first = b""
        listener.joined(worker)
        try:
            worker.serve()
        finally:
            listener.left(worker)

    def _serve_telemetry(self) -> None:
        with self.server.telemetry_socket(self.request):
            serve_telemetry(self.request, self._frames(), self.server.telemetry)

    def _shake_hands(self) -> Request | None:
        """Return the upgrade request after answering it with 101, or None: answered otherwise, or not at all."""
        head = self._read_head()
        if head is None:
            return None
        listener = self.server
        try:
            request = parse(head, _is_path)
            if request.path.startswith(CHANNEL_PREFIX):
                listener.channel_ends.check(request)
        except Refused as refused:
            self._refuse(refused)
            return None
        self.request.sendall(accept(request))
        return request

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


def _cut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("A connection had ended already")


def _limit_receiving(sock: socket.socket, seconds: float) -> None:
    """Let the kernel end a blocking receive; 0 means never. (``settimeout`` would cost two more calls each time.)"""
    whole = int(seconds)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL(whole, int((seconds - whole) * 1_000_000)))


def _is_path(path: str) -> bool:
    return path in (WORKER_PATH, TELEMETRY_PATH) or (
        path.startswith(CHANNEL_PREFIX) and "/" not in path[len(CHANNEL_PREFIX) :]
    )
