"""The thread's side of light actors: mailboxes, and each thread's list of actors to run."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Self

from pykka import ActorDeadError

from iii_actors import limits

if TYPE_CHECKING:
    from iii_actors.actor._light import LightActor

__all__ = ["Mailbox", "Round", "Runner", "local", "run_scheduled"]


class Runner:
    """One thread's run list: the actors that it has promised to run, each with its mailbox held."""

    __slots__ = ("busy", "crowded", "last", "ready", "running")

    def __init__(self) -> None:
        self.ready: deque[Mailbox] = deque()
        self.last: deque[Mailbox] = deque()
        self.crowded: set[Mailbox] = set()
        self.running: LightActor | None = None
        self.busy = False

    def drain(self, budget: int | None = None, *, io: bool = True) -> None:
        """Run promised actors until none is left; past ``budget`` messages give the rest to the relief thread.

        ``io=False`` leaves those that do I/O (``last_in_round``) for later.
        """
        self.busy = True
        left = limits.THREAD_BATCH if budget is None else budget
        ready, last = self.ready, self.last
        try:
            while True:
                while ready:
                    left -= self._run(ready.popleft())
                    if left <= 0 and (ready or last):
                        _relief.take(ready, last)
                        return
                if not last or not io:
                    return
                left -= self._run_last(left)
        except BaseException:
            # A KeyboardInterrupt in this thread: what it has promised to run, another thread must run.
            _relief.take(ready, last, _io.waiting)
            raise
        finally:
            self.running = None
            self.busy = False
            if self.crowded and not last:
                self.help_crowded()

    def _run_last(self, budget: int) -> int:
        """Run the actors that do I/O, unless another thread is at it: then leave ours to that one.

        Every write gives the interpreter lock away. Many threads that write by turns spend their time passing it round;
        one that writes for all of them makes fewer and larger writes.
        """
        count = 0
        io_list, io_turn = _io.waiting, _io.turn
        io_list.extend(self.last)
        self.last.clear()
        # As with a mailbox: append, then try the turn; give it back, then look once more.
        while io_list and io_turn.acquire(False):
            try:
                while io_list and count < budget:
                    try:
                        mailbox = io_list.popleft()
                    except IndexError:
                        break
                    count += self._run(mailbox)
                if count >= budget:
                    _relief.take(io_list)
            finally:
                io_turn.release()
        return count

    def serve(self, mailbox: Mailbox, message: Any) -> Any:
        """Handle one asked message of an actor that nobody is running and nothing waits for; its mailbox is ours."""
        actor, in_round = mailbox.actor, self.busy
        self.busy = True
        self.running = actor
        clock = perf_counter_ns()
        try:
            if mailbox.closed:
                raise ActorDeadError(f"{actor} not found")
            handler = actor._handlers.get(type(message))
            return handler(message) if handler is not None else actor._handle_receive(message)
        except Exception:
            actor.failed += 1
            raise
        finally:
            actor.handled += 1
            if mailbox.after_batch is not None:
                try:
                    mailbox.after_batch()
                except Exception as error:
                    actor._failed(None, error)
            actor.busy_ns += perf_counter_ns() - clock
            self.running = None
            mailbox.held.release()
            if mailbox.queue and mailbox.held.acquire(False):
                (self.last if mailbox.last_in_round else self.ready).append(mailbox)
            if not in_round:
                self.drain()

    def _run(self, mailbox: Mailbox) -> int:
        """Handle one batch of one actor's messages and let its mailbox go; returns how many they were."""
        self.running = actor = mailbox.actor
        messages, handler_for = mailbox.queue, actor._handlers.get
        left = bound = limits.ACTOR_BATCH
        started = perf_counter_ns()
        try:
            # Nobody else takes messages out, so one that is seen is there.
            while messages and left:
                message = messages.popleft()
                left -= 1
                try:
                    handler = handler_for(type(message))
                    if handler is not None:
                        handler(message)
                    else:
                        actor.on_receive(message)
                except Exception as error:
                    actor._failed(message, error)
        finally:
            if mailbox.after_batch is not None:
                try:
                    mailbox.after_batch()
                except Exception as error:
                    actor._failed(None, error)
            count = bound - left
            actor.handled += count
            actor.busy_ns += perf_counter_ns() - started
            mailbox.held.release()
            # Whoever appended before our release did not get the mailbox, and relies on this second look.
            if messages and mailbox.held.acquire(False):
                (self.last if mailbox.last_in_round else self.ready).append(mailbox)
        return count

    def help_crowded(self) -> None:
        """Wait for the actors that this thread has over-filled and run them: it holds no mailbox now, so it may."""
        crowded, self.crowded = self.crowded, set()
        for mailbox in crowded:
            while len(mailbox.queue) > limits.MAILBOX_DEPTH and mailbox.held.acquire(timeout=limits.ASK_TIMEOUT_S):
                self.ready.append(mailbox)
                self.drain(limits.MAILBOX_DEPTH)


