"""iii_actors.transport.threads: a thread for each connection, and some that wait for the next."""

import queue
import threading

import pytest

from iii_actors.transport import threads as module
from iii_actors.transport.threads import ConnectionThreads

WAIT_S = 10


@pytest.fixture
def threads():
    one = ConnectionThreads("test-connection")
    yield one
    one.stop()


class Work:
    """A connection that lasts until it is told to end, and says which thread it is on."""

    def __init__(self):
        self.thread = queue.SimpleQueue()
        self.end = threading.Event()

    def __call__(self):
        self.thread.put(threading.current_thread())
        assert self.end.wait(WAIT_S)


def run(threads):
    work = Work()
    threads.run(work)
    return work, work.thread.get(timeout=WAIT_S)


def parked(threads, count=1):
    """Wait until so many threads are parked; the deque tells nobody, so this looks."""
    pause = threading.Event()
    for _ in range(2000):
        if len(threads._spare) == count:
            return
        pause.wait(0.005)
    raise AssertionError(f"{len(threads._spare)} threads are parked, not {count}")


def test_connections_at_a_time_have_a_thread_each(threads):
    works = [run(threads) for _ in range(5)]
    assert len({thread for _, thread in works}) == 5
    for work, _ in works:
        work.end.set()


def test_the_next_connection_takes_a_thread_whose_own_is_over(threads):
    first, thread = run(threads)
    first.end.set()
    parked(threads)
    second, again = run(threads)
    assert again is thread
    second.end.set()


def test_a_spare_thread_ends_in_its_time(threads, monkeypatch):
    monkeypatch.setattr(module, "SPARE_THREAD_S", 0.01)
    work, thread = run(threads)
    work.end.set()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert not threads._spare


def test_only_so_many_are_spare(threads, monkeypatch):
    monkeypatch.setattr(module, "SPARE_THREADS", 2)
    works = [run(threads) for _ in range(5)]
    for number, (work, thread) in enumerate(works):
        work.end.set()
        if number < 2:
            parked(threads, number + 1)
        else:
            thread.join(WAIT_S)
            assert not thread.is_alive()
    assert len(threads._spare) == 2


def test_stopping_ends_the_spare_ones_and_those_at_work_when_they_are_through(threads):
    spare, spare_thread = run(threads)
    busy, busy_thread = run(threads)
    spare.end.set()
    parked(threads)
    threads.stop()
    spare_thread.join(WAIT_S)
    assert not spare_thread.is_alive()
    assert busy_thread.is_alive()
    busy.end.set()
    busy_thread.join(WAIT_S)
    assert not busy_thread.is_alive()


def test_work_given_at_the_moment_of_a_spare_threads_end_is_done(monkeypatch):
    """Whoever takes a spare thread's inbox puts its work in, even if the thread's time is up just then."""
    monkeypatch.setattr(module, "SPARE_THREAD_S", 0.0005)
    threads = ConnectionThreads("test-connection")
    done = queue.SimpleQueue()
    for number in range(300):
        threads.run(lambda number=number: done.put(number))
        assert done.get(timeout=WAIT_S) == number
    threads.stop()
