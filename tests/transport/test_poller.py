"""The shared reader: who is watched, and on which thread what happens."""

import contextlib
import queue
import socket
import threading
import types

import pytest

from iii_actors import limits
from iii_actors.actor import LightActor, handles
from iii_actors.transport.poller import HANG_UP, READ, WRITE, Poller

WAIT_S = 10


class Watched:
    """A socket that notes what the poller says; ``on_read`` may do anything."""

    def __init__(self, on_read=None):
        self.socket, self.peer = socket.socketpair()
        self.interest = 0
        self.events = queue.SimpleQueue()
        self.on_read = on_read

    def readable(self):
        data = self.socket.recv(65536)
        self.events.put(("read", data, threading.current_thread().name))
        return (self.on_read(self, data) if self.on_read is not None else None) or 1

    def writable(self):
        self.events.put(("write", None, threading.current_thread().name))

    def broken(self):
        self.events.put(("broken", None, threading.current_thread().name))

    def next(self):
        return self.events.get(timeout=WAIT_S)[:2]

    def close(self):
        self.socket.close()
        self.peer.close()


@pytest.fixture(params=["epoll", "selectors"])
def poller(request, monkeypatch):
    if request.param == "selectors":
        monkeypatch.setattr("iii_actors.transport.poller.select", types.SimpleNamespace())
    one = Poller("test-reader")
    one.start()
    yield one
    one.stop()


@pytest.fixture
def watched():
    """A maker of sockets, which are closed in the end."""
    with contextlib.ExitStack() as stack:
        yield lambda on_read=None: stack.enter_context(contextlib.closing(Watched(on_read)))


def barrier(poller, watched):
    """Return when the poller has carried out everything it was told: a socket of its own has been read."""
    probe = watched()
    poller.watch(probe, READ, True)
    probe.peer.send(b"!")
    assert probe.next() == ("read", b"!")
    poller.forget(probe)


def test_a_watched_socket_is_read_on_the_pollers_thread(poller, watched):
    one, other = watched(), watched()
    for each in (one, other):
        poller.watch(each, READ, True)
        each.peer.send(b"first")
    assert one.events.get(timeout=WAIT_S) == ("read", b"first", "test-reader")
    assert other.next() == ("read", b"first")
    one.peer.send(b"second")
    assert one.next() == ("read", b"second")


def test_what_came_before_the_watching_is_read(poller, watched):
    one = watched()
    one.peer.send(b"early")
    poller.watch(one, READ, True)
    assert one.next() == ("read", b"early")


def test_a_socket_not_watched_is_left_alone(poller, watched):
    one = watched()
    poller.watch(one, READ, True)
    one.peer.send(b"a")
    assert one.next() == ("read", b"a")
    poller.watch(one, READ, False)
    barrier(poller, watched)
    one.peer.send(b"b")
    barrier(poller, watched)
    assert one.events.empty()
    poller.watch(one, READ, True)
    assert one.next() == ("read", b"b")


def test_a_paused_socket_is_not_read_until_it_is_watched_again(poller, watched):
    one = watched(lambda me, data: poller.pause(me))
    poller.watch(one, READ, True)
    one.peer.send(b"a")
    assert one.next() == ("read", b"a")
    one.peer.send(b"b")
    barrier(poller, watched)
    assert one.events.empty()
    poller.watch(one, READ, True)
    assert one.next() == ("read", b"b")


def test_a_held_socket_is_not_read_until_it_is_watched_again(poller, watched):
    one, other = watched(lambda one, data: poller.hold(one) if data == b"a" else None), watched()
    poller.watch(one, READ, True)
    poller.watch(other, READ, True)
    one.peer.send(b"a")
    assert one.next() == ("read", b"a")
    one.peer.send(b"b")
    other.peer.send(b"x")
    assert other.next() == ("read", b"x")
    assert one.events.empty()
    poller.watch(one, READ, True)
    assert one.next() == ("read", b"b")


@pytest.mark.skipif(not HANG_UP, reason="only epoll tells of it")
def test_of_a_held_socket_it_is_told_that_its_peer_goes(watched):
    poller = Poller("test-reader")
    poller.start()
    one = watched(lambda one, data: poller.hold(one))
    poller.watch(one, READ, True)
    one.peer.send(b"a")
    assert one.next() == ("read", b"a")
    one.peer.close()
    assert one.next() == ("broken", None)
    assert one.interest == 0
    poller.stop()


def test_room_is_said_once_for_each_time_it_was_asked(poller, watched):
    one = watched()
    poller.watch(one, READ, True)
    for _ in range(3):
        poller.watch(one, WRITE, True)
        assert one.next() == ("write", None)
        barrier(poller, watched)
        assert one.events.empty()
    one.peer.send(b"still read")
    assert one.next() == ("read", b"still read")


