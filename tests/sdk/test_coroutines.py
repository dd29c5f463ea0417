import asyncio
import contextvars
import threading

import pytest

from iii_worker.blocking import blocking
from iii_worker.coroutines import Coroutines
from iii_worker.errors import Error

WAIT_S = 20.0
COLOUR = contextvars.ContextVar("colour", default="none")


class Counted(Coroutines):
    def __init__(self, **options):
        self.here = 0
        self.quiet = threading.Condition()
        super().__init__(self.arrive, self.go, **options)

    def arrive(self):
        with self.quiet:
            self.here += 1

    def go(self):
        with self.quiet:
            self.here -= 1
            self.quiet.notify_all()

    def all_gone(self):
        with self.quiet:
            return self.quiet.wait_for(lambda: self.here == 0, WAIT_S)

    def result(self, coroutine):
        return self.wait_for(coroutine, contextvars.copy_context())


@pytest.fixture
def make():
    made = []

    def maker(**options):
        made.append(Counted(**options))
        return made[-1]

    yield maker
    for coroutines in made:
        coroutines.close()
        for thread in loop_threads():
            thread.join(WAIT_S)
        if coroutines._loop is not None:
            assert coroutines._loop.is_closed()


def loop_threads():
    return [thread for thread in threading.enumerate() if thread.name == "iii-coroutines"]


def test_nothing_is_there_before_the_first(make):
    before = len(loop_threads())
    coroutines = make()
    assert len(loop_threads()) == before
    with pytest.raises(RuntimeError, match="no coroutine was ever submitted"):
        _ = coroutines.loop


def test_results_and_errors_come_back(make):
    coroutines = make()

    async def answer(value):
        await asyncio.sleep(0)
        return value

    async def fail():
        await asyncio.sleep(0)
        raise KeyError("x")

    assert coroutines.result(answer(7)) == 7
    with pytest.raises(KeyError):
        coroutines.result(fail())
    assert coroutines.all_gone()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_the_loop_outlives_what_would_end_a_process(make, error, caplog):
    coroutines = make()

    async def inner():
        raise error("boom")

    async def leaves_it_to_the_loop():
        task = asyncio.ensure_future(inner())
        await asyncio.sleep(0.01)
        return task.done()

    with pytest.raises(error):
        coroutines.result(inner())
    assert coroutines.result(leaves_it_to_the_loop())
    assert "A coroutine's callback failed" in caplog.text


def test_all_run_on_one_loop_at_once(make):
    coroutines = make()
    turn = asyncio.Event()
    seen, results = set(), []

    async def first():
        seen.add(asyncio.get_running_loop())
        await turn.wait()
        return 1

    async def second():
        seen.add(asyncio.get_running_loop())
        turn.set()
        return 2

    thread = threading.Thread(target=lambda: results.append(coroutines.result(first())))
    thread.start()
    assert coroutines.result(second()) == 2
    thread.join(WAIT_S)
    assert results == [1]
    assert len(seen) == 1


def test_each_has_the_context_it_is_given(make):
    coroutines = make()

    async def colour():
        before = COLOUR.get()
        COLOUR.set("mine alone")
        return before

    context = contextvars.copy_context()
    context.run(COLOUR.set, "blue")
    assert coroutines.wait_for(colour(), context.copy()) == "blue"
    assert coroutines.wait_for(colour(), context.copy()) == "blue"
    assert context[COLOUR] == "blue"


def test_the_loop_goes_on_while_one_blocks(make):
    coroutines = make()
    other_ran = threading.Event()

    async def blocks():
        task = asyncio.current_task()
        await asyncio.sleep(0)
        thread = threading.get_ident()
        with blocking():
            assert other_ran.wait(WAIT_S)
        assert asyncio.current_task() is task
        assert asyncio.get_running_loop() is coroutines.loop
        assert threading.get_ident() == thread
        return "unblocked"

    async def runs():
        await asyncio.sleep(0.001)
        other_ran.set()

    results = []
    thread = threading.Thread(target=lambda: results.append(coroutines.result(blocks())))
    thread.start()
    coroutines.result(runs())
    thread.join(WAIT_S)
    assert results == ["unblocked"]


