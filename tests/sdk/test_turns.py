"""Whose turn it is: the order of the stations, kicks, closing, and the platform that has only one."""

import select
import socket
import threading

import pytest

from iii_worker import turns
from iii_worker.turns import EpollTurns, OneReader, Station

needs_epoll = pytest.mark.skipif(not hasattr(select, "EPOLLEXCLUSIVE"), reason="this platform has no EPOLLEXCLUSIVE")


class Waiter(threading.Thread):
    """A thread that waits at a station once."""

    def __init__(self, turns, station):
        super().__init__(daemon=True)
        self.turns, self.station = turns, station
        self.returned = threading.Event()
        self.readable = None
        self.start()

    def run(self):
        self.readable = self.turns.wait(self.station, 10)
        self.returned.set()


def waiting(turns, *stations):
    """Start waiters and return once they are inside the kernel, as far as that can be told."""
    waiters = {station: Waiter(turns, station) for station in stations}
    while turns._inside < len(stations):
        assert not any(waiter.returned.is_set() for waiter in waiters.values())
    for waiter in waiters.values():
        waiter.join(0.02)  # the last step into the kernel cannot be watched
    return waiters


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@needs_epoll
@pytest.mark.parametrize(
    "stations",
    [
        (Station.CALLER, Station.READER, Station.STANDBY),
        (Station.READER, Station.STANDBY),
        (Station.CALLER, Station.STANDBY),
        (Station.STANDBY,),
    ],
)
def test_the_first_station_at_which_somebody_waits_is_woken_alone(pair, stations):
    ours, theirs = pair
    its = EpollTurns(ours.fileno())
    waiters = waiting(its, *stations)
    theirs.send(b"x")
    assert waiters[stations[0]].returned.wait(5)
    assert waiters[stations[0]].readable is True
    assert not any(waiters[station].returned.is_set() for station in stations[1:])
    its.close()
    assert all(waiter.returned.wait(5) for waiter in waiters.values())


@needs_epoll
def test_data_nobody_took_wakes_whoever_waits_next(pair):
    ours, theirs = pair
    its = EpollTurns(ours.fileno())
    theirs.send(b"x")
    for station in (Station.STANDBY, Station.CALLER, Station.CALLER, Station.READER):
        assert its.wait(station, 5) is True
    ours.recv(10)
    assert its.wait(Station.CALLER, 0) is False
    its.close()


@needs_epoll
def test_a_kick_returns_one_station_only(pair):
    its = EpollTurns(pair[0].fileno())
    waiters = waiting(its, *Station)
    its.kick(Station.READER)
    assert waiters[Station.READER].returned.wait(5)
    assert waiters[Station.READER].readable is False
    assert not waiters[Station.CALLER].returned.is_set()
    its.close()


@pytest.mark.parametrize("make", [pytest.param(EpollTurns, marks=needs_epoll), OneReader])
class TestBoth:
    def test_data_wakes_the_standby(self, pair, make):
        ours, theirs = pair
        its = make(ours.fileno())
        waiters = waiting(its, Station.STANDBY)
        theirs.send(b"x")
        assert waiters[Station.STANDBY].returned.wait(5)
        assert waiters[Station.STANDBY].readable is True
        its.close()

    def test_a_kick_before_the_wait_is_not_lost(self, pair, make):
        its = make(pair[0].fileno())
        its.kick(Station.STANDBY)
        assert its.wait(Station.STANDBY, 10) is False
        assert its.wait(Station.STANDBY, 0) is False
        its.close()

    def test_closing_returns_everybody_and_releases_when_the_last_has_left(self, pair, make):
        its = make(pair[0].fileno())
        waiters = waiting(its, Station.STANDBY)
        its.close()
        its.close()
        assert waiters[Station.STANDBY].returned.wait(5)
        assert its.wait(Station.STANDBY, 10) is False
        its.kick(Station.STANDBY)
        assert its._bells[0].fileno() == -1

    def test_the_end_of_the_peer_is_readable(self, pair, make):
        ours, theirs = pair
        its = make(ours.fileno())
        theirs.shutdown(socket.SHUT_WR)
        assert its.wait(Station.STANDBY, 5) is True
        its.close()


def test_a_platform_without_epoll_has_one_reader(pair, monkeypatch):
    monkeypatch.delattr(select, "EPOLLEXCLUSIVE", raising=False)
    its = turns.turns_for(pair[0])
    assert isinstance(its, OneReader)
    assert not its.shared
    its.close()


def test_a_bell_rung_too_often_blocks_nobody():
    bell = turns.Bell()
    for _ in range(100_000):
        bell.ring()
    bell.close()
    bell.ring()
    bell.silence()


def test_calls_work_with_one_reader(monkeypatch, make_worker):
    monkeypatch.delattr(select, "EPOLLEXCLUSIVE", raising=False)
    callee, caller = make_worker(), make_worker()
    callee.register_function("echo", lambda data: data)
    callee.call("echo", timeout=5)
    assert not callee.connection.link.turns.shared
    assert caller.call_many([("echo", n) for n in range(50)], timeout=5) == list(range(50))
    assert callee.connection._reader is None
