"""Light actors: Pykka actors that run on the thread that delivers the message.

A :class:`LightActor` owns its tables alone, like every Pykka actor, but has no thread. ``tell`` appends to its
mailbox; if nobody is running that actor, the telling thread runs it: one message at a time, in order, never two
threads in one actor. A ``tell`` made *while* a thread is running an actor only puts the told actor on that thread's
run list, so the stack stays flat however long a chain of messages gets.

Three rules keep it honest (design.md §2, §3):

- A handler must not block and must not ``ask``. With ``debug(True)`` (the tests) such an ``ask`` raises
  :class:`AskInsideLightActor`.
- A thread that has run :data:`~iii_actors.limits.THREAD_BATCH` messages gives what is left to the relief thread, so
  that it gets back to its own work.
- A thread outside any actor that tells faster than an actor is run waits for that actor and helps it: mailboxes stay
  bounded (:data:`~iii_actors.limits.MAILBOX_DEPTH`).

:class:`ThreadedActor` is Pykka's own kind, with the same debug check and the same figures.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any, ClassVar, NamedTuple, TypeVar

import pykka
from pykka import ActorDeadError
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from iii_actors.limits import ACTOR_BATCH, ASK_TIMEOUT_S, MAILBOX_DEPTH, THREAD_BATCH

__all__ = [
    "ActorStats",
    "AskInsideLightActor",
    "LightActor",
    "LightRef",
    "MailboxFull",
    "Ref",
    "ThreadedActor",
    "ask",
    "debug",
    "handles",
    "launch",
    "one_round",
    "round_end",
    "stats",
]

logger = logging.getLogger(__name__)

Ref = pykka.ActorRef[Any]
"""Any actor, light or threaded: something that can be told."""

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


class AskInsideLightActor(RuntimeError):
    """A light actor's handler waited for another actor: that way lies deadlock (design.md §3)."""


class ActorStats(NamedTuple):
    """What one actor has done so far. Read from any thread; the figures are a moment's picture."""

    name: str
    kind: str
    """``light`` or ``threaded``."""
    depth: int
    """Messages waiting in the mailbox."""
    handled: int
    """Messages handled since the start."""
    busy_s: float
    """Seconds spent handling them."""
    failed: int
    """Messages whose handler raised."""


def handles(message_type: type) -> Callable[[_Handler], _Handler]:
    """Mark a method as the handler of one message type; its return value is the answer to an ``ask``."""

    def mark(method: _Handler) -> _Handler:
        method.__handles__ = message_type  # type: ignore[attr-defined]
        return method

    return mark


# --- the thread's side -----------------------------------------------------------------------------------------------


class _Runner:
    """One thread's run list: the actors that it has promised to run, each with its mailbox held."""

    __slots__ = ("busy", "crowded", "last", "ready", "running")

    def __init__(self) -> None:
        self.ready: deque[Mailbox] = deque()
        self.last: deque[Mailbox] = deque()
        self.crowded: set[Mailbox] = set()
        self.running: LightActor | None = None
        self.busy = False

    def drain(self, budget: int) -> None:
        """Run promised actors until none is left; past ``budget`` messages give the rest to the relief thread."""
        self.busy = True
        ready, last = self.ready, self.last
        try:
            while True:
                if ready:
                    mailbox = ready.popleft()
                elif last:
                    mailbox = last.popleft()
                else:
                    return
                budget -= mailbox.run(self)
                if budget <= 0 and (ready or last):
                    _relief.take(ready, last)
                    return
        except BaseException:
            # A KeyboardInterrupt in this thread: what it has promised to run, another thread must run.
            _relief.take(ready, last)
            raise
        finally:
            self.busy = False
            if self.crowded:
                self.help_crowded()

    def help_crowded(self) -> None:
        """Wait for the actors that this thread has over-filled and run them: it holds no mailbox now, so it may."""
        crowded, self.crowded = self.crowded, set()
        for mailbox in crowded:
            while len(mailbox.queue) > MAILBOX_DEPTH and mailbox.held.acquire(timeout=ASK_TIMEOUT_S):
                self.ready.append(mailbox)
                self.drain(MAILBOX_DEPTH)


class _Local(threading.local):
    runner: _Runner

    def __init__(self) -> None:
        self.runner = _Runner()


_local = _Local()


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
                self._given.put(run_list.popleft())

    def _work(self) -> None:
        runner = _local.runner
        while True:
            runner.ready.append(self._given.get())
            runner.drain(THREAD_BATCH)


_relief = _Relief()


@contextmanager
def one_round() -> Iterator[None]:
    """Within the block ``tell`` only schedules; at its end this thread runs everything it has scheduled.

    A transport reads many frames in one round, so that each peer's answers leave in one write. An ``ask`` inside the
    block first runs what is scheduled. Do not nest; do not use inside a handler.
    """
    runner = _local.runner
    runner.busy = True
    try:
        yield
    finally:
        runner.drain(THREAD_BATCH)


