"""The shared reader: one thread that watches sockets (design.md §6).

It reads every connection that is not busy with something that may wait, and says when a full socket has room again.
What is watched may be changed from any thread, at any time: the system is told while this one waits for it.
"""

from __future__ import annotations

import logging
import select
import selectors
import socket
import threading
from collections import deque
from typing import Final, Protocol

from iii_actors import processors
from iii_actors.actor import Round
from iii_actors.limits import FRAMES_PER_ROUND
from iii_actors.transport.busy_wait import BusyWait

__all__ = ["HANG_UP", "READ", "WRITE", "Poller", "Watched"]

logger = logging.getLogger(__name__)

READ: Final = 1
WRITE: Final = 4
"""What a socket can be watched for: epoll's own bits, EPOLLIN and EPOLLOUT."""
HANG_UP: Final = getattr(select, "EPOLLRDHUP", 0)
"""The peer has ended its side; 0 where there is no epoll. For sockets not read for a while: :meth:`Poller.hold`."""
_GONE: Final = HANG_UP | 0x10 | 0x8
"""With EPOLLHUP and EPOLLERR, which are told unasked."""


class Watched(Protocol):
    """A socket's owner, as the poller sees it. Its methods run on the poller's thread and must not block."""

    socket: socket.socket
    interest: int
    """What is watched now; only the poller changes it."""

    def readable(self) -> int:
        """Read once and handle what came; returns how many messages that were."""

    def writable(self) -> None:
        """The socket has room; this is said once for each time it was asked."""

    def broken(self) -> None:
        """One of the two above has raised, or the peer of a held socket has gone; its owner must end it.

        The socket is not watched any more.
        """


