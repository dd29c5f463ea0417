"""The built-in worker ``iii-exec``: the pipeline, and who looks after the files."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import cast

from iii_actors.builtin.base import Builtin, BuiltinContext
from iii_actors.builtin.exec.patterns import Patterns
from iii_actors.builtin.exec.pipeline import Pipeline
from iii_actors.config.exec import ExecSettings
from iii_actors.limits import EXEC_QUIET_MS
from iii_actors.watching import changes

__all__ = ["Exec"]

logger = logging.getLogger(__name__)


class Exec(Builtin):
    """Runs commands beside the engine."""

    description = "Runs commands beside the engine, and begins them anew when files change."

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        self._settings = cast("ExecSettings", context.instance.settings)
        self._pipeline: Pipeline | None = None
        self._stopping = threading.Event()

    def set_up(self) -> None:
        """The commands begin when the ports are bound: they want to connect."""

    def open(self) -> None:
        self._pipeline = Pipeline(self._settings.exec, {"III_URL": self.context.url()})
        if self._settings.watch:
            patterns = Patterns(self._settings.watch)
            threading.Thread(target=self._watch, args=(patterns,), name="iii-exec-watch", daemon=True).start()
        self._pipeline.start()

    def tear_down(self) -> None:
        self._stopping.set()
        if self._pipeline is not None:
            self._pipeline.stop()

    def _watch(self, patterns: Patterns) -> None:
        folders = [folder for folder in patterns.folders if Path(folder).is_dir()]
        for folder in set(patterns.folders).difference(folders):
            logger.warning("%s: there is no folder %s to watch", self.id, folder)
        if not folders:
            return
        here = Path.cwd()
        for changed in changes(folders, EXEC_QUIET_MS, self._stopping, deep=True):
            paths = [Path(os.path.relpath(path, here)).as_posix() for path in changed]
            meant = next((path for path in paths if patterns.match(path)), None)
            if meant is not None and self._pipeline is not None:
                logger.info("%s has changed: the commands begin anew", meant)
                self._pipeline.restart()
