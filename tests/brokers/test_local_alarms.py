"""One timer for all lines."""

from __future__ import annotations

import pytest

from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.local_alarms import Alarms
from iii_actors.brokers.local_line import NEVER, Line
from iii_actors.clock import ManualClock
from iii_actors.limits import QUEUE_LOOK_S


class Bell:
    """Alarms, and what they have rung for: the keys of lines, and when."""

    def __init__(self):
        self.clock = ManualClock()
        self.rung = []
        self.looks = 0
        self.alarms = Alarms(self.clock, self.ring)

    def ring(self):
        self.looks += 1
        self.rung += [(line.key, self.clock.monotonic()) for line, _ in self.alarms.due()]
        self.alarms.arm()

    def set(self, line, at):
        self.alarms.set(line, at)
        if self.alarms.unarmed:
            self.alarms.arm()

    def timers(self):
        return sum(not timer.cancelled for _, _, timer in self.clock._heap)


@pytest.fixture
def bell():
    return Bell()


def line(key):
    return Line.new(key, QueueSpec())


def test_lines_ring_at_their_times(bell):
    one, other = line("one"), line("other")
    bell.set(one, 5.0)
    bell.set(other, 3.0)
    assert bell.timers() == 1
    bell.clock.advance(10)
    assert bell.rung == [("other", 3.0), ("one", 5.0)]
    assert bell.timers() == 0
    assert one.alarm == NEVER


def test_only_an_earlier_time_counts(bell):
    one = line("one")
    bell.set(one, 5.0)
    bell.set(one, 7.0)
    bell.set(one, 2.0)
    bell.clock.advance(10)
    assert bell.rung == [("one", 2.0)]


def test_several_at_one_time_take_one_look(bell):
    for n in range(100):
        bell.set(line(str(n)), 4.0)
    bell.clock.advance(4)
    assert len(bell.rung) == 100
    assert bell.looks == 1


def test_what_is_due_already_rings_at_once(bell):
    bell.clock.advance(8)
    bell.set(line("late"), 2.0)
    bell.clock.advance(0)
    assert bell.rung == [("late", 8.0)]


def test_what_is_far_off_is_looked_at_now_and_then(bell):
    far = line("far")
    bell.set(far, 1e300)
    bell.clock.advance(3 * QUEUE_LOOK_S)
    assert bell.looks == 3
    assert bell.rung == []
    bell.set(far, 3 * QUEUE_LOOK_S + 1)
    bell.clock.advance(1)
    assert bell.rung == [("far", 3 * QUEUE_LOOK_S + 1)]


def test_a_bell_that_is_off_is_silent(bell):
    bell.set(line("one"), 5.0)
    bell.alarms.disarm()
    assert bell.timers() == 0
    bell.clock.advance(10)
    assert bell.looks == 0
    bell.alarms.arm()
    bell.clock.advance(0)
    assert bell.rung == [("one", 10.0)]
