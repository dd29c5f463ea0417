"""Locks of two engines in one real Redis: taken, kept, freed, remembered; Redis gone and back (cron.md §5)."""

import pytest

from iii_actors.builtin.cron.locks import Tick
from iii_actors.builtin.cron.redis_locks import RedisLocks
from iii_actors.clock import ManualClock
from iii_actors.limits import CRON_LOCK_TTL_MS, CRON_TICK_MEMORY_MS, REDIS_RETRY_MAX_S
from iii_actors.storage.redis_client import connect
from tests.support.redis import redis_server

SECOND = 1_767_225_600


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def client(server):
    with server.client() as own:
        own.flushall()
        yield own


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def make(server, client, clock):
    made = []

    def engine():
        made.append(RedisLocks(connect(server.url, "iii-cron"), clock))
        return made[-1]

    yield engine
    for locks in made:
        locks.close()


def take(locks, *job_ids, second=SECOND):
    return set(locks.take([Tick(job_id, second) for job_id in job_ids]))


def test_one_of_two_engines_gets_a_tick(make):
    one, other = make(), make()
    assert take(one, "a", "b") == {"a", "b"}
    assert take(other, "a", "b", "c") == {"c"}


def test_a_tick_that_was_run_is_not_run_again_however_short_the_run_was(make):
    one, other = make(), make()
    assert take(one, "a") == {"a"}
    one.release(["a"])
    assert take(other, "a") == set()
    assert take(other, "a", second=SECOND - 1) == set(), "one that came before is over too"
    assert take(one, "a") == set()
    assert take(other, "a", second=SECOND + 1) == {"a"}


def test_a_run_that_lasts_keeps_every_engine_from_the_next_tick(make):
    one, other = make(), make()
    assert take(one, "a") == {"a"}
    assert take(other, "a", second=SECOND + 1) == set()
    one.release(["a"])
    assert take(other, "a", second=SECOND + 2) == {"a"}


def test_the_protocol_s_key_with_the_protocol_s_time_to_live(make, client):
    locks = make()
    take(locks, "job 1")
    assert len(client.get("cron_lock:job 1")) == 36
    assert CRON_LOCK_TTL_MS - 5000 < client.pttl("cron_lock:job 1") <= CRON_LOCK_TTL_MS
    assert client.get("cron_tick:job 1") == str(SECOND).encode()
    assert CRON_TICK_MEMORY_MS - 5000 < client.pttl("cron_tick:job 1") <= CRON_TICK_MEMORY_MS
    locks.release(["job 1"])
    assert not client.exists("cron_lock:job 1")


def test_only_the_owner_releases(make, client):
    one = make()
    take(one, "a")
    client.set("cron_lock:a", "somebody else")
    one.release(["a", "never taken"])
    assert client.get("cron_lock:a") == b"somebody else"


def test_a_lock_that_somebody_else_has_taken_over_is_not_kept(make, client, clock):
    one = make()
    take(one, "a", "b")
    client.set("cron_lock:a", "somebody else", px=1000)
    client.pexpire("cron_lock:b", 1000)
    clock.advance(CRON_LOCK_TTL_MS / 3000)
    one.keep()
    assert client.pttl("cron_lock:a") <= 1000
    assert client.pttl("cron_lock:b") > 20_000


def test_locks_are_not_kept_more_often_than_need_be(make, client, clock):
    one = make()
    take(one, "a")
    client.pexpire("cron_lock:a", 1000)
    clock.advance(1)
    one.keep()
    assert client.pttl("cron_lock:a") <= 1000


def test_closing_gives_everything_back(make, client):
    one = make()
    take(one, "a", "b")
    one.close()
    assert client.keys("cron_lock:*") == []


def test_without_redis_ticks_are_skipped_until_it_is_back(make, server, clock, caplog):
    one = make()
    take(one, "a")
    server.kill()
    try:
        assert take(one, "b", "c") == set()
        assert "Redis cannot be reached, so 2 ticks are skipped" in caplog.text
        caplog.clear()
        one.release(["a"])
        assert take(one, "b") == set()
        assert caplog.text == "", "it is left alone for a while"
        for _ in range(9):
            clock.advance(REDIS_RETRY_MAX_S)
            assert take(one, "b") == set()
        one.keep()
        one.release(["a"])
    finally:
        server.start()
    caplog.set_level("INFO")
    clock.advance(REDIS_RETRY_MAX_S)
    assert take(one, "b") == {"b"}
    assert "Redis is back" in caplog.text


def test_redis_is_restarted_between_two_ticks_and_none_is_missed(make, server):
    one = make()
    take(one, "a")
    server.kill()
    server.start()
    assert take(one, "a", second=SECOND + 1) == {"a"}


def test_no_ticks_need_no_redis(make, server):
    one = make()
    server.kill()
    try:
        assert take(one) == set()
        one.release([])
        one.keep()
    finally:
        server.start()
