"""The threaded actor: Pykka's own kind, for whatever may wait."""

from __future__ import annotations

import logging
import queue
from time import perf_counter_ns
from typing import Any

import pykka
from pykka import ActorDeadError
from pykka.messages import _ActorStop

from iii_actors.actor._future import Future
from iii_actors.actor._runner import local
from iii_actors.actor._shared import HandlerTable
from iii_actors.limits import ASK_TIMEOUT_S, MAILBOX_DEPTH

__all__ = ["MailboxFull", "ThreadedActor"]

logger = logging.getLogger("iii_actors.actor")


class MailboxFull(RuntimeError):
    """A light actor told a threaded actor whose mailbox is full; it may not wait, so the message is refused."""


class _BoundedQueue(queue.Queue[Any]):
    """A threaded actor's inbox: outside senders wait for room, for a while; light actors are refused at once."""

    closed = False
    """The actor's thread has gone, or is going: nobody will take anything out any more."""

    def put(self, item: Any, block: bool = True, timeout: float | None = ASK_TIMEOUT_S) -> None:
        try:
            super().put(item, local.runner.running is None and block, timeout)
        except queue.Full:
            raise MailboxFull("an actor's mailbox is full") from None
        # Whoever closes looks after closing, whoever puts looks after putting: one of the two sees the item.
        if self.closed:
            self.answer_all()

    def close(self) -> None:
        """From now on every ask is answered that the actor is dead."""
        self.closed = True
        self.answer_all()

    def answer_all(self) -> None:
        """Empty the queue; whoever asked is told that the actor is dead, whoever stopped it that it is stopped."""
        while True:
            try:
                envelope = self.get_nowait()
            except queue.Empty:
                return
            if envelope.reply_to is None:
                continue
            if isinstance(envelope.message, _ActorStop):
                envelope.reply_to.set(None)
            else:
                error = ActorDeadError("the actor stopped before handling the message")
                envelope.reply_to.set_exception((ActorDeadError, error, None))


class ThreadedActor(HandlerTable, pykka.ThreadingActor):
    """A Pykka actor with a thread of its own, for whatever may wait: storage, outbound HTTP, queries that ask.

    A failing told message is logged and dropped; unlike plain Pykka the actor lives on, and an interrupt in one
    actor never stops others.
    """

    use_daemon_thread = True

    def __init__(self) -> None:
        super().__init__()
        self._handlers = self._bound_handlers()
        self.handled = 0
        self.failed = 0
        self.busy_ns = 0

    @staticmethod
    def _create_actor_inbox() -> Any:
        return _BoundedQueue(MAILBOX_DEPTH)

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return Future()

    def _actor_loop_teardown(self) -> None:
        self.actor_inbox.close()  # type: ignore[attr-defined]

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
