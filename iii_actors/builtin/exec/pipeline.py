"""Commands one after the other, each with all its children in a process group of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Sequence
from enum import Enum

from iii_actors import processors
from iii_actors.limits import EXEC_STOP_S

__all__ = ["Pipeline"]

logger = logging.getLogger(__name__)


class _Word(Enum):
    RESTART = "restart"
    STOP = "stop"


class Pipeline:
    """Runs commands on a thread of its own. All but the last must exit with 0; the last one may go on for good.

    :param commands: for ``sh -c``, with this process's input, output, directory and environment.
    :param environ: added to the environment.
    """

    def __init__(self, commands: Sequence[str], environ: dict[str, str]) -> None:
        self._commands = commands
        self._environ = environ
        self._heard: queue.SimpleQueue[_Word | subprocess.Popen[bytes]] = queue.SimpleQueue()
        """What somebody wants, or the process that has ended."""
        self._thread = threading.Thread(target=self._work, name="iii-exec", daemon=True)

    def start(self) -> None:
        """Begin with the first command."""
        self._thread.start()

    def restart(self) -> None:
        """Kill what runs and begin anew. Any thread; does not wait."""
        self._heard.put(_Word.RESTART)

    def stop(self) -> None:
        """End what runs: SIGTERM to its group, SIGKILL after three seconds. Waits."""
        self._heard.put(_Word.STOP)
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        word = _Word.RESTART
        while word is _Word.RESTART:
            word = self._run_all()

    def _run_all(self) -> _Word:
        """Run the commands; returns what somebody wants to happen next."""
        for number, command in enumerate(self._commands, start=1):
            try:
                with processors.anywhere():
                    process = subprocess.Popen(  # noqa: S603 - the operator's own commands
                        ["/bin/sh", "-c", command], env={**os.environ, **self._environ}, start_new_session=True
                    )
            except OSError as error:
                logger.error("%r cannot be run: %s", command, error.strerror)  # noqa: TRY400 - no fault of ours
                break
            threading.Thread(target=self._wait, args=(process,), name="iii-exec-wait", daemon=True).start()
            word = self._heed(process)
            if word is not None:
                return word
            code = process.returncode
            if number < len(self._commands) and code != 0:
                logger.error("%r: exit code %d. Pipeline step failed, aborting pipeline", command, code)
                break
            level = logging.INFO if code == 0 else logging.WARNING
            logger.log(level, "%r has ended with exit code %d", command, code)
        return self._next_word()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._heard.put(process)

    def _heed(self, process: subprocess.Popen[bytes]) -> _Word | None:
        """Wait until a process has ended, or end it because somebody wants something else."""
        while True:
            heard = self._heard.get()
            if heard is process:
                return None
            if heard is _Word.RESTART:
                _signal(process, signal.SIGKILL)
            elif heard is _Word.STOP:
                _signal(process, signal.SIGTERM)
                try:
                    process.wait(EXEC_STOP_S)
                except subprocess.TimeoutExpired:
                    logger.warning("process %d does not end within %g s; it is killed", process.pid, EXEC_STOP_S)
            if isinstance(heard, _Word):
                _signal(process, signal.SIGKILL)  # its children too, that may outlive it
                process.wait()
                return heard

    def _next_word(self) -> _Word:
        while True:
            heard = self._heard.get()
            if isinstance(heard, _Word):
                return heard


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal a whole group; one that has gone is no mistake."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
