import asyncio
import threading

import uvloop

from iii_actors.builtin.http.bell import Bell


def run(work):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class CountingLoop:
    """Stands before a loop and counts how often it was woken."""

    def __init__(self, loop):
        self.loop = loop
        self.wakes = 0

    def call_soon_threadsafe(self, callback):
        self.wakes += 1
        self.loop.call_soon_threadsafe(callback)


async def _many_rings_one_wake():
    loop = CountingLoop(asyncio.get_running_loop())
    bell = Bell(loop)
    done = asyncio.Event()
    order = []

    def ring():
        for number in range(100):
            bell.ring(lambda number=number: order.append(number))
        bell.ring(done.set)

    thread = threading.Thread(target=ring)
    thread.start()
    thread.join()
    await asyncio.wait_for(done.wait(), 10)
    return order, loop.wakes


def test_many_rings_before_the_loop_looks_wake_it_once_and_run_in_order():
    assert run(_many_rings_one_wake()) == (list(range(100)), 1)


async def _nothing_is_lost():
    bell = Bell(asyncio.get_running_loop())
    count = 0
    done = asyncio.Event()

    def one():
        nonlocal count
        count += 1
        if count == 4000:
            done.set()

    threads = [threading.Thread(target=lambda: [bell.ring(one) for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    await asyncio.wait_for(done.wait(), 10)
    for thread in threads:
        thread.join()
    return count


def test_nothing_is_lost_when_many_threads_ring():
    assert run(_nothing_is_lost()) == 4000


async def _one_that_fails(log):
    bell = Bell(asyncio.get_running_loop())
    done = asyncio.Event()
    bell.ring(lambda: 1 / 0)
    bell.ring(done.set)
    await asyncio.wait_for(done.wait(), 10)


def test_one_that_fails_is_logged_and_the_others_run(caplog):
    run(_one_that_fails(caplog))
    assert [record.message for record in caplog.records] == ["A callback on the front's thread failed"]


def test_a_loop_that_has_ended_is_no_mistake():
    loop = uvloop.new_event_loop()
    bell = Bell(loop)
    loop.close()
    bell.ring(lambda: None)
