"""The calls that the front makes, and their outcomes, which come back to its own thread.

Calls collect while the loop runs what is ready, and leave together, so that each worker gets those of one round in one
write. Outcomes of one round of reading wake the loop once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Raw
from pykka import ActorDeadError

from iii_actors.actor import LightActor, MailboxFull, Ref, Round, handles, launch
from iii_actors.builtin.http.bell import Bell
from iii_actors.core.ids import invocation_id
from iii_actors.core.messages import Completed, Invoke
from iii_actors.core.outcome import wire_error
from iii_actors.errors import InvocationError
from iii_actors.wire import messages as wire

__all__ = ["Calls", "Done"]

logger = logging.getLogger(__name__)

Done = Callable[[Raw, wire.ErrorBody | None], None]
"""Gets a call's result (``wire.ABSENT`` if there is none) or its error, on the loop's thread."""


class _Outcomes(LightActor):
    """Carries outcomes to the loop; last in a round, so that the loop is woken once for all of them."""

    last_in_round = True

    def __init__(self, bell: Bell) -> None:
        super().__init__()
        self._ring = bell.ring

    @handles(Completed)
    def completed(self, completed: Completed) -> None:
        self._ring(partial(completed.invoke.context, completed.result, completed.error))


class Calls:
    """Makes calls. All methods run on the loop's thread, but for :meth:`stop`.

    :param functions: the function registry.
    """

    def __init__(self, functions: Ref, loop: asyncio.AbstractEventLoop, bell: Bell) -> None:
        self._functions = functions
        self._loop = loop
        self._waiting: list[Invoke] = []
        self.outcomes = launch(_Outcomes(bell))
        """The actor that gets the outcomes."""

    def call(
        self,
        function_id: str,
        namespace: str,
        data: Raw,
        done: Done,
        *,
        metadata: Raw = wire.ABSENT,
        traceparent: str | None = None,
        baggage: str | None = None,
    ) -> None:
        """Make a call; ``done`` gets its one outcome, which may be an error, unless the engine stops first."""
        own_id = invocation_id()
        call = wire.InvokeFunction(
            function_id, own_id, metadata=metadata, traceparent=traceparent, baggage=baggage, data=data
        )
        waiting = self._waiting
        waiting.append(Invoke(call, namespace, own_id, self.outcomes, None, True, done))
        if len(waiting) == 1:
            self._loop.call_soon(self._leave)

    def _leave(self) -> None:
        waiting, self._waiting = self._waiting, []
        tell = self._functions.tell
        with Round():
            for invoke in waiting:
                try:
                    tell(invoke)
                except (ActorDeadError, MailboxFull):
                    done: Any = invoke.context
                    done(wire.ABSENT, wire_error(InvocationError("the engine is stopping")))

    def stop(self) -> None:
        """Drop the outcomes that are still to come. Any thread."""
        self.outcomes.stop(block=False)
