"""The socket that a call is using, so that another thread can end the call whatever it is waiting for there."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

__all__ = ["Line", "current"]


class Line:
    """One call's hold on one socket after the other.

    :meth:`hold` is called by the thread that makes the call, :meth:`cut` by any thread. Deadlines of single socket
    operations do not bound a call: a server that sends a byte now and then never lets one pass.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False

    def hold(self, used: socket.socket) -> None:
        """Take note of the socket from now on in use. Raises ``TimeoutError`` if the line has been cut."""
        with self._lock:
            self._socket = used
            if self._cut:
                _end(used)
                raise TimeoutError("the call has ended")

    def let_go(self) -> None:
        """Forget the socket: it is not the call's any more."""
        with self._lock:
            self._socket = None

    def cut(self) -> None:
        """End the call: whatever waits on its socket fails at once. Does not wait."""
        with self._lock:
            self._cut = True
            if self._socket is not None:
                _end(self._socket)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Be the line of the requests that this thread makes inside."""
        _here.line = self
        try:
            yield
        finally:
            _here.line = None
            self.let_go()


class _Here(threading.local):
    line: Line | None = None


_here = _Here()


def current() -> Line | None:
    """Return the line of the call that this thread is making."""
    return _here.line


def _end(used: socket.socket) -> None:
    """Shut TCP down, under TLS too: that layer's own shutdown belongs to the thread that is using it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(used, socket.SHUT_RDWR)
