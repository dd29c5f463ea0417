import asyncio
import threading

import pytest

from iii_worker.blocking import blocking
from tests.support.sdk_functions import WAIT_S, clients


@pytest.fixture
def make():
    with clients() as make:
        yield make


class Counting:
    """A handler that knows how many of it run, and goes on until it is told to end."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.order = []
        self.end = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self, data):
        self.enter(data)
        with blocking():
            assert self.end.wait(WAIT_S)
        self.leave()
        return data

    async def in_loop(self, data):
        self.enter(data)
        await asyncio.sleep(0.001)
        self.leave()
        return data

    def enter(self, data):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.order.append(data)
        self.begun.release()

    def leave(self):
        with self.lock:
            self.now -= 1


def test_no_more_at_once_and_all_in_order(make):
    client, handler = make(), Counting()
    client.register("f", handler, concurrency=2)
    client.register("other", lambda data: data)
    answers = [client.invoke("f", number) for number in range(10)]
    assert handler.begun.acquire(timeout=WAIT_S)
    assert handler.begun.acquire(timeout=WAIT_S)
    assert client.pool.counts()["waiting"] == 8
    assert client.invoke("other", "free").outcome() == "free"
    handler.end.set()
    assert [answer.outcome() for answer in answers] == list(range(10))
    assert handler.most == 2
    assert client.pool.drain(WAIT_S)
    assert client.pool.counts()["waiting"] == 0


def test_one_at_a_time_keeps_the_order(make):
    client, handler = make(), Counting()
    handler.end.set()
    client.register("f", handler, concurrency=1)
    for answer in [client.invoke("f", number) for number in range(50)]:
        answer.outcome()
    assert handler.order == list(range(50))


def test_coroutines_too(make):
    client, handler = make(), Counting()
    client.register("f", handler.in_loop, concurrency=3)
    answers = [client.invoke("f", number) for number in range(30)]
    assert [answer.outcome() for answer in answers] == list(range(30))
    assert handler.most == 3
    assert client.pool.drain(WAIT_S)


def test_over_the_queues_bound_it_is_answered_with_the_limits(make):
    client, handler = make(queue=3), Counting()
    client.register("f", handler, concurrency=1)
    answers = [client.invoke("f", number) for number in range(6)]
    error = answers[-1].error()
    assert error.code == "worker_overloaded"
    assert "f was not run: concurrency is 1, and 3 invocations" in error.message
    handler.end.set()
    assert [answer.outcome() for answer in answers[:4]] == [0, 1, 2, 3]
    assert answers[4].error().code == "worker_overloaded"
    assert client.invoke("f", 7).outcome() == 7


def test_a_run_that_fails_lets_the_next_one_through(make):
    client = make()

    def fails(data):
        raise SystemExit

    client.register("f", fails, concurrency=1)
    for answer in [client.invoke("f") for _ in range(10)]:
        assert answer.error().code == "invocation_failed"


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_closing_answers_all_that_wait(make, kind):
    client, handler = make(), Counting()

    async def in_loop(data):
        handler.enter(data)
        await asyncio.sleep(WAIT_S * 3)

    client.register("f", handler if kind == "plain" else in_loop, concurrency=1)
    answers = [client.invoke("f", number) for number in range(2000)]
    assert handler.begun.acquire(timeout=WAIT_S)
    client.pool.close()
    handler.end.set()
    assert client.pool.drain(WAIT_S)
    assert all(answer.error().code == "worker_overloaded" for answer in answers[1:])
    assert len({len(answer.replies) for answer in answers}) == 1


def test_a_run_that_is_refused_at_a_stall_gives_its_place_back(make):
    client = make(size=1, lent=0, stall_s=0.02)
    end = threading.Event()

    def waits(data):
        with blocking():
            assert end.wait(WAIT_S)

    client.register("waits", waits)
    client.register("gated", lambda data: data, concurrency=1)
    first = client.invoke("waits")
    refused = [client.invoke("gated"), client.invoke("gated")]
    assert [answer.error().code for answer in refused] == ["worker_overloaded"] * 2
    end.set()
    first.outcome()
    assert client.pool.drain(WAIT_S)
    assert client.invoke("gated", 5).outcome() == 5


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "2"])
def test_what_is_no_limit(make, limit):
    with pytest.raises(ValueError, match="concurrency is"):
        make().register("f", lambda data: data, concurrency=limit)
