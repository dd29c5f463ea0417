"""Time, real and moved by hand."""

import queue
import threading
import time

import pytest

from iii_actors.clock import ManualClock, SystemClock

WAIT_S = 10


@pytest.fixture
def system():
    clock = SystemClock()
    yield clock
    clock.stop()


@pytest.fixture
def manual():
    return ManualClock()


# --- the system's time -----------------------------------------------------------------------------------------------


def test_the_systems_time_is_the_systems(system):
    before, between, after = time.time(), system.now(), time.time()
    assert before <= between <= after
    before, between, after = time.monotonic(), system.monotonic(), time.monotonic()
    assert before <= between <= after


def test_a_call_comes_when_it_is_due_on_the_clocks_thread(system):
    came = queue.SimpleQueue()
    began = time.monotonic()
    system.call_later(0.02, lambda: came.put((time.monotonic(), threading.current_thread().name)))
    at, thread = came.get(timeout=WAIT_S)
    assert at - began >= 0.02
    assert thread == "iii-clock"


def test_calls_come_in_the_order_in_which_they_are_due(system):
    came = queue.SimpleQueue()
    for delay in (0.03, 0.01, 0.02, 0.0, -1.0):
        system.call_later(delay, lambda delay=delay: came.put(delay))
    # Those that are due already may go before the others are even asked for; each pair keeps its order.
    got = [came.get(timeout=WAIT_S) for _ in range(5)]
    assert [delay for delay in got if delay > 0] == [0.01, 0.02, 0.03]
    assert sorted(got) == [-1.0, 0.0, 0.01, 0.02, 0.03]


