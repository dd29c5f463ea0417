"""Actors: light ones that run on the thread that delivers the message, and threaded ones (design.md §2, §3).

A :class:`LightActor` owns its tables alone, like every Pykka actor, but has no thread. ``tell`` appends to its
mailbox; if nobody is running that actor, the telling thread runs it: one message at a time, in order, never two
threads in one actor. A ``tell`` made *while* a thread is running an actor only puts the told actor on that thread's
run list, so the stack stays flat however long a chain of messages gets.

Three rules keep it honest:

- A handler must not block and must not ``ask``. With ``debug(True)`` (the tests) such an ``ask`` raises
  :class:`AskInsideLightActor`.
- A thread that has run :data:`~iii_actors.limits.THREAD_BATCH` messages gives what is left to the relief thread, so
  that it gets back to its own work.
- A thread outside any actor that tells faster than an actor is run waits for that actor and helps it: mailboxes stay
  bounded (:data:`~iii_actors.limits.MAILBOX_DEPTH`).

:class:`ThreadedActor` is Pykka's own kind, with bounded mailbox, the same check and the same figures.
"""

from iii_actors.actor._future import AskInsideLightActor, ask, debug
from iii_actors.actor._light import LightActor, LightRef
from iii_actors.actor._moment import Moment, moments
from iii_actors.actor._runner import Mailbox, Round, run_scheduled
from iii_actors.actor._shared import Ref, handles, launch
from iii_actors.actor._stats import ActorStats, stats
from iii_actors.actor._threaded import MailboxFull, ThreadedActor

__all__ = [
    "ActorStats",
    "AskInsideLightActor",
    "LightActor",
    "LightRef",
    "Mailbox",
    "MailboxFull",
    "Moment",
    "Ref",
    "Round",
    "ThreadedActor",
    "ask",
    "debug",
    "handles",
    "launch",
    "moments",
    "run_scheduled",
    "stats",
]
