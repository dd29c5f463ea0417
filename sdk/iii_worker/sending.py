"""Sending: whoever has a frame writes it himself; while one thread writes, it takes the others' frames along."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from iii_worker.limits import SEND_BATCH_BYTES, SEND_QUEUE_BYTES, SEND_ROUNDS, SEND_TIMEOUT_S, TLS_RETRY_S

__all__ = ["SendQueue", "Unsendable"]

_WOULD_BLOCK: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_Selector: Final = getattr(selectors, "PollSelector", selectors.DefaultSelector)
"""poll() keeps hold of the file: unlike with epoll, closing the socket behind a shutdown does not lose the wake-up."""


class Unsendable(Exception):
    """The connection is gone, or too much waits for it; the text says which."""


class SendQueue:
    """The writing side of a non-blocking socket; any thread may send.

    Frames leave whole and in the order of :meth:`send`. A thread that finds nobody writing writes; one that finds
    somebody leaves its frame and goes on, so many senders need few system calls. A writer whose own deadline passes, or
    that has written for others long enough, hands the rest to a thread that lives just for that.

    :param guard: held for each write: TLS sockets must not be read and written at once.
    :param broken: called once, without locks, with the reason when writing fails for good.
    """

    def __init__(
        self, connected: socket.socket, guard: AbstractContextManager[object], broken: Callable[[str], None]
    ) -> None:
        self._socket = connected
        self._guard = guard
        self._broken = broken
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._waiting = 0
        self._writing = False
        self._closed = False

    def send(self, data: bytes, deadline: float | None = None, *, urgent: bool = False) -> None:
        """Send a frame, or leave it to the thread that is writing.

        :param deadline: monotonic seconds; ``TimeoutError`` if there is no room in the queue by then (nothing was
            queued).
        :param urgent: never wait, for the reading thread: it may overdraw the queue once over.
        :raises Unsendable: the connection is closed, or the queue is overdrawn twice over.
        """
        with self._lock:
            if self._closed:
                raise Unsendable("the connection is closed")
            if self._writing:
                self._enqueue(data, deadline, urgent)
                return
            self._writing = True
        self._write(data, 0.0 if urgent else deadline)

    def drained(self, deadline: float) -> bool:
        """Wait until everything has left; return whether that came before the deadline."""
        with self._lock:
            self._waiting += 1
            try:
                while (self._writing or self._queue) and not self._closed:
                    if not self._room.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                        return False
                return not self._closed
            finally:
                self._waiting -= 1

    def close(self) -> None:
        """Nothing leaves any more; who waits for room is told."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._queued = 0
            self._room.notify_all()

    def _enqueue(self, data: bytes, deadline: float | None, urgent: bool) -> None:
        limit = SEND_QUEUE_BYTES * 2 if urgent else SEND_QUEUE_BYTES
        until = time.monotonic() + SEND_TIMEOUT_S if deadline is None else deadline
        while self._queued and self._queued + len(data) > limit:
            left = until - time.monotonic()
            if urgent or left <= 0:
                if urgent or deadline is None:
                    raise Unsendable("the engine takes no data")
                raise TimeoutError
            self._waiting += 1
            try:
                self._room.wait(left)
            finally:
                self._waiting -= 1
            if self._closed:
                raise Unsendable("the connection is closed")
            if not self._writing:
                break
        self._queue.append(data)
        self._queued += len(data)
        if not self._writing:
            self._writing = True
            self._hand_over(b"")

    def _next(self) -> bytes | None:
        """Return what is to be written next, several small frames at once; None: nothing, and nobody writes now."""
        with self._lock:
            if not self._queue:
                self._writing = False
                if self._waiting:
                    self._room.notify_all()
                return None
            data = self._queue.popleft()
            if self._queue and len(data) < SEND_BATCH_BYTES:
                batch, size = [data], len(data)
                while self._queue and size + len(self._queue[0]) <= SEND_BATCH_BYTES:
                    batch.append(self._queue.popleft())
                    size += len(batch[-1])
                data = b"".join(batch)
            self._queued -= len(data)
            if self._waiting:
                self._room.notify_all()
            return data

    def _write(self, first: bytes | memoryview, deadline: float | None) -> None:
        """Write ``first`` and what is queued, until nothing is left or it is time to hand the rest over."""
        data: bytes | memoryview | None = first
        rounds = 0
        silent_until = time.monotonic() + SEND_TIMEOUT_S if deadline is None else deadline
        try:
            while data is not None:
                try:
                    with self._guard:
                        sent = self._socket.send(data) if data else 0
                except _WOULD_BLOCK:
                    if not self._writable(silent_until):
                        if deadline is None:
                            self._fail("the engine took no data for too long")
                        else:
                            self._hand_over(data)
                        return
                    continue
                if deadline is None:
                    silent_until = time.monotonic() + SEND_TIMEOUT_S
                if sent < len(data):
                    data = memoryview(data)[sent:]
                    continue
                rounds += 1
                if rounds > SEND_ROUNDS:
                    self._hand_over(b"")
                    return
                data = self._next()
        except (OSError, ValueError) as error:
            self._fail(f"writing failed: {error}")
        except BaseException:  # KeyboardInterrupt: a frame may have left in part
            self._fail("writing was interrupted")
            raise

    def _writable(self, until: float) -> bool:
        """Wait until the socket takes data; False if it is time to stop."""
        left = until - time.monotonic()
        if left <= 0:
            return False
        if isinstance(self._socket, ssl.SSLSocket):
            left = min(left, TLS_RETRY_S)  # TLS may want to read first, which the reading thread does
        with _Selector() as selector:
            selector.register(self._socket, selectors.EVENT_WRITE)
            selector.select(left)
        return time.monotonic() < until

    def _hand_over(self, rest: bytes | memoryview) -> None:
        threading.Thread(target=self._write, args=(rest, None), name="iii-worker-writer", daemon=True).start()

    def _fail(self, reason: str) -> None:
        self.close()
        self._broken(reason)
