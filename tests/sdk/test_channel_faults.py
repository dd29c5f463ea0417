"""Channels under load, and channels that end as they should not."""

import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import iii_actors
from iii_worker.blocking import Place, take_place
from iii_worker.channel import (
    ChannelClosedError,
    ChannelError,
    ChannelNotFoundError,
    ChannelReader,
    ChannelTimeoutError,
    ChannelWriter,
    revive,
)
from tests.support.sdk_channels import WAIT_S, ends, refs

MIB = 1024 * 1024
MUCH = 64 * MIB
"""More than socket buffers and the engine's own hold."""


@pytest.fixture(scope="module")
def engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def flood(writer):
    """Write more than anything on the way can hold."""
    for _ in range(MUCH // MIB):
        writer.write(bytes(MIB))


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# --- much ------------------------------------------------------------------------------------------------------------


def test_a_hundred_megabytes_pass_through_and_leave_no_trace(engine, threads):
    writer, reader = ends(engine)
    piece = bytes(range(256)) * 4096
    before, highest = resident(), 0

    def send():
        with writer:
            for _ in range(100):
                writer.write(piece)

    sent = threads.submit(send)
    size = 0
    with reader:
        while part := reader.read(MIB):
            assert part == piece
            size += len(part)
            highest = max(highest, resident())
    sent.result(WAIT_S)
    assert writer.confirmed
    assert size == 100 * MIB
    assert highest - before < 32 * MIB, "memory must not grow with what passes"


def test_a_writer_waits_for_its_reader(engine, threads):
    writer, reader = ends(engine, timeout=None)
    written = 0

    def send():
        nonlocal written
        with writer:
            for _ in range(MUCH // MIB):
                written += writer.write(bytes(MIB))

    sent = threads.submit(send)
    assert reader.read(MIB) == bytes(MIB)
    with pytest.raises(TimeoutError):
        sent.result(0.3)
    held = written
    assert held < MUCH
    assert len(reader.read()) == MUCH - MIB
    sent.result(WAIT_S)
    reader.close()


def test_writes_from_many_threads_stay_whole(engine, threads):
    writer, reader = ends(engine)
    size = 200 * 1024

    def send(number):
        for _ in range(5):
            writer.write(bytes([number]) * size)

    jobs = [threads.submit(send, number) for number in range(6)]
    received = threads.submit(reader.read)
    for job in jobs:
        job.result(WAIT_S)
    writer.close()
    data = received.result(WAIT_S)
    runs = [data[start : start + size] for start in range(0, len(data), size)]
    assert len(runs) == 30
    assert all(len(set(run)) == 1 for run in runs)
    reader.close()


def test_many_channels_leave_no_socket_and_no_thread_behind(engine, monkeypatch):
    monkeypatch.setattr("iii_actors.transport.threads.SPARE_THREAD_S", 0.05)
    before = open_files(), threading.active_count()
    for _ in range(100):
        writer, reader = ends(engine)
        with writer:
            writer.write(b"x")
        with reader:
            assert reader.read() == b"x"
    deadline = time.monotonic() + WAIT_S
    while (open_files(), threading.active_count()) > before and time.monotonic() < deadline:
        threading.Event().wait(0.01)  # the engine's threads are on their way out
    assert open_files() <= before[0]
    assert threading.active_count() <= before[1]


# --- the other end goes ----------------------------------------------------------------------------------------------


def test_a_writer_whose_reader_left_is_told(engine):
    writer, reader = ends(engine)
    writer.write(b"x")
    assert reader.read(1) == b"x"
    reader.close()

    with pytest.raises(ChannelClosedError, match=r"broke off|has left"):
        flood(writer)
    with pytest.raises(ChannelClosedError):
        writer.write(b"again")
    writer.close()
    assert writer.closed
    assert not writer.confirmed


def test_closing_after_the_reader_left_is_no_error(engine):
    writer, reader = ends(engine)
    writer.write(b"x")
    with reader:
        assert reader.read(1) == b"x"
    writer.close()
    assert writer.closed


def test_a_writer_that_waits_is_told_as_well(engine, threads):
    writer, reader = ends(engine, timeout=None)
    assert threads.submit(lambda: reader.peek() if writer.write(b"x") else b"").result(WAIT_S) == b"x"

    sent = threads.submit(flood, writer)
    with pytest.raises(TimeoutError):
        sent.result(0.2)
    reader.close()
    with pytest.raises(ChannelClosedError):
        sent.result(WAIT_S)
    writer.abort()


def test_a_reader_that_came_in_a_payload_releases_its_writer_unused(engine):
    writing, reading = refs(engine)
    writer = ChannelWriter(engine.url, writing, timeout=WAIT_S)
    writer.write(b"x")
    revive(reading, engine.url).close()
    with pytest.raises(ChannelClosedError):
        flood(writer)
    writer.abort()


def test_a_reader_of_a_channel_made_here_leaves_its_end_to_others(engine):
    writing, reading = refs(engine)
    ChannelReader(engine.url, reading).close()
    with ChannelWriter(engine.url, writing, timeout=WAIT_S) as writer:
        writer.write(b"x")
    with ChannelReader(engine.url, reading, timeout=WAIT_S) as reader:
        assert reader.read() == b"x"


def test_what_a_vanished_writer_sent_is_read_to_its_end(engine):
    writer, reader = ends(engine)
    writer.write(b"half")
    writer.abort()
    writer.abort()
    assert reader.read() == b"half"
    reader.close()


# --- second takers, wrong keys ---------------------------------------------------------------------------------------


def test_a_second_writer_is_refused(engine):
    writing, reading = refs(engine)
    first, second = (ChannelWriter(engine.url, writing, timeout=WAIT_S) for _ in range(2))
    with ChannelReader(engine.url, reading, timeout=WAIT_S) as reader:
        first.write(b"first")
        assert reader.read(5) == b"first"
        with pytest.raises(ChannelClosedError, match=r"opened before|broke off"):
            flood(second)
        second.abort()
        first.close()
        assert reader.read() == b""


def test_a_second_reader_is_at_its_end(engine):
    writing, reading = refs(engine)
    with ChannelWriter(engine.url, writing, timeout=WAIT_S) as writer:
        writer.write(b"x")
        with ChannelReader(engine.url, reading, timeout=WAIT_S) as first:
            assert first.read(1) == b"x"
            with ChannelReader(engine.url, reading, timeout=WAIT_S) as second:
                assert second.read() == b""


def test_a_wrong_key_is_told_with_the_first_use_and_every_time(engine):
    writing, reading = refs(engine)
    writer = ChannelWriter(engine.url, writing | {"access_key": "wrong"})
    for _ in range(2):
        with pytest.raises(ChannelNotFoundError):
            writer.write(b"x")
    with pytest.raises(ChannelNotFoundError):
        writer.close()
    assert writer.closed
    with pytest.raises(ChannelNotFoundError):
        ChannelReader(engine.url, reading | {"access_key": "wrong"}).read()
    revive(reading | {"access_key": "wrong"}, engine.url).close()


# --- the engine goes -------------------------------------------------------------------------------------------------


def test_an_engine_that_stops_is_no_end_of_the_data(threads):
    """The two ends are of different channels: a writer that is cut off looks like the end to its reader (core.md §9.3)."""
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as engine:
        (writer, _), (_, reader) = ends(engine), ends(engine)
        writer.write(b"half")
        reader.timeout = 0.05
        with pytest.raises(ChannelTimeoutError):
            reader.read()
        reader.timeout = WAIT_S
        waiting = threads.submit(reader.read)
        engine.stop()
    with pytest.raises(ChannelClosedError, match=r"broke off|closed by the engine"):
        waiting.result(WAIT_S)
    with pytest.raises(ChannelClosedError):
        reader.read(1)
    with pytest.raises(ChannelClosedError):
        flood(writer)
    writer.abort()
    reader.close()
    with pytest.raises(ChannelError, match="cannot reach"):
        ChannelReader(engine.url, reader.to_ref()).read()


# --- waiting ---------------------------------------------------------------------------------------------------------


def test_a_reader_waits_no_longer_than_its_timeout_and_can_go_on(engine):
    writer, reader = ends(engine)
    reader.timeout = 0.02
    with pytest.raises(ChannelTimeoutError):
        reader.read(1)
    with pytest.raises(TimeoutError):
        next(reader)
    writer.write(b"x")
    reader.timeout = WAIT_S
    assert reader.read(1) == b"x"
    writer.close()
    reader.close()


def test_a_writer_waits_no_longer_than_its_timeout_and_is_through_then(engine):
    writer, _ = ends(engine, timeout=0.2)
    with pytest.raises(ChannelTimeoutError, match=r"no room for more within 0\.2 s"):
        flood(writer)
    with pytest.raises(ChannelClosedError):
        writer.write(b"x")
    writer.abort()


def test_closing_a_reader_wakes_who_reads(engine, threads):
    writer, reader = ends(engine, timeout=None)
    writer.write(b"x")
    assert reader.read(1) == b"x"
    waiting = threads.submit(reader.read, 1)
    with pytest.raises(TimeoutError):
        waiting.result(0.05)
    reader.close()
    with pytest.raises((ChannelClosedError, ValueError)):
        waiting.result(WAIT_S)
    writer.abort()


def test_aborting_a_writer_wakes_who_writes(engine, threads):
    writer, _ = ends(engine, timeout=None)

    waiting = threads.submit(flood, writer)
    with pytest.raises(TimeoutError):
        waiting.result(0.2)
    writer.abort()
    with pytest.raises((ChannelClosedError, ValueError)):
        waiting.result(WAIT_S)


class CountingPlace(Place):
    """A handler's place that counts how often it was given up."""

    def __init__(self):
        super().__init__()
        self.left = 0
        self.aside = threading.Event()

    def step_aside(self):
        self.left += 1
        self.aside.set()


def test_a_handler_gives_its_place_up_only_while_it_waits(engine, threads):
    writer, reader = ends(engine)
    place = CountingPlace()

    def use(job):
        take_place(place)
        try:
            return job()
        finally:
            take_place(None)

    with writer:
        writer.write(b"a")
        assert reader.read(1) == b"a"
        waiting = threads.submit(use, lambda: reader.read(1))
        assert place.aside.wait(WAIT_S)
        writer.write(b"b")
        assert waiting.result(WAIT_S) == b"b"
        threads.submit(use, lambda: writer.write(b"c")).result(WAIT_S)
        assert place.left == 1
    assert reader.read() == b"c"
    reader.close()
