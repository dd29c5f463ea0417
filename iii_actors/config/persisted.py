"""What is kept of settings that were changed while an engine ran, and when it goes before the file (§3).

A built-in worker's settings that somebody has set through ``configuration::set`` are kept beside a hash of what the
settings file said then. As long as the file still says that, the kept ones win; once it is edited, the file does.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from iii_actors.config.configuration import ConfigurationSettings, FolderSettings
from iii_actors.config.models import EngineConfig
from iii_actors.config.placeholders import Unset, expanded_value
from iii_actors.errors import ConfigError

__all__ = ["KEPT", "Saved", "seed_of", "with_persisted"]

logger = logging.getLogger(__name__)

KEPT: Final = frozenset(
    {"iii-observability", "iii-http", "iii-stream", "iii-state", "iii-pubsub", "iii-cron", "iii-queue"}
)
"""The built-in workers that have an entry; the others' settings stand in the file alone (config-and-cli.md §3)."""


class Saved(NamedTuple):
    """The content of an entry's file."""

    id: str
    name: str
    description: str
    value: Any
    """As it was set, with its placeholders."""
    metadata: Any
    seed: str | None
    """Of a built-in worker: :func:`seed_of` what the settings file said."""

    @classmethod
    def read(cls, path: Path) -> Saved | None:
        """Return what a file holds; None if it is none of ours. Raises ``ConfigError``: it cannot be read."""
        from iii_actors.config.document import read  # noqa: PLC0415 - PyYAML is for those who have a file

        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(str(path), f"cannot be read: {error.strerror}", "make it readable") from None
        except UnicodeDecodeError:
            return None
        document, _ = read(text, str(path))
        if not isinstance(document, dict) or document.get("id") != path.stem or "value" not in document:
            return None
        name, description = (str(document.get(key) or "") for key in ("name", "description"))
        seed = document.get("seed")
        seed = seed if isinstance(seed, str) else None
        return cls(path.stem, name, description, document["value"], document.get("metadata"), seed)

    def write(self, path: Path) -> None:
        """Write the file in one step. Raises ``OSError``."""
        import yaml  # noqa: PLC0415 - as above

        document = {key: value for key, value in self._asdict().items() if value is not None or key == "value"}
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        with beside.open("w", encoding="utf-8") as file:
            yaml.safe_dump(document, file, sort_keys=False, allow_unicode=True)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def seed_of(config: Mapping[str, Any] | None) -> str:
    """Return the hash of a worker's block in the settings file."""
    text = json.dumps(config or {}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def with_persisted(config: EngineConfig, environ: Mapping[str, str] = os.environ) -> EngineConfig:
    """Return settings with what is kept of them. What cannot be used is passed over, and the log says why."""
    settings = next(config.settings_of(ConfigurationSettings))
    folder = settings.adapter.config
    if not isinstance(folder, FolderSettings) or not Path(folder.directory).is_dir():
        return config
    for instance in config.instances:
        path = Path(folder.directory) / f"{instance.id}.yaml"
        if instance.kind not in KEPT or not path.is_file():
            continue
        try:
            saved = Saved.read(path)
            if saved is None or saved.seed is None:
                continue
            if saved.seed != seed_of(config.block(instance.id)):
                logger.info("%s: the settings file has changed since it was written; the file goes before it", path)
                continue
            config = config.with_worker(instance.id, expanded_value(saved.value, environ))
            logger.info("%s goes by %s, which was set while the engine ran", instance.id, path)
        except (ConfigError, Unset) as error:
            logger.warning("%s is passed over: %s", path, error)
    return config
