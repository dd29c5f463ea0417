"""A network that fails: a TCP proxy between a client and a server on this machine, which can be cut, or go deaf."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Proxy", "proxy"]


class Proxy:
    """Listens on a free port and passes on what comes, one thread per direction of a connection.

    ``lose_answer(words)`` and ``lose_request(words)``: the next request with these octets in it is the last thing on its
    connection; in the first case the server gets it and its answer is lost, in the second it never arrives. Requests
    are looked at as they come from the socket, so the words must be near the beginning of one.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._links: set[tuple[socket.socket, socket.socket]] = set()
        self._down = False
        self._mute = False
        self._lose: tuple[bytes, bool] | None = None
        self.connections = 0
        """How many have been passed on so far."""
        self.cuts = threading.Semaphore(0)
        """Released at each cut made by ``lose_answer`` or ``lose_request``."""
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answer(self, words: bytes) -> None:
        self._lose = (words, True)

    def lose_request(self, words: bytes) -> None:
        self._lose = (words, False)

    def cut(self) -> None:
        """Close all connections; new ones are closed as well until :meth:`mend`."""
        with self._lock:
            self._down = True
            links = list(self._links)
        for pair in links:
            _close(*pair)

    def mend(self) -> None:
        """Let connections be made again, and what clients send pass."""
        with self._lock:
            self._down = self._mute = False

    def mute(self) -> None:
        """Swallow what the clients send from now on: the server hears nothing, and they do not notice."""
        self._mute = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to_port))
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                if self._down:
                    _close(*pair)
                    continue
                self._links.add(pair)
                self.connections += 1
            doomed = threading.Event()
            threading.Thread(target=self._pass_on, args=(client, server, pair, doomed, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, pair, doomed, False), daemon=True).start()

    def _pass_on(
        self,
        source: socket.socket,
        to: socket.socket,
        pair: tuple[socket.socket, socket.socket],
        doomed: threading.Event,
        asks: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if asks and self._lose is not None and self._lose[0] in data:
                    passed, self._lose = self._lose[1], None
                    if not passed:
                        self.cuts.release()
                        break
                    doomed.set()
                elif not asks and doomed.is_set():
                    self.cuts.release()
                    break
                if not (asks and self._mute):
                    to.sendall(data)
        _close(*pair)
        with self._lock:
            self._links.discard(pair)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def proxy(to_port: int) -> Iterator[Proxy]:
    """Run one."""
    running = Proxy(to_port)
    try:
        yield running
    finally:
        running.close()
