"""A listener for workers: which paths it has, and what is served there (core.md §1.1)."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from iii_actors.access.policy import Policy
from iii_actors.actor import Ref
from iii_actors.config import ListenerSettings
from iii_actors.core.guard import Guard
from iii_actors.core.refs import Core
from iii_actors.transport.channel_socket import ChannelEnds
from iii_actors.transport.frames import close_frame
from iii_actors.transport.guarded_socket import GuardedSocket, let_in
from iii_actors.transport.handshake import Refused
from iii_actors.transport.keepalive import Keepalive
from iii_actors.transport.poller import Poller
from iii_actors.transport.socket_server import Accepted, SocketServer, cut
from iii_actors.transport.telemetry_socket import TelemetrySink, serve_telemetry
from iii_actors.transport.worker_socket import WorkerSocket

__all__ = ["Listener"]

logger = logging.getLogger(__name__)

WORKER_PATH: Final = "/"
TELEMETRY_PATH: Final = "/otel"
CHANNEL_PREFIX: Final = "/ws/channels/"


class Listener(SocketServer):
    """One port for workers, their telemetry and their channels."""

    options: ListenerSettings
    socket_class: type[WorkerSocket] = WorkerSocket
    """Serves an upgraded socket on ``/``; the conformance tests put an echo in its place."""

    def __init__(self, options: ListenerSettings, core: Core, poller: Poller, telemetry: TelemetrySink) -> None:
        """Bind; raises :class:`~iii_actors.errors.ListenError` when that cannot be."""
        self.core = core
        self.poller = poller
        self.telemetry = telemetry
        self.channel_ends = ChannelEnds(core)
        self._workers: set[WorkerSocket] = set()
        self._telemetry: set[socket.socket] = set()
        self._draining = False
        self._keepalive = Keepalive(core.clock, self.workers, options.ping_interval_s, options.ping_timeout_s)
        super().__init__(options, "iii-listener")
        if options.reader == "shared":
            poller.busy_wait(self, options.busy_wait_us / 1e6)
        policy = Policy.of(options)
        self._guard = Guard(core, policy) if policy is not None else None

    @property
    def url(self) -> str:
        """Where workers connect, as seen from this machine."""
        host, port = self.address
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        scheme = "wss" if self.is_encrypted else "ws"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def open(self) -> None:
        super().open()
        self._keepalive.start()

    def drain(self) -> None:
        """Turn new workers away, with 503. Who is here stays, and channels are opened: what runs may need them."""
        self._draining = True

    def stop_accepting(self) -> None:
        self._keepalive.stop()
        super().stop_accepting()

    def end(self) -> None:
        """Stop what is no connection: the last that is said to it. Does not wait."""
        self.poller.busy_wait(self, None)
        if self._guard is not None:
            self._guard.stop()

    def actors(self) -> list[Ref]:
        """Its actors, for the figures: one per worker, and what routes the calls of those that have not every right."""
        gate = [self._guard.gate] if self._guard is not None else []
        return gate + [worker.connection for worker in self.workers()]

    def workers(self) -> list[WorkerSocket]:
        """The worker sockets open now."""
        with self.changed:
            return list(self._workers)

    def end_reading_ends(self, code: int) -> None:
        """Have every channel's reading end closed with this code: what is cut short must not look complete.

        To be called before anything cuts a writing end, whose loss is the regular end of a channel (core.md §9.3).
        """
        self.channel_ends.end_reading(code)

    def end_others(self) -> None:
        """End what is no worker: telemetry sockets with a Close without status (core.md §1.4), writing ends at once."""
        with self.changed:
            telemetry = set(self._telemetry)
            workers = {worker.socket for worker in self._workers}
        for sock in telemetry:
            try:
                sock.send(close_frame(0), socket.MSG_DONTWAIT)
            except OSError:
                logger.debug("A telemetry socket takes no good-bye")
        for sock in self.sockets() - workers - self.channel_ends.reading():
            cut(sock)

    # --- one connection, on its own thread ---------------------------------------------------------------------------

    def is_path(self, path: str) -> bool:
        return path in (WORKER_PATH, TELEMETRY_PATH) or (
            path.startswith(CHANNEL_PREFIX) and "/" not in path[len(CHANNEL_PREFIX) :]
        )

    def admit(self, accepted: Accepted) -> None:
        if self._draining and accepted.request.path == WORKER_PATH:
            raise Refused(503, "the engine is going down; connect again in a moment")
        if accepted.request.path.startswith(CHANNEL_PREFIX):
            self.channel_ends.check(accepted.request)

    def serve(self, accepted: Accepted, admitted: Any) -> None:
        if accepted.request.path == WORKER_PATH:
            self._serve_worker(accepted)
        elif accepted.request.path == TELEMETRY_PATH:
            with self._telemetry_socket(accepted.sock):
                if self._guard is None or let_in(self._guard, accepted) is not None:
                    serve_telemetry(accepted.sock, accepted.frames(self.options), self.telemetry)
        else:
            self.channel_ends.serve(accepted.sock, accepted.frames(self.options), accepted.request)

    def _serve_worker(self, accepted: Accepted) -> None:
        guard = self._guard
        if guard is None:
            first, accepted.first = accepted.first, b""
            worker: WorkerSocket = self.socket_class(
                accepted.sock, first, accepted.ip_address, self.core, self.poller, self.options
            )
        else:
            access = let_in(guard, accepted)
            if access is None:
                return
            worker = GuardedSocket(accepted, self.core, self.poller, self.options, guard, access)
        with self.changed:
            self._workers.add(worker)
        try:
            worker.serve()
        finally:
            with self.changed:
                self._workers.discard(worker)

    @contextmanager
    def _telemetry_socket(self, sock: socket.socket) -> Iterator[None]:
        """Count a socket among the telemetry sockets for as long as it is served."""
        with self.changed:
            self._telemetry.add(sock)
        try:
            yield
        finally:
            with self.changed:
                self._telemetry.discard(sock)