def test_room_is_said_when_there_is_some(poller, watched):
    one = watched()
    one.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            one.socket.send(b"x" * 65536)
    poller.watch(one, WRITE, True)
    barrier(poller, watched)
    assert one.events.empty()
    with contextlib.suppress(BlockingIOError):
        while True:
            one.peer.recv(65536, socket.MSG_DONTWAIT)
    assert one.next() == ("write", None)


def test_a_forgotten_socket_may_be_closed_and_its_number_used_again(poller, watched):
    for _ in range(50):
        one = Watched()
        poller.watch(one, READ, True)
        one.peer.send(b"a")
        assert one.next() == ("read", b"a")
        poller.forget(one)
        one.close()
    last = watched()
    poller.watch(last, READ, True)
    last.peer.send(b"b")
    assert last.next() == ("read", b"b")


def test_a_socket_may_be_forgotten_while_it_is_read(poller, watched):
    one = watched(lambda me, data: poller.forget(me))
    poller.watch(one, READ, True)
    one.peer.send(b"a")
    assert one.next() == ("read", b"a")
    one.peer.send(b"b")
    barrier(poller, watched)
    assert one.events.empty()
    poller.forget(one)


def test_forgetting_what_was_never_watched(poller, watched):
    poller.forget(watched())


def test_a_socket_closed_under_the_poller_hurts_nobody(poller, watched):
    one, other = watched(), watched()
    one.socket.close()
    poller.watch(one, READ, True)
    poller.watch(other, READ, True)
    other.peer.send(b"a")
    assert other.next() == ("read", b"a")


def test_a_failure_in_one_socket_leaves_it_out_and_the_others_in(poller, watched, caplog):
    def fail(me, data):
        raise LookupError("wrong")

    bad, good = watched(fail), watched()
    for each in (bad, good):
        poller.watch(each, READ, True)
    bad.peer.send(b"a")
    assert bad.next() == ("read", b"a")
    assert bad.next() == ("broken", None)
    good.peer.send(b"a")
    assert good.next() == ("read", b"a")
    barrier(poller, watched)
    bad.peer.send(b"b")
    barrier(poller, watched)
    assert bad.events.empty()
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["wrong"]


def test_commands_from_many_threads(poller, watched):
    sockets = [watched() for _ in range(40)]

    def use(mine):
        for one in mine:
            for number in range(20):
                poller.watch(one, READ, True)
                poller.watch(one, WRITE, True)
                one.peer.send(b"%d" % number)
                came = {one.next()[0], one.next()[0]}
                assert came == {"read", "write"}
                poller.watch(one, READ, False)
            poller.forget(one)
            done.put(one)

    done = queue.SimpleQueue()
    threads = [threading.Thread(target=use, args=(sockets[i::4],), daemon=True) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert done.qsize() == len(sockets)


def test_after_a_stop_nothing_runs_and_nothing_hangs(watched):
    poller = Poller("stopped-reader")
    poller.start()
    one = watched()
    poller.watch(one, READ, True)
    poller.stop()
    assert "stopped-reader" not in [thread.name for thread in threading.enumerate()]
    poller.watch(one, WRITE, True)
    poller.forget(one)
    poller.stop()


# --- rounds ----------------------------------------------------------------------------------------------------------


class Sink(LightActor):
    """Notes how many messages each batch had."""

    last_in_round = True

    def __init__(self):
        super().__init__()
        self.count = 0
        self.batches = queue.SimpleQueue()

    @handles(str)
    def take(self, _):
        self.count += 1

    def after_batch(self):
        self.batches.put(self.count)
        self.count = 0


@pytest.fixture
def sink():
    ref = Sink.start()
    yield ref
    ref.stop()


def test_what_one_round_tells_an_actor_is_one_batch(poller, watched, sink):
    batches = sink._actor_weakref().batches
    one = watched(lambda me, data: [sink.tell("x") for _ in data] and len(data))
    one.peer.send(b"abcde")
    poller.watch(one, READ, True)
    assert batches.get(timeout=WAIT_S) == 5


def test_a_long_round_is_paused_after_so_many_frames(watched, sink, monkeypatch):
    """All sockets are ready before the poller starts, so that one round reads them all."""
    count = 10
    each = limits.FRAMES_PER_ROUND // 2
    poller = Poller("test-reader")
    sockets = [watched(lambda me, data: [sink.tell("x") for _ in range(each)] and each) for _ in range(count)]
    for one in sockets:
        one.peer.send(b"a")
        poller.watch(one, READ, True)
    poller.start()
    batches, total = [], 0
    while total < count * each:
        batches.append(sink._actor_weakref().batches.get(timeout=WAIT_S))
        total += batches[-1]
    assert batches == [2 * each] * (count // 2)
    poller.stop()
