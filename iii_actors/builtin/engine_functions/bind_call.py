"""``engine::register_trigger`` and ``engine::unregister_trigger``: durable bindings by function call (core.md §6.7)."""

from __future__ import annotations

import logging

import pykka
from msgspec import Raw, Struct, field

from iii_actors.actor import Ref
from iii_actors.builtin.base import DEFERRED, Call
from iii_actors.builtin.engine_functions.offers import Offer
from iii_actors.clock import Timer
from iii_actors.core.ids import new_id
from iii_actors.core.messages import (
    DEFAULT_NAMESPACE,
    RegisterTrigger,
    TriggerAcknowledged,
)
from iii_actors.core.refs import Core
from iii_actors.core.registrations import bind, unbind
from iii_actors.errors import EngineError, Forbidden, InvalidNamespace, TriggerRegistrationFailed, UnregisterFailed
from iii_actors.limits import PROVIDER_ACK_WAIT_S
from iii_actors.wire import messages as wire

__all__ = ["BindCalls", "Registered", "Removed", "Silence", "TriggerWish", "UnregisterWish"]

logger = logging.getLogger(__name__)


class TriggerWish(Struct, frozen=True):
    """Input of ``engine::register_trigger``."""

    trigger_type: str
    function_id: str
    config: Raw = field(default_factory=lambda: wire.NULL)
    metadata: Raw = field(default_factory=lambda: wire.NULL)
    trigger_namespace: str | None = None
    """Where the provider is looked for; absent: ``default``."""


class Registered(Struct, frozen=True):
    """Output of ``engine::register_trigger``."""

    id: str


class UnregisterWish(Struct, frozen=True):
    """Input of ``engine::unregister_trigger``."""

    id: str
    trigger_type: str | None = None


class Removed(Struct, frozen=True):
    """Output of ``engine::unregister_trigger``."""

    removed: bool
    """Whether there was such a trigger, live or parked."""


class Silence(Struct, frozen=True):
    """From the clock: the provider of this trigger has had its time to refuse."""

    trigger_id: str


class BindCalls:
    """The two functions, and the calls that wait for a provider's word. Runs on the desk's thread.

    :param desk: gets the :class:`TriggerAcknowledged` and the :class:`Silence`, and passes both on to :meth:`settle`.
    """

    def __init__(self, core: Core, desk: Ref) -> None:
        self._core = core
        self._desk = desk
        self._waiting: dict[str, tuple[Call, Timer]] = {}

    def offers(self) -> list[Offer]:
        return [
            Offer(
                "engine::register_trigger",
                "Binds a function to a trigger type for good: the trigger stays when its maker leaves.",
                TriggerWish,
                self.register,
                Registered,
            ),
            Offer(
                "engine::unregister_trigger",
                "Removes a trigger, whoever made it.",
                UnregisterWish,
                self.unregister,
                Removed,
            ),
        ]

    def register(self, wish: TriggerWish, call: Call) -> object:
        """Make the binding. A provider in this process decides at once, a worker within 10 s: silence is consent."""
        if wish.trigger_namespace is not None and not wish.trigger_namespace.strip():
            raise InvalidNamespace("trigger_namespace")
        function_id, access = wish.function_id, call.access
        if access is not None:
            if not access.permission.may_bind(wish.trigger_type):
                raise Forbidden.trigger_type(wish.trigger_type)
            function_id = access.prefixed(function_id)
        trigger_id = new_id()
        definition = wire.RegisterTrigger(
            trigger_id,
            wish.trigger_type,
            function_id,
            wish.config,
            wish.metadata if wire.present(wish.metadata) else wire.ABSENT,
            trigger_namespace=wish.trigger_namespace,
        )
        timer = self._core.clock.call_later(PROVIDER_ACK_WAIT_S, lambda: self._silent(trigger_id))
        asked = False
        try:
            asked = bind(self._core, RegisterTrigger(definition, DEFAULT_NAMESPACE, None, ack_to=self._desk))
        finally:
            if not asked:
                timer.cancel()
        if not asked:
            return Registered(trigger_id)
        self._waiting[trigger_id] = (call, timer)
        return DEFERRED

    def _silent(self, trigger_id: str) -> None:
        """Runs on the clock's thread."""
        try:
            self._desk.tell(Silence(trigger_id))
        except pykka.ActorDeadError:
            logger.debug("The engine is stopping")

    def settle(self, word: TriggerAcknowledged | Silence) -> None:
        """End the call that waits for this word; a refused binding does not stay, not even parked."""
        waiting = self._waiting.pop(word.trigger_id, None)
        if waiting is None:
            return
        call, timer = waiting
        timer.cancel()
        if isinstance(word, Silence) or word.error is None:
            call.answer(Registered(word.trigger_id))
            return
        refusal = TriggerRegistrationFailed.from_provider(word.error.code, word.error.message)
        try:
            unbind(self._core, word.trigger_id)
        finally:
            call.fail(refusal)

    def unregister(self, wish: UnregisterWish, _: Call) -> Removed:
        try:
            return Removed(unbind(self._core, wish.id))
        except EngineError as error:
            raise UnregisterFailed(error.message) from None
        except (pykka.ActorDeadError, pykka.Timeout):
            raise UnregisterFailed("the provider of its type does not answer") from None
