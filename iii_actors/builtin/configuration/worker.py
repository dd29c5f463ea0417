"""The built-in worker ``configuration``: its functions, its trigger type, and the entries of the engine's workers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, cast

import pykka

from iii_actors.actor import Ref, launch
from iii_actors.builtin.base import Builtin, BuiltinContext, FunctionSpec
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.configuration import desk as desks
from iii_actors.builtin.configuration.entries import Entry
from iii_actors.builtin.configuration.folder import Folder, FolderWatch
from iii_actors.builtin.configuration.subscribers import Event, Subscription
from iii_actors.builtin.schemas import schema_of
from iii_actors.config import BUILT_IN, EngineConfig
from iii_actors.config.configuration import ConfigurationSettings, FolderSettings
from iii_actors.config.persisted import KEPT, seed_of
from iii_actors.limits import CLOSE_WAIT_S
from iii_actors.wire import messages as wire

__all__ = ["Configuration"]

logger = logging.getLogger(__name__)

_FUNCTIONS: Final[Sequence[tuple[str, str, Any]]] = (
    ("configuration::register", "Registers an entry: who it is for, and the schema of its value.", desks.Register),
    ("configuration::set", "Sets the value of an entry, and tells who follows it.", desks.SetValue),
    ("configuration::get", "Gets the value of an entry, its placeholders replaced unless `raw`.", desks.GetValue),
    ("configuration::list", "Lists the entries, without their values.", None),
    ("configuration::schema", "Describes one entry, without its value.", desks.ById),
)


class Configuration(Builtin):
    """Settings that workers share and change while they run. Every engine has it."""

    description = "Settings that workers share, and change while they run."
    always_on = True

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        self._calls: Calls | None = None
        self._desk: Ref | None = None
        self._watch: FolderWatch | None = None

    def set_up(self) -> None:
        settings = cast("ConfigurationSettings", self.context.instance.settings)
        adapter = settings.adapter.config
        folder = Folder(Path(adapter.directory)) if isinstance(adapter, FolderSettings) else None
        self._calls = Calls(self.core)
        if folder is not None:
            self._watch = FolderWatch(folder.directory, self._edited)
        desk = desks.ConfigurationDesk(self.core, self.id, self._calls, folder, self._kept, settings.ttl_seconds)
        desk.begin(self._own_entries(self.context.config, self.context.written), self.context.change_worker)
        self._desk = launch(desk)
        for function_id, description, takes in _FUNCTIONS:
            schema = schema_of(takes) if takes is not None else wire.ABSENT
            # Every engine has them, so they are listed with the engine's own only.
            self.register_function(self._desk, FunctionSpec(function_id, description, schema, internal=True))
        self.register_trigger_type(
            self._desk,
            "configuration",
            "Calls a function when a configuration entry changes",
            schema_of(Subscription),
            schema_of(Event),
        )
        self._kept()

    def _kept(self) -> None:
        """The folder is there now."""
        if self._watch is not None:
            self._watch.start()

    def _edited(self) -> None:
        if self._desk is not None and self._desk.is_alive():
            self._desk.tell(desks.Edited())

    def settings_changed(self, config: EngineConfig, written: EngineConfig) -> None:
        if self._desk is not None:
            self._desk.tell(desks.Reseed(self._own_entries(config, written)))

    @staticmethod
    def _own_entries(config: EngineConfig, written: EngineConfig) -> list[Entry]:
        entries = []
        for one in config.instances:
            if one.kind in KEPT and "#" not in one.id:
                description = f"Settings of the engine's worker {one.id}"
                value, seed = config.block(one.id) or {}, seed_of(written.block(one.id))
                entries.append(Entry(one.id, one.id, description, value, None, partial(_schema, one.kind), seed))
        return entries

    def tear_down(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        if self._desk is not None:
            try:
                self._desk.stop(timeout=CLOSE_WAIT_S)
            except pykka.Timeout:
                logger.warning("%s is changing a worker; the engine stops without it", self._desk)
        if self._calls is not None:
            self._calls.stop()

    def actors(self) -> list[Ref]:
        return [self._desk, self._calls.actor] if self._desk is not None and self._calls is not None else []


@cache
def _schema(kind: str) -> Any:
    return BUILT_IN[kind].settings.model_json_schema()
