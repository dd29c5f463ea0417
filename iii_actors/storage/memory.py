"""The store in this process: dictionaries, and a heap of what expires. Every answer comes before the call returns."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from iii_actors.clock import Clock
from iii_actors.errors import EngineError
from iii_actors.storage.contract import LONGEST_TTL_MS, Change, Changing, Done, Entry, Scope, Store
from iii_actors.storage.errors import StorageError, VersionConflict

__all__ = ["MemoryStore"]

_CLOSED = "the store is closed: the engine is stopping"


class MemoryStore(Store):
    """Everything is gone with the process. Runs on the calling thread; an operation costs microseconds.

    An expired value is gone for every reader at once; its memory goes at the next operation after.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scopes: dict[Scope, dict[str, Entry]] = {}
        self._under: dict[str, set[Scope]] = {}
        """The scopes there are, by their first part."""
        self._expiry: dict[tuple[Scope, str], float] = {}
        """When what expires does, on the monotonic clock."""
        self._due: list[tuple[float, Scope, str]] = []
        """The same as a heap; an entry that :attr:`_expiry` does not confirm is stale."""
        self._version = 0
        self._closed = False

    def get(self, scope: Scope, key: str, done: Done[Entry]) -> None:
        if self._due or self._closed:
            self._expire()
            if self._closed:
                done(None, StorageError(_CLOSED))
                return
        entries = self._scopes.get(scope)
        done(entries.get(key) if entries is not None else None, None)

    def get_many(self, scope: Scope, keys: Sequence[str], done: Done[Sequence[Entry | None]]) -> None:
        if self._ready(done):
            entries = self._scopes.get(scope, {})
            done([entries.get(key) for key in keys], None)

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
        if not self._ready(done):
            return
        entries = self._scopes.get(scope)
        old = entries.get(key) if entries is not None else None
        if if_version is not None and not _is_version(old, if_version, done):
            return
        new = self._write(scope, key, text)
        if ttl_ms is not None:
            at = self._clock.monotonic() + min(ttl_ms, LONGEST_TTL_MS) / 1000
            self._expiry[scope, key] = at
            heapq.heappush(self._due, (at, scope, key))
            self._compact()
        elif self._expiry:
            self._expiry.pop((scope, key), None)
        done(Change(old, new), None)

    def delete(self, scope: Scope, key: str, done: Done[Change], *, if_version: int | None = None) -> None:
        if not self._ready(done):
            return
        old = self._scopes.get(scope, {}).get(key)
        if if_version is not None and not _is_version(old, if_version, done):
            return
        if old is not None:
            self._remove(scope, key)
        done(Change(old, None), None)

    def update(
        self, scope: Scope, key: str, changing: Changing, done: Done[Change], *, if_version: int | None = None
    ) -> None:
        if not self._ready(done):
            return
        old = self._scopes.get(scope, {}).get(key)
        if if_version is not None and not _is_version(old, if_version, done):
            return
        try:
            text, remark = changing(old.text if old is not None else None)
        except EngineError as error:
            done(None, error)
            return
        done(Change(old, self._write(scope, key, text), remark), None)

    def list(self, scope: Scope, done: Done[Sequence[tuple[str, Entry]]]) -> None:
        if self._ready(done):
            done(tuple(self._scopes.get(scope, {}).items()), None)

    def list_keys(self, scope: Scope, done: Done[Sequence[str]]) -> None:
        if self._ready(done):
            done(tuple(self._scopes.get(scope, ())), None)

    def scopes(self, under: Scope, done: Done[Sequence[Scope]]) -> None:
        if self._ready(done):
            found = self._under.get(under[0], ()) if under else self._scopes
            done(sorted(scope for scope in found if scope[: len(under)] == under), None)

    def close(self) -> None:
        self._closed = True
        for table in (self._scopes, self._under, self._expiry, self._due):
            table.clear()

    def _ready(self, done: Done[Any]) -> bool:
        """Forget what has expired; returns whether the store is open, and says so to ``done`` if it is not."""
        if self._due:
            self._expire()
        if self._closed:
            done(None, StorageError(_CLOSED))
        return not self._closed

    def _write(self, scope: Scope, key: str, text: bytes) -> Entry:
        self._version += 1
        new = Entry(text, self._version)
        entries = self._scopes.get(scope)
        if entries is None:
            self._scopes[scope] = {key: new}
            self._under.setdefault(scope[0], set()).add(scope)
        else:
            entries[key] = new
        return new

    def _remove(self, scope: Scope, key: str) -> None:
        entries = self._scopes[scope]
        del entries[key]
        if not entries:
            del self._scopes[scope]
            beside = self._under[scope[0]]
            beside.discard(scope)
            if not beside:
                del self._under[scope[0]]
        self._expiry.pop((scope, key), None)

    def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._due and self._due[0][0] <= now:
            at, scope, key = heapq.heappop(self._due)
            if self._expiry.get((scope, key)) == at:
                self._remove(scope, key)

    def _compact(self) -> None:
        """Make the heap anew when most of it is stale: a key written over and over must not grow it."""
        if len(self._due) > 64 + 2 * len(self._expiry):
            self._due = [(at, scope, key) for (scope, key), at in self._expiry.items()]
            heapq.heapify(self._due)


def _is_version(old: Entry | None, wanted: int, done: Done[Change]) -> bool:
    """Return whether a compare-and-set may go on; if not, ``done`` is told."""
    found = old.version if old is not None else 0
    if found != wanted:
        done(None, VersionConflict(wanted, found))
    return found == wanted