def test_a_hundred_deep_without_await(make):
    coroutines = make()

    async def down(depth):
        await asyncio.sleep(0)
        below = coroutines.result(down(depth + 1)) if depth < 100 else 0
        await asyncio.sleep(0)
        return below + 1

    assert coroutines.result(down(0)) == 101
    assert coroutines.all_gone()


def test_never_two_in_the_loop(make):
    coroutines = make()
    inside, most = [0], [0]

    async def blink():
        await asyncio.sleep(0)

    async def busy():
        for _ in range(5):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            sum(range(500))
            inside[0] -= 1
            coroutines.result(blink())
            await asyncio.sleep(0.0005)

    async def all_of_them():
        await asyncio.gather(*(busy() for _ in range(30)))

    coroutines.result(all_of_them())
    assert most == [1]
    assert coroutines.all_gone()


def test_too_many_that_block_are_told(make):
    coroutines = make(waits=3)

    async def down():
        return coroutines.result(down())

    with pytest.raises(Error, match="3 coroutine handlers of this worker wait in blocking calls") as caught:
        coroutines.result(down())
    assert caught.value.code == "worker_overloaded"
    assert coroutines.all_gone()


def test_too_many_at_once_are_refused(make):
    coroutines = make(limit=2)
    release = asyncio.Event()

    async def waits():
        await release.wait()

    async def ends():
        release.set()

    context = contextvars.copy_context()
    assert coroutines.submit(waits, context.copy())
    assert coroutines.submit(waits, context.copy())
    assert not coroutines.submit(waits, context.copy())
    assert "2 coroutine handlers" in coroutines.refusal()
    with pytest.raises(Error, match="2 coroutine handlers"):
        coroutines.result(waits())
    coroutines.loop.call_soon_threadsafe(release.set)
    assert coroutines.all_gone()
    coroutines.result(ends())


def test_closing_cancels_what_is_under_way_even_before_its_first_step(make):
    coroutines = make()
    ended = []

    def job(name):
        async def run():
            try:
                await asyncio.sleep(WAIT_S * 3)
            finally:
                ended.append(name)

        return run

    context = contextvars.copy_context()
    for number in range(10):
        assert coroutines.submit(job(number), context.copy())
    coroutines.close()
    coroutines.close()
    assert coroutines.all_gone()
    assert sorted(ended) == list(range(10))
    assert not coroutines.submit(job(11), context.copy())
    assert coroutines.refusal() == "the worker is shutting down"


def test_closing_waits_for_one_that_blocks(make):
    coroutines = make()
    blocks, may_end, ended = threading.Event(), threading.Event(), []

    async def run():
        with blocking():
            blocks.set()
            assert may_end.wait(WAIT_S)
        ended.append(True)

    assert coroutines.submit(run, contextvars.copy_context())
    assert blocks.wait(WAIT_S)
    coroutines.close()
    may_end.set()
    assert coroutines.all_gone()
    assert ended == [True]


def test_one_who_waits_for_a_cancelled_one_is_told(make):
    coroutines = make()
    started, errors = threading.Event(), []

    async def forever():
        started.set()
        await asyncio.sleep(WAIT_S * 3)

    def wait():
        try:
            coroutines.result(forever())
        except Error as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert started.wait(WAIT_S)
    coroutines.close()
    thread.join(WAIT_S)
    assert [error.code for error in errors] == ["cancelled"]


def test_an_async_generator_left_behind_is_closed(make):
    coroutines = make()
    closed = threading.Event()

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            closed.set()

    async def takes_one():
        return await anext(numbers())

    assert coroutines.result(takes_one()) == 1
    coroutines.close()
    assert closed.wait(WAIT_S)


def test_what_a_coroutine_raises_beside_any_caller_is_logged(make, caplog):
    coroutines = make()

    async def fail():
        raise ValueError("boom")

    assert coroutines.submit(fail, contextvars.copy_context())
    assert coroutines.all_gone()
    coroutines.close()
    for thread in loop_threads():
        thread.join(WAIT_S)
    assert "A coroutine handler failed" in caplog.text


def test_cancelling_when_the_loop_has_ended_does_nothing(make):
    coroutines = make()
    tasks = []

    async def run():
        tasks.append(asyncio.current_task())

    coroutines.result(run())
    coroutines.close()
    for thread in loop_threads():
        thread.join(WAIT_S)
    coroutines.cancel(tasks[0])
