"""The way out: bounded, patient, and never in a caller's way."""

import json
import logging
import queue
import socket
import threading

import pytest

from iii_worker import limits
from iii_worker.observability.link import LinkError
from iii_worker.observability.uplink import Uplink, backoff_s

WAIT_S = 10


class Wire:
    """Stands for the socket: can be down, can be held, tells what it took."""

    def __init__(self):
        self.frames = queue.Queue()
        self.up = True
        self.opened = queue.Queue()
        self.closed = queue.Queue()
        self.free = threading.Event()
        self.free.set()
        self.entered = queue.Queue()
        self.here, self.there = socket.socketpair()

    def connect(self, url, headers):
        self.opened.put((url, dict(headers)))
        if not self.up:
            raise LinkError("down")
        return self

    def send(self, frame):
        self.entered.put(frame)
        assert self.free.wait(WAIT_S)
        if not self.up:
            raise LinkError("cut")
        self.frames.put(json.loads(frame))

    def fileno(self):
        return self.here.fileno()

    def attend(self):
        self.here.recv(1)
        raise LinkError("closed by the engine")

    def close(self):
        self.closed.put(True)


@pytest.fixture
def wire():
    one = Wire()
    yield one
    one.here.close()
    one.there.close()


@pytest.fixture
def make(wire):
    made = []

    def uplink(delay_s=lambda failures: 0.0, connect=wire.connect):
        made.append(Uplink("ws://engine/otel", {"a": "b"}, connect=connect, delay_s=delay_s))
        return made[-1]

    yield uplink
    wire.free.set()
    for one in made:
        one.close(0)
        assert one._thread is None or not one._thread.is_alive()


def encode(records):
    return json.dumps(list(records)).encode()


def test_records_leave_together_in_order(make, wire):
    uplink = make()
    lane = uplink.lane(encode, 0.05)
    for n in range(5):
        uplink.offer(lane, n)
    assert wire.frames.get(timeout=WAIT_S) == [0, 1, 2, 3, 4]
    assert wire.opened.get_nowait() == ("ws://engine/otel", {"a": "b"})


def test_a_full_batch_does_not_wait(make, wire):
    uplink = make()
    lane = uplink.lane(encode, 3600, 3)
    for n in range(3):
        uplink.offer(lane, n)
    assert wire.frames.get(timeout=WAIT_S) == [0, 1, 2]


def test_a_batch_of_one_leaves_at_once(make, wire):
    uplink = make()
    uplink.offer(uplink.lane(encode, 3600, 1), "x")
    assert wire.frames.get(timeout=WAIT_S) == ["x"]


def test_a_frame_has_a_greatest_number_of_records(make, wire):
    uplink = make()
    lane = uplink.lane(encode, 3600, 10_000)
    for n in range(limits.TELEMETRY_BATCH + 1):
        uplink.offer(lane, n)
    assert uplink.flush(WAIT_S)
    assert len(wire.frames.get_nowait()) == limits.TELEMETRY_BATCH
    assert wire.frames.get_nowait() == [limits.TELEMETRY_BATCH]


def test_nothing_is_opened_before_there_is_something_to_send(make, wire):
    uplink = make()
    uplink.lane(encode, 0)
    assert uplink.flush(WAIT_S)
    assert wire.opened.empty()


def test_a_slow_engine_costs_records_the_oldest_first_and_nothing_else(make, wire, caplog):
    uplink = make()
    lane = uplink.lane(encode, 0, 1)
    wire.free.clear()
    uplink.offer(lane, "first")
    wire.entered.get(timeout=WAIT_S)
    for n in range(limits.TELEMETRY_BUFFER + 7):
        uplink.offer(lane, n)
    assert len(lane.records) == limits.TELEMETRY_BUFFER
    assert lane.records[0] == 7
    wire.free.set()
    assert uplink.flush(WAIT_S)
    assert "7 telemetry records were dropped" in caplog.text


def test_what_could_not_be_sent_is_sent_later(make, wire, caplog):
    wire.up = False
    waited = queue.Queue()
    uplink = make(delay_s=lambda failures: waited.put(failures) or 0.0)
    lane = uplink.lane(encode, 0, 1)
    uplink.offer(lane, "x")
    assert [waited.get(timeout=WAIT_S) for _ in range(3)] == [1, 2, 3]
    wire.up = True
    assert wire.frames.get(timeout=WAIT_S) == ["x"]
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings] == [
        "Telemetry cannot be sent: down. Calls are not affected; next attempt in 0.0 s"
    ]


def test_a_flush_does_not_wait_for_an_engine_that_is_away(make, wire):
    wire.up = False
    uplink = make(delay_s=lambda failures: 3600.0)
    lane = uplink.lane(encode, 3600)
    uplink.offer(lane, "x")
    assert not uplink.flush(WAIT_S)
    assert not uplink.flush(WAIT_S)
    assert wire.opened.qsize() == 2
    wire.up = True
    assert uplink.flush(WAIT_S)
    assert wire.frames.get_nowait() == ["x"]


