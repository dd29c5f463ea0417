"""The shared reader: one thread that watches sockets (design.md §6).

It reads every connection that is not busy with something that may wait, and says when a full socket has room again.
All changes of what is watched are made on this thread; others leave a command and wake it.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from iii_actors.actor import Round
from iii_actors.limits import FRAMES_PER_ROUND, READ_BUFFER_BYTES

__all__ = ["Poller", "Watched"]

logger = logging.getLogger(__name__)

_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE


class Watched(Protocol):
    """A socket's owner, as the poller sees it. Its methods run on the poller's thread and must not block."""

    socket: socket.socket
    interest: int
    """What is watched now; only the poller's thread changes it."""

    def readable(self, buffer: memoryview) -> int:
        """Read once and handle what came; returns how many messages that were."""

    def writable(self) -> None:
        """The socket has room; this is said once for each time it was asked."""

    def broken(self) -> None:
        """One of the two above has raised: the socket is not watched any more, and its owner must end it."""


class Poller:
    """The thread, its selector and its buffer."""

    def __init__(self, name: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_in, _READ, None)
        self._commands: deque[Callable[[], None]] = deque()
        self._awake = threading.Lock()
        """Held from a wake-up call until the thread looks at the commands: one byte wakes for many commands."""
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; sockets are left as they are. Waits for it."""
        self._stopped = True
        self._wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        for end in (self._wake_in, self._wake_out):
            end.close()
        self._selector.close()

    # --- from any thread ---------------------------------------------------------------------------------------------

    def watch(self, watched: Watched, change: int, on: bool) -> None:
        """Begin or end watching for one event."""
        self._command(lambda: self._change(watched, change, on))

    def forget(self, watched: Watched) -> None:
        """End watching a socket; when this returns it may be closed."""
        if threading.current_thread() is self._thread:
            self._set(watched, 0)
            return
        done = threading.Event()

        def unwatch() -> None:
            self._set(watched, 0)
            done.set()

        self._command(unwatch)
        while not done.wait(1.0):
            if not self._thread.is_alive():
                return

    def _command(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        if threading.current_thread() is not self._thread:
            self._wake()

    def _wake(self) -> None:
        if self._awake.acquire(blocking=False):
            try:
                self._wake_out.send(b"\0")
            except OSError:
                logger.debug("The poller has stopped")

    # --- on the poller's thread --------------------------------------------------------------------------------------

    def pause(self, watched: Watched) -> None:
        """Stop reading this socket, at once; only from within :meth:`Watched.readable`."""
        self._set(watched, watched.interest & ~_READ)

    def _change(self, watched: Watched, change: int, on: bool) -> None:
        self._set(watched, watched.interest | change if on else watched.interest & ~change)

    def _set(self, watched: Watched, interest: int) -> None:
        before, watched.interest = watched.interest, interest
        if before == interest:
            return
        try:
            if not before:
                self._selector.register(watched.socket, interest, watched)
            elif not interest:
                self._selector.unregister(watched.socket)
            else:
                self._selector.modify(watched.socket, interest, watched)
        except (OSError, ValueError, KeyError):
            watched.interest = 0
            logger.debug("A socket was closed while it was watched")

    def _work(self) -> None:
        buffer = memoryview(bytearray(READ_BUFFER_BYTES))
        select = self._selector.select
        one_round = Round()
        while not self._stopped:
            events = select()
            frames = 0
            with one_round:
                for key, mask in events:
                    watched: Watched | None = key.data
                    if watched is None:
                        self._take_commands()
                        continue
                    try:
                        if mask & _WRITE:
                            self._change(watched, _WRITE, False)
                            watched.writable()
                        if mask & _READ and watched.interest & _READ:
                            frames += watched.readable(buffer)
                    except Exception:
                        logger.exception("The reader failed on one connection, which is ended")
                        self._set(watched, 0)
                        watched.broken()
                    if frames >= FRAMES_PER_ROUND:
                        frames = 0
                        one_round.pause()
            self._run_commands()

    def _take_commands(self) -> None:
        try:
            self._wake_in.recv(64)
        except BlockingIOError:
            logger.debug("Woken twice for one call")
        self._awake.release()
        self._run_commands()

    def _run_commands(self) -> None:
        while self._commands:
            self._commands.popleft()()
