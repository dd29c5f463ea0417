"""The built-in worker ``iii-engine-functions``: registers what the desk answers and what the announcers serve."""

from __future__ import annotations

import logging
from typing import Final

import pykka

from iii_actors.actor import Ref, ask, launch
from iii_actors.builtin.base import Builtin
from iii_actors.builtin.engine_functions.desk import EngineDesk
from iii_actors.builtin.engine_functions.discovery import FUNCTION_TYPES, WORKER_TYPES, FunctionEvents, WorkerEvents
from iii_actors.core.queries import WatchFunctions, WatchWorkers
from iii_actors.limits import CLOSE_WAIT_S

__all__ = ["EngineFunctions"]

logger = logging.getLogger(__name__)

_WORKERS: Final = "A worker has connected, has told its name, or has gone."
_FUNCTIONS: Final = "The set of registered functions has changed; the whole list comes first, on binding."


class EngineFunctions(Builtin):
    """Tells workers about each other (engine-functions.md). Every engine has it."""

    description = "Tells workers which workers, functions and triggers there are, and when that changes."
    always_on = True
    _refs: tuple[Ref, ...] = ()

    def set_up(self) -> None:
        core = self.core
        desk = EngineDesk(core, self.context.go_down)
        desk_ref = launch(desk)
        workers = launch(WorkerEvents(core.functions, core.observing))
        functions = launch(FunctionEvents(core.functions, desk_ref, core.clock))
        self._refs = (desk_ref, workers, functions)
        for offer in desk.offers:
            self.register_function(desk_ref, offer.spec())
        for type_id in WORKER_TYPES:
            self.register_trigger_type(workers, type_id, _WORKERS)
        for type_id in FUNCTION_TYPES:
            self.register_trigger_type(functions, type_id, _FUNCTIONS)
        ask(core.workers, WatchWorkers(workers))
        ask(core.functions, WatchFunctions(functions))

    def tear_down(self) -> None:
        for ref in self._refs:
            try:
                ref.stop(timeout=CLOSE_WAIT_S)
            except pykka.Timeout:
                logger.warning("%s waits for another actor; the engine stops without it", ref)

    def actors(self) -> list[Ref]:
        return list(self._refs)
