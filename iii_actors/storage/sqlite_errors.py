"""What SQLite's errors mean to people: the file, what happened, and what mends it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from iii_actors.errors import ConfigError
from iii_actors.storage.errors import StorageError

__all__ = ["config_error", "may_pass_alone", "said", "storage_error"]

_DAMAGED: Final = ("the file is damaged", "stop the engine, then restore a backup or move the file away")
_KNOWN: Final[dict[int, tuple[str, str]]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space; the engine need not be restarted"),
    sqlite3.SQLITE_IOERR: (
        "the disk does not do what it is told",
        "the system's log says more; the engine need not be restarted once it works again",
    ),
    sqlite3.SQLITE_READONLY: ("the file cannot be written", "make file and folder writable for the engine's user"),
    sqlite3.SQLITE_PERM: ("access is denied", "give file and folder to the engine's user"),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "make file and folder accessible for the engine's user, and see that it may open enough files",
    ),
    sqlite3.SQLITE_BUSY: ("another program holds the file", "close what has it open"),
    sqlite3.SQLITE_LOCKED: ("another program holds the file", "close what has it open"),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_TOOBIG: ("the value is too large for the file", "store smaller values"),
    sqlite3.SQLITE_NOMEM: ("there is not enough memory", "store smaller values or give the machine more memory"),
}
_OF_ONE_OPERATION: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_NOMEM}


def storage_error(path: Path, error: Exception) -> StorageError:
    """Return what the caller of an operation is told."""
    return StorageError(said(path, error))


def said(path: Path, error: Exception) -> str:
    """Return the file, what happened, and what mends it, in one sentence."""
    what, mend = _words(error)
    return f"{path}: {what}; {mend}" if mend else f"{path}: {what}"


def config_error(path: Path, error: Exception) -> ConfigError:
    """Return what the operator is told when a file cannot be opened."""
    return ConfigError(str(path), *_words(error))


def may_pass_alone(error: Exception) -> bool:
    """Return whether a smaller transaction may succeed where a larger one has met this error."""
    return not isinstance(error, sqlite3.Error) or _code(error) in _OF_ONE_OPERATION


def _code(error: sqlite3.Error) -> int | None:
    """Return the primary result code, where the error comes from SQLite and not from the module before it."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if code is not None else None


def _words(error: Exception) -> tuple[str, str]:
    if isinstance(error, UnicodeEncodeError):
        return "keys and scopes are Unicode text, which has no lone surrogates", ""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file stands where the folder should be", "give the engine's user a folder that it can write to"
    if isinstance(error, OSError):
        return error.strerror or str(error), "give the engine's user a folder that it can write to"
    if isinstance(error, ValueError):
        return str(error), "choose another file_path"
    code = _code(error) if isinstance(error, sqlite3.Error) else None
    what, mend = _KNOWN.get(code, ("", "")) if code is not None else ("", "")
    if not what:
        return str(error) or type(error).__name__, mend
    name = getattr(error, "sqlite_errorname", "")
    return f"{what} ({error!s}, {name})", mend
