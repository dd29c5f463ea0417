"""The engine's own log lines, taken as they are logged, for the store and the trigger type ``log`` (§7)."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from pykka import ActorDeadError

from iii_actors.actor import MailboxFull, Ref
from iii_actors.builtin.observability.intake import LineLogged

__all__ = ["WORKER_LOG", "Capture"]

WORKER_LOG: Final = "iii_actors.worker_log"
"""The logger of workers' lines, which are kept already when they are printed."""
_ROOT: Final = "iii_actors"
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS: Final = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "error": 40}


class Capture(logging.Handler):
    """Passes every line of the package's loggers on to the intake. Any thread.

    It has no lock: telling an actor may run actors on this thread, and these may log.

    :param level: ``trace`` to ``error``; less severe lines are left out.
    """

    def __init__(self, intake: Ref, level: str) -> None:
        super().__init__(_LEVELS[level])
        self._intake = intake

    def follow(self, level: str) -> None:
        """Go by another level."""
        self.setLevel(_LEVELS[level])

    def begin(self) -> None:
        logging.getLogger(_ROOT).addHandler(self)

    def end(self) -> None:
        logging.getLogger(_ROOT).removeHandler(self)

    def createLock(self) -> None:  # noqa: N802 - logging's name
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        if record.name == WORKER_LOG:
            return False
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                message = f"{message}: {record.exc_info[1]!r}"
            fields = {key: _plain(value) for key, value in vars(record).items() if key not in _OWN}
            self._intake.tell(LineLogged(record.created, record.levelno, record.name, message, fields))
        except (ActorDeadError, MailboxFull):
            return
        except Exception:
            self.handleError(record)


def _plain(value: object) -> Any:
    """Return a field as it can be written in JSON."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return str(value)
