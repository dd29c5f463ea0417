import threading

import pytest

from iii_worker.deadlines import Deadlines, checked_seconds
from iii_worker.limits import LONGEST_TIMEOUT_S

WAIT_S = 20.0


@pytest.fixture
def deadlines():
    deadlines = Deadlines(idle_s=0.05)
    yield deadlines
    deadlines.close()


def watchers():
    return [thread for thread in threading.enumerate() if thread.name == "iii-deadlines"]


def test_they_come_in_order_of_time(deadlines):
    came, last = [], threading.Event()
    deadlines.after(0.03, lambda: (came.append("second"), last.set()))
    deadlines.after(0.01, lambda: came.append("first"))
    deadlines.after(0, lambda: came.append("now"))
    assert last.wait(WAIT_S)
    assert came == ["now", "first", "second"]


def test_an_earlier_one_is_not_kept_waiting_by_a_later(deadlines):
    deadlines.after(WAIT_S * 2, lambda: None)
    came = threading.Event()
    deadlines.after(0.01, came.set)
    assert came.wait(WAIT_S / 2)


def test_one_that_is_beyond_all_time_hinders_no_other(deadlines):
    deadlines.after(float("inf"), lambda: None)
    came = threading.Event()
    deadlines.after(0.01, came.set)
    assert came.wait(WAIT_S / 2)


def test_a_timeout_is_a_number_above_0_and_no_longer_than_can_be_waited():
    assert checked_seconds(5) == 5
    assert checked_seconds(float("inf")) == LONGEST_TIMEOUT_S
    for bad in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0 seconds"):
            checked_seconds(bad)
    with pytest.raises(TypeError, match="timeout is '5': it must be a number of seconds"):
        checked_seconds("5")


def test_cancelled_ones_do_not_come(deadlines):
    came, last = [], threading.Event()
    cancelled = deadlines.after(0.01, lambda: came.append("cancelled"))
    cancelled.cancel()
    cancelled.cancel()
    done = deadlines.after(0.02, last.set)
    assert last.wait(WAIT_S)
    done.cancel()
    assert came == []


def test_cancelled_ones_are_not_kept(deadlines):
    stays = deadlines.after(WAIT_S * 2, lambda: None)
    for _ in range(1000):
        deadlines.after(WAIT_S, lambda: None).cancel()
    assert len(deadlines._entries) <= 2
    stays.cancel()
    assert len(deadlines._entries) == 0


def test_one_that_fails_does_not_stop_the_others(deadlines, caplog):
    def fail():
        raise ValueError("boom")

    came = threading.Event()
    deadlines.after(0, fail)
    deadlines.after(0.01, came.set)
    assert came.wait(WAIT_S)
    assert "A deadline's callback failed" in caplog.text


def test_the_thread_ends_when_there_is_nothing_to_wait_for_and_comes_again(deadlines):
    for _ in range(2):
        came = threading.Event()
        deadlines.after(0, came.set)
        assert came.wait(WAIT_S)
        for thread in watchers():
            thread.join(WAIT_S)
        assert not watchers()


def test_closed_nothing_comes_any_more(deadlines):
    came = []
    deadlines.after(0.05, lambda: came.append(1))
    threads = watchers()
    deadlines.close()
    deadlines.after(0, lambda: came.append(2)).cancel()
    for thread in threads:
        thread.join(WAIT_S)
    assert came == []