class Poller:
    """The thread, and what it watches."""

    def __init__(self, name: str) -> None:
        self._readiness = select.epoll() if hasattr(select, "epoll") else _Selector()
        self._wait = BusyWait(self._readiness.poll)
        self._busy_waits: dict[object, float] = {}
        self._held = HANG_UP if hasattr(select, "epoll") else 0
        """What a held socket is watched for."""
        self._owners: dict[int, Watched] = {}
        """Who is watched, by descriptor."""
        self._in_round = threading.Lock()
        """Held while the thread deals with what it was told."""
        self._changing = threading.Lock()
        """Held while what is watched of a socket changes."""
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._readiness.register(self._wake_in.fileno(), READ)
        self._forgotten: deque[tuple[Watched, threading.Event]] = deque()
        self._awake = threading.Lock()
        """Held from a wake-up call until the thread looks what it is for: one byte wakes for many reasons."""
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
        self._readiness.close()

    def busy_wait(self, wisher: object, seconds: float | None) -> None:
        """Look for so long before sleeping; the longest wish counts, None takes one back. Any thread.

        Not where there is one processor only: whoever is waited for needs it.
        """
        with self._changing:
            if seconds is None:
                self._busy_waits.pop(wisher, None)
            else:
                self._busy_waits[wisher] = seconds
            self._wait.seconds = max(self._busy_waits.values(), default=0.0) if processors.count() > 1 else 0.0

    # --- from any thread ---------------------------------------------------------------------------------------------

    def watch(self, watched: Watched, change: int, on: bool) -> None:
        """Begin or end watching for one event.

        Who ends it here may be called once more, and so may not close the socket on the strength of :meth:`forget`.
        """
        self._change(watched, change, on)
        if isinstance(self._readiness, _Selector) and threading.current_thread() is not self._thread:
            self._wake()  # some systems look at what they were asked for before they wait, and never again

    def forget(self, watched: Watched) -> None:
        """End watching a socket; when this returns it may be closed."""
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            self._set(watched, 0)
            return
        if not watched.interest:
            # It has never been watched, or it was paused as the last thing that was done with it: in a round that may
            # be under way, and whose end writes what came last, a Close for example.
            with self._in_round:
                return
        done = threading.Event()
        self._forgotten.append((watched, done))
        self._wake()
        while not done.wait(1.0):
            if not self._thread.is_alive():
                return

    def _wake(self) -> None:
        if self._awake.acquire(blocking=False):
            try:
                self._wake_out.send(b"\0")
            except OSError:
                logger.debug("The poller has stopped")

    def hold(self, watched: Watched) -> None:
        """Stop reading a socket, but hear when its peer goes, where the system tells that: :meth:`Watched.broken`."""
        with self._changing:
            self._make(watched, watched.interest & ~READ | self._held)

    # --- on the poller's thread --------------------------------------------------------------------------------------

    def pause(self, watched: Watched) -> None:
        """Stop reading this socket, at once; only from within :meth:`Watched.readable`."""
        self._change(watched, READ | HANG_UP, False)

    def _take_wake_up(self) -> None:
        try:
            self._wake_in.recv(64)
        except BlockingIOError:
            logger.debug("Woken twice for one call")
        self._awake.release()

    def _forget_all(self) -> None:
        while self._forgotten:
            watched, done = self._forgotten.popleft()
            self._set(watched, 0)
            done.set()

    # --- on any thread -----------------------------------------------------------------------------------------------

    def _change(self, watched: Watched, change: int, on: bool) -> None:
        with self._changing:
            self._make(watched, watched.interest | change if on else watched.interest & ~change)

    def _set(self, watched: Watched, interest: int) -> None:
        with self._changing:
            self._make(watched, interest)

    def _make(self, watched: Watched, interest: int) -> None:
        """Watch for just that; the lock is held."""
        before, watched.interest = watched.interest, interest
        if before == interest:
            return
        descriptor = watched.socket.fileno()
        try:
            if not before:
                self._owners[descriptor] = watched
                self._readiness.register(descriptor, interest)
            elif not interest:
                del self._owners[descriptor]
                self._readiness.unregister(descriptor)
            else:
                self._readiness.modify(descriptor, interest)
        except (OSError, ValueError, KeyError):
            watched.interest = 0
            if self._owners.get(descriptor) is watched:
                del self._owners[descriptor]
            logger.debug("A socket was closed while it was watched")

    # --- on the poller's thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        wait, owners = self._wait, self._owners
        wake_up = self._wake_in.fileno()
        one_round = Round()
        while not self._stopped:
            events = wait()
            frames = 0
            with self._in_round, one_round:
                for descriptor, event in events:
                    watched = owners.get(descriptor)
                    if watched is None:
                        # Else: one that an event before this one has ended.
                        if descriptor == wake_up:
                            self._take_wake_up()
                        continue
                    try:
                        # An error or a hang-up is told as both: whatever was waited for will not come.
                        if event != READ and watched.interest & WRITE and event & ~READ:
                            self._change(watched, WRITE, False)
                            watched.writable()
                        if watched.interest & READ and event & ~WRITE:
                            frames += watched.readable()
                        elif watched.interest & HANG_UP and event & _GONE:
                            self._set(watched, 0)
                            watched.broken()
                    except Exception:
                        logger.exception("The reader failed on one connection, which is ended")
                        self._set(watched, 0)
                        watched.broken()
                    if frames >= FRAMES_PER_ROUND:
                        frames = 0
                        one_round.pause()
            if self._forgotten:
                self._forget_all()


class _Selector:
    """What is used of epoll, where the system has none."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, descriptor: int, interest: int) -> None:
        self._selector.register(descriptor, _as_selectors(interest))

    def modify(self, descriptor: int, interest: int) -> None:
        self._selector.modify(descriptor, _as_selectors(interest))

    def unregister(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        return [
            (key.fd, (READ if mask & selectors.EVENT_READ else 0) | (WRITE if mask & selectors.EVENT_WRITE else 0))
            for key, mask in self._selector.select(timeout)
        ]

    def close(self) -> None:
        self._selector.close()


def _as_selectors(interest: int) -> int:
    return (selectors.EVENT_READ if interest & READ else 0) | (selectors.EVENT_WRITE if interest & WRITE else 0)
