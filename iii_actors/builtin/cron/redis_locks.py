"""The adapter ``redis``: of all engines on one Redis, one runs a tick.

A lock alone does not see to that: an engine whose clock is a little behind finds it free again after a short run. So
Redis also remembers, for longer than a tick can be late, which tick of each job was run last, and no engine gets the
right to one that is not later. Lock key and time to live are the protocol's (cron.md §5), so that engines of other make
exclude each other with this one while a run lasts.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from typing import Final

from redis import RedisError

from iii_actors.builtin.cron.locks import Locks, Tick
from iii_actors.clock import Clock
from iii_actors.limits import CRON_LOCK_TTL_MS, CRON_TICK_MEMORY_MS, REDIS_RETRY_MAX_S, REDIS_RETRY_S
from iii_actors.storage.redis_client import Client

__all__ = ["RedisLocks"]

logger = logging.getLogger(__name__)

_TAKE: Final = """
local last = redis.call('GET', KEYS[2])
if last and tonumber(last) >= tonumber(ARGV[2]) then return 0 end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[3]) then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
return 1
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_KEEP: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""


class RedisLocks(Locks):
    """Locks in Redis. While it cannot be reached no tick is run: nobody knows who else would run it.

    :param client: has reached its Redis; is closed with this.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._owner = str(uuid.uuid4())
        self._take = client.register_script(_TAKE)
        self._release = client.register_script(_RELEASE)
        self._keep = client.register_script(_KEEP)
        self._held: set[str] = set()
        self._kept_at = clock.monotonic()
        self._retry_s = 0.0
        self._retry_at = 0.0

    def take(self, ticks: Sequence[Tick]) -> Collection[str]:
        if not ticks or self._clock.monotonic() < self._retry_at:
            return ()
        try:
            pipeline = self._client.pipeline(transaction=False)
            for tick in ticks:
                keys = [_lock(tick.job_id), f"cron_tick:{tick.job_id}"]
                self._take(keys, [self._owner, tick.second, CRON_LOCK_TTL_MS, CRON_TICK_MEMORY_MS], client=pipeline)
            answers = pipeline.execute()
        except RedisError as error:
            self._failed(f"{len(ticks)} ticks are skipped", error)
            return ()
        if self._retry_s:
            self._retry_s = 0.0
            logger.info("iii-cron: Redis is back")
        taken = {tick.job_id for tick, answer in zip(ticks, answers, strict=True) if answer == 1}
        self._held |= taken
        return taken

    def release(self, job_ids: Sequence[str]) -> None:
        held = [job_id for job_id in job_ids if job_id in self._held]
        self._held.difference_update(held)
        if not held or self._clock.monotonic() < self._retry_at:
            return
        try:
            pipeline = self._client.pipeline(transaction=False)
            for job_id in held:
                self._release([_lock(job_id)], [self._owner], client=pipeline)
            pipeline.execute()
        except RedisError as error:
            self._failed(f"{len(held)} locks are left to expire", error)

    def keep(self) -> None:
        now = self._clock.monotonic()
        if not self._held or now < self._retry_at or now - self._kept_at < CRON_LOCK_TTL_MS / 3000:
            return
        self._kept_at = now
        try:
            pipeline = self._client.pipeline(transaction=False)
            for job_id in self._held:
                self._keep([_lock(job_id)], [self._owner, CRON_LOCK_TTL_MS], client=pipeline)
            pipeline.execute()
        except RedisError as error:
            self._failed("the locks of running jobs are not renewed", error)

    def close(self) -> None:
        self.release(list(self._held))
        self._client.close()

    def _failed(self, what: str, error: RedisError) -> None:
        """Leave Redis alone for a while: a try may take as long as its timeout, and other ticks wait for it."""
        self._retry_s = min(max(self._retry_s * 2, REDIS_RETRY_S), REDIS_RETRY_MAX_S)
        self._retry_at = self._clock.monotonic() + self._retry_s
        logger.warning("iii-cron: Redis cannot be reached, so %s: %s", what, error)


def _lock(job_id: str) -> str:
    return f"cron_lock:{job_id}"
