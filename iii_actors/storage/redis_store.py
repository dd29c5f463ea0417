"""The store in Redis: shared by all engines on it, as lasting as that Redis is.

Two threads: one carries out operations, all that wait in one round trip (:mod:`.redis_table`); the other does what
takes long or comes seldom, naming the scopes and removing what has expired, so that no value waits for that.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import pykka
from redis import RedisError

from iii_actors.actor import MailboxFull, Ref, Round, ThreadedActor, handles, launch
from iii_actors.clock import Clock, Timer
from iii_actors.errors import EngineError
from iii_actors.limits import (
    REDIS_PARCEL,
    REDIS_PARCEL_BYTES,
    REDIS_RETRY_MAX_S,
    REDIS_SCAN,
    STORE_CLOSE_S,
    STORE_LOOK_S,
    STORE_SWEEP,
    STORE_SWEEP_PAUSE_S,
    STORE_WAITING,
    STORE_WAITING_BYTES,
)
from iii_actors.storage.contract import Change, Changing, Done, Entry, Scope, Store
from iii_actors.storage.errors import StorageError
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
from iii_actors.storage.redis_chain import Asked
from iii_actors.storage.redis_client import Client, without_password
from iii_actors.storage.redis_layout import Layout
from iii_actors.storage.redis_table import RedisTable

__all__ = ["RedisStore"]

logger = logging.getLogger(__name__)

_CLOSED = "the store is closed: the engine is stopping"


class RedisStore(Store):
    """Values in Redis, by :class:`~iii_actors.storage.redis_layout.Layout`.

    While Redis cannot be reached each operation gets ``StorageError``, after at most twice
    :data:`~iii_actors.limits.REDIS_WAIT_S`; whether a write that was under way took effect is then not known. The next
    operation after it is back finds it back.

    :param client: has reached its Redis; is closed with this.
    :param url: for errors and the log.
    """

    def __init__(self, client: Client, layout: Layout, url: str, clock: Clock) -> None:
        place = without_password(url)
        self._client = client
        self._clock = clock
        self._keeper_actor = _Keeper(RedisTable(client, layout, place), clock)
        self._keeper = launch(self._keeper_actor)
        self._carrier_actor = _Carrier(RedisTable(client, layout, place), clock, self._keeper)
        self._carrier = launch(self._carrier_actor)
        self._given = 0
        self._given_bytes = 0
        self._keeper.tell(_Sweep())

    def get(self, scope: Scope, key: str, done: Done[Entry]) -> None:
        self._ask(Get((scope, key)), done)

    def get_many(self, scope: Scope, keys: Sequence[str], done: Done[Sequence[Entry | None]]) -> None:
        self._ask(GetMany(scope, keys), done)

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
        self._ask(Set((scope, key), if_version, text, ttl_ms), done)
        if ttl_ms is not None:
            with contextlib.suppress(pykka.ActorDeadError, MailboxFull):
                self._keeper.tell(_Expect(min(ttl_ms, int(STORE_LOOK_S * 1000)) / 1000))

    def delete(self, scope: Scope, key: str, done: Done[Change], *, if_version: int | None = None) -> None:
        self._ask(Delete((scope, key), if_version), done)

    def update(
        self, scope: Scope, key: str, changing: Changing, done: Done[Change], *, if_version: int | None = None
    ) -> None:
        self._ask(Update((scope, key), if_version, changing), done)

    def list(self, scope: Scope, done: Done[Sequence[tuple[str, Entry]]]) -> None:
        self._ask(ListEntries(scope), done)

    def list_keys(self, scope: Scope, done: Done[Sequence[str]]) -> None:
        self._ask(ListKeys(scope), done)

    def scopes(self, under: Scope, done: Done[Sequence[Scope]]) -> None:
        self._ask(ListScopes(under), done)

    def close(self) -> None:
        """Carries out what waits, for at most :data:`~iii_actors.limits.STORE_CLOSE_S`."""
        for ref in (self._carrier, self._keeper):
            try:
                ref.stop(timeout=STORE_CLOSE_S)
            except pykka.Timeout:
                logger.warning("%s waits for Redis; it is left behind", ref)
        self._client.close()

    def actors(self) -> Sequence[Ref]:
        return self._carrier, self._keeper

    def _ask(self, operation: Operation, done: Done[Any]) -> None:
        carrier, size = self._carrier_actor, operation.size()
        waiting = self._given - carrier.taken
        if waiting >= STORE_WAITING or (
            waiting and self._given_bytes - carrier.taken_bytes + size > STORE_WAITING_BYTES
        ):
            done(None, StorageError(f"{waiting} operations wait for Redis, which is the limit; try again later"))
            return
        try:
            self._carrier.tell(Asked(operation, done, self._clock.monotonic()))
        except pykka.ActorDeadError:
            done(None, StorageError(_CLOSED))
        else:
            self._given += 1
            self._given_bytes += size


class _Carrier(ThreadedActor):
    """Carries out operations; whatever waits in its mailbox travels together."""

    def __init__(self, table: RedisTable, clock: Clock, keeper: Ref) -> None:
        super().__init__()
        self._table = table
        self._clock = clock
        self._keeper = keeper
        self._group: list[Asked] = []
        self._group_bytes = 0
        self._gone: EngineError | None = None
        self._gone_at = 0.0
        self.taken = 0
        """How many have left the mailbox. Written here, read by who fills it."""
        self.taken_bytes = 0

    @handles(Asked)
    def take(self, asked: Asked) -> None:
        size = asked.operation.size()
        self.taken += 1
        self.taken_bytes += size
        self._group.append(asked)
        self._group_bytes += size
        full = len(self._group) >= REDIS_PARCEL or self._group_bytes >= REDIS_PARCEL_BYTES
        if full or self.actor_inbox.empty():
            self._carry_out()

    def on_stop(self) -> None:
        self._carry_out()

    def _carry_out(self) -> None:
        group, self._group, self._group_bytes = self._group, [], 0
        start = 0
        for at, asked in enumerate(group):
            if isinstance(asked.operation, ListScopes):
                self._carry_out_some(group[start:at])
                start = at + 1
                try:
                    self._keeper.tell(asked)
                except (pykka.ActorDeadError, MailboxFull):
                    asked.tell(None, StorageError(_CLOSED))
        self._carry_out_some(group[start:])

    def _carry_out_some(self, group: Sequence[Asked]) -> None:
        """Try Redis, unless all of them have been waiting since before it was last found to be gone."""
        gone = self._gone
        if gone is not None:
            with Round():
                for asked in group:
                    if asked.at < self._gone_at:
                        asked.tell(None, gone)
            group = [asked for asked in group if asked.at >= self._gone_at]
        if not group:
            return
        self._gone = self._table.carry_out(group)
        if self._gone is not None:
            self._gone_at = self._clock.monotonic()
            if gone is None:
                logger.warning("%s; until it is back, nothing can be read or written", self._gone)
        elif gone is not None:
            logger.info("Redis is back")


class _Sweep(NamedTuple):
    """To the keeper: remove what has expired."""


class _Expect(NamedTuple):
    """To the keeper: something expires by then."""

    in_s: float


class _Keeper(ThreadedActor):
    """Names scopes, and removes what has expired: nobody sees it any more, but it takes room."""

    def __init__(self, table: RedisTable, clock: Clock) -> None:
        super().__init__()
        self._table = table
        self._clock = clock
        self._timer: Timer | None = None
        self._asked: list[Asked] = []

    @handles(Asked)
    def name_scopes(self, asked: Asked) -> None:
        self._asked.append(asked)
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        """Answer everybody who has asked by now; one look is enough for all who want the same."""
        if not self.actor_inbox.empty() and len(self._asked) < REDIS_PARCEL:
            return
        asked, self._asked = self._asked, []
        outcomes: dict[Scope, tuple[Sequence[Scope] | None, EngineError | None]] = {}
        for one in asked:
            under = one.operation.under if isinstance(one.operation, ListScopes) else ()
            if under not in outcomes:
                outcomes[under] = self._named(under)
            one.tell(*outcomes[under])

    def _named(self, under: Scope) -> tuple[Sequence[Scope] | None, EngineError | None]:
        try:
            while self._table.sweep(STORE_SWEEP)[0] == STORE_SWEEP:
                pass
            return self._table.scopes(under, REDIS_SCAN), None
        except (RedisError, OSError) as error:
            return None, self._table.error(error)
        except ValueError as error:  # a name that is no text
            return None, StorageError(str(error))

    @handles(_Sweep)
    def sweep(self, _: _Sweep) -> None:
        self._timer = None
        try:
            removed, wait_s = self._table.sweep(STORE_SWEEP)
        except (RedisError, OSError):
            removed, wait_s = 0, REDIS_RETRY_MAX_S
        if wait_s is not None:
            self.expect(_Expect(0.0 if removed == STORE_SWEEP else wait_s))
        self._answer_waiting()

    @handles(_Expect)
    def expect(self, expect: _Expect) -> None:
        wait_s = min(max(expect.in_s, STORE_SWEEP_PAUSE_S), STORE_LOOK_S)
        due = self._clock.monotonic() + wait_s
        if self._timer is None or self._timer.due > due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._clock.call_later(wait_s, self._remind)
        self._answer_waiting()

    def _remind(self) -> None:
        with contextlib.suppress(pykka.ActorDeadError, MailboxFull):
            self.actor_ref.tell(_Sweep())

    def on_stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._answer_waiting()
