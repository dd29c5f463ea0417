"""``configuration``: entries that workers share, and where they are kept (config-and-cli.md §5)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from iii_actors.config.adapters import Adapter
from iii_actors.config.settings import NoSettings, Settings

__all__ = ["ConfigurationSettings", "FolderSettings"]


class FolderSettings(Settings):
    """The adapter ``fs``: a file for each entry."""

    directory: Annotated[str, Field(min_length=1)] = "./config"
    """Where the files are; made when the first entry is written."""


class _ConfigurationAdapter(Adapter):
    """``{name, config?}``."""

    choices: ClassVar[dict[str, type[Settings]]] = {"fs": FolderSettings, "memory": NoSettings}

    name: str = "fs"


class ConfigurationSettings(Settings):
    """Settings of ``configuration``."""

    adapter: _ConfigurationAdapter = _ConfigurationAdapter()
    """``fs``: a file for each entry that somebody has set; ``memory`` (ours): gone with the engine."""
    ttl_seconds: Annotated[int, Field(ge=0)] = 0
    """An entry whose last subscriber has been gone for so long is deleted; 0: never."""
