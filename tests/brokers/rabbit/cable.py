"""A TCP connection that can be cut, or go deaf, between a broker and its server."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import Self

__all__ = ["Cable"]


class Cable:
    """Listens on a free port and passes all on to another port of this machine, until it is cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._whole = True
        self._mute = False
        self._ended = False
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        # Accepting ends with one more connection.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            pass
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections; new ones are cut at once until :meth:`mend`."""
        with self._lock:
            self._whole = False
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections be made again."""
        with self._lock:
            self._whole = True
            self._mute = False

    def mute(self) -> None:
        """Swallow what the clients send from now on: the server hears nothing, and they do not notice."""
        self._mute = True

    def _accept(self) -> None:
        while not self._ended:
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                client.close()
                continue
            with self._lock:
                whole = self._whole and not self._ended
                if whole:
                    self._pairs.append((client, server))
                    self.connections += 1
            if whole:
                threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            else:
                client.close()
                server.close()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, selectors.DefaultSelector() as both:
            both.register(client, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, client)
            with contextlib.suppress(OSError):
                while True:
                    for key, _ in both.select():
                        data = key.fileobj.recv(65536)
                        if not data:
                            return
                        if not (self._mute and key.fileobj is client):
                            key.data.sendall(data)