class _IO:
    """The actors that wait to do their I/O, and the right to run them: one thread at a time."""

    def __init__(self) -> None:
        self.waiting: deque[Mailbox] = deque()
        self.turn = threading.Lock()


_io = _IO()


class _Local(threading.local):
    runner: Runner

    def __init__(self) -> None:
        self.runner = Runner()


local = _Local()


class _Relief:
    """The thread that runs what others gave away. Started when first needed; light actors never block it."""

    def __init__(self) -> None:
        self._given: queue.SimpleQueue[Mailbox] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._started = False

    def take(self, *run_lists: deque[Mailbox]) -> None:
        if not self._started:
            with self._starting:
                if not self._started:
                    self._started = True
                    threading.Thread(target=self._work, name="iii-relief", daemon=True).start()
        for run_list in run_lists:
            while run_list:
                try:
                    self._given.put(run_list.popleft())
                except IndexError:
                    break

    def _work(self) -> None:
        runner = local.runner
        while True:
            runner.ready.append(self._given.get())
            runner.drain()


_relief = _Relief()


class Round:
    """``with Round():`` - within the block ``tell`` only schedules; at its end this thread runs all it has scheduled.

    A transport reads many frames in one round, so that each peer's answers leave in one write. An ``ask`` inside the
    block first runs what is scheduled. Inside another round the block is part of that one. Make one on the thread that
    uses it, as often as is handy; never inside a handler.
    """

    __slots__ = ("_inner", "_runner")

    def __init__(self) -> None:
        self._runner = local.runner
        self._inner = False

    def __enter__(self) -> Self:
        self._inner = self._runner.busy
        self._runner.busy = True
        return self

    def __exit__(self, *_: object) -> None:
        if not self._inner:
            self._runner.drain()

    def pause(self) -> None:
        """Run everything scheduled so far, and go on with the round."""
        self._runner.drain()
        self._runner.busy = True


def run_scheduled() -> None:
    """Inside a round: run everything this thread has scheduled, before it blocks on anything that is not an actor.

    A thread that waits while it holds scheduled actors holds up everybody who asks them. (Waiting for an actor's
    answer does this by itself.) Outside a round there is nothing to do.
    """
    runner = local.runner
    if runner.busy and runner.running is None:
        runner.drain()
        runner.busy = True


class Mailbox:
    """A light actor's inbox: a queue, and the right to run the actor (``held``)."""

    __slots__ = ("actor", "after_batch", "closed", "held", "last_in_round", "queue")

    def __init__(self) -> None:
        self.queue: deque[Any] = deque()
        self.held = threading.Lock()
        self.actor: LightActor
        self.closed = False
        self.last_in_round = False
        self.after_batch: Callable[[], None] | None = None

    def put(self, message: Any) -> None:
        """Append; if nobody is running the actor, this thread will: at once, or when its present round ends."""
        self.queue.append(message)
        held = self.held
        # Looking first is cheaper than trying; whoever holds it looks at the queue again after letting go.
        if not held.locked() and held.acquire(False):
            runner = local.runner
            (runner.last if self.last_in_round else runner.ready).append(self)
            if not runner.busy:
                runner.drain()
        elif len(self.queue) > limits.MAILBOX_DEPTH:
            self._crowded()

    def tell(self, message: Any) -> None:
        """:meth:`put` with Pykka's promise that telling a dead actor raises; written out, for it is the hot path."""
        if self.closed:
            raise ActorDeadError(f"{self.actor} not found")
        self.queue.append(message)
        held = self.held
        if not held.locked() and held.acquire(False):
            runner = local.runner
            (runner.last if self.last_in_round else runner.ready).append(self)
            if not runner.busy:
                runner.drain()
        elif len(self.queue) > limits.MAILBOX_DEPTH:
            self._crowded()

    def _crowded(self) -> None:
        """The calling thread has told more than is being handled: outside any actor it stays and helps."""
        runner = local.runner
        if runner.running is None:
            runner.crowded.add(self)
            if not runner.busy:
                runner.help_crowded()

    def get(self) -> Any:
        """The next message; raises :class:`IndexError` when there is none. Only for the thread that runs the actor."""
        return self.queue.popleft()

    def empty(self) -> bool:
        return not self.queue
