"""Names and texts in Redis, the engines' common clock, and which servers will do."""

import logging

import pytest

from iii_actors.brokers.job import Failure, Job, QueueSpec
from iii_actors.brokers.redis_layout import (
    Kept,
    Taken,
    failures_after,
    job_bytes,
    meta_key,
    pack,
    read_spec,
    spec_words,
)
from iii_actors.brokers.redis_link import check_server
from iii_actors.brokers.redis_parcel import Parcel
from iii_actors.brokers.redis_time import CommonTime
from iii_actors.clock import ManualClock
from iii_actors.errors import ConfigError
from iii_actors.limits import QUEUE_FAILURES_KEPT


def job(**fields):
    given = {"id": "i", "receipt": "r", "queue": "q", "function_id": "f", "namespace": "n", "data": b"1"}
    return Job(created_at_ms=1, **{**given, **fields})


# --- names and texts ---------------------------------------------------------------------------------------------------


def test_all_keys_of_a_queue_have_one_hash_tag():
    assert meta_key("__fn_queue::orders") == b"iii:queue:{__fn_queue::orders}:meta"


def test_braces_do_not_end_the_tag_and_no_two_queues_share_a_name():
    names = ["a", "{a}", "a}", "%7Ba%7D", "a:meta", "é\x00", "%257B"]
    keys = [meta_key(name) for name in names]
    assert len(set(keys)) == len(names)
    for key in keys:
        assert key.count(b"{") == key.count(b"}") == 1
        assert key.endswith(b"}:meta")


def test_a_spec_comes_back():
    spec = QueueSpec(ordered=True, max_priority=3, visibility_ms=5, idempotency_ms=7, max_jobs=9, options={"é": "x"})
    ordered, most, idempotency_ms, max_jobs, text = spec_words(spec)
    assert (ordered, most, idempotency_ms, max_jobs) == (1, 3, 7, 9)
    assert read_spec(text.encode()) == spec
    assert spec_words(QueueSpec())[1] == 255
    assert read_spec(b"[]") is None


def test_a_job_is_written_without_what_its_attempts_have_left():
    assert job_bytes(job(attempts=2, failures=(Failure("c", "m", 1),))) == job_bytes(job())


def test_a_job_that_has_failed_is_delivered_with_its_failures_and_its_time():
    failure = Failure("c", "m", 1)
    assert Taken("1-0", 1, job(due_at_ms=3), 2, Kept(9, (failure,)), None, False).current("q") == job(
        attempts=2, failures=(failure,), due_at_ms=9
    )
    assert Taken("1-0", 1, job(due_at_ms=3), 0, Kept(9, (failure,)), None, False).current("q").due_at_ms == 0


def test_a_job_that_was_moved_is_another_functions():
    moved = Taken("1-0", 1, job(), 0, None, ("g", "m"), False).current("other")
    assert moved == job(queue="other", function_id="g", namespace="m")


def test_the_last_failures_are_kept():
    tried = job()
    for n in range(QUEUE_FAILURES_KEPT + 3):
        failures = (*tried.failures[1 - QUEUE_FAILURES_KEPT :], Failure("c", str(n), n))
        assert failures_after(tried, failures[-1], n) == pack((n, failures))
        tried = job(failures=failures)
    assert len(tried.failures) == QUEUE_FAILURES_KEPT


def test_what_cannot_be_written_is_left_out_of_a_parcel():
    parcel = Parcel("e", 1, lambda _: None)
    parcel.add("ack", parcel.queue("q"))
    with pytest.raises(UnicodeEncodeError):
        parcel.queue("\ud800")
    with pytest.raises(UnicodeEncodeError):
        parcel.add("find", 1, "\ud800")
    assert len(parcel) == 1
    assert parcel.keys() == [meta_key("q")]
    assert parcel.arguments(0, False)[1] == b"\xdd\x00\x00\x00\x01" + pack(("ack", 1))


# --- time --------------------------------------------------------------------------------------------------------------


class Clock(ManualClock):
    """Its wall clock can be set."""

    def set_by(self, seconds):
        self._now += seconds


def test_the_common_clock_goes_on_when_the_systems_is_set_back_and_follows_it_forward():
    clock = Clock()
    time = CommonTime(clock)
    start = time.now_ms()
    clock.advance(1.5)
    assert time.now_ms() == start + 1500
    clock.set_by(-3600)
    clock.advance(1)
    assert time.now_ms() == start + 2500
    assert time.common_ms(int(clock.now() * 1000) + 250) == start + 2750
    clock.set_by(2 * 3600)
    assert time.now_ms() == start + 2500 + 3_600_000
    assert time.common_ms(int(clock.now() * 1000) + 250) == time.now_ms() + 250


def test_a_clock_that_was_set_back_while_the_engine_was_down_is_behind_the_common_one():
    clock = Clock()
    ahead = int(clock.now() * 1000) + 60_000
    time = CommonTime(clock, ahead)
    assert time.now_ms() == ahead
    clock.advance(2)
    assert time.now_ms() == ahead + 2000


# --- servers -----------------------------------------------------------------------------------------------------------


class Server:
    def __init__(self, **about):
        self._about = {"redis_version": "7.0.15", "redis_mode": "standalone", "aof_enabled": 1, **about}

    def info(self):
        return self._about


@pytest.mark.parametrize("version", ["6.2.0", "6.2", "7.0.15", "10.0", "255.255.255"])
def test_servers_that_will_do(version, caplog):
    check_server(Server(redis_version=version), "here", "iii-queue")
    assert not caplog.records


@pytest.mark.parametrize("version", ["6.0.16", "5.0", "2.8.24", "0"])
def test_a_server_that_is_too_old_is_named(version):
    with pytest.raises(ConfigError, match=rf"iii-queue.*at here is version {version}; queues need 6\.2 or later"):
        check_server(Server(redis_version=version), "here", "iii-queue")


def test_a_cluster_is_refused():
    with pytest.raises(ConfigError, match="is a cluster"):
        check_server(Server(redis_mode="cluster"), "here", "iii-queue")


def test_what_a_server_may_lose_is_logged(caplog):
    with caplog.at_level(logging.INFO):
        check_server(Server(maxmemory=1, maxmemory_policy="allkeys-lru", aof_enabled=0), "here", "iii-queue")
    eviction, log = (record.getMessage() for record in caplog.records)
    assert "allkeys-lru" in eviction
    assert "appendonly no" in log
