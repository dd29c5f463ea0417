"""The threads that run handlers: a bounded number, and never a deadlock by calls that handlers make.

At most ``size`` jobs run at a time; others wait in a bounded queue. A job that waits for an answer enters
:func:`blocking` (every ``call`` does it for you): it does not count as running meanwhile, so another thread may be lent
for the work it waits for. There may be ``size + lent`` threads. If all of them wait, and go on waiting for ``stall_s``
seconds while jobs are queued, those jobs are refused: what they would answer may be just what the others wait for.

Idle threads are parked in a stack, each on a lock of its own: waking the latest one costs one release of that lock, and
the ones at the bottom end after a while.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import AbstractContextManager
from typing import Final

from iii_worker import limits
from iii_worker.backlog import Backlog, Job, Refuse, WaitingJob, refuse_all
from iii_worker.blocking import blocking, current_place, take_place
from iii_worker.coroutines import Coroutines
from iii_worker.deadlines import Deadline, Deadlines
from iii_worker.pool_places import Guest, Handover, PoolThread
from iii_worker.seldom import Seldom

__all__ = ["Handover", "HandlerPool", "blocking"]

logger = logging.getLogger(__name__)

CLOSED: Final = "the worker is shutting down"


class HandlerPool:
    """A bounded pool of daemon threads. Any thread may use it; nothing but :meth:`drain` blocks.

    :param size: jobs that run at once; default :data:`limits.HANDLER_THREADS`.
    :param queue: jobs that wait at most; default :data:`limits.HANDLER_QUEUE`.
    :param lent: threads beyond ``size``, for jobs that wait.
    :param queue_bytes: what the jobs that wait may keep together.
    :param idle_s: after so many seconds a thread without work ends.
    :param stall_s: see the module's text.
    """

    def __init__(
        self,
        size: int | None = None,
        queue: int | None = None,
        *,
        lent: int = limits.LENT_THREADS,
        queue_bytes: int = limits.HANDLER_QUEUE_BYTES,
        idle_s: float = limits.HANDLER_IDLE_S,
        stall_s: float = limits.STALL_S,
        name: str = "iii-handler",
    ) -> None:
        self.size = limits.HANDLER_THREADS if size is None else size
        self.queue = limits.HANDLER_QUEUE if queue is None else queue
        if self.size < 1:
            raise ValueError(f"handler_threads is {size}: at least one thread is needed")
        if self.queue < 0:
            raise ValueError(f"handler_queue is {queue}: it must not be below 0")
        self.ceiling = self.size + lent
        """Threads there may be at most."""
        self.queue_bytes = queue_bytes
        self.deadlines = Deadlines(f"{name}-deadlines")
        """For the timeouts of what runs here; closed with the pool."""
        self.coroutines = Coroutines(self.guest_arrived, self.guest_left, waits=lent)
        """Where coroutine handlers run; closed with the pool, and waited for by :meth:`drain`."""
        self.refusals = Seldom(logger)
        """Where refused jobs are logged by those who submitted them."""
        self._idle_s = idle_s
        self._stall_s = stall_s
        self._name = name
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._parked: list[PoolThread] = []
        self._backlog = Backlog(self.queue, queue_bytes)
        self._threads = 0
        self._running = 0
        self._aside = 0
        self._guests = 0
        self._draining = 0
        self._started = 0
        self._progress = 0
        self._stall: Deadline | None = None
        self._closed = False

    # --- giving it work -----------------------------------------------------------------------------------------------

    def submit(self, job: Job, size: int = 0, refuse: Refuse | None = None, *, held: bool = False) -> bool:
        """Run ``job`` soon; False if the queue is full or the pool closed: then nothing was taken and nobody is told.

        :param size: bytes it keeps while it waits.
        :param refuse: called with the reason, on any thread, if the job was taken but is not run after all.
        :param held: the job has a reservation, by :meth:`hold` with the same size; it takes it over and finds room.
        """
        with self._lock:
            if held:
                self._backlog.release(size)
            if self._closed:
                self._say_if_quiet()
                return False
            if self._running >= self.size or (thread := self._free(job)) is None:
                return self._wait(WaitingJob(job, size, refuse), anyway=held)
        if self._wake(thread):
            return True
        with self._lock:
            return self._threads > 0 and self._wait(WaitingJob(job, size, refuse), anyway=held)

    def hold(self, size: int) -> bool:
        """Reserve a place in the queue for a job that waits elsewhere; False if there is none.

        :meth:`submit` with ``held=True``, or :meth:`unhold`, gives it back.
        """
        with self._lock:
            if self._closed or not self._backlog.room(size):
                return False
            self._backlog.reserve(size)
            return True

    def unhold(self, size: int) -> None:
        """Give a reservation back."""
        with self._lock:
            self._backlog.release(size)
            self._say_if_quiet()

    def refusal(self) -> str:
        """Return why :meth:`submit` or :meth:`hold` took nothing."""
        if self._closed:
            return CLOSED
        return (
            f"{self.queue:,} invocations, or {self.queue_bytes // limits.MIB:,} MiB of them, wait already for this "
            f"worker's {self.size} handler threads (options handler_queue and handler_threads)"
        )

    def guest_arrived(self) -> None:
        """Count something that runs on somebody else's thread, for :meth:`drain`, until :meth:`guest_left`."""
        with self._lock:
            self._guests += 1

    def guest_left(self) -> None:
        """What was counted is over."""
        with self._lock:
            self._guests -= 1
            self._say_if_quiet()

    def as_guest(self, job: Job) -> Job:
        """Return what runs a job on a thread that is not the pool's; :meth:`guest_arrived` is the caller's business."""

        def run() -> None:
            before = current_place()
            take_place(Guest(self))
            try:
                job()
            finally:
                take_place(before)
                self.guest_left()

        return run

    def blocking(self) -> AbstractContextManager[None]:
        """Return what to enter around a wait inside a handler; see :func:`iii_worker.blocking.blocking`."""
        return blocking()

    # --- jobs that are given up on ------------------------------------------------------------------------------------

    def present(self) -> Handover | None:
        """Return the job that runs on the calling thread, for :meth:`give_up`; None on a thread of somebody else."""
        place = current_place()
        return Handover(place, place.epoch) if isinstance(place, PoolThread) and place.pool is self else None

    def give_up(self, job: Handover) -> None:
        """Nobody waits for this job any more: as long as it goes on, another thread may be lent for its place."""
        thread = job.thread
        with self._lock:
            if thread.epoch != job.epoch or thread.overdue:
                return
            thread.overdue = True
            lent = self._lend(thread)
        self._wake_lent(lent)

    # --- the end ------------------------------------------------------------------------------------------------------

    def drain(self, timeout: float) -> bool:
        """Wait at most so many seconds until nothing runs and nothing waits; return whether that came.

        A handler may call it: its own run is not waited for.
        """
        until = time.monotonic() + min(timeout, limits.LONGEST_TIMEOUT_S)
        own = 1 if self._is_here() else 0
        with blocking(), self._lock:
            self._draining += 1
            try:
                while self._running + self._aside + self._guests + self._backlog.total > own:
                    left = until - time.monotonic()
                    if left <= 0:
                        return False
                    self._quiet.wait(left)
                return True
            finally:
                self._draining -= 1

    def _is_here(self) -> bool:
        """Whether the calling thread runs one of the jobs that are counted."""
        place = current_place()
        guest = isinstance(place, Guest) and place.pool is self
        return guest or self.present() is not None or self.coroutines.is_here()

    def close(self) -> None:
        """Take no more jobs and refuse those that wait; idle threads end now, others after their job. Never blocks."""
        with self._lock:
            self._closed = True
            refused = self._backlog.clear()
            idle, self._parked = self._parked, []
            self._threads -= len(idle)
            self._say_if_quiet()
        for thread in idle:
            thread.wake.release()
        self.deadlines.close()
        self.coroutines.close()
        refuse_all(refused, CLOSED)

    def counts(self) -> dict[str, int]:
        """Return how many ``threads`` there are, and how many jobs are ``running``, ``aside`` and ``waiting``."""
        with self._lock:
            return {
                "threads": self._threads,
                "running": self._running,
                "aside": self._aside,
                "waiting": self._backlog.total,
            }

    # --- books; all of it under the lock ------------------------------------------------------------------------------

    def _say_if_quiet(self) -> None:
        if self._draining:
            self._quiet.notify_all()

    def _free(self, job: Job) -> PoolThread | None:
        """Return a thread that has been given the job but does not know it yet, None if there may be no more."""
        if self._parked:
            thread = self._parked.pop()
            thread.job = job
        elif self._threads < self.ceiling:
            self._threads += 1
            thread = PoolThread(self, job)
        else:
            return None
        self._running += 1
        return thread

    def _wait(self, waiting: WaitingJob, *, anyway: bool) -> bool:
        if not anyway and not self._backlog.room(waiting.size):
            return False
        self._backlog.append(waiting)
        self._watch()
        return True

    def _count(self, thread: PoolThread) -> None:
        if not thread.counted:
            thread.counted = True
            self._aside -= 1
            self._running += 1

    def _lend(self, thread: PoolThread) -> tuple[PoolThread, WaitingJob] | None:
        """Take a thread from the running ones, and give the first job that waits to another, yet to be woken."""
        if thread.counted:
            thread.counted = False
            self._running -= 1
            self._aside += 1
        if not self._backlog or self._running >= self.size:
            return None
        waiting = self._backlog.take()
        other = self._free(waiting.job)
        if other is None:
            self._backlog.put_back(waiting)
            self._watch()
            return None
        return other, waiting

    def _stalled(self) -> bool:
        return self._running == 0 and bool(self._backlog)

    def _watch(self) -> None:
        """If all threads wait while jobs do, look again later."""
        if self._stalled() and self._stall is None:
            progress = self._progress
            self._stall = self.deadlines.after(self._stall_s, lambda: self._end_stall(progress))

    # --- threads ------------------------------------------------------------------------------------------------------

    def step_aside(self, thread: PoolThread) -> None:
        """One of its threads is about to wait; called on that thread."""
        with self._lock:
            lent = self._lend(thread)
        self._wake_lent(lent)

    def come_back(self, thread: PoolThread) -> None:
        """It has what it waited for; called on that thread."""
        with self._lock:
            self._progress += 1
            if not thread.overdue:
                self._count(thread)

    def _wake_lent(self, lent: tuple[PoolThread, WaitingJob] | None) -> None:
        if lent is not None and not self._wake(lent[0]):
            with self._lock:
                self._backlog.put_back(lent[1])
                self._watch()

    def _wake(self, thread: PoolThread) -> bool:
        """Let a thread do its job; False if the system gives no thread, with the books as if it had not been chosen."""
        if thread.epoch:
            thread.wake.release()
            return True
        try:
            self._started += 1
            threading.Thread(
                target=self._main, args=(thread,), name=f"{self._name}-{self._started}", daemon=True
            ).start()
        except RuntimeError as error:
            with self._lock:
                self._threads -= 1
                self._running -= 1
            logger.warning("The system gives no further thread for handlers, beside %d: %s", self._threads, error)
            return False
        return True

    def _main(self, thread: PoolThread) -> None:
        take_place(thread)
        thread.epoch = 1
        while (job := thread.job) is not None:
            thread.job = None
            try:
                job()
            except BaseException:
                logger.exception("A job on the handler pool failed")
            del job  # what it holds is not kept while the thread is parked
            if not self._next(thread):
                return

    def _next(self, thread: PoolThread) -> bool:
        """Find the thread its next job; False: it is to end."""
        with self._lock:
            thread.epoch += 1
            self._progress += 1
            if thread.overdue:
                thread.overdue = False
                self._count(thread)
            if self._backlog and self._running <= self.size:
                thread.job = self._backlog.take().job
                return True
            self._running -= 1
            self._say_if_quiet()
            if self._closed:
                self._threads -= 1
                return False
            self._parked.append(thread)
        while not thread.wake.acquire(timeout=self._idle_s):
            with self._lock:
                if thread in self._parked:
                    self._parked.remove(thread)
                    self._threads -= 1
                    return False
        return thread.job is not None

    # --- all of them wait ---------------------------------------------------------------------------------------------

    def _end_stall(self, progress: int) -> None:
        with self._lock:
            self._stall = None
            if not self._stalled():
                return
            if self._progress != progress:
                self._watch()
                return
            refused = self._backlog.clear()
            self._say_if_quiet()
        refuse_all(
            refused,
            f"all {self.ceiling} handler threads of this worker (handler_threads, and {self.ceiling - self.size} lent) "
            f"have been waiting in calls for {self._stall_s:g} s: calls are nested too deep, or there are too many",
        )
