"""The engine's own log, on stdout (config-and-cli.md §7): for people, or one JSON object per line for machines.

Modules log through :mod:`logging` as usual. What they pass as ``extra={...}`` becomes fields: an indented tree for
people, members of ``fields`` in JSON. Only the command line calls :func:`setup`; an engine used as a library leaves
logging to the program around it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import IO, Any, Final

__all__ = ["HumanFormatter", "JsonFormatter", "setup"]

TRACE: Final = 5

_LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_COLOURS = {"TRACE": 90, "DEBUG": 34, "INFO": 32, "WARN": 33, "ERROR": 31}
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Messages quote what peers sent: control characters are shown, so that no peer writes lines or commands of its own.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_VISIBLE |= {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}


def setup(level: str, style: str, stream: IO[str] | None = None) -> None:
    """Send all logging to `stream`, replacing whatever was set up before.

    The websocket-server package calls ``logging.basicConfig()`` as it is imported, so that "before" is never nothing.

    :param level: ``trace``, ``debug``, ``info``, ``warn`` or ``error``.
    :param style: ``default`` or ``json``.
    :param stream: stdout if None. Colours are used only on a terminal, and not if ``NO_COLOR`` is set.
    """
    target = sys.stdout if stream is None else stream
    handler = logging.StreamHandler(target)
    coloured = target.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(JsonFormatter() if style == "json" else HumanFormatter(coloured=coloured))
    logging.basicConfig(handlers=[handler], level=_LEVELS[level], force=True)
    # Pykka reports at INFO, with a traceback, every refusal that one of our actors answers with on purpose.
    for library in ("pykka", "watchfiles"):
        logging.getLogger(library).setLevel(max(logging.WARNING, _LEVELS[level]))
    logging.raiseExceptions = False  # a closed stdout must not fill stderr with tracebacks


class HumanFormatter(logging.Formatter):
    """``[HH:MM:SS.mmm AM] [LEVEL] <source> <message>`` in local time, with the fields as a tree below."""

    def __init__(self, *, coloured: bool = False) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines, without a line break at the end."""
        moment = datetime.fromtimestamp(record.created).astimezone()
        level = _level(record)
        shown = f"\x1b[{_COLOURS[level]}m{level}\x1b[0m" if self._coloured else level
        time = f"{moment:%I:%M:%S}.{moment.microsecond // 1000:03d} {moment:%p}"
        lines = [f"[{time}] [{shown}] {record.name} {record.getMessage().translate(_VISIBLE)}"]
        fields = _fields(record)
        for at, (key, value) in enumerate(fields.items(), start=1):
            branch = "└" if at == len(fields) else "├"
            lines.append(f"    {branch} {key}: {_text(value).translate(_VISIBLE)}")
        if record.exc_info:
            lines += [f"    {line}" for line in self.formatException(record.exc_info).splitlines()]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """``{timestamp, level, fields: {message, ...}, target}``, one object per line, the time in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's object."""
        fields = {"message": record.getMessage(), **_fields(record)}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": _level(record),
            "fields": fields,
            "target": record.name,
        }
        return json.dumps(line, default=str)


def _level(record: logging.LogRecord) -> str:
    """Return the level in the protocol's words; levels of other packages count as the next lower one."""
    for name, number in reversed(_LEVELS.items()):
        if record.levelno >= number:
            return name.upper()
    return "TRACE"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _OWN}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
