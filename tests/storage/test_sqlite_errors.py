"""What people are told: where, what, and what mends it."""

import sqlite3
from pathlib import Path

import pytest

from iii_actors.errors import ConfigError
from iii_actors.storage import StorageError
from iii_actors.storage.sqlite_errors import config_error, may_pass_alone, storage_error

PATH = Path("data") / "values.db"


def sqlite_error(name, message="its words"):
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = getattr(sqlite3, name)
    error.sqlite_errorname = name
    return error


WORDS = {
    "SQLITE_FULL": ("the disk is full", "free some space"),
    "SQLITE_IOERR_WRITE": ("does not do what it is told", "the system's log"),
    "SQLITE_IOERR_FSYNC": ("does not do what it is told", "the system's log"),
    "SQLITE_READONLY_DBMOVED": ("cannot be written", "writable"),
    "SQLITE_CANTOPEN": ("cannot be opened", "accessible"),
    "SQLITE_BUSY": ("another program holds", "close"),
    "SQLITE_CORRUPT": ("damaged", "backup"),
    "SQLITE_NOTADB": ("damaged", "backup"),
    "SQLITE_TOOBIG": ("too large", "smaller"),
}


@pytest.mark.parametrize("name", WORDS)
def test_an_error_names_the_file_the_fault_and_the_mend(name):
    what, mend = WORDS[name]
    said, refused = storage_error(PATH, sqlite_error(name)), config_error(PATH, sqlite_error(name))
    assert isinstance(said, StorageError)
    assert isinstance(refused, ConfigError)
    assert str(said) == str(refused)
    assert str(said).startswith(f"{PATH}: ")
    for part in (what, mend, name, "its words"):
        assert part in str(said)
    assert "\n" not in str(said)


def test_an_error_that_nobody_expects_has_its_own_words():
    assert str(storage_error(PATH, sqlite3.ProgrammingError("odd"))) == f"{PATH}: odd"
    assert str(storage_error(PATH, LookupError())) == f"{PATH}: LookupError"
    assert "folder" in str(config_error(PATH, PermissionError(13, "Permission denied")))


def test_only_what_has_to_do_with_size_is_tried_again_in_smaller_parts():
    alone = {name for name in WORDS if may_pass_alone(sqlite_error(name))}
    assert alone == {"SQLITE_FULL", "SQLITE_TOOBIG"}
    assert may_pass_alone(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"))
