"""Coroutine handlers: one private event loop for all of them, which goes on while one of them makes a blocking call.

The loop has a thread of its own, the *driver*. When code on it enters :func:`iii_worker.blocking.blocking` (a
handler calls ``worker.call(...)`` without ``await``), that thread steps aside with the coroutine's stack on it, and a
new driver takes the loop over. When the answer is there, the first thread asks the driver for the loop, finishes its
step while the driver waits, gives it back and ends. So there is always one thread in the loop and never two: what
asyncio promises its users holds, and clients that are bound to the loop (connection pools, locks) can be shared by all
handlers.

Asyncio's documentation ("Extending") gives the hooks for who runs a loop and which task is current; a turn of the loop
has no public name.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from asyncio.tasks import _enter_task, _leave_task
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar, cast

from iii_worker import limits
from iii_worker.blocking import Place, blocking, current_place, take_place
from iii_worker.errors import Error

__all__ = ["Coroutines"]

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

OVERLOADED: Final = "worker_overloaded"
CANCELLED: Final = "cancelled"


class _Ready(deque[Any]):
    """The handles that are to run in this turn. A turn that was interrupted counts on handles others have run since."""

    def popleft(self) -> Any:
        return super().popleft() if self else _NO_HANDLE


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that may change threads between two handles."""

    def __init__(self) -> None:
        super().__init__()
        self._ready = _Ready()

    def turn(self) -> None:
        """Wait for something to do, and do it."""
        cast("Any", self)._run_once()  # noqa: SLF001

    def mount(self) -> None:
        """Make the calling thread the one that runs this loop."""
        loop = cast("Any", self)
        loop._thread_id = threading.get_ident()  # noqa: SLF001
        asyncio._set_running_loop(self)  # noqa: SLF001
        sys.set_asyncgen_hooks(loop._asyncgen_firstiter_hook, loop._asyncgen_finalizer_hook)  # noqa: SLF001

    def unmount(self) -> None:
        """Undo :meth:`mount`."""
        sys.set_asyncgen_hooks(None, None)
        asyncio._set_running_loop(None)  # noqa: SLF001
        cast("Any", self)._thread_id = None  # noqa: SLF001


class _Cancelled:
    """Stands for a handle that is no longer there."""

    _cancelled = True


_NO_HANDLE: Final = _Cancelled()


class _Seat(Place):
    """A thread that runs the loop, has stepped aside from it, or has it lent for the rest of a step."""

    __slots__ = ("_task", "back", "granted", "owner")

    def __init__(self, owner: Coroutines) -> None:
        super().__init__()
        self.owner = owner
        self._task: asyncio.Task[Any] | None = None
        self.granted = _locked()
        """Released when this thread may have the loop again."""
        self.back = _locked()
        """Released when it gives the loop back to the thread that granted it."""

    def step_aside(self) -> None:
        owner, loop = self.owner, self.owner.loop
        successor = owner.successor(self)
        self._task = asyncio.current_task(loop)
        if self._task is not None:
            _leave_task(loop, self._task)
        loop.unmount()
        if successor is None:
            self.back.release()
        else:
            successor.start()

    def come_back(self) -> None:
        owner, loop = self.owner, self.owner.loop
        loop.call_soon_threadsafe(owner.grant, self)
        self.granted.acquire()
        loop.mount()
        if self._task is not None:
            _enter_task(loop, self._task)
            self._task = None
        owner.is_back()


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


