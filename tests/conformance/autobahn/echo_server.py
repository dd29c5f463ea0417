"""An echo server on the engine's own transport, for the Autobahn suite.

    python tests/conformance/autobahn/echo_server.py PORT --reader shared|own

Listens on 127.0.0.1, path ``/``, until SIGTERM or SIGINT. Everything is the engine's: listener, handshake, poller, frames,
outbox, :class:`~iii_actors.transport.worker_socket.WorkerSocket` itself. Only what a message means is another thing:
each is sent back as it came, by the connection's actor, instead of being decoded.
"""

from __future__ import annotations

import argparse
import signal
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

from iii_actors.actor import LightActor, handles
from iii_actors.clock import SystemClock
from iii_actors.config import EngineConfig
from iii_actors.core.connection import Connection
from iii_actors.core.refs import Core
from iii_actors.core.workers import Departure
from iii_actors.limits import CLOSE_WAIT_S
from iii_actors.transport.frames import BINARY, TEXT
from iii_actors.transport.frames import frame as whole_frame
from iii_actors.transport.listener import Listener
from iii_actors.transport.poller import Poller
from iii_actors.transport.worker_socket import WorkerSocket


class Echo(NamedTuple):
    """To a connection: send this message back."""

    opcode: int
    payload: bytes


class EchoConnection(Connection):
    """Writes at the end of each round, as the engine does; so what came before a violation is echoed."""

    @handles(Echo)
    def echo(self, echo: Echo) -> None:
        self._outlet.frame(whole_frame(echo.opcode, echo.payload))  # type: ignore[attr-defined]


class EchoSession:
    """Stands for the conversation of a worker with the engine: there is none."""

    worker_id = "echo"

    def __init__(self, worker: EchoSocket) -> None:
        self.departure = Departure(worker._cut, lambda: worker.connection.stop(block=False))

    def open(self) -> None:
        """Nobody is greeted."""

    def receive(self, _: object) -> bool:
        raise AssertionError("an echo decodes nothing")

    receive_waiting = receive


class EchoSocket(WorkerSocket):
    """A worker's socket that echoes."""

    def __init__(self, sock: socket.socket, *rest: Any) -> None:
        super().__init__(sock, *rest)
        self.connection.stop()
        self.connection = EchoConnection.start(self._outbox)
        self._session: Any = EchoSession(self)

    def _decoded(self, opcode: int, payload: bytes) -> None:
        if opcode in (TEXT, BINARY):
            self._tell(Echo(opcode, payload))
        else:
            super()._decoded(opcode, payload)


class EchoListener(Listener):
    socket_class = EchoSocket


class Nobody(LightActor):
    """In the place of every registry: the sockets want to know them, and never tell them anything."""


def serve(port: int, reader: str) -> None:
    """Serve until a signal comes."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    nobody = Nobody.start()
    clock = SystemClock()
    core = Core(clock, *[nobody] * 7, namespace_grace_s=0.0)
    poller = Poller("echo-reader")
    poller.start()
    (options,) = EngineConfig.listening(port, reader=reader).listeners()
    listener = EchoListener(options, core, poller, lambda frame: None)
    listener.open()
    print(f"echo on port {listener.port}, reader {reader}", flush=True)
    signal.sigwait(ends)
    listener.stop_accepting()
    listener.cut_all()
    listener.wait_until_empty(CLOSE_WAIT_S)
    poller.stop()
    clock.stop()
    nobody.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int, help="0 takes a free one and prints it")
    parser.add_argument("--reader", choices=["shared", "own"], default="shared")
    options = parser.parse_args(arguments)
    serve(options.port, options.reader)


if __name__ == "__main__":
    main()
