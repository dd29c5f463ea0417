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


def test_a_thread_is_used_again(make):
    pool = make()
    assert len({done(pool) for _ in range(50)}) == 1
    assert pool.counts() == {"threads": 1, "running": 0, "aside": 0, "waiting": 0}


def test_idle_threads_end(make):
    pool = make(idle_s=0.01)
    done(pool)
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith("iii-handler")]:
        thread.join(WAIT_S)
    assert pool.counts()["threads"] == 0
    done(pool)


def test_threads_that_time_out_while_they_are_given_work_do_it(make):
    pool = make(idle_s=0.0001, size=4)
    count = threading.Semaphore(0)
    for _ in range(2000):
        assert pool.submit(count.release)
    for _ in range(2000):
        assert count.acquire(timeout=WAIT_S)


def test_no_more_run_at_once_than_the_size(make):
    pool = make(size=2, queue=1)
    jobs = [Held(), Held(), Held(), Held()]
    assert [pool.submit(job) for job in jobs] == [True, True, True, False]
    assert jobs[0].started()
    assert jobs[1].started()
    assert pool.counts() == {"threads": 2, "running": 2, "aside": 0, "waiting": 1}
    assert not jobs[2].runs.is_set()
    jobs[1].end.set()
    assert jobs[2].started()
    jobs[0].end.set()
    jobs[2].end.set()
    assert pool.drain(WAIT_S)


def test_the_queue_is_bounded_by_bytes_too(make):
    pool = make(size=1, queue_bytes=100)
    first = Held()
    assert pool.submit(first, size=1000)
    assert pool.submit(lambda: None, size=60)
    assert not pool.submit(lambda: None, size=60)
    assert pool.submit(lambda: None, size=40)
    first.end.set()
    assert pool.drain(WAIT_S)
    assert pool.hold(100)
    assert not pool.hold(1)
    pool.unhold(100)


def test_what_waits_elsewhere_counts_and_finds_room(make):
    pool = make(size=1, queue=1)
    first = Held()
    pool.submit(first)
    assert pool.hold(7)
    assert not pool.submit(lambda: None)
    assert not pool.hold(7)
    ran = threading.Event()
    assert pool.submit(ran.set, 7, held=True)
    first.end.set()
    assert ran.wait(WAIT_S)
    assert pool.drain(WAIT_S)


def test_a_refusal_names_the_limits(make):
    pool = make(size=3, queue=7)
    assert "7 invocations" in pool.refusal()
    assert "3 handler threads" in pool.refusal()
    pool.close()
    assert pool.refusal() == "the worker is shutting down"


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_thread_outlives_whatever_a_job_raises(make, caplog, error):
    pool = make(size=1)
    names = set()
    for _ in range(3):

        def fail():
            names.add(threading.current_thread().name)
            raise error("boom")

        assert pool.submit(fail)
    assert pool.drain(WAIT_S)
    assert len(names) == 1
    assert "A job on the handler pool failed" in caplog.text


def test_only_its_own_jobs_are_present(make):
    pool, other = make(), make()
    seen = []
    done(pool, lambda: seen.append((pool.present(), other.present())))
    assert seen[0][0] is not None
    assert seen[0][1] is None
    assert pool.present() is None


def test_draining_waits_for_what_runs_elsewhere(make):
    pool = make()
    assert pool.drain(0)
    pool.guest_arrived()
    assert not pool.drain(0.01)
    pool.guest_left()
    assert pool.drain(0)


def test_closing_refuses_what_waits_and_ends_the_threads(make, caplog):
    pool = make(size=1)
    first, refused = Held(), []
    pool.submit(first)
    assert first.started()
    pool.submit(lambda: None, 0, refused.append)
    pool.submit(lambda: None)
    pool.close()
    assert refused == ["the worker is shutting down"]
    assert "was not run: the worker is shutting down" in caplog.text
    assert not pool.submit(lambda: None)
    assert not pool.hold(0)
    first.end.set()
    assert pool.drain(WAIT_S)
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith("iii-handler")]:
        thread.join(WAIT_S)
    assert pool.counts()["threads"] == 0
    pool.close()


def test_closing_ends_parked_threads_at_once(make):
    pool = make()
    done(pool)
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("iii-handler")]
    pool.close()
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()
    assert pool.counts()["threads"] == 0


def test_when_the_system_gives_no_thread_jobs_wait_for_those_there_are(make, monkeypatch, caplog):
    pool = make(size=4)
    first = Held()
    pool.submit(first)
    assert first.started()

    def none_left(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", none_left)
        ran = threading.Event()
        assert pool.submit(ran.set)
        empty = make(size=1, name="other")
        assert not empty.submit(ran.set)
        assert empty.counts()["running"] == 0
    assert "gives no further thread" in caplog.text
    first.end.set()
    assert ran.wait(WAIT_S)


@pytest.mark.parametrize("options", [{"size": 0}, {"size": -1}, {"queue": -1}])
def test_sizes_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="handler_"):
        HandlerPool(**options)


def test_fifty_threads_at_once_lose_nothing(make):
    pool = make(size=8)
    counted, lock, total = [0], threading.Lock(), 50 * 100

    def job():
        with pool.blocking(), lock:
            counted[0] += 1

    def flood():
        for _ in range(100):
            assert pool.submit(job)

    threads = [threading.Thread(target=flood) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert pool.drain(WAIT_S)
    assert counted[0] == total
    counts = pool.counts()
    assert counts["running"] == counts["aside"] == counts["waiting"] == 0
