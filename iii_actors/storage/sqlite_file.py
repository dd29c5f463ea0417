"""Opening a SQLite file: whose it is, that nobody else has it, that it is whole. Nothing is written before.

A file of ours is complete from the first moment (it is made under another name), belongs to one engine at a time (the
operating system's lock on a file beside it, which ends with the process), and carries our mark in its header.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import struct
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from iii_actors.errors import ConfigError
from iii_actors.limits import (
    SQLITE_CACHE_BYTES,
    SQLITE_LOG_BYTES,
    SQLITE_PAGE_BYTES,
    SQLITE_STATEMENTS,
    STORE_CHECKED_BYTES,
)
from iii_actors.storage.sqlite_errors import config_error
from iii_actors.storage.sqlite_table import LAYOUTS, Table

__all__ = ["APPLICATION_ID", "Durability", "Form", "OwnFile", "SqliteFile"]

Durability = Literal["disk", "process", "memory"]
"""What an answered write survives: a power cut; the end of the process; nothing but what was saved in between."""

APPLICATION_ID: Final = 0x69696931
"""In the header of a file of values: ``iii1``."""

_MAGIC: Final = b"SQLite format 3\0"
_HEADER: Final = struct.Struct(">60xi4xI28x")
"""Of the 100 octets that every SQLite file begins with: the user version and the application id."""
_ELSEWHERE: Final = "choose another file_path, or move the file away"


class Form(NamedTuple):
    """What tells one kind of file from others, and how it is laid out."""

    application_id: int
    """In its header."""
    layouts: Sequence[Sequence[str]]
    """The statements that lead from each layout to the next one; an empty file has layout 0."""


class OwnFile:
    """An open file. Opening it waits for the disk, on the calling thread; from then on any one thread may use it.

    :raises ConfigError: it cannot be opened, is not ours, is damaged, or another engine has it; it is as it was.
    """

    def __init__(self, path: Path, durability: Durability, form: Form) -> None:
        self.path = path
        with ExitStack() as undoing:
            try:
                self.path = Path(os.path.realpath(path))
                self._lock = _locked(self.path)
                undoing.callback(os.close, self._lock)
                if _exists(self.path):
                    _check_header(self.path, form)
                else:
                    _create(self.path, form)
                self.connection = _connected(self.path)
                undoing.callback(self.connection.close)
                _prepare(self.connection, self.path, durability, form)
                self._read_in()
            except (sqlite3.Error, OSError, ValueError) as error:
                raise config_error(self.path, error) from None
            undoing.pop_all()

    def _read_in(self) -> None:
        """Read what is wanted from the start; an error means that the file is refused."""

    def close(self) -> None:
        """Work the log into the file and let go of both. After an ``sqlite3.Error`` the next start reads the log."""
        try:
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            try:
                self.connection.close()
            finally:
                os.close(self._lock)


class SqliteFile(OwnFile):
    """A file of values; errors as above."""

    table: Table

    def __init__(self, path: Path, durability: Durability) -> None:
        super().__init__(path, durability, Form(APPLICATION_ID, LAYOUTS))

    def _read_in(self) -> None:
        self.table = Table(self.connection)


def _locked(path: Path) -> int:
    """Make the folder and take the lock; returns the descriptor that holds it."""
    if path.is_dir():
        raise ConfigError(str(path), "this is a folder", "choose another file_path")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(_beside(path, "-lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with ExitStack() as undoing:
        undoing.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            raise ConfigError(
                str(path),
                f"another engine{f' (process {holder})' if holder else ''} has this file open",
                "stop it, or give this engine another file_path",
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        undoing.pop_all()
    return lock


def _exists(path: Path) -> bool:
    """Return whether there is a file with something in it; False: it is to be made."""
    try:
        found = path.stat()
    except FileNotFoundError:
        found = None
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise ConfigError(str(path), "this is not a regular file", _ELSEWHERE)
    if found is not None and found.st_size:
        return True
    log = _beside(path, "-wal")
    with suppress(FileNotFoundError):
        if log.stat().st_size:
            raise ConfigError(
                str(path), f"the file is gone, and its log {log} is there", "bring the file back or move the log away"
            )
    return False


def _check_header(path: Path, form: Form) -> None:
    """Look before SQLite does, which may repair a file, and repairing other people's is not our business."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise ConfigError(str(path), "this is not a file of this engine, or it is damaged", _ELSEWHERE)
    layout, application = _HEADER.unpack(header)
    if application != form.application_id:
        raise ConfigError(str(path), "this SQLite file belongs to another program", _ELSEWHERE)
    _check_layout(path, layout, form)


def _check_layout(path: Path, layout: int, form: Form) -> None:
    if not 1 <= layout <= len(form.layouts):
        raise ConfigError(
            str(path),
            f"this file has layout {layout}, and this engine knows layouts up to {len(form.layouts)}",
            "use the engine that made it, or choose another file_path",
        )


def _create(path: Path, form: Form) -> None:
    """Make an empty file of ours under another name, see that it is on the disk, and only then give it its name."""
    unfinished = _beside(path, "-new")
    for left_over in (unfinished, _beside(unfinished, "-journal")):
        left_over.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(_connected(unfinished)) as connection:
        connection.execute(f"PRAGMA page_size = {SQLITE_PAGE_BYTES}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN")
        connection.execute(f"PRAGMA application_id = {form.application_id}")
        _migrate(connection, 0, form)
        connection.execute("COMMIT")
    unfinished.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=SQLITE_STATEMENTS
    )


def _prepare(connection: sqlite3.Connection, path: Path, durability: Durability, form: Form) -> None:
    run = connection.execute
    run(f"PRAGMA cache_size = -{SQLITE_CACHE_BYTES // 1024}")
    run("PRAGMA cell_size_check = ON")
    run("PRAGMA secure_delete = FAST")
    # Nobody else may write, so the log's index needs no shared memory, and no transaction asks for a lock.
    run("PRAGMA locking_mode = EXCLUSIVE")
    (mode,) = run("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise ConfigError(str(path), "the file system cannot keep a write-ahead log", "choose another file_path")
    run(f"PRAGMA synchronous = {'FULL' if durability == 'disk' else 'NORMAL'}")
    run(f"PRAGMA wal_autocheckpoint = {SQLITE_LOG_BYTES // SQLITE_PAGE_BYTES}")
    run(f"PRAGMA journal_size_limit = {SQLITE_LOG_BYTES}")
    if path.stat().st_size <= STORE_CHECKED_BYTES:
        (found,) = run("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"damaged: {found}")
    (layout,) = run("PRAGMA user_version").fetchone()
    _check_layout(path, layout, form)
    if layout < len(form.layouts):
        run("BEGIN IMMEDIATE")
        try:
            _migrate(connection, layout, form)
            run("COMMIT")
        except BaseException:
            if connection.in_transaction:
                run("ROLLBACK")
            raise


def _migrate(connection: sqlite3.Connection, layout: int, form: Form) -> None:
    """Within a transaction: bring the file from this layout to the last one."""
    for statements in form.layouts[layout:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(form.layouts)}")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
