"""Waiting for an actor's answer."""

from __future__ import annotations

from typing import Any

import pykka

from iii_actors.actor._runner import local, run_scheduled
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
    :class:`pykka.Timeout` or :class:`pykka.ActorDeadError`.
    """
    return ref.ask(message, timeout=timeout)
