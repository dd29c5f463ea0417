"""The socket of a worker that has not every right (core.md §10): how it is let in, and how it is served."""

from __future__ import annotations

import logging
import select
import socket

from iii_actors.access.errors import AuthError
from iii_actors.access.policy import Access
from iii_actors.access.visitor import Visitor
from iii_actors.actor import Ref
from iii_actors.config import ListenerSettings
from iii_actors.core.guard import Gone, Guard
from iii_actors.core.guarded import GuardedSession
from iii_actors.core.refs import Core
from iii_actors.core.session import Session
from iii_actors.limits import CLOSE_WAIT_S
from iii_actors.transport.frames import TEXT, close_frame, frame
from iii_actors.transport.poller import Poller
from iii_actors.transport.socket_server import Accepted, linger
from iii_actors.transport.worker_socket import WorkerSocket
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import encode
from iii_actors.wire.messages import FromWorker

__all__ = ["GuardedSocket", "let_in"]

logger = logging.getLogger(__name__)

_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


def let_in(guard: Guard, accepted: Accepted) -> Access | None:
    """Return what the session of an upgraded socket may do; None: it is refused, has been told so, and is to be closed.

    Runs on the connection's own thread, and waits.
    """
    request = accepted.request
    sock = accepted.sock
    try:
        return guard.admit(Visitor(request.headers, request.query, accepted.ip_address), lambda: hung_up(sock))
    except AuthError as error:
        logger.info("%s is refused: %s", accepted.ip_address, error)
        refusal = wire.ErrorFrame(wire.ErrorBody(error.code, error.message))
        sock.sendall(frame(TEXT, encode(refusal)) + close_frame(0))
        linger(sock, CLOSE_WAIT_S)
    except Gone:
        logger.debug("%s has left before it was let in", accepted.ip_address)
    return None


def hung_up(sock: socket.socket) -> bool:
    """Return whether the peer has ended the connection, or we have, without reading what is there."""
    descriptor = sock.fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, _GONE)
    return bool(poll.poll(0))


class GuardedSocket(WorkerSocket):
    """One upgraded socket on ``/`` of a listener that has something to check."""

    def __init__(
        self, accepted: Accepted, core: Core, poller: Poller, options: ListenerSettings, guard: Guard, access: Access
    ) -> None:
        self._guard = guard
        self._access = access
        self._guarded: GuardedSession
        first, accepted.first = accepted.first, b""
        super().__init__(accepted.sock, first, accepted.ip_address, core, poller, options)

    def _converse(self, ip_address: str) -> tuple[Ref, Session]:
        sock = self.socket
        self._guarded = GuardedSession(
            self._core, self._outbox, ip_address, self._cut, self._guard, self._access, lambda: hung_up(sock)
        )
        return self._guarded.connection, self._guarded

    def _decoded(self, opcode: int, payload: bytes) -> FromWorker | None:
        if self._guarded.meters:
            self._guarded.charge(len(payload))
        return super()._decoded(opcode, payload)
