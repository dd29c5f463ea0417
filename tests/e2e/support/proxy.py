"""A wire that can break at one end only: the worker finds its connection gone, the engine notices nothing."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class LossyWire:
    """Listens on a port of its own and passes everything on to the engine's, both ways, until told otherwise."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._workers: list[socket.socket] = []
        self._engines: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                worker, _ = self._listener.accept()
                engine = socket.create_connection(("127.0.0.1", self._target))
                self._workers.append(worker)
                self._engines.append(engine)
                for ends in ((worker, engine), (engine, worker)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=ends, daemon=True))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while received := source.recv(65536):
                target.sendall(received)

    def lose_workers(self) -> None:
        """End every connection on the workers' side; on the engine's side they stay, silent."""
        lost, self._workers = self._workers, []
        for worker in lost:
            with suppress(OSError):
                worker.shutdown(socket.SHUT_RDWR)
            worker.close()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in (*self._workers, *self._engines):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(5)
