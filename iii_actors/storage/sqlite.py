"""The store in one SQLite file: survives what its durability says, shared by nobody (design.md §8)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pykka

from iii_actors.actor import MailboxFull, Ref, ask, launch
from iii_actors.clock import Clock
from iii_actors.limits import SAVE_INTERVAL_MS, STORE_CLOSE_S, STORE_WAITING, STORE_WAITING_BYTES
from iii_actors.storage.contract import Change, Changing, Done, Entry, Scope, Store
from iii_actors.storage.errors import StorageError
from iii_actors.storage.group_commit import CLOSED, Close, GroupCommit, Request
from iii_actors.storage.operations import (
    Delete,
    Get,
    GetMany,
    ListEntries,
    ListKeys,
    ListScopes,
    Operation,
    Set,
    Update,
)
from iii_actors.storage.sqlite_file import Durability, SqliteFile

__all__ = ["SqliteStore"]

logger = logging.getLogger(__name__)


class SqliteStore(Store):
    """Values in a file. Operations only hand over; ``done`` is called on the thread of the actor that owns the file.

    :param path: the file; it and the folders above it are made if they are not there, for this user alone.
    :param durability: ``disk``: an answered write survives a power cut; ``process``: the end of the process, however
        it comes; ``memory``: answers wait for nothing, and what was not saved yet is lost with the process.
    :param save_interval_ms: with ``memory``: how often to save; values below 100 count as 100.
    :raises ConfigError: the file is another program's, damaged, open in another engine, or cannot be made.
    """

    def __init__(
        self,
        path: str | Path,
        clock: Clock,
        *,
        durability: Durability = "process",
        save_interval_ms: int = SAVE_INTERVAL_MS,
    ) -> None:
        file = SqliteFile(Path(path), durability)
        self.path = file.path
        self._actor = GroupCommit(file, clock, save_interval_ms if durability == "memory" else None)
        self._inbox: Any = self._actor.actor_inbox
        self._ref: Ref = launch(self._actor)
        self._bytes_given = 0
        self._closed = False

    def get(self, scope: Scope, key: str, done: Done[Entry]) -> None:
        self._submit(Get((scope, key)), done)

    def get_many(self, scope: Scope, keys: Sequence[str], done: Done[Sequence[Entry | None]]) -> None:
        self._submit(GetMany(scope, tuple(keys)), done)

    def set(
        self,
        scope: Scope,
        key: str,
        text: bytes,
        done: Done[Change],
        *,
        ttl_ms: int | None = None,
        if_version: int | None = None,
    ) -> None:
        self._submit(Set((scope, key), if_version, text, ttl_ms), done)

    def delete(self, scope: Scope, key: str, done: Done[Change], *, if_version: int | None = None) -> None:
        self._submit(Delete((scope, key), if_version), done)

    def update(
        self, scope: Scope, key: str, changing: Changing, done: Done[Change], *, if_version: int | None = None
    ) -> None:
        self._submit(Update((scope, key), if_version, changing), done)

    def list(self, scope: Scope, done: Done[Sequence[tuple[str, Entry]]]) -> None:
        self._submit(ListEntries(scope), done)

    def list_keys(self, scope: Scope, done: Done[Sequence[str]]) -> None:
        self._submit(ListKeys(scope), done)

    def scopes(self, under: Scope, done: Done[Sequence[Scope]]) -> None:
        self._submit(ListScopes(under), done)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            ask(self._ref, Close(), timeout=STORE_CLOSE_S)
        except pykka.Timeout:
            logger.error(  # noqa: TRY400 - where it waits stands in no traceback
                "%s: closing takes longer than %g s; what was answered is safe, and the next start finds it",
                self.path,
                STORE_CLOSE_S,
            )
        self._ref.stop(block=False)

    def actors(self) -> Sequence[Ref]:
        """Return the actor behind it, for the figures."""
        return (self._ref,)

    def _submit(self, operation: Operation, done: Done[Any]) -> None:
        """Hand over, or say to ``done`` why not. Called by one thread at a time."""
        if self._closed:
            done(None, StorageError(CLOSED))
            return
        size = operation.size()
        # Each of the two counters has one writer; a picture a moment old is good enough for a bound.
        waiting_bytes = self._bytes_given - self._actor.bytes_done
        if self._inbox.qsize() >= STORE_WAITING or (waiting_bytes and waiting_bytes + size > STORE_WAITING_BYTES):
            done(None, self._overloaded())
            return
        try:
            self._ref.tell(Request(operation, done))
        except (MailboxFull, pykka.ActorDeadError):
            done(None, self._overloaded())
            return
        self._bytes_given += size

    def _overloaded(self) -> StorageError:
        return StorageError(f"{self.path}: too much is waiting for the disk; send less at a time, or use a faster disk")