class Coroutines:
    """Runs coroutines on one private loop; any thread may use it. Neither loop nor thread exists before the first.

    :param arrived: called for each coroutine that is taken, before :meth:`submit` returns.
    :param left: called for each when it has ended.
    :param limit: coroutines under way at most.
    :param waits: threads that may be aside at once.
    """

    def __init__(
        self,
        arrived: Callable[[], None],
        left: Callable[[], None],
        *,
        limit: int = limits.COROUTINES,
        waits: int = limits.LENT_THREADS,
        name: str = "iii-coroutines",
    ) -> None:
        self.limit = limit
        self._arrived = arrived
        self._left = left
        self._max_waits = waits
        self._name = name
        self._lock = threading.Lock()
        self._loop: _Loop | None = None
        self._driver: _Seat | None = None
        self._count = 0
        self._waits = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._fresh: set[asyncio.Task[None]] = set()
        self._closing = False
        self._swept = False
        """Closing, and what was under way has been told."""

    @property
    def loop(self) -> _Loop:
        """The loop; only once :meth:`submit` has taken something."""
        if self._loop is None:
            raise RuntimeError("no coroutine was ever submitted")
        return self._loop

    def submit(self, make: Callable[[], Coroutine[Any, Any, None]], context: Context) -> bool:
        """Run a coroutine, made on the loop's thread; False if there are too many or :meth:`close` was called.

        It runs in ``context``. What it raises is logged.
        """
        with self._lock:
            if self._closing or self._count >= self.limit or self._waits >= self._max_waits:
                return False
            self._count += 1
            driver: threading.Thread | None = None
            if self._loop is None:
                self._loop = _Loop()
                driver = self._new_driver()
            loop = self._loop
        self._arrived()
        loop.call_soon_threadsafe(self._begin, make, context)
        if driver is not None:
            driver.start()
        return True

    def wait_for(self, awaitable: Awaitable[_Result], context: Context) -> _Result:
        """Run an awaitable and wait for its result, on any thread; raise what it raises."""
        done = _locked()
        outcome: list[tuple[_Result | None, BaseException | None]] = []

        async def run() -> None:
            try:
                outcome.append((await awaitable, None))
            except BaseException as error:
                outcome.append((None, error))
            finally:
                done.release()

        try:
            with blocking():  # first: who may not wait must not have begun anything
                self._must(run, context)
                done.acquire()
        except Error:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            raise
        result, error = outcome[0]
        if isinstance(error, asyncio.CancelledError):
            raise Error("the coroutine was cancelled", CANCELLED) from error
        if error is not None:
            raise error
        return cast("_Result", result)

    def _must(self, make: Callable[[], Coroutine[Any, Any, None]], context: Context) -> None:
        if not self.submit(make, context):
            raise Error(self.refusal(), OVERLOADED)

    def refusal(self) -> str:
        """Return why :meth:`submit` took nothing."""
        if self._closing:
            return "the worker is shutting down"
        if self._waits >= self._max_waits:
            return self._too_many_wait()
        return f"{self.limit} coroutine handlers of this worker are under way, and there may be no more"

    def _too_many_wait(self) -> str:
        return (
            f"{self._max_waits} coroutine handlers of this worker wait in blocking calls, and there may be no more: "
            "await worker.trigger_async(...) instead"
        )

    def is_here(self) -> bool:
        """Whether the calling thread is in a coroutine of this loop."""
        place = current_place()
        return isinstance(place, _Seat) and place.owner is self

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task of the loop; any thread."""
        try:
            self.loop.call_soon_threadsafe(task.cancel)
        except RuntimeError:
            logger.debug("The loop had ended when a task was to be cancelled")

    def close(self) -> None:
        """Take no more and cancel what is under way; the loop ends when the last has ended. Never blocks."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._cancel_all)

    # --- on the loop's thread -----------------------------------------------------------------------------------------

    def _begin(self, make: Callable[[], Coroutine[Any, Any, None]], context: Context) -> None:
        task = self.loop.create_task(self._run(make), context=context)
        self._tasks.add(task)
        self._fresh.add(task)
        task.add_done_callback(self._ended)

    async def _run(self, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._fresh.discard(task)
            if self._closing:
                self.loop.call_soon(task.cancel)
        await make()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with self._lock:
            self._count -= 1
        self._left()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A coroutine handler failed", exc_info=error)

    def _cancel_all(self) -> None:
        # A coroutine that is cancelled before its first step never runs, so not even its `finally` does.
        for task in asyncio.all_tasks(self.loop) - self._fresh:
            task.cancel()
        self._swept = True

    def grant(self, seat: _Seat) -> None:
        """Lend the loop to a thread that stepped aside, until it has finished its step."""
        loop = self.loop
        loop.unmount()
        seat.granted.release()
        seat.back.acquire()
        loop.mount()

    # --- who runs the loop --------------------------------------------------------------------------------------------

    def _new_driver(self) -> threading.Thread:
        self._driver = seat = _Seat(self)
        return threading.Thread(target=self._drive, args=(seat,), name=self._name, daemon=True)

    def successor(self, seat: _Seat) -> threading.Thread | None:
        """Return the thread that is to run the loop while ``seat`` is aside; None: the one that lent it goes on."""
        with self._lock:
            if self._waits >= self._max_waits:
                raise Error(self._too_many_wait(), OVERLOADED)
            self._waits += 1
            return self._new_driver() if self._driver is seat else None

    def is_back(self) -> None:
        """A thread that had stepped aside has the loop again."""
        with self._lock:
            self._waits -= 1

    def _drive(self, seat: _Seat) -> None:
        take_place(seat)
        loop = self.loop
        loop.mount()
        while self._driver is seat and not self._over():
            try:
                loop.turn()
            except BaseException:
                logger.exception("A coroutine's callback failed")
        loop.unmount()
        if self._driver is seat:
            self._end(loop)
        else:
            seat.back.release()

    def _over(self) -> bool:
        return self._swept and self._count == 0 and self._waits == 0 and len(asyncio.all_tasks(self.loop)) == 0

    def _end(self, loop: _Loop) -> None:
        try:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
