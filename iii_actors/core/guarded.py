"""A session that has not every right, and its connection (core.md §10). Plain listeners use neither."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from iii_actors.access.errors import AuthError, QuotaExceeded
from iii_actors.access.permission import Verdict
from iii_actors.access.policy import Access
from iii_actors.access.quotas import Quotas
from iii_actors.actor import Ref, handles, launch
from iii_actors.clock import Timer
from iii_actors.core.connection import Connection, Outlet
from iii_actors.core.functions import RESERVED_PREFIX
from iii_actors.core.gate import Mediate, dispatch
from iii_actors.core.gated_registrations import GatedRegistrations
from iii_actors.core.guard import Guard, IsGone
from iii_actors.core.ids import invocation_id
from iii_actors.core.messages import DEFAULT_NAMESPACE, Completed, Drop, Forward, Invoke, Send, Target
from iii_actors.core.outcome import wire_error
from iii_actors.core.queries import LookUp
from iii_actors.core.refs import Core
from iii_actors.core.session import REGISTER_WORKER, Session, decoded_details
from iii_actors.errors import EngineError, InvalidNamespace
from iii_actors.limits import EXPIRY_LOOK_S, REFUSALS_LOGGED_PER_S
from iii_actors.wire import messages as wire

__all__ = ["GuardedConnection", "GuardedSession"]

logger = logging.getLogger(__name__)

_POLICY_VIOLATION: Final = 1008


class GuardedConnection(Connection):
    """Writes to a worker whose functions have a prefix that it does not know of, and counts the answers it gets."""

    def __init__(self, outlet: Outlet, prefix: str) -> None:
        super().__init__(outlet)
        self._prefix = prefix
        self.answered = 0
        """Outcomes of the session's own calls. Read by the thread that reads the socket."""

    @handles(Forward)
    def deliver(self, forward: Forward) -> None:
        """Send a call under the id that the worker knows."""
        invoke = forward.invoke
        function_id = invoke.call.function_id
        if self._prefix and function_id.startswith(self._prefix):
            call = msgspec.structs.replace(invoke.call, function_id=function_id[len(self._prefix) :])
            forward = Forward(msgspec.structs.replace(invoke, call=call), forward.function, forward.target)
        super().deliver(forward)

    @handles(Completed)
    def complete(self, completed: Completed) -> None:
        """Send an outcome; one of a call that :class:`GuardedSession` counts has its caller in it."""
        if completed.invoke.caller is not None:
            self.answered += 1
        super().complete(completed)


