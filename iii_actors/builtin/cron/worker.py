"""The built-in worker ``iii-cron``: the trigger type ``cron``, and the locks that its settings choose."""

from __future__ import annotations

import logging

import pykka

from iii_actors.actor import Ref, ask, launch
from iii_actors.builtin.base import Builtin, BuiltinContext
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.cron.job import CALL_SCHEMA, CONFIG_SCHEMA
from iii_actors.builtin.cron.locks import Locks, NoLocks
from iii_actors.builtin.cron.scheduler import Pause, Scheduler, UseLocks
from iii_actors.config.adapters import RedisSettings
from iii_actors.config.cron import CronSettings
from iii_actors.config.settings import Settings
from iii_actors.limits import CLOSE_WAIT_S
from iii_actors.storage.redis_client import connect

__all__ = ["Cron"]

logger = logging.getLogger(__name__)


class Cron(Builtin):
    """Calls functions when the clock says so (cron.md)."""

    description = "Calls functions at the times that their cron triggers name."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        settings = context.instance.settings
        self._settings = settings if isinstance(settings, CronSettings) else CronSettings()
        self._calls: Calls | None = None
        self._scheduler: Ref | None = None

    def set_up(self) -> None:
        locks = self._locks(self._settings)
        self._calls = Calls(self.core)
        self._scheduler = launch(Scheduler(self.core, self.id, self._calls, locks))
        self.register_trigger_type(self._scheduler, "cron", "Cron-based scheduled triggers", CONFIG_SCHEMA, CALL_SCHEMA)

    def change(self, settings: Settings) -> bool:
        if not isinstance(settings, CronSettings):
            return False
        self.apply(settings)
        return True

    def apply(self, settings: CronSettings) -> None:
        """Change the settings of the running worker; all jobs stay, and a run in progress is left to its worker.

        May wait for Redis, so not from a light actor. Raises ``EngineError``, and then nothing has changed, if the new
        locks cannot be had. Settings that choose the same locks change nothing.
        """
        if settings.adapter != self._settings.adapter and self._scheduler is not None:
            locks = self._locks(settings)
            try:
                ask(self._scheduler, UseLocks(locks))
            except pykka.ActorDeadError:
                locks.close()
                raise
        self._settings = settings

    def _locks(self, settings: CronSettings) -> Locks:
        config = settings.adapter.config
        if not isinstance(config, RedisSettings):
            return NoLocks()
        client = connect(config.redis_url, self.id)
        from iii_actors.builtin.cron.redis_locks import RedisLocks  # noqa: PLC0415 - needs the extra

        return RedisLocks(client, self.core.clock)

    def drain(self) -> None:
        if self._scheduler is not None:
            self._scheduler.tell(Pause())

    def tear_down(self) -> None:
        if self._scheduler is not None:
            try:
                self._scheduler.stop(timeout=CLOSE_WAIT_S)
            except pykka.Timeout:
                logger.warning("%s waits for Redis; the engine stops without it", self._scheduler)
        if self._calls is not None:
            self._calls.stop()

    def actors(self) -> list[Ref]:
        return [self._scheduler, self._calls.actor] if self._scheduler is not None and self._calls is not None else []