def round_end() -> None:
    """Inside :func:`one_round`: run everything scheduled so far, and go on with the round."""
    runner = _local.runner
    runner.drain(THREAD_BATCH)
    runner.busy = True


# --- waiting ---------------------------------------------------------------------------------------------------------

_debug = False


def debug(on: bool) -> None:
    """Turn the check on or off that no light actor waits for another actor (process-wide; for tests)."""
    global _debug
    _debug = on


class _Future(pykka.ThreadingFuture[Any]):
    """Pykka's future, except that getting it first runs what the getting thread itself has scheduled."""

    def get(self, *, timeout: float | None = None) -> Any:
        runner = _local.runner
        if runner.running is not None:
            if _debug:
                raise AskInsideLightActor(f"{runner.running} waits for another actor")
        elif runner.busy:
            runner.drain(THREAD_BATCH)
            runner.busy = True
        return super().get(timeout=timeout)


def ask(ref: Ref, message: object, timeout: float = ASK_TIMEOUT_S) -> Any:
    """``ref.ask`` with the deadline that every wait in the engine has.

    Runs on the caller's thread, which must not be inside a light actor. Raises what the handler raised,
    :class:`pykka.Timeout` or :class:`pykka.ActorDeadError`.
    """
    return ref.ask(message, timeout=timeout)


# --- the actor's side ------------------------------------------------------------------------------------------------


class Mailbox:
    """A light actor's inbox: a queue, and the right to run the actor (``held``)."""

    __slots__ = ("actor", "closed", "held", "io", "queue")

    def __init__(self) -> None:
        self.queue: deque[Any] = deque()
        self.held = threading.Lock()
        self.actor: LightActor
        self.closed = False
        self.io = False

    def put(self, message: Any) -> None:
        """Append; if nobody is running the actor, this thread will: at once, or when its present round ends."""
        self.queue.append(message)
        if self.held.acquire(False):
            runner = _local.runner
            (runner.last if self.io else runner.ready).append(self)
            if not runner.busy:
                runner.drain(THREAD_BATCH)
        elif len(self.queue) > MAILBOX_DEPTH:
            runner = _local.runner
            if runner.running is None:
                runner.crowded.add(self)
                if not runner.busy:
                    runner.help_crowded()

    def tell(self, message: Any) -> None:
        """:meth:`put`, with Pykka's promise that telling a dead actor raises."""
        if self.closed:
            raise ActorDeadError(f"{self.actor} not found")
        self.put(message)

    def run(self, runner: _Runner) -> int:
        """Run one batch; ``held`` is ours, and is let go or passed on. Returns how many messages were handled."""
        runner.running = actor = self.actor
        try:
            count = actor._batch(self.queue)
        finally:
            runner.running = None
            self.held.release()
            # Whoever appended before our release did not get the mailbox, and relies on this second look.
            if self.queue and self.held.acquire(False):
                (runner.last if self.io else runner.ready).append(self)
        return count

    def get(self) -> Any:
        """The next message; raises :class:`IndexError` when there is none. Only for the thread that runs the actor."""
        return self.queue.popleft()

    def empty(self) -> bool:
        return not self.queue


class LightRef(pykka.ActorRef[Any]):
    """Pykka's reference, whose ``tell`` goes straight to the mailbox, without an envelope."""

    def __init__(self, actor: LightActor) -> None:
        super().__init__(actor)
        self.tell = actor.actor_inbox.tell  # type: ignore[method-assign, assignment]


