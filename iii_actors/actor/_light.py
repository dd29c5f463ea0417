"""The light actor: owns its tables, has no thread."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import pykka
from pykka import ActorDeadError
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from iii_actors.actor._future import Future
from iii_actors.actor._runner import Mailbox
from iii_actors.actor._shared import HandlerTable

__all__ = ["LightActor", "LightRef"]

logger = logging.getLogger("iii_actors.actor")


class LightRef(pykka.ActorRef[Any]):
    """Pykka's reference, whose ``tell`` goes straight to the mailbox, without an envelope."""

    def __init__(self, actor: LightActor) -> None:
        super().__init__(actor)
        self.tell = actor.actor_inbox.tell  # type: ignore[method-assign]


class LightActor(HandlerTable, pykka.Actor):
    """An actor without a thread; see the module's text. Subclasses mark their handlers with :func:`handles`.

    A handler that raises: the asker gets the exception; a told message is logged and dropped, and
    :meth:`on_handler_error` decides what else happens. The actor itself lives on (OTP's "let it crash" ends here at
    the message, because a registry's tables are still whole: handlers change them last).
    """

    actor_inbox: Mailbox
    last_in_round: ClassVar[bool] = False
    """Run after all others of the thread's run list: for actors that do I/O, so that they do it once a round."""

    def __init__(self) -> None:
        super().__init__()
        self.actor_inbox.actor = self
        self.actor_inbox.last_in_round = self.last_in_round
        if type(self).after_batch is not LightActor.after_batch:
            self.actor_inbox.after_batch = self.after_batch
        self._actor_ref = LightRef(self)
        self._handlers = self._bound_handlers()
        self._handlers[Envelope] = self._answer
        self._handlers[_ActorStop] = self._end
        self.handled = 0
        self.failed = 0
        self.busy_ns = 0

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return Future()

    def _start_actor_loop(self) -> None:
        self._actor_loop_setup()

    def _answer(self, envelope: Envelope[Any]) -> None:
        """Handle a message that came through Pykka's own ``ask`` or ``stop``."""
        message, reply_to = envelope.message, envelope.reply_to
        try:
            if self.actor_inbox.closed and not isinstance(message, _ActorStop):
                raise ActorDeadError(f"{self} stopped before handling the message")
            handler = self._handlers.get(type(message))
            answer = handler(message) if handler is not None else self._handle_receive(message)
        except BaseException as error:
            if reply_to is None:
                raise
            reply_to.set_exception((type(error), error, error.__traceback__))
            if not isinstance(error, Exception):
                raise
            self.failed += 1
        else:
            if reply_to is not None:
                reply_to.set(answer)

    def _end(self, _: _ActorStop) -> None:
        """Stop: what is still in the mailbox is dropped, and whoever asked is told that the actor is dead."""
        if not self.actor_inbox.closed:
            self.actor_inbox.closed = True
            # In place: the batch that is being run has this very table in its hands.
            self._handlers.clear()
            self._handlers.update({Envelope: self._answer, _ActorStop: self._end})
            self._stop()

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
