"""Exceptions of handlers as error objects: code, message, stack trace (spec sdk.md §3.10)."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from iii_worker._types import ErrorObject
from iii_worker.errors import INVOCATION_FAILED, Error
from iii_worker.limits import MAX_MESSAGE_CHARS, MAX_STACKTRACE_CHARS

__all__ = ["code_of", "failure_of", "log_info_of", "message_of", "stacktrace_of"]

_PACKAGE: Final = str(Path(__file__).parent) + "/"


def failure_of(error: BaseException) -> ErrorObject:
    """Return what an exception is answered with.

    An exception with a ``code`` that is a text keeps it; any other is ``invocation_failed``.
    """
    return {"code": code_of(error), "message": message_of(error), "stacktrace": stacktrace_of(error)}


def code_of(error: BaseException) -> str:
    """Return the code an exception carries, ``invocation_failed`` if it carries none."""
    if not isinstance(error, Exception):
        return INVOCATION_FAILED  # SystemExit has a `code`, too: what the process was to end with
    try:
        code = getattr(error, "code", None)
    except Exception:
        return INVOCATION_FAILED
    return _sendable(code, MAX_MESSAGE_CHARS) if isinstance(code, str) and code else INVOCATION_FAILED


def message_of(error: BaseException) -> str:
    """Return an exception's text; with the class's name where the text alone says nothing."""
    try:
        text = error.message if isinstance(error, Error) else str(error)
    except Exception:
        text = ""
    name = type(error).__name__
    if not text:
        text = name
    elif isinstance(error, KeyError) or not isinstance(error, Exception):
        text = f"{name}: {text}"
    return _sendable(text, MAX_MESSAGE_CHARS)


def stacktrace_of(error: BaseException) -> str:
    """Return an exception's stack trace with those it was raised from, without the SDK's own frames.

    Of a long one only the end.
    """
    try:
        whole = traceback.TracebackException.from_exception(error, compact=True)
        pending: list[traceback.TracebackException | None] = [whole]
        while pending:
            part = pending.pop()
            if part is not None:
                part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_PACKAGE)]
                pending += [part.__cause__, part.__context__, *(part.exceptions or ())]
        text = "".join(whole.format())
    except Exception as in_turn:  # an exception's own `__str__` or its chain may be broken
        text = f"{type(error).__name__} (its stack trace cannot be written: {type(in_turn).__name__})"
    return _sendable(text[-MAX_STACKTRACE_CHARS:], MAX_STACKTRACE_CHARS)


def log_info_of(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return an exception as ``logging`` takes it, from the handler's own frame on."""
    there = error.__traceback__
    while there is not None and there.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        there = there.tb_next
    return type(error), error, there


def _sendable(text: str, most: int) -> str:
    """Return a text that JSON can hold, and no longer than it may be."""
    if len(text) > most:
        text = text[: most - 3] + "..."
    return text if text.isascii() else text.encode(errors="replace").decode()