class LightActor(pykka.Actor):
    """An actor without a thread; see the module's text. Subclasses mark their handlers with :func:`handles`.

    A handler that raises: the asker gets the exception; a told message is logged and dropped, and
    :meth:`on_handler_error` decides what else happens. The actor itself lives on (OTP's "let it crash" ends here at
    the message, because a registry's tables are still whole: handlers change them last).
    """

    actor_inbox: Mailbox
    last_in_round: ClassVar[bool] = False
    """Run after all others of the thread's run list: for actors that do I/O, so that they do it once a round."""
    _handler_names: ClassVar[dict[type, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = dict(cls._handler_names)
        for name, member in vars(cls).items():
            if hasattr(member, "__handles__"):
                names[member.__handles__] = name
        cls._handler_names = names

    def __init__(self) -> None:
        super().__init__()
        self.actor_inbox.actor = self
        self.actor_inbox.io = self.last_in_round
        self._actor_ref = LightRef(self)
        self._handlers: dict[type, Callable[[Any], Any]] = {
            kind: getattr(self, name) for kind, name in self._handler_names.items()
        }
        self._handlers[Envelope] = self._answer
        self.handled = 0
        self.failed = 0
        self.busy_ns = 0

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return _Future()

    def _start_actor_loop(self) -> None:
        self._actor_loop_setup()

    def _batch(self, messages: deque[Any]) -> int:
        """Handle up to :data:`ACTOR_BATCH` messages, then :meth:`after_batch`. Holds the mailbox."""
        started = perf_counter_ns()
        handlers = self._handlers
        count = 0
        while count < ACTOR_BATCH:
            try:
                message = messages.popleft()
            except IndexError:
                break
            count += 1
            try:
                handler = handlers.get(type(message))
                if handler is not None:
                    handler(message)
                else:
                    self.on_receive(message)
            except Exception as error:
                self._failed(message, error)
        try:
            self.after_batch()
        except Exception as error:
            self._failed(None, error)
        self.handled += count
        self.busy_ns += perf_counter_ns() - started
        return count

    def _answer(self, envelope: Envelope[Any]) -> None:
        """Handle a message that came through Pykka's own ``ask`` or ``stop``."""
        message, reply_to = envelope.message, envelope.reply_to
        try:
            if isinstance(message, _ActorStop):
                if not self.actor_inbox.closed:
                    self.actor_inbox.closed = True
                    self._handlers = {Envelope: self._answer}
                    self._stop()
                answer = None
            elif self.actor_inbox.closed:
                raise ActorDeadError(f"{self} stopped before handling the message")
            else:
                handler = self._handlers.get(type(message))
                answer = handler(message) if handler is not None else self._handle_receive(message)
        except Exception as error:
            if reply_to is None:
                raise
            self.failed += 1
            reply_to.set_exception((type(error), error, error.__traceback__))
        else:
            if reply_to is not None:
                reply_to.set(answer)

    def _failed(self, message: object, error: Exception) -> None:
        self.failed += 1
        if self.actor_inbox.closed:
            return
        logger.error("%s failed on %s", self, type(message).__name__, exc_info=error)
        try:
            self.on_handler_error(message, error)
        except Exception:
            logger.exception("%s failed in on_handler_error", self)

    def on_receive(self, message: Any) -> Any:
        """A message without a handler: dropped quietly after a stop, a mistake to be logged before."""
        if not self.actor_inbox.closed:
            logger.warning("%s has no handler for %r", self, message)

    def after_batch(self) -> None:
        """Called on the running thread when the mailbox is empty, and at the latest after a bounded batch."""

    def on_handler_error(self, message: object, error: Exception) -> None:
        """Called after a told message's handler has raised and been logged."""


class MailboxFull(RuntimeError):
    """A light actor told a threaded actor whose mailbox is full; it may not wait, so the message is refused."""


class _BoundedQueue(queue.Queue[Any]):
    """A threaded actor's inbox: outside senders wait for room, light actors are refused."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        inside = _local.runner.running
        if inside is None:
            return super().put(item, block, timeout)
        try:
            super().put(item, False)
        except queue.Full:
            raise MailboxFull(f"{inside} told an actor whose mailbox is full") from None


class ThreadedActor(pykka.ThreadingActor):
    """A Pykka actor with a thread of its own, for whatever may wait: storage, outbound HTTP, queries that ask.

    A failing told message is logged and dropped; unlike plain Pykka the actor lives on, and an interrupt in one
    actor never stops others.
    """

    use_daemon_thread = True
    _handler_names: ClassVar[dict[type, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = dict(cls._handler_names)
        for name, member in vars(cls).items():
            if hasattr(member, "__handles__"):
                names[member.__handles__] = name
        cls._handler_names = names

    def __init__(self) -> None:
        super().__init__()
        self._handlers: dict[type, Callable[[Any], Any]] = {
            kind: getattr(self, name) for kind, name in self._handler_names.items()
        }
        self.handled = 0
        self.failed = 0
        self.busy_ns = 0

    @staticmethod
    def _create_actor_inbox() -> Any:
        return _BoundedQueue(MAILBOX_DEPTH)

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return _Future()

    def _handle_receive(self, message: Any) -> Any:
        """Runs on the actor's own thread. An exception goes to the asker; a told message's is logged here."""
        handler = self._handlers.get(type(message))
        started = perf_counter_ns()
        try:
            if handler is None:
                return super()._handle_receive(message)
            return handler(message)
        except Exception:
            self.failed += 1
            raise
        except BaseException as interrupt:
            # Pykka stops every actor of the process for these; here it is one failed message.
            self.failed += 1
            raise RuntimeError(f"{interrupt!r} in {self}") from interrupt
        finally:
            self.handled += 1
            self.busy_ns += perf_counter_ns() - started

    def _handle_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        logger.error("%s failed", self, exc_info=exception_value)


def launch(actor: pykka.Actor) -> Ref:
    """Start an actor that has been made already: what ``Actor.start`` does for one that it makes itself."""
    pykka.ActorRegistry.register(actor.actor_ref)
    actor._start_actor_loop()
    return actor.actor_ref


def stats(ref: Ref) -> ActorStats | None:
    """The figures of one actor of ours, or None when it is gone. Callable from any thread."""
    actor = ref._actor_weakref()
    if isinstance(actor, LightActor):
        depth, kind = len(actor.actor_inbox.queue), "light"
    elif isinstance(actor, ThreadedActor):
        depth, kind = actor.actor_inbox.qsize(), "threaded"  # type: ignore[attr-defined]
    else:
        return None
    return ActorStats(type(actor).__name__, kind, depth, actor.handled, actor.busy_ns / 1e9, actor.failed)
