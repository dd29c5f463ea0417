"""When it sleeps, and when it looks again: with a clock and a system that do as told."""

import pytest

from iii_actors import processors
from iii_actors.transport.busy_wait import BusyWait
from iii_actors.transport.poller import Poller

ONE, TWO = [(5, 1)], [(5, 1), (6, 1)]


class System:
    """Events come at the times given; each look takes 1 s, sleeping as long as needed."""

    def __init__(self):
        self.now = 0.0
        self.coming = []
        self.looks = 0
        self.sleeps = 0

    def poll(self, timeout=None, /):
        at, events = self.coming[0]
        if timeout is None:
            self.sleeps += 1
            self.now = max(self.now, at)
        else:
            self.looks += 1
            self.now += 1
            if self.now < at:
                return []
        self.coming.pop(0)
        return events

    def after(self, *waits):
        """Run through waits of ``(seconds, events)``; returns looks and sleeps of each."""
        found = []
        for seconds, events in waits:
            self.coming.append((self.now + seconds, events))
            before = self.looks, self.sleeps
            assert self.wait() == events
            found.append((self.looks - before[0], self.sleeps - before[1]))
        return found


@pytest.fixture
def system():
    made = System()
    made.wait = BusyWait(made.poll, lambda: made.now)
    made.wait.seconds = 10
    return made


def test_after_a_short_wait_it_looks_again_instead_of_sleeping(system):
    assert system.after((5, ONE), (5, ONE), (3, ONE)) == [(0, 1), (5, 0), (3, 0)]


def test_a_look_in_vain_is_the_last_until_a_wait_was_short_again(system):
    assert system.after((5, ONE), (100, ONE), (100, ONE), (5, ONE), (5, ONE)) == [
        (0, 1),
        (10, 1),
        (0, 1),
        (0, 1),
        (5, 0),
    ]


def test_where_many_talk_there_is_no_looking(system):
    assert system.after((5, TWO), (5, TWO), (5, ONE), (5, TWO), (5, ONE)) == [(0, 1), (0, 1), (0, 1), (5, 0), (0, 1)]


def test_it_is_off_where_nobody_wants_it(system):
    system.wait.seconds = 0
    assert system.after((5, ONE), (5, ONE)) == [(0, 1), (0, 1)]


def test_the_longest_wish_counts_and_may_be_taken_back(monkeypatch):
    poller = Poller("test-reader")
    poller.busy_wait("a", 0.1)
    poller.busy_wait("b", 0.2)
    assert poller._wait.seconds == (0.2 if processors.count() > 1 else 0)
    monkeypatch.setattr("iii_actors.processors.count", lambda: 1)
    poller.busy_wait("b", 0.2)
    assert poller._wait.seconds == 0, "whoever is waited for needs the only processor"
    monkeypatch.setattr("iii_actors.processors.count", lambda: 2)
    poller.busy_wait("b", None)
    assert poller._wait.seconds == 0.1
    poller.busy_wait("a", None)
    assert poller._wait.seconds == 0
    poller.stop()
