"""Letting connections in, and asking functions about them (core.md §10.2, §10.5).

One guard per listener that has anything to check. Its methods run on connections' own threads, which may wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Raw
from pykka import ActorDeadError

from iii_actors.access.errors import AuthError
from iii_actors.access.grants import Grants, answered
from iii_actors.access.policy import Access, Policy
from iii_actors.access.visitor import Visitor
from iii_actors.actor import run_scheduled
from iii_actors.core.gate import Gate, Word
from iii_actors.core.ids import invocation_id
from iii_actors.core.messages import DEFAULT_NAMESPACE, Completed, Invoke
from iii_actors.core.refs import Core
from iii_actors.limits import AUTH_WAIT_S, GONE_CHECK_S, HOOK_WAIT_S
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["Gone", "Guard"]

logger = logging.getLogger(__name__)

IsGone = Callable[[], bool]
"""Tells whether the client has left meanwhile: then nobody needs to be waited for on its behalf."""


class Gone(Exception):
    """The client has left while somebody was asked about it."""


class Guard:
    """Asks about one listener's visitors."""

    def __init__(self, core: Core, policy: Policy) -> None:
        self._core = core
        self._policy = policy
        self.gate = Gate.start(core)
        """Routes the calls that the sessions' ids alone do not decide."""

    def stop(self) -> None:
        """Answer nothing any more."""
        self.gate.stop(block=False)

    def admit(self, visitor: Visitor, is_gone: IsGone) -> Access:
        """Return what the session of a visitor may do. Waits for the auth function, if that is to be asked.

        A token of the listener's decides by itself; whoever shows none of these is the auth function's matter. Raises
        :class:`AuthError`, or :class:`Gone`.
        """
        policy = self._policy
        token = visitor.token()
        if policy.tokens is not None and token is not None:
            known = policy.tokens.find(token, self._core.clock.now())
            if known is not None:
                logger.info("%s is let in with the token %r", visitor.ip_address, known.name)
                return policy.of_token(known)
        if policy.auth_function_id is not None:
            return policy.access(self._asked(policy.auth_function_id, visitor, is_gone))
        if policy.tokens is None:
            return policy.unrestricted()
        raise AuthError(
            "this listener needs a token, and the one shown is not known to it"
            if token is not None
            else "this listener needs a token: send the header `Authorization: Bearer <token>`, or ?token= in the URL"
        )

    def _asked(self, function_id: str, visitor: Visitor, is_gone: IsGone) -> Grants:
        completed = self._call(function_id, raw(visitor.described()), AUTH_WAIT_S, is_gone)
        if completed is None:
            logger.warning("%s has not answered about %s in time; it is refused", function_id, visitor.ip_address)
            raise AuthError(f"the auth function has not answered within {AUTH_WAIT_S:g} s; try again later")
        if completed.error is not None:
            raise AuthError(completed.error.message)
        return answered(completed.result)

    def verdict(self, function_id: str, question: Raw, is_gone: IsGone) -> Raw | None:
        """Return what a hook answers, as JSON; None: it failed, or took too long. Raises :class:`Gone`."""
        completed = self._call(function_id, question, HOOK_WAIT_S, is_gone)
        if completed is None:
            logger.warning("The hook %s has not answered in time: the registration is denied", function_id)
            return None
        if completed.error is not None:
            logger.warning(
                "The hook %s failed, the registration is denied: %s: %s",
                function_id,
                completed.error.code,
                completed.error.message,
            )
            return None
        return completed.result

    def _call(self, function_id: str, data: Raw, wait_s: float, is_gone: IsGone) -> Completed | None:
        """Call a function in ``default`` and wait; None: no answer in time."""
        word = Word()
        own_id = invocation_id()
        message = wire.InvokeFunction(function_id, own_id, data=data)
        invoke = Invoke(message, DEFAULT_NAMESPACE, own_id, self.gate, None, internal=True, context=word)
        timer = self._core.clock.call_later(wait_s, word.expire)
        try:
            try:
                self._core.functions.tell(invoke)
            except ActorDeadError:
                raise Gone from None
            run_scheduled()
            while not word.spoken.wait(GONE_CHECK_S):
                if is_gone():
                    raise Gone
        finally:
            timer.cancel()
        return word.completed
