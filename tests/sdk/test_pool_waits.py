"""What the pool does while its jobs wait, or never end."""

import threading
from collections.abc import Callable, Iterator

import pytest

from iii_worker.pool import HandlerPool
from tests.support.sdk_jobs import WAIT_S, Held, done


@pytest.fixture
def make() -> Iterator[Callable[..., HandlerPool]]:
    made = []

    def maker(**options):
        pool = HandlerPool(**options)
        made.append(pool)
        return pool

    yield maker
    for pool in made:
        pool.close()


def test_a_job_that_waits_lends_its_place(make):
    pool = make(size=1)
    waiting = Held(pool)
    pool.submit(waiting)
    assert waiting.started()
    done_here = threading.Event()
    pool.submit(done_here.set)
    assert done_here.wait(WAIT_S)
    waiting.end.set()
    assert pool.drain(WAIT_S)


def test_what_was_queued_before_it_waits_runs_then(make):
    pool = make(size=1)
    first, may_wait = Held(), threading.Event()

    def waits():
        assert may_wait.wait(WAIT_S)
        with pool.blocking():
            assert first.ended.wait(WAIT_S)

    pool.submit(waits)
    pool.submit(first)
    first.end.set()
    may_wait.set()
    assert pool.drain(WAIT_S)
    assert first.ended.is_set()


def test_waiting_inside_of_waiting_counts_once(make):
    pool = make(size=1)

    def nested():
        with pool.blocking(), pool.blocking():
            done_elsewhere = threading.Event()
            pool.submit(done_elsewhere.set)
            assert done_elsewhere.wait(WAIT_S)
            assert pool.counts()["aside"] == 1

    done(pool, nested)
    assert pool.counts()["running"] == 0


def test_a_hundred_deep_on_one_thread_each(make):
    pools = [make(size=1, name="left"), make(size=1, name="right")]
    depths = []

    def down(depth):
        depths.append(depth)
        if depth == 100:
            return
        pool, answered = pools[depth % 2], threading.Event()

        def job():
            down(depth + 1)
            answered.set()

        assert pool.submit(job)
        with pool.blocking():
            assert answered.wait(WAIT_S)

    down(0)
    assert depths == list(range(101))
    assert all(pool.drain(WAIT_S) for pool in pools)
    assert all(pool.counts()["threads"] <= 51 for pool in pools)


def test_when_all_threads_wait_too_long_what_they_may_wait_for_is_refused(make):
    pool = make(size=1, lent=3, stall_s=0.05)
    refused, depths = [], []

    def down():
        depths.append(1)
        over = threading.Event()

        def refuse(reason):
            refused.append(reason)
            over.set()

        def job():
            down()
            over.set()

        assert pool.submit(job, 0, refuse)
        with pool.blocking():
            assert over.wait(WAIT_S)

    done(pool, down)
    assert len(depths) == 4
    assert len(refused) == 1
    assert "all 4 handler threads" in refused[0]
    done(pool)


def test_at_the_ceiling_jobs_wait_as_long_as_others_come_back(make):
    pool = make(size=1, lent=1, stall_s=30)
    waiting = [Held(pool), Held(pool)]
    for job in waiting:
        pool.submit(job)
        assert job.started()
    ran = threading.Event()
    pool.submit(ran.set)
    assert pool.counts() == {"threads": 2, "running": 0, "aside": 2, "waiting": 1}
    waiting[0].end.set()
    assert ran.wait(WAIT_S)
    waiting[1].end.set()
    assert pool.drain(WAIT_S)


def test_progress_puts_the_refusal_off(make):
    pool = make(size=1, lent=0, stall_s=0.05)
    refused, ran, stop = [], threading.Event(), threading.Event()

    def comes_and_goes():
        while not stop.wait(0.01):
            with pool.blocking():
                pass
        with pool.blocking():
            assert stop.wait(WAIT_S)

    pool.submit(comes_and_goes)
    pool.submit(ran.set, 0, refused.append)
    stop.set()
    assert ran.wait(WAIT_S)
    assert refused == []


def test_a_job_that_is_given_up_on_is_replaced_until_it_ends(make):
    pool = make(size=1)
    hung = Held()
    handle = []

    def job():
        handle.append(pool.present())
        hung()

    pool.submit(job)
    assert hung.started()
    ran = threading.Event()
    pool.submit(ran.set)
    pool.give_up(handle[0])
    assert ran.wait(WAIT_S)
    assert pool.counts()["aside"] == 1
    hung.end.set()
    assert pool.drain(WAIT_S)
    counts = pool.counts()
    pool.give_up(handle[0])
    assert pool.counts() == counts
    assert counts["running"] == counts["aside"] == 0


def test_giving_up_on_a_job_that_waits_changes_nothing_until_it_comes_back(make):
    pool = make(size=1)
    waiting, second, handle = Held(pool), Held(), []

    def job():
        handle.append(pool.present())
        waiting()
        second()

    pool.submit(job)
    assert waiting.started()
    pool.give_up(handle[0])
    waiting.end.set()
    assert second.started()
    assert pool.counts() == {"threads": 1, "running": 0, "aside": 1, "waiting": 0}
    second.end.set()
    assert pool.drain(WAIT_S)
    assert pool.counts()["running"] == 0