class GuardedSession(Session):
    """A session whose calls and registrations are looked at.

    :param is_gone: tells whether the client has left, while somebody is asked about its registrations.
    """

    def __init__(
        self,
        core: Core,
        outlet: Outlet,
        ip_address: str | None,
        cut: object,
        guard: Guard,
        access: Access,
        is_gone: IsGone,
    ) -> None:
        self._writer = GuardedConnection(outlet, access.prefix)
        self.connection: Ref = launch(self._writer)
        super().__init__(core, self.connection, ip_address, cut)
        self._access = access
        self._gate = guard.gate
        self._caller = self._caller._replace(access=access)
        target = Target(self.worker_id, self.connection)
        self._registrations = GatedRegistrations(core, self._caller, target, guard, access, is_gone)
        quotas = access.quotas
        self._quotas = Quotas(quotas, core.clock.monotonic) if quotas is not None else None
        self.meters = self._quotas is not None and self._quotas.meters
        """Whether :meth:`charge` wants to hear of every message."""
        self._awaited = 0
        self._expiry: Timer | None = None
        self._muted_until = 0.0
        self._logged = 0

    def open(self) -> None:
        super().open()
        self._look_at_expiry()

    def _look_at_expiry(self) -> None:
        """End the session if its token has expired, or look again then.

        At the latest after a while, as the wall clock may be set meanwhile. Runs on the clock's thread, but for the
        first time.
        """
        expires_at = self._access.expires_at
        if expires_at is None or self._closed:
            return
        clock = self._core.clock
        left = expires_at - clock.now()
        if left > 0:
            self._expiry = clock.call_later(min(left, EXPIRY_LOOK_S), self._look_at_expiry)
            return
        logger.info("The token %r of worker %s has expired", self._access.name, self.worker_id)
        self._say_and_end(AuthError(f"the token {self._access.name!r} has expired; ask for a new one"), 0)

    def _say_and_end(self, error: EngineError, code: int) -> None:
        self._tell(Send(wire.ErrorFrame(wire_error(error))))
        self._tell(Drop(code, error.code))

    def _clean_up(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        super()._clean_up()

    # --- calls -------------------------------------------------------------------------------------------------------

    def charge(self, count: int) -> None:
        """Take note of a message of so many bytes, before it is received; far too many end the session."""
        error = self._quotas.charge(count) if self._quotas is not None else None
        if error is not None:
            logger.warning("Worker %s is ended: %s", self.worker_id, error)
            self._say_and_end(error, _POLICY_VIOLATION)

    def _invoke(self, call: wire.InvokeFunction) -> None:
        """Route a call (core.md §7.1); never waits. What is refused costs the session's quotas as well."""
        over = self._over_quota()
        if over is not None:
            self._refuse_for_quota(call, over)
            return
        namespace = call.namespace
        if namespace is None:
            namespace = DEFAULT_NAMESPACE
        elif not namespace.strip():
            if call.invocation_id is not None:
                self._refuse(call, InvalidNamespace("namespace"))
            return
        access, function_id = self._access, call.function_id
        verdict = access.permission.verdict(function_id, namespace)
        if verdict is Verdict.FORBIDDEN or verdict is Verdict.NOT_EXPOSED:
            self._refuse(call, verdict.refusal(function_id))
            return
        used = call.invocation_id
        reply_to = self.connection if used is not None and type(call.action) is not wire.Void else None
        if reply_to is not None:
            self._awaited += 1
        invoke = Invoke(call, namespace, used if used is not None else invocation_id(), reply_to, self._caller)
        reserved = function_id.startswith(RESERVED_PREFIX)
        if verdict is Verdict.BY_METADATA or (access.middleware is not None and reserved):
            wanted = LookUp(namespace, function_id, self._gate, Mediate(invoke, access))
            self._core.functions.tell(wanted)
        elif access.middleware is not None:
            self._gate.tell(Mediate(invoke, access))
        else:
            dispatch(self._core, invoke)

    def _over_quota(self) -> QuotaExceeded | None:
        if self._quotas is None:
            return None
        return self._quotas.check_call(self._awaited - self._writer.answered)

    def _refuse_for_quota(self, call: wire.InvokeFunction, error: QuotaExceeded) -> None:
        """Answer who waits for an answer; a flood of calls that nobody awaits is not doubled by refusals."""
        if call.invocation_id is not None and type(call.action) is not wire.Void:
            self._refuse(call, error)
        else:
            self._log(call.function_id, error)

    def _refuse(self, call: wire.InvokeFunction, error: EngineError) -> None:
        """Answer a call with an error, under an id of ours if it has none."""
        used = call.invocation_id if call.invocation_id is not None else invocation_id()
        self._tell(Completed(Invoke(call, DEFAULT_NAMESPACE, used, None, None), wire.ABSENT, wire_error(error)))
        self._log(call.function_id, error)

    def _log(self, function_id: str, error: EngineError) -> None:
        """Say in the log what was refused; a client that goes on and on is not allowed to fill it."""
        now = self._core.clock.monotonic()
        if now >= self._muted_until:
            self._muted_until, self._logged = now + 1.0, 0
        self._logged += 1
        if self._logged <= REFUSALS_LOGGED_PER_S:
            logger.info("A call of %.200s by worker %s is refused: %.300s", function_id, self.worker_id, error)

    # --- the register call -------------------------------------------------------------------------------------------

    def _register_worker(self, call: wire.InvokeFunction) -> None:
        over = self._over_quota()
        if over is not None:
            self._refuse_for_quota(call, over)
            return
        verdict = self._access.permission.verdict(REGISTER_WORKER, DEFAULT_NAMESPACE)
        if verdict is not Verdict.ALLOWED:
            self._refuse(call, verdict.refusal(REGISTER_WORKER))
            return
        try:
            declared = decoded_details(call).namespace
            if declared is None or declared.strip():
                self._access.permission.check_namespace(declared if declared is not None else DEFAULT_NAMESPACE)
        except EngineError as error:
            self._refuse(call, error)
            return
        super()._register_worker(call)
