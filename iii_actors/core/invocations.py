"""The invocation tracker: every call in flight, from filing to its one outcome (core.md §7.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Raw
from pykka import ActorDeadError

from iii_actors.actor import LightActor, MailboxFull, handles
from iii_actors.core.draining import Drain, EngineDraining, PendingCalls
from iii_actors.core.groups import LEAST_BUSY
from iii_actors.core.messages import (
    Answer,
    CountCalls,
    Forward,
    Halt,
    ListCalls,
    Target,
)
from iii_actors.core.outcome import complete, wire_error
from iii_actors.core.tallies import Count, ReadTallies, Tallies, TalliesRead
from iii_actors.limits import MAX_CALLS_AT_WORKER, MAX_CALLS_PENDING_PER_WORKER
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import Undecodable, canonical_uuid

__all__ = ["CHANNEL_CLOSED", "Invocations"]

STOPPED: Final = wire.ErrorBody("invocation_stopped", "Invocation stopped")
REPLACED: Final = wire.ErrorBody("invocation_error", "channel closed")
OVERLOADED: Final = wire.ErrorBody(
    "invocation_error", f"the worker has {MAX_CALLS_AT_WORKER} calls in flight and takes no more"
)
_NULL_BYTES: Final = len(b"null")
TOO_MANY: Final = wire.ErrorBody(
    "invocation_error", f"more than {MAX_CALLS_PENDING_PER_WORKER} calls of this worker are in flight"
)
DRAINING: Final = wire_error(EngineDraining())
CHANNEL_CLOSED: Final = wire.ErrorBody("channel_send_failed", "channel closed")


class Invocations(LightActor):
    """Owns the pending table, keyed by invocation id, and the ids in flight per worker.

    A call is filed *before* it is forwarded, so that even the fastest answer finds it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pending: dict[str, Forward] = {}
        self._of_worker: dict[str, dict[str, float]] = {}
        """What each worker makes and executes; of the latter, since when (monotonic), if calls are counted."""
        self._drained: Callable[[], None] | None = None
        self._tallies: Tallies | None = None

    @handles(Forward)
    def forward(self, forward: Forward) -> None:
        invoke = forward.invoke
        invocation_id = invoke.invocation_id
        pending, of_worker = self._pending, self._of_worker
        if invocation_id in pending:
            self._finish(invocation_id, wire.ABSENT, REPLACED)
        group = forward.function.group
        if group is not None and group.policy.name == LEAST_BUSY:
            target = min((member.target for member in group.members), key=self._load)
            forward = Forward(invoke, forward.function, target)
        target = forward.target
        caller = invoke.caller
        if caller is not None:
            try:
                made = of_worker[caller.worker_id]
            except KeyError:
                made = of_worker[caller.worker_id] = {}
            if len(made) >= MAX_CALLS_PENDING_PER_WORKER:
                if self._tallies is not None:
                    self._tallies.refuse(invoke.call.function_id, TOO_MANY.code)
                complete(invoke, wire.ABSENT, TOO_MANY)
                return
            made[invocation_id] = 0.0
        pending[invocation_id] = forward
        try:
            executed = of_worker[target.worker_id]
        except KeyError:
            executed = of_worker[target.worker_id] = {}
        if len(executed) >= MAX_CALLS_AT_WORKER:
            self._finish(invocation_id, wire.ABSENT, OVERLOADED)
            return
        tallies = self._tallies
        executed[invocation_id] = tallies.monotonic() if tallies is not None else 0.0
        try:
            target.ref.tell(forward)
        except ActorDeadError:
            self._finish(invocation_id, wire.ABSENT, CHANNEL_CLOSED)
        except MailboxFull:
            self._finish(
                invocation_id, wire.ABSENT, wire.ErrorBody("invocation_error", f"{target.worker_id} is overloaded")
            )

    def _load(self, target: Target) -> int:
        return len(self._of_worker.get(target.worker_id, ()))

    @handles(wire.InvocationResult)
    def result(self, result: wire.InvocationResult) -> None:
        """A worker's answer, from whichever connection (core.md §7.4); unknown and late ids are ignored."""
        invocation_id = result.invocation_id
        if invocation_id not in self._pending:
            try:
                invocation_id = canonical_uuid(invocation_id)
            except Undecodable:
                return
        if invocation_id in self._pending:
            body = result.result
            # A worker's null travels on as absence (core.md §1.3).
            if len(memoryview(body)) == _NULL_BYTES and bytes(body) == b"null":
                body = wire.ABSENT
            self._finish(invocation_id, body, result.error)

    @handles(Answer)
    def answer(self, answer: Answer) -> None:
        if answer.invocation_id in self._pending:
            self._finish(answer.invocation_id, answer.result, answer.error)

    @handles(Halt)
    def halt(self, request: Halt) -> None:
        """End what a leaving worker makes or executes; callers still there are told, callees are not."""
        for invocation_id in list(self._of_worker.get(request.worker_id, ())):
            self._finish(invocation_id, wire.ABSENT, STOPPED)
        self._of_worker.pop(request.worker_id, None)

    def _finish(self, invocation_id: str, result: Raw, error: wire.ErrorBody | None) -> None:
        forward = self._pending.pop(invocation_id)
        invoke = forward.invoke
        of_worker = self._of_worker
        executed = of_worker.get(forward.target.worker_id)
        began = executed.pop(invocation_id, 0.0) if executed is not None else 0.0
        if invoke.caller is not None:
            made = of_worker.get(invoke.caller.worker_id)
            if made is not None:
                made.pop(invocation_id, None)
        if self._tallies is not None:
            self._tallies.end(forward, began, error)
        complete(invoke, result, error)

    # --- going down --------------------------------------------------------------------------------------------------

    @handles(Drain)
    def drain(self, request: Drain) -> int:
        """From now on only what belongs to a call in flight is taken (:class:`Drain`)."""
        self._drained = request.drained
        self._handlers[Forward] = self._forward_in_drain
        self.actor_inbox.after_batch = self._tell_if_drained  # not before: it costs time on the path of every call
        return len(self._pending)

    def _forward_in_drain(self, forward: Forward) -> None:
        caller = forward.invoke.caller
        if caller is None or self._executes(caller.worker_id):
            self.forward(forward)
        else:
            complete(forward.invoke, wire.ABSENT, DRAINING)

    def _executes(self, worker_id: str) -> bool:
        mine = self._of_worker.get(worker_id, ())
        return any(self._pending[one].target.worker_id == worker_id for one in mine)

    def _tell_if_drained(self) -> None:
        if self._drained is not None and not self._pending:
            self._drained()

    # --- counting ----------------------------------------------------------------------------------------------------

    @handles(Count)
    def count_calls(self, request: Count) -> None:
        if request.tracer is None and not request.calls:
            self._tallies = None
        elif self._tallies is None:
            self._tallies = Tallies(request)
        else:
            self._tallies.change(request)

    @handles(ReadTallies)
    def read_tallies(self, _: ReadTallies) -> TalliesRead:
        return self._tallies.read(self._pending.values()) if self._tallies is not None else TalliesRead([], {})

    # --- questions ---------------------------------------------------------------------------------------------------

    @handles(PendingCalls)
    def pending(self, _: PendingCalls) -> int:
        return len(self._pending)

    @handles(CountCalls)
    def count(self, _: CountCalls) -> dict[str, int]:
        return {worker_id: len(ids) for worker_id, ids in self._of_worker.items() if ids}

    @handles(ListCalls)
    def list_of(self, query: ListCalls) -> list[str]:
        return sorted(self._of_worker.get(query.worker_id, ()))
