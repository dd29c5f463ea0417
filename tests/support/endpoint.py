"""An HTTP server for tests that answers as told, byte by byte if need be, and keeps what it was sent."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

WAIT_S = 10.0


class Asked(NamedTuple):
    """One request, as it came."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    """Which connection it came on, from 0."""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        (value,) = self.all(name)
        return value


Behaviour = Callable[[socket.socket, Asked], object]
"""Writes the response; returning False ends the connection."""


def response(status: int = 200, body: bytes = b"", *headers: str, reason: str = "OK", length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status} {reason}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Endpoint:
    """One server on a free port; :attr:`behaviour` is looked up for each request."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._tls = tls
        self.port: int = self._listener.getsockname()[1]
        self.behaviour: Behaviour = lambda sock, _: sock.sendall(response(200, b"null"))
        self.requests: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self.server_names: list[str | None] = []
        """What clients named in TLS."""
        self.connections = 0
        self.stopped = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def answer(self, status: int = 200, body: bytes = b"", *headers: str, **rest: str) -> None:
        """From now on answer every request so."""
        self.behaviour = lambda sock, _: sock.sendall(response(status, body, *headers, **rest))

    def asked(self) -> Asked:
        """Wait for the next request."""
        return self.requests.get(timeout=WAIT_S)

    def _accept(self) -> None:
        if self._tls is not None:
            self._tls.sni_callback = lambda _, name, __: self.server_names.append(name)
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
            self.connections += 1
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), plain:
            plain.settimeout(WAIT_S)
            if self._tls is None:
                self._converse(plain, number)
            else:
                with self._tls.wrap_socket(plain, server_side=True) as secured:
                    self._sockets.append(secured)
                    self._converse(secured, number)

    def _converse(self, sock: socket.socket, number: int) -> None:
        with sock.makefile("rb") as stream:
            while True:
                line = stream.readline().decode("latin-1").rstrip("\r\n")
                if not line:
                    return
                headers = []
                while header := stream.readline().decode("latin-1").rstrip("\r\n"):
                    name, _, value = header.partition(":")
                    headers.append((name, value.strip()))
                length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
                asked = Asked(line, headers, stream.read(length), number)
                self.requests.put(asked)
                if self.behaviour(sock, asked) is False:
                    return

    def stop(self) -> None:
        self.stopped.set()
        # Closing alone does not wake a thread that is accepting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_S)


@contextlib.contextmanager
def endpoint(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Endpoint]:
    running = Endpoint(tls, host)
    try:
        yield running
    finally:
        running.stop()
