"""The SDK after much use: nothing is left behind, nothing deadlocks, a flood is answered."""

import concurrent.futures
import gc
import itertools
import sys
import threading
import time
from pathlib import Path

import pytest

import iii_worker
from iii_worker import InvocationError

CALLS = 10_000


@pytest.fixture
def connect(engine):
    made = []

    def make(name, **options):
        client = iii_worker.register_worker(engine.url, worker_name=name, connect_timeout=10, **options)
        made.append(client)
        return client

    yield make
    for client in made:
        client.shutdown()


def descriptors():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(("iii-worker-", "iii-handler"))]


def test_ten_thousand_calls_leave_nothing_behind(connect):
    callee, caller = connect("callee"), connect("caller")
    callee.register_function("echo", lambda data: data)
    callee.call("echo", timeout=5)

    def many(count):
        for start in range(0, count, 100):
            caller.call("echo", start, timeout=10)
            caller.call_many([("echo", n) for n in range(49)], timeout=10)
            futures = [caller.call_async("echo", n, timeout=10) for n in range(50)]
            assert [future.result(10) for future in futures] == list(range(50))

    many(3000)
    gc.collect()
    threads, sockets, blocks = len(our_threads()), descriptors(), sys.getallocatedblocks()
    many(CALLS)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < CALLS * 0.8, "a block or more is kept of each call"
    assert len(caller.calls) == 0
    assert len(our_threads()) <= threads + 2
    assert descriptors() <= sockets + 2


def test_clients_that_come_and_go_leave_nothing_behind(engine):
    def one():
        with iii_worker.register_worker(engine.url, worker_name="guest", connect_timeout=10) as client:
            client.register_function("echo", lambda data: data)
            assert client.call("echo", 1, timeout=5) == 1

    one()
    sockets, before = descriptors(), our_threads()
    for _ in range(20):
        one()
    for thread in set(our_threads()) - set(before):
        thread.join(10)
        assert not thread.is_alive(), thread.name
    assert descriptors() <= sockets + 3


def test_recursion_a_hundred_deep_through_two_workers(connect):
    one, two = connect("one", handler_threads=4), connect("two", handler_threads=4)

    def register(worker, own, other):
        def down(depth):
            return depth if depth == 0 else worker.call(other, depth - 1, timeout=20) + 1

        worker.register_function(own, down)

    register(one, "down::one", "down::two")
    register(two, "down::two", "down::one")
    one.call("down::one", 0, timeout=5)
    two.call("down::two", 0, timeout=5)
    assert one.call("down::one", 100, timeout=30) == 100
    assert one.call_many([("down::two", 50)] * 4, timeout=30) == [50] * 4


def test_a_flood_is_answered_whatever_the_bounds_are(connect):
    callee, caller = connect("callee", handler_threads=2, handler_queue=5), connect("caller")
    release = threading.Event()
    callee.register_function("slow", lambda data: release.wait(20))
    callee.call("engine::workers::list", {}, timeout=5)
    futures = [caller.call_async("slow", n, timeout=20) for n in range(100)]
    at_once = list(itertools.islice(concurrent.futures.as_completed(futures, 10), 92))
    assert {future.exception().code for future in at_once} == {"worker_overloaded"}
    release.set()
    # Two run and five wait; the reading thread itself may have taken one more.
    errors = [future.exception(10) for future in futures if future not in at_once]
    refused = [error for error in errors if error is not None]
    assert len(refused) <= 1
    assert all(error.code == "worker_overloaded" for error in refused)


def test_a_slow_handler_does_not_keep_others_waiting(connect):
    callee, caller = connect("callee"), connect("caller")
    running, release = threading.Event(), threading.Event()

    def slow(data):
        running.set()
        release.wait(20)

    callee.register_function("slow", slow)
    callee.register_function("quick", lambda data: data)
    callee.call("quick", timeout=5)
    blocked = caller.call_async("slow", timeout=20)
    assert running.wait(5)
    assert [caller.call("quick", n, timeout=5) for n in range(50)] == list(range(50))
    assert not blocked.done()
    release.set()
    blocked.result(5)


def test_a_call_that_is_never_answered_ends_at_its_timeout_under_load(connect):
    callee, caller = connect("callee"), connect("caller")
    release = threading.Event()
    callee.register_function("never", lambda data: release.wait(20))
    callee.register_function("echo", lambda data: data)
    callee.call("echo", timeout=5)
    took = []

    def wait():
        began = time.monotonic()
        with pytest.raises(InvocationError, match="TIMEOUT"):
            caller.call("never", timeout=0.5)
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=wait) for _ in range(10)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        caller.call_many([("echo", 1)] * 10, timeout=5)
    release.set()
    assert len(took) == 10
    assert max(took) < 2
