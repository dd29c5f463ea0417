"""A store that is another engine's: each operation calls the same function there (state.md §7, stream.md §8).

What the protocol's functions cannot say is refused rather than done by halves: times to live, versions, and an update
that is no list of operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from iii_actors.actor import Ref
from iii_actors.remote import Failed, Link
from iii_actors.storage.contract import Change, Changing, Done, Entry, Scope, Store
from iii_actors.storage.errors import StorageError

__all__ = ["LAYOUTS", "BridgeStore", "Layout"]

_encode: Final = msgspec.json.Encoder().encode


class Layout(NamedTuple):
    """How one kind of store is spelled in calls."""

    prefix: str
    """Of the functions."""
    scope: tuple[str, ...]
    """Members that name a scope, outermost first."""
    key: str
    value: str


LAYOUTS: Final = {
    "state": Layout("state", ("scope",), "key", "value"),
    "stream": Layout("stream", ("stream_name", "group_id"), "item_id", "data"),
}


class BridgeStore(Store):
    """Forwards to another engine. Null and absent are the same there."""

    versioned = False

    def __init__(self, link: Link, layout: Layout) -> None:
        self.link = link
        self._layout = layout

    def get(self, scope: Scope, key: str, done: Done[Entry]) -> None:
        self._ask("get", self._at(scope, key), "get value", _entry, done)

    def get_many(self, scope: Scope, keys: Sequence[str], done: Done[Sequence[Entry | None]]) -> None:
        def entries(result: Any) -> Sequence[Entry | None]:
            found = result if isinstance(result, dict) else {}
            return [_entry(found.get(key)) for key in keys]

        self._ask("get_many", {**self._in(scope), "keys": list(keys)}, "get values", entries, done)

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
        if ttl_ms is not None or _refused(if_version, done):
            if ttl_ms is not None:
                done(None, StorageError("the adapter bridge has no times to live"))
            return
        payload = {**self._at(scope, key), self._layout.value: Raw(text)}
        self._ask("set", payload, "set value", _change, done)

    def delete(self, scope: Scope, key: str, done: Done[Change], *, if_version: int | None = None) -> None:
        def change(result: Any) -> Change:
            old = result.get("old_value") if self._layout.prefix == "stream" and isinstance(result, dict) else result
            return Change(_entry(old), None)

        if not _refused(if_version, done):
            self._ask("delete", self._at(scope, key), "delete value", change, done)

    def update(
        self, scope: Scope, key: str, changing: Changing, done: Done[Change], *, if_version: int | None = None
    ) -> None:
        """Have the other engine do it: ``changing`` must know its operations, as ``changing.operations``, JSON."""
        if not _refused(if_version, done):
            operations: Raw = changing.operations  # type: ignore[attr-defined]
            self._ask("update", {**self._at(scope, key), "ops": operations}, "update value", _change, done)

    def list(self, scope: Scope, done: Done[Sequence[tuple[str, Entry]]]) -> None:
        """Read a scope: the other engine tells no keys, so they are empty here."""

        def entries(result: Any) -> Sequence[tuple[str, Entry]]:
            return [("", Entry(_encode(value), 0)) for value in result or ()]

        self._ask("list", self._in(scope), "list values", entries, done)

    def list_keys(self, scope: Scope, done: Done[Sequence[str]]) -> None:
        self._ask("list_keys", self._in(scope), "list keys", lambda result: list(result or ()), done)

    def scopes(self, under: Scope, done: Done[Sequence[Scope]]) -> None:
        if self._layout.prefix == "state":
            self._ask("list_groups", {}, "list groups", _groups_of_state, done)
        elif under:
            self._ask(
                "list_groups",
                {"stream_name": under[0]},
                "list groups",
                lambda result: [(under[0], group) for group in result or ()],
                done,
            )
        else:
            self._ask("list_all", {}, "list streams", _groups_of_streams, done)

    def close(self) -> None:
        self.link.close()

    def actors(self) -> Sequence[Ref]:
        return self.link.actors()

    # --- calls -------------------------------------------------------------------------------------------------------

    def _in(self, scope: Scope) -> dict[str, Any]:
        return dict(zip(self._layout.scope, scope, strict=True))

    def _at(self, scope: Scope, key: str) -> dict[str, Any]:
        return {**self._in(scope), self._layout.key: key}

    def _ask(self, name: str, payload: object, what: str, read: Callable[[Any], Any], done: Done[Any]) -> None:
        """Call a function there, and read its result.

        :param what: is done, for errors: ``Failed to <what> via bridge``.
        """

        def settled(result: Any, failed: Failed | None) -> None:
            if failed is not None:
                done(None, StorageError(f"Failed to {what} via bridge: {failed.code}: {failed.message}"))
                return
            try:
                answer = read(result)
            except (AttributeError, KeyError, TypeError, ValueError, msgspec.MsgspecError):
                problem = f"the engine at {self.link.url} answers what is no result"
                done(None, StorageError(f"Failed to {what} via bridge: {problem}"))
                return
            done(answer, None)

        self.link.call(f"{self._layout.prefix}::{name}", Raw(_encode(payload)), settled)


def _refused(if_version: int | None, done: Done[Any]) -> bool:
    if if_version is None:
        return False
    done(None, StorageError("the adapter bridge has no versions"))
    return True


def _entry(value: Any) -> Entry | None:
    return None if value is None else Entry(_encode(value), 0)


def _change(result: Any) -> Change:
    return Change(_entry(result.get("old_value")), Entry(_encode(result["new_value"]), 0), result.get("errors"))


def _groups_of_state(result: Any) -> Sequence[Scope]:
    return [(group,) for group in result["groups"]]


def _groups_of_streams(result: Any) -> Sequence[Scope]:
    return [(one["id"], group) for one in result["stream"] for group in one["groups"]]
