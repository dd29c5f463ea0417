"""One folder for everything that outlives the engine: the command line's ``--data-dir``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from iii_actors.config.configuration import ConfigurationSettings, FolderSettings
from iii_actors.config.models import EngineConfig, WorkerInstance
from iii_actors.config.queue import QueueBuiltinSettings, QueueSettings
from iii_actors.config.state import StateSettings
from iii_actors.config.storage import KvSettings
from iii_actors.config.stream import StreamSettings

__all__ = ["kept_in", "relative_to"]

_KEEPING: Final = (StateSettings, StreamSettings, QueueSettings)
"""Settings of the workers that keep things in memory unless they are told where else."""


def kept_in(settings: EngineConfig, folder: str) -> EngineConfig:
    """Return the settings with state, streams, queues and configuration kept in files in this folder.

    :param settings: without adapters, as :func:`iii_actors.config.default` returns them.
    """
    for one in settings.instances:
        if isinstance(one.settings, _KEEPING):
            settings = _with_adapter(settings, one, {"store_method": "file_based", "file_path": folder})
        elif isinstance(one.settings, ConfigurationSettings):
            settings = _with_adapter(settings, one, _placed(one, folder))
    return settings


def relative_to(settings: EngineConfig, folder: str) -> EngineConfig:
    """Return the settings with relative paths of files that the engine writes taken from this folder.

    Nothing is kept that would not be without it.
    """
    for one in settings.instances:
        settings = _with_adapter(settings, one, _placed(one, folder))
    return settings


def _with_adapter(settings: EngineConfig, one: WorkerInstance, changes: Mapping[str, str]) -> EngineConfig:
    """Return the settings with some of the settings of a worker's adapter replaced."""
    if not changes:
        return settings
    block = dict(settings.block(one.id) or {})
    adapter = dict(block.get("adapter") or {"name": one.settings.adapter.name})  # type: ignore[attr-defined]
    adapter["config"] = {**(adapter.get("config") or {}), **changes}
    return settings.with_worker(one.id, {**block, "adapter": adapter})


def _placed(one: WorkerInstance, folder: str) -> Mapping[str, str]:
    """Return the setting that says where a worker's files are, as it is to be; nothing if it stays as it is."""
    if not isinstance(one.settings, (*_KEEPING, ConfigurationSettings)):
        return {}
    kept = one.settings.adapter.config
    if isinstance(kept, FolderSettings) and not Path(kept.directory).is_absolute():
        return {"directory": str(Path(folder, kept.directory))}
    if isinstance(kept, KvSettings | QueueBuiltinSettings) and kept.store_method == "file_based":
        return {} if Path(kept.file_path).is_absolute() else {"file_path": str(Path(folder, kept.file_path))}
    return {}
