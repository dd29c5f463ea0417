"""The threaded actor: Pykka's own kind, for whatever may wait."""

from __future__ import annotations

import logging
import queue
from time import perf_counter_ns
from typing import Any

import pykka

from iii_actors.actor._future import Future
from iii_actors.actor._runner import local
from iii_actors.actor._shared import HandlerTable
from iii_actors.limits import MAILBOX_DEPTH

__all__ = ["MailboxFull", "ThreadedActor"]

logger = logging.getLogger("iii_actors.actor")


class MailboxFull(RuntimeError):
    """A light actor told a threaded actor whose mailbox is full; it may not wait, so the message is refused."""


class _BoundedQueue(queue.Queue[Any]):
    """A threaded actor's inbox: outside senders wait for room, light actors are refused."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        inside = local.runner.running
        if inside is None:
            return super().put(item, block, timeout)
        try:
            super().put(item, False)
        except queue.Full:
            raise MailboxFull(f"{inside} told an actor whose mailbox is full") from None


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