def test_a_flush_ends_at_its_timeout(make, wire):
    uplink = make()
    lane = uplink.lane(encode, 0, 1)
    wire.free.clear()
    uplink.offer(lane, "x")
    assert not uplink.flush(0.01)


def test_a_good_connection_that_broke_is_made_again_at_once(make, request, monkeypatch):
    monkeypatch.setattr(limits, "STABLE_AFTER_S", 0.0)
    cut = queue.Queue()

    class Once(Wire):
        def send(self, frame):
            if cut.qsize() == 1:
                cut.put("again")
                raise LinkError("cut")
            cut.put("sent")
            super().send(frame)

    once = Once()
    for end in (once.here, once.there):
        request.addfinalizer(end.close)
    uplink = make(delay_s=lambda failures: pytest.fail("it waited"), connect=once.connect)
    lane = uplink.lane(encode, 0, 1)
    uplink.offer(lane, 1)
    assert once.frames.get(timeout=WAIT_S) == [1]
    uplink.offer(lane, 2)
    assert once.frames.get(timeout=WAIT_S) == [2]
    assert once.opened.qsize() == 2


def test_an_end_is_noticed_while_there_is_nothing_to_send(make, wire, monkeypatch):
    monkeypatch.setattr(limits, "STABLE_AFTER_S", 0.0)
    uplink = make()
    lane = uplink.lane(encode, 0, 1)
    uplink.offer(lane, 1)
    assert wire.frames.get(timeout=WAIT_S) == [1]
    wire.there.send(b"x")
    assert wire.closed.get(timeout=WAIT_S)
    uplink.offer(lane, 2)
    assert wire.frames.get(timeout=WAIT_S) == [2]
    assert wire.opened.qsize() == 2


def test_an_engine_that_cuts_young_connections_is_not_hammered(make, wire):
    waited = queue.Queue()
    uplink = make(delay_s=lambda failures: waited.put(failures) or 0.0)
    lane = uplink.lane(encode, 0, 1)
    uplink.offer(lane, 1)
    wire.frames.get(timeout=WAIT_S)
    wire.up = False
    uplink.offer(lane, 2)
    assert waited.get(timeout=WAIT_S) == 1


def test_a_record_that_cannot_be_sent_costs_only_itself(make, wire):
    uplink = make()
    lane = uplink.lane(encode, 3600)
    for record in (1, object(), 2):
        uplink.offer(lane, record)
    assert uplink.flush(WAIT_S)
    assert wire.frames.get_nowait() == [1, 2]
    uplink.offer(lane, object())
    assert uplink.flush(WAIT_S)
    assert wire.frames.empty()


def test_a_tick_comes_on_the_thread_and_a_failing_one_comes_again(make, wire):
    uplink = make()
    lane = uplink.lane(encode, 0, 1)
    ticks = queue.Queue()

    def tick():
        ticks.put(threading.current_thread().name)
        if ticks.qsize() == 1:
            raise RuntimeError
        uplink.offer(lane, "tick")

    uplink.every(0.0, 0.01, tick)
    assert wire.frames.get(timeout=WAIT_S) == ["tick"]
    assert ticks.get_nowait() == "iii-telemetry"


def test_after_the_end_records_are_lost_and_nobody_minds(make, wire):
    uplink = make()
    lane = uplink.lane(encode, 3600)
    uplink.offer(lane, 1)
    assert uplink.close(WAIT_S)
    assert wire.closed.get(timeout=WAIT_S)
    uplink.offer(lane, 2)
    assert uplink.close(WAIT_S)
    assert wire.frames.get_nowait() == [1]
    assert wire.frames.empty()


@pytest.mark.parametrize("what", ["threading.Thread.start", "socket.socketpair"])
def test_a_process_at_its_end_or_its_limits_loses_records_and_nothing_else(make, wire, monkeypatch, caplog, what):
    def refuse(*arguments):
        raise {"threading.Thread.start": RuntimeError, "socket.socketpair": OSError}[what]("no more")

    monkeypatch.setattr(what, refuse)
    uplink = make()
    lane = uplink.lane(encode, 0, 1)
    uplink.offer(lane, 1)
    uplink.offer(lane, 2)
    assert "Telemetry is off: its thread could not be started (no more)" in caplog.text
    assert not uplink.flush(WAIT_S)


def test_many_threads_at_once(make, wire):
    uplink = make()
    lane = uplink.lane(encode, 0.001)
    threads = [threading.Thread(target=lambda: [uplink.offer(lane, n) for n in range(50)]) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert uplink.flush(WAIT_S)
    assert sum(len(wire.frames.get_nowait()) for _ in range(wire.frames.qsize())) == 500


def test_the_waits_grow_and_are_spread():
    for failures, delay in [(1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (100_000, 30.0)]:
        waits = {backoff_s(failures) for _ in range(50)}
        assert delay * 0.7 <= min(waits) < max(waits) <= delay * 1.3
