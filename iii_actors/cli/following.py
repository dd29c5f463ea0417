"""A settings file that is edited while the engine runs: it is read again (config-and-cli.md §6)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from iii_actors import limits, logs
from iii_actors.config import EngineConfig
from iii_actors.errors import ConfigError
from iii_actors.watching import changes

if TYPE_CHECKING:
    from iii_actors import Engine

__all__ = ["Follower"]

logger = logging.getLogger("iii_actors")


class Follower:
    """Watches the folder of a file, since editors and deployments replace files rather than write into them.

    Whatever is wrong with the file, the engine goes on by the settings it has, and the log says what and where.

    :param path: the file.
    :param read: reads it, with what the command line adds. Raises ``ConfigError``.
    """

    def __init__(self, path: Path, engine: Engine, read: Callable[[], EngineConfig]) -> None:
        self._path = path
        self._engine = engine
        self._read = read
        self._text = self._content()
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="iii-settings", daemon=True)

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Make no change from now on; waits while one is being made."""
        with self._changing:
            self._stopping.set()

    def _work(self) -> None:
        for _ in changes([self._path.parent], limits.SETTINGS_QUIET_MS, self._stopping):
            with self._changing:
                if not self._stopping.is_set():
                    self.look()

    def look(self) -> None:
        """Go by the file if its content has changed."""
        text = self._content()
        if text is None or text == self._text:
            return
        self._text = text
        try:
            config = self._read()
        except ConfigError as error:
            logger.error("%s; the engine goes on by the settings it has", error)  # noqa: TRY400 - a user's mistake
            return
        if config.registration_namespace_grace_ms != self._engine.config.registration_namespace_grace_ms:
            logger.warning("registration_namespace_grace_ms takes effect at the next start")
        logger.info("%s has changed", self._path)
        for failure in self._engine.reconfigure(config):
            logger.error("%s; this worker goes on by the settings it had", failure)
        observability = config.observability()
        logs.setup(observability.level, observability.format)

    def _content(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None  # replaced at this moment, or gone: then nothing changes
