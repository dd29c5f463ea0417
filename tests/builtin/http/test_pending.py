import pytest

from iii_actors.builtin.http.pending import Deadlines, Places
from iii_actors.clock import ManualClock


class Bell:
    def ring(self, callback):
        callback()


class Request:
    def __init__(self, name, log, wants=True):
        self.name, self.log, self.wants = name, log, wants
        self.deadline = 0.0

    def time_is_up(self):
        self.log.append(self.name)

    def admit(self):
        self.log.append(f"{self.name} in" if self.wants else f"{self.name} gone")
        return self.wants


@pytest.fixture
def clock():
    return ManualClock()


def test_each_is_told_at_its_own_time_and_those_removed_never(clock):
    log = []
    deadlines = Deadlines(clock, Bell())
    requests = {name: Request(name, log) for name in "abcd"}
    deadlines.add(requests["a"], 10)
    clock.advance(1)
    deadlines.add(requests["b"], 10)
    deadlines.add(requests["c"], 2)
    deadlines.add(requests["d"], 10)
    deadlines.remove(requests["d"])
    deadlines.remove(requests["d"])
    clock.advance(1.5)
    assert log == []
    clock.advance(0.5)
    assert log == ["c"]
    clock.advance(7)
    assert log == ["c", "a"]
    clock.advance(100)
    assert log == ["c", "a", "b"]


def test_one_timer_serves_many(clock):
    deadlines = Deadlines(clock, Bell())
    for _ in range(100):
        request = Request("x", [])
        deadlines.add(request, 30)
        deadlines.remove(request)
    assert len(clock._heap) == 1
    clock.advance(31)
    assert clock._heap == []


def test_stopped_it_tells_nobody(clock):
    log = []
    deadlines = Deadlines(clock, Bell())
    deadlines.add(Request("a", log), 1)
    deadlines.stop()
    clock.advance(5)
    assert log == []


def test_places_are_given_in_the_order_of_the_queue():
    log = []
    places = Places(2)
    first, second, third, fourth, fifth = (Request(name, log, name != "d") for name in "abcde")
    assert (places.enter(first), places.enter(second)) == (True, True)
    assert [places.enter(one) for one in (third, fourth, fifth)] == [False] * 3
    assert (places.taken, places.queued) == (2, 3)
    places.leave()
    assert (log, places.taken) == (["c in"], 2)
    places.leave()
    assert log == ["c in", "d gone", "e in"], "one that does not want its place any more is passed over"
    assert (places.taken, places.queued) == (2, 0)
    places.leave()
    places.leave()
    assert places.taken == 0


def test_places_can_become_more_or_fewer():
    log = []
    places = Places(1)
    requests = [Request(name, log) for name in "abc"]
    assert [places.enter(one) for one in requests] == [True, False, False]
    places.resize(3)
    assert (log, places.taken) == (["b in", "c in"], 3)
    places.resize(1)
    late = Request("d", log)
    assert not places.enter(late)
    places.leave()
    places.leave()
    assert "d in" not in log
    places.leave()
    assert "d in" in log
