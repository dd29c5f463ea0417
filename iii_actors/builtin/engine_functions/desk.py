"""The desk: the thread on which everything here is answered. Which function is answered how stands in the modules."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from iii_actors.actor import handles
from iii_actors.builtin.base import Call, Desk
from iii_actors.builtin.engine_functions import baggage, channels, going_down
from iii_actors.builtin.engine_functions.bind_call import BindCalls, Silence
from iii_actors.builtin.engine_functions.discovery import FunctionTable, ReadFunctions
from iii_actors.builtin.engine_functions.legacy_calls import LegacyCalls
from iii_actors.builtin.engine_functions.offers import Offer
from iii_actors.builtin.engine_functions.queries import Queries
from iii_actors.builtin.engine_functions.reading import Reader
from iii_actors.core.messages import TriggerAcknowledged
from iii_actors.core.refs import Core
from iii_actors.core.session import REGISTER_WORKER
from iii_actors.core.workers import WorkerDetails
from iii_actors.errors import InvocationError

__all__ = ["EngineDesk"]


class RegisteredWorker(msgspec.Struct, frozen=True):
    """Output of ``engine::workers::register``."""

    success: bool


class EngineDesk(Desk):
    """Answers the calls of ``engine::*`` one after the other, from what the registries hold at that moment."""

    def __init__(self, core: Core, go_down: Callable[[float | None], int] = lambda _: 0) -> None:
        super().__init__(core)
        self._reader = Reader(core)
        self._bind_calls = BindCalls(core, self.actor_ref)
        self.offers: list[Offer] = [
            *Queries(self._reader).offers(),
            _registration(),
            *self._bind_calls.offers(),
            *channels.offers(core),
            *baggage.offers(),
            *LegacyCalls(self._reader).offers(),
            *going_down.offers(go_down),
        ]
        """What it answers; read by the worker that registers them, before the first call."""
        for offer in self.offers:
            self.offer(offer.function_id, offer.takes, offer.answer)

    @handles(TriggerAcknowledged)
    def acknowledged(self, message: TriggerAcknowledged) -> None:
        self._bind_calls.settle(message)

    @handles(Silence)
    def silent(self, message: Silence) -> None:
        self._bind_calls.settle(message)

    @handles(ReadFunctions)
    def read_functions(self, request: ReadFunctions) -> None:
        functions = self._reader.functions()
        request.reply_to.tell(FunctionTable(functions, self._reader.holders(functions), request))


def _registration() -> Offer:
    """``engine::workers::register``, for the listing: a worker's connection answers its own worker's call itself."""

    def refuse(_: WorkerDetails, __: Call) -> None:
        raise InvocationError(f"{REGISTER_WORKER} describes the worker that calls it: only a worker can, for itself")

    description = "Tells the engine the calling worker's name, namespace and surroundings."
    return Offer(REGISTER_WORKER, description, WorkerDetails, refuse, RegisteredWorker)
