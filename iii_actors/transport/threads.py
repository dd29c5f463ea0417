"""The threads that connections run on: each connection has its own; one whose connection has ended takes the next.

Starting a thread costs the accepting thread a wait for it (milliseconds under load); handing a connection to a thread
that is there costs microseconds. So a few threads stay for a while when their connection is over.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from iii_actors.limits import SPARE_THREAD_S, SPARE_THREADS

__all__ = ["ConnectionThreads"]

Work = Callable[[], object]
"""One connection, from its handshake to its end. Must not raise."""


class ConnectionThreads:
    """Runs each piece of work on a thread that does nothing else meanwhile."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spare: deque[queue.SimpleQueue[Work | None]] = deque()
        self._threads: set[threading.Thread] = set()
        self._counting = threading.Lock()
        """Held while :attr:`_threads` changes."""
        self._stopped = False

    def run(self, work: Work) -> None:
        """Run ``work`` on a spare thread or a new one. Raises :class:`RuntimeError` when no thread can be had."""
        try:
            # The latest to be parked: its memory is warm, and those not needed reach their time.
            inbox = self._spare.pop()
        except IndexError:
            self._begin(threading.Thread(target=self._work_through, args=(work,), name=self._name, daemon=True))
        else:
            inbox.put(work)

    def stop(self) -> None:
        """Let the spare threads end, and those at work when they are through."""
        self._stopped = True
        with contextlib.suppress(IndexError):
            while True:
                self._spare.pop().put(None)

    def join(self, timeout_s: float) -> None:
        """After :meth:`stop`: wait until the threads have ended, at most so long. Before it: return at once."""
        if not self._stopped:
            return
        deadline = time.monotonic() + timeout_s
        with self._counting:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _begin(self, thread: threading.Thread) -> None:
        with self._counting:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._ended(thread)
            raise

    def _ended(self, thread: threading.Thread) -> None:
        with self._counting:
            self._threads.discard(thread)

    def _work_through(self, work: Work) -> None:
        try:
            self._work(work)
        finally:
            self._ended(threading.current_thread())

    def _work(self, work: Work | None) -> None:
        inbox: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        while work is not None:
            work()
            if len(self._spare) >= SPARE_THREADS:
                return
            self._spare.append(inbox)
            if self._has_stopped():
                self._withdraw(inbox)
            try:
                work = inbox.get(timeout=SPARE_THREAD_S)
            except queue.Empty:
                # Whoever has taken the inbox out meanwhile is about to put something in.
                work = None if self._withdraw(inbox) else inbox.get()

    def _has_stopped(self) -> bool:
        """Looked at after parking, as :meth:`stop` takes out what is parked after saying so: one sees the other."""
        return self._stopped

    def _withdraw(self, inbox: queue.SimpleQueue[Work | None]) -> bool:
        """Take an inbox back; False: it has been taken for work already."""
        try:
            self._spare.remove(inbox)
        except ValueError:
            return False
        inbox.put(None)
        return True
