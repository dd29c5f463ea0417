"""Workers that answer late, twice or never, jobs that nobody can do, many at once: the book balances in the end."""

import threading

import pytest

from iii_actors.clock import ManualClock
from tests.support.asking import bind
from tests.support.peer import CallFailed
from tests.support.queue import call_of, fail, subscribe
from tests.support.quiet import leave, unexpected


@pytest.fixture
def in_memory():
    return {}


@pytest.fixture(params=["in_memory", "in_file"])
def config(request):
    return request.getfixturevalue(request.param)


def test_a_worker_that_answers_twice(site, config):
    one = site(config)
    listener = one.subscriber("x", queue_config={"concurrency": 1})
    for n in range(3):
        one.publish("x", n)
    for n in range(3):
        frame = call_of(listener)
        assert frame["data"] == n
        listener.answer(frame)
        listener.answer(frame)
        fail(listener, frame)
    assert one.until("x", done=3)["retried"] == 0


def test_a_worker_that_never_answers_and_leaves(site, config):
    clock = ManualClock()
    one = site(config, clock)
    listener = one.subscriber("x", queue_config={"maxRetries": 0, "concurrency": 2})
    for n in range(3):
        one.publish("x", n)
    for _ in range(2):
        call_of(listener)
    assert unexpected(listener) == []
    leave(one.engine, listener, "cut")
    one.until("x", dead=2, waiting=1)


def test_poison_does_not_keep_the_others_from_being_done(site, config):
    clock = ManualClock()
    one = site(config, clock)
    done = []
    worker = one.join()

    def handle(data):
        if data["n"] % 10 == 0:
            raise CallFailed({"code": "poison", "message": "never"})
        done.append(data["n"])

    worker.register("on", handle)
    bind(worker, "t", "durable:subscriber", "on", config={"topic": "x", "queue_config": {"maxRetries": 2}})
    for n in range(100):
        one.publish("x", {"n": n})
    one.until("x", done=90, delayed=10)
    clock.advance(1)
    one.until("x", retried=20, delayed=10)
    clock.advance(2)
    one.until("x", done=90, dead=10)
    assert sorted(done) == [n for n in range(100) if n % 10]
    assert {letter["payload"]["n"] for letter in one.ask("dlq_messages", {"topic": "x"})} == set(range(0, 100, 10))


def test_many_producers_and_a_worker_that_comes_and_goes(site, config):
    """No job is lost, and none is done twice but for those that were in the hands of a worker that left."""
    one = site({**config, "queue_configs": {"work": {"backoff_ms": 1, "max_retries": 1000, "concurrency": 8}}})
    seen = []
    count, producers = 60, 4

    def worker(until):
        peer = one.join()
        enough = threading.Event()
        mine = []

        def handle(data):
            mine.append(data)
            seen.append(data)
            if len(mine) >= until:
                enough.set()

        peer.register("do", handle)
        return peer, enough

    def produce(peer, of):
        for n in range(count):
            peer.call("do", [of, n], action={"type": "enqueue", "queue": "work"})

    threads = [threading.Thread(target=produce, args=(one.join(), of)) for of in range(producers)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        peer, enough = worker(20)
        assert enough.wait(10)
        leave(one.engine, peer, "cut")
    worker(0)
    for thread in threads:
        thread.join()
    one.until("work", done=count * producers)
    wanted = {(of, n) for of in range(producers) for n in range(count)}
    assert {tuple(data) for data in seen} == wanted
    assert len(seen) <= len(wanted) + 3 * 8


def test_two_functions_with_a_copy_each_while_one_fails(site, config):
    clock = ManualClock()
    one = site(config, clock)
    good, bad = one.join(), one.join()
    subscribe(good, "x", "good")
    subscribe(bad, "x", "bad", queue_config={"maxRetries": 0})
    for n in range(5):
        one.publish("x", n)
    for _ in range(5):
        good.answer(call_of(good, "good"))
        fail(bad, call_of(bad, "bad"))
    one.until("x", done=5, dead=5)


def test_a_function_that_enqueues_itself(site, config):
    one = site(config)
    worker = one.join()
    worker.register("step")
    one.enqueue("step", 3)
    for left in (3, 2, 1, 0):
        frame = call_of(worker, "step")
        assert frame["data"] == left
        if left:
            worker.call("step", left - 1, action={"type": "enqueue", "queue": "default"})
        worker.answer(frame)
    one.until("default", done=4)


def test_a_queue_is_purged_while_its_jobs_run(site, config):
    one = site(config)
    worker = one.join()
    worker.register("do")
    for n in range(20):
        one.enqueue("do", n)
    frames = [call_of(worker, "do") for _ in range(10)]
    states = ["waiting", "delayed", "in_flight"]
    assert one.ask("purge", {"queue": "default", "states": states})["purged"] == 20
    for frame in frames:
        worker.answer(frame)
    one.enqueue("do", "after")
    assert call_of(worker, "do")["data"] == "after"
    assert one.until("default", removed=20, in_flight=1)["done"] == 0
