"""Waiting for an actor's answer."""

from __future__ import annotations

from typing import Any

import pykka

from iii_actors.actor._runner import Mailbox, local, run_scheduled
from iii_actors.actor._shared import Ref
from iii_actors.limits import ASK_TIMEOUT_S

__all__ = ["AskInsideLightActor", "Future", "ask", "debug"]


class AskInsideLightActor(RuntimeError):
    """A light actor's handler waited for another actor: that way lies deadlock (design.md §3)."""


_debug = False


def debug(on: bool) -> None:
    """Turn the check on or off that no light actor waits for another actor (process-wide; for tests)."""
    global _debug
    _debug = on


class Future(pykka.ThreadingFuture[Any]):
    """Pykka's future, except that getting it first runs what the getting thread itself has scheduled."""

    def get(self, *, timeout: float | None = None) -> Any:
        inside = local.runner.running
        if inside is None:
            run_scheduled()
        elif _debug:
            raise AskInsideLightActor(f"{inside} waits for another actor")
        return super().get(timeout=timeout)


def ask(ref: Ref, message: object, timeout: float = ASK_TIMEOUT_S) -> Any:
    """``ref.ask`` with the deadline that every wait in the engine has.

    Runs on the caller's thread, which must not be inside a light actor. Raises what the handler raised,
    :class:`pykka.Timeout` or :class:`pykka.ActorDeadError`. A light actor that nobody is running, and for which
    nothing waits, handles the message on this thread straight away.
    """
    mailbox = ref.actor_inbox
    if type(mailbox) is Mailbox:
        runner = local.runner
        if runner.running is None:
            if runner.ready:
                # What this thread has told before comes first, wherever it leads.
                in_round = runner.busy
                runner.drain(io=False)
                runner.busy = in_round
            if not mailbox.queue and mailbox.held.acquire(False):
                return runner.serve(mailbox, message)
    return ref.ask(message, timeout=timeout)