def test_calls_due_at_the_same_time_come_in_the_order_asked_for(system, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    came = queue.SimpleQueue()
    for number in range(50):
        system.call_later(0.0, lambda number=number: came.put(number))
    assert [came.get(timeout=WAIT_S) for _ in range(50)] == list(range(50))


def test_an_earlier_call_overtakes_one_that_is_waited_for(system):
    came = queue.SimpleQueue()
    late = system.call_later(3600, lambda: came.put("late"))
    system.call_later(0.001, lambda: came.put("early"))
    assert came.get(timeout=WAIT_S) == "early"
    assert not late.cancelled


def test_a_cancelled_call_never_comes(system):
    came = queue.SimpleQueue()
    cancelled = system.call_later(0.01, lambda: came.put("cancelled"))
    system.call_later(0.02, lambda: came.put("kept"))
    cancelled.cancel()
    assert cancelled.cancelled
    assert came.get(timeout=WAIT_S) == "kept"
    assert came.empty()


def test_a_call_may_be_cancelled_from_the_one_before_it(system):
    came = queue.SimpleQueue()
    second = system.call_later(0.02, lambda: came.put("second"))
    system.call_later(0.01, second.cancel)
    system.call_later(0.03, lambda: came.put("third"))
    assert came.get(timeout=WAIT_S) == "third"


def test_a_call_may_ask_for_another(system):
    came = queue.SimpleQueue()
    system.call_later(0.001, lambda: system.call_later(0.001, lambda: came.put("second")))
    assert came.get(timeout=WAIT_S) == "second"


def test_a_failing_call_is_logged_and_the_clock_goes_on(system, caplog):
    came = queue.SimpleQueue()

    def fail():
        raise LookupError("wrong")

    system.call_later(0.0, fail)
    system.call_later(0.01, lambda: came.put("next"))
    assert came.get(timeout=WAIT_S) == "next"
    assert [str(record.exc_info[1]) for record in caplog.records] == ["wrong"]


def test_a_stopped_clock_calls_nobody_and_has_no_thread(system):
    came = queue.SimpleQueue()
    others = set(threading.enumerate())
    before = system.call_later(0.005, lambda: came.put("before"))
    (thread,) = set(threading.enumerate()) - others
    system.stop()
    assert not thread.is_alive()
    after = system.call_later(0.0, lambda: came.put("after"))
    assert after.cancelled
    assert before.due > 0
    # The call before the stop may have been made, if the machine was slow; none can come now.
    made = came.qsize()
    system.stop()
    assert made <= 1
    assert came.qsize() == made


def test_a_clock_may_be_stopped_by_one_of_its_calls(system):
    (stopped, came) = (threading.Event(), queue.SimpleQueue())
    system.call_later(0.005, lambda: came.put("after the stop"))
    threads = []
    system.call_later(0.0, lambda: (threads.append(threading.current_thread()), system.stop(), stopped.set()))
    assert stopped.wait(WAIT_S)
    threads[0].join(WAIT_S)
    assert not threads[0].is_alive()
    assert came.empty()


def test_a_clock_nobody_asks_has_no_thread():
    before = set(threading.enumerate())
    SystemClock().stop()
    assert set(threading.enumerate()) <= before


def test_calls_asked_for_by_many_threads_all_come(system):
    came = queue.SimpleQueue()

    def use(mine):
        for number in range(200):
            timer = system.call_later((number % 7) / 1000, lambda number=number: came.put((mine, number)))
            if number % 2:
                timer.cancel()

    threads = [threading.Thread(target=use, args=(mine,)) for mine in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    kept = {(mine, number) for mine in range(4) for number in range(0, 200, 2)}
    got = []
    while not kept <= set(got):
        got.append(came.get(timeout=WAIT_S))
    assert len(got) == len(set(got))


# --- time moved by hand ----------------------------------------------------------------------------------------------


def test_time_by_hand_stands_still_until_it_is_moved(manual):
    assert (manual.now(), manual.monotonic()) == (1_700_000_000.0, 0.0)
    manual.advance(1.5)
    assert (manual.now(), manual.monotonic()) == (1_700_000_001.5, 1.5)
    assert ManualClock(now=5.0).now() == 5.0


def test_calls_are_made_at_their_own_moments_on_the_thread_that_moves_time(manual):
    came = []
    for delay in (3, 1, 2, 1):
        manual.call_later(delay, lambda delay=delay: came.append((delay, manual.monotonic(), manual.now() - 1.7e9)))
    manual.advance(0.9)
    assert came == []
    manual.advance(0.1)
    assert came == [(1, 1.0, 1.0), (1, 1.0, 1.0)]
    manual.advance(100)
    assert came[2:] == [(2, 2.0, 2.0), (3, 3.0, 3.0)]
    assert manual.monotonic() == 101.0


def test_a_call_made_while_time_moves_may_ask_for_another_within_the_same_move(manual):
    came = []

    def again():
        came.append(manual.monotonic())
        manual.call_later(10, again)

    manual.call_later(10, again)
    manual.advance(35)
    assert came == [10, 20, 30]
    manual.advance(5)
    assert came == [10, 20, 30, 40]


def test_what_is_due_at_once_waits_for_the_next_move(manual):
    came = []
    manual.call_later(0, lambda: came.append("now"))
    manual.call_later(-5, lambda: came.append("long ago"))
    assert came == []
    manual.advance(0)
    assert came == ["long ago", "now"]
    assert manual.monotonic() == 0


def test_cancelled_and_failing_calls_by_hand(manual, caplog):
    came = []
    manual.call_later(1, lambda: came.append("cancelled")).cancel()
    manual.call_later(1, lambda: 1 // 0)
    manual.call_later(2, lambda: came.append("next"))
    manual.advance(5)
    assert came == ["next"]
    assert isinstance(caplog.records[0].exc_info[1], ZeroDivisionError)


def test_a_stop_by_hand_forgets_what_is_not_due(manual):
    came = []
    manual.call_later(1, lambda: came.append("late"))
    manual.stop()
    manual.advance(10)
    assert came == []


def test_a_timer_fires_once(manual):
    came = []
    timer = manual.call_later(1, lambda: came.append("once"))
    manual.advance(1)
    timer.fire()
    timer.cancel()
    assert came == ["once"]
