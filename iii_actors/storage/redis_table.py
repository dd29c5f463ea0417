"""A group of operations carried out in Redis together: as few round trips as their order allows. One thread at a time.

What only reads or writes is one command each, and all of them travel together. An update is changed here: its text is
read, changed, and swapped in if it is still the same; if another engine was quicker, the swap's answer brings what is
there now, and the update is tried again. Updates of one value that wait together are changed one after the other and
swapped in once. An operation that looks at a value with an update under way waits for it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from redis import RedisError
from redis.exceptions import NoScriptError

from iii_actors.actor import Round
from iii_actors.errors import EngineError
from iii_actors.limits import REDIS_SWAP_TRIES
from iii_actors.storage.contract import Change, Entry, Scope
from iii_actors.storage.errors import StorageError, VersionConflict
from iii_actors.storage.operations import (
    Address,
    Delete,
    Get,
    GetMany,
    ListEntries,
    ListKeys,
    Operation,
    Set,
    Update,
)
from iii_actors.storage.redis_chain import Asked, Chain
from iii_actors.storage.redis_client import Client
from iii_actors.storage.redis_layout import FOREIGN, VERSION_KEY, Layout, as_bytes, as_text
from iii_actors.storage.redis_script import SCRIPT
from iii_actors.storage.sound import is_json

__all__ = ["RedisTable"]

logger = logging.getLogger(__name__)

_SHA: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RedisTable:
    """The values of one kind. Every outcome is told on the thread that calls, when the group's round trip is over.

    :param place: what an error calls the Redis.
    """

    def __init__(self, client: Client, layout: Layout, place: str) -> None:
        self._client = client
        self._layout = layout
        self._place = place

    def carry_out(self, group: Sequence[Asked]) -> EngineError | None:
        """Carry out operations in order, each told its outcome; returns why Redis could not be reached, if so."""
        parcel: list[Asked | Chain] = []
        chains: dict[Address, Chain] = {}
        for at, asked in enumerate(group):
            operation = asked.operation
            addresses = operation.addresses()
            if isinstance(operation, Update):
                chain = chains.get(operation.address)
                if chain is not None and operation.if_version is None:
                    chain.asked.append(asked)
                    continue
            if chains and (not addresses or any(address in chains for address in addresses)):
                gone = self._send(parcel)
                if gone is not None:
                    for left in group[at:]:
                        left.tell(None, gone)
                    return gone
                parcel, chains = [], {}
            if isinstance(operation, Update):
                chain = chains[operation.address] = Chain(operation.address)
                chain.asked.append(asked)
                parcel.append(chain)
            else:
                parcel.append(asked)
        return self._send(parcel)

    def sweep(self, at_most: int) -> tuple[int, float | None]:
        """Remove some of what has expired; returns how much, and the seconds until more does. Raises ``RedisError``."""
        keys = (b"", b"", VERSION_KEY, self._layout.expiry_key)
        (answer,) = self._run([(keys, (b"sweep", at_most))])
        if isinstance(answer, Exception):
            raise answer
        removed, wait_ms = answer
        return removed, wait_ms / 1000 if wait_ms >= 0 else None

    def scopes(self, under: Scope, at_a_time: int) -> list[Scope]:
        """Name the scopes that there are and begin with ``under``, sorted. Raises ``RedisError``."""
        names = self._client.scan_iter(self._layout.pattern(under), count=at_a_time, _type="HASH")
        found = {self._layout.scope_of(name) for name in names}
        return sorted(scope for scope in found if scope is not None and scope[: len(under)] == under)

    def error(self, error: Exception) -> StorageError:
        """Return what the caller of an operation is told."""
        return StorageError(f"Redis at {self._place}: {str(error) or type(error).__name__}")

    # --- a parcel ----------------------------------------------------------------------------------------------------

    def _send(self, parcel: Sequence[Asked | Chain]) -> EngineError | None:
        """One round trip for all, then those that the chains need."""
        sendable: list[Asked | Chain] = []
        commands = []
        for step in parcel:
            try:
                commands.append(self._command(step))
            except ValueError as error:  # a scope of another kind of store
                _fail(step, StorageError(str(error)))
            else:
                sendable.append(step)
        if not sendable:
            return None
        try:
            answers = self._run(commands)
        except (RedisError, OSError) as error:
            gone = self.error(error)
            for step in sendable:
                _fail(step, gone)
            return gone
        waiting: list[tuple[Chain, Any]] = []
        with Round():
            for step, answer in zip(sendable, answers, strict=True):
                if isinstance(answer, Exception):
                    _fail(step, self.error(answer))
                elif isinstance(step, Chain):
                    waiting.append((step, answer))
                else:
                    self._outcome(step, answer)
        return self._swap(waiting)

    def _swap(self, waiting: list[tuple[Chain, Any]]) -> EngineError | None:
        """Change and swap until each chain is through; ``waiting`` holds, with each, the text and version found."""
        for _ in range(REDIS_SWAP_TRIES):
            if not waiting:
                return None
            swaps: list[tuple[Chain, int]] = []
            commands = []
            with Round():
                for chain, (text, version) in waiting:
                    try:
                        new = chain.change(self._checked(text, version, chain.address), int(version))
                    except StorageError as error:
                        chain.fail(error)
                        continue
                    if new is None:
                        chain.tell_failures()
                        continue
                    swaps.append((chain, int(version)))
                    found = b"" if text is None else text
                    scope, key = chain.address
                    arguments = (b"swap", as_bytes(key), found, version, new, len(chain.outcomes))
                    commands.append((self._keys(scope), arguments))
            if not swaps:
                return None
            try:
                answers = self._run(commands)
            except (RedisError, OSError) as error:
                gone = self.error(error)
                for chain, _version in swaps:
                    chain.fail(gone)
                return gone
            waiting = []
            with Round():
                for (chain, version), answer in zip(swaps, answers, strict=True):
                    if isinstance(answer, Exception):
                        chain.fail(self.error(answer))
                    elif answer[0]:
                        chain.tell(version, int(answer[1]))
                    else:
                        waiting.append((chain, answer[1:]))
        for chain, _answer in waiting:
            chain.fail(StorageError(f"Redis at {self._place}: others write this value all the time; try again later"))
        return None

    def _command(self, step: Asked | Chain) -> tuple[tuple[bytes, ...], tuple[Any, ...]]:
        """Return keys and arguments of the script."""
        if isinstance(step, Chain):
            scope, key = step.address
            return self._keys(scope), (b"get", as_bytes(key))
        match step.operation:
            case Get(address=(scope, key)):
                return self._keys(scope), (b"get", as_bytes(key))
            case GetMany(scope=scope, wanted=wanted):
                return self._keys(scope), (b"get", *map(as_bytes, wanted))
            case Set(address=(scope, key), text=text, ttl_ms=ttl_ms, if_version=if_version):
                return self._keys(scope), (b"set", as_bytes(key), text, _until(ttl_ms), _or_empty(if_version))
            case Delete(address=(scope, key), if_version=if_version):
                return self._keys(scope), (b"delete", as_bytes(key), _or_empty(if_version))
            case ListEntries(scope=scope):
                return self._keys(scope), (b"list",)
            case ListKeys(scope=scope):
                return self._keys(scope), (b"keys",)
        raise ValueError(f"{step.operation} is no operation of a table")

    def _keys(self, scope: Scope) -> tuple[bytes, ...]:
        layout = self._layout
        return layout.name_of(scope), layout.marks_of(scope), VERSION_KEY, layout.expiry_key

    def _run(self, commands: Sequence[tuple[Sequence[bytes], Sequence[Any]]]) -> list[Any]:
        """Run the script once for each, in one round trip; an answer may be an exception. Raises ``RedisError``."""
        answers = self._sent(commands)
        unknown = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            self._client.script_load(SCRIPT)
            again = self._sent([commands[at] for at in unknown])
            for at, answer in zip(unknown, again, strict=True):
                answers[at] = answer
        return answers

    def _sent(self, commands: Sequence[tuple[Sequence[bytes], Sequence[Any]]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for keys, arguments in commands:
            pipeline.evalsha(_SHA, len(keys), *keys, *arguments)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    # --- outcomes ----------------------------------------------------------------------------------------------------

    def _outcome(self, asked: Asked, answer: Any) -> None:
        try:
            result = self._result(asked.operation, answer)
        except EngineError as error:
            asked.tell(None, error)
        else:
            asked.tell(result)

    def _result(self, operation: Operation, answer: Any) -> Any:
        match operation:
            case Get(address=address):
                text, version = answer
                return self._entry(text, version, address)
            case GetMany(scope=scope, wanted=wanted):
                pairs = zip(wanted, answer[::2], answer[1::2], strict=True)
                return [self._entry(text, version, (scope, key)) for key, text, version in pairs]
            case Set(address=address, text=new, if_version=if_version):
                if not answer[0]:
                    raise VersionConflict(if_version or 0, int(answer[1]))
                _, old, found, version = answer
                return Change(_replaced(old, found), Entry(new, int(version)))
            case Delete(address=address, if_version=if_version):
                if not answer[0]:
                    raise VersionConflict(if_version or 0, int(answer[1]))
                _, old, found = answer
                return Change(_replaced(old, found), None)
            case ListEntries(scope=scope):
                flat, marks, now_ms = answer
                versions = _live(flat[::2], marks, now_ms)
                texts = dict(zip(flat[::2], flat[1::2], strict=True))
                return [
                    (as_text(key), Entry(self._sound(texts[key], version, (scope, as_text(key))), version))
                    for key, version in versions
                ]
        keys, marks, now_ms = answer
        return [as_text(key) for key, _ in _live(keys, marks, now_ms)]

    def _entry(self, text: bytes | None, version: bytes, address: Address) -> Entry | None:
        return Entry(self._sound(text, int(version), address), int(version)) if text is not None else None

    def _checked(self, text: bytes | None, version: bytes, address: Address) -> bytes | None:
        return self._sound(text, int(version), address) if text is not None else None

    def _sound(self, text: bytes, version: int, address: Address) -> bytes:
        """Return a text that is sound JSON: it goes into messages as it is, and others may have written it."""
        if not is_json(text, trusted=version != FOREIGN):
            scope, key = address
            where = f"{as_text(self._layout.name_of(scope))!r:.100}, field {key!r:.100}"
            raise StorageError(f"Redis at {self._place}: what is stored in {where} is not JSON")
        return text


def _replaced(text: bytes | None, version: bytes) -> Entry | None:
    """Return what a write has replaced; it is done, so what was no JSON counts as null."""
    if text is None:
        return None
    return Entry(text if is_json(text, trusted=int(version) != FOREIGN) else b"null", int(version))


def _live(keys: Iterable[bytes], marks: Sequence[bytes], now_ms: int) -> list[tuple[bytes, int]]:
    """Return the keys that have not expired, and their versions."""
    marked = dict(zip(marks[::2], marks[1::2], strict=True))
    found = []
    for key in keys:
        version, _, due = marked.get(key, b"1:").partition(b":")
        if not due or int(due) > now_ms:
            found.append((key, int(version)))
    return found


def _until(ttl_ms: int | None) -> int | bytes:
    """Return a time to live for the script, where a double must hold the moment that it ends; past that is for ever."""
    return b"" if ttl_ms is None or ttl_ms > 1 << 52 else ttl_ms


def _or_empty(number: int | None) -> int | bytes:
    return b"" if number is None else number


def _fail(step: Asked | Chain, error: EngineError) -> None:
    if isinstance(step, Chain):
        step.fail(error)
    else:
        step.tell(None, error)
