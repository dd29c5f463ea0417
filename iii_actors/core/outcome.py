"""Telling a caller the one outcome of its call."""

from __future__ import annotations

import logging

from msgspec import Raw
from pykka import ActorDeadError

from iii_actors.actor import MailboxFull
from iii_actors.core.messages import Completed, Invoke
from iii_actors.wire import messages as wire

__all__ = ["complete", "wire_error"]

logger = logging.getLogger(__name__)


def complete(invoke: Invoke, result: Raw, error: wire.ErrorBody | None = None) -> None:
    """Tell whoever made the call, if anybody wants to know and is still there."""
    if invoke.reply_to is not None:
        try:
            invoke.reply_to.tell(Completed(invoke, result, error))
        except (ActorDeadError, MailboxFull):
            logger.debug("The caller of %s is gone", invoke.invocation_id)


def wire_error(error: Exception) -> wire.ErrorBody:
    """Return an error as it goes over the wire: with the code that its class carries."""
    return wire.ErrorBody(getattr(error, "code", "invocation_error"), str(error))
