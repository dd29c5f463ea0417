"""What a channel's ends do with threads, memory, and peers that do not read; the protocol is in conformance/."""

import socket
import threading
import tracemalloc
from contextlib import closing

import pytest

from iii_actors import Engine, EngineConfig
from iii_actors.actor import ask
from iii_actors.core.channels import Channels
from iii_actors.core.ends import TakeChannelEnd
from iii_actors.core.pipe import Item
from iii_actors.transport import channel_socket
from iii_actors.transport import threads as threads_module
from iii_actors.transport.channel_socket import ChannelEnds, _Bell, _Wire
from iii_actors.transport.frames import FrameReader, frame
from iii_actors.transport.handshake import Refused, Request
from tests.support.channel_client import create, fill, path, raw_end
from tests.support.raw import BINARY, CLOSE, PING, PONG, TEXT, RawClient, client_frame

MIB = 2**20
KERNEL_AT_MOST = 256 * MIB


def pong_to(client, payload=b"hello"):
    """Send a ping and wait for its pong: everything sent before has been read, and the end is served."""
    client.send(client_frame(PING, payload))
    assert client.frame() == (PONG, payload)


@pytest.fixture(autouse=True)
def _no_spare_threads(monkeypatch):
    """A thread that ends with its connection can be waited for."""
    monkeypatch.setattr(threads_module, "SPARE_THREADS", 0)


def own_threads(before):
    """The threads that came since; the relief thread belongs to the process."""
    return [thread for thread in threading.enumerate() if thread not in before and thread.name != "iii-relief"]


def assert_ended(threads):
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), thread


# --- threads ---------------------------------------------------------------------------------------------------------


def test_an_end_has_one_thread_and_it_ends_with_the_end(engine):
    key = create(engine)
    before = threading.enumerate()
    with raw_end(engine, key, "write") as writer, raw_end(engine, key, "read") as reader:
        for end in (writer, reader):
            pong_to(end)
        threads = own_threads(before)
        assert len(threads) == 2
        writer.send(client_frame(CLOSE))
        assert writer.rest() == reader.rest() == b"\x88\x00"
    assert_ended(threads)


def test_stopping_the_engine_ends_every_wait_and_leaves_no_thread():
    before = threading.enumerate()
    engine = Engine(EngineConfig.listening(port=0)).start()
    large = client_frame(BINARY, bytes(MIB))
    clients = []

    def end(key, direction, **buffers):
        clients.append(raw_end(engine, key, direction, **buffers))
        return clients[-1]

    try:
        idle, stalled, full, done = (create(engine, 1) for _ in range(4))
        waiting = [end(idle, "read"), end(idle, "write")]
        stalled_writer = end(stalled, "write")
        end(stalled, "read", receive=4096)
        without_reader = end(full, "write")
        closing_writer = end(done, "write")
        lingering = end(done, "read", receive=4096)
        again = end(idle, "read")
        for client in waiting:
            pong_to(client)
        fill(stalled_writer, large, KERNEL_AT_MOST)
        fill(without_reader, large, KERNEL_AT_MOST)
        for _ in range(3):
            closing_writer.send(large)
        closing_writer.send(client_frame(CLOSE))
        assert closing_writer.frame() == (CLOSE, b"")
        assert again.frame() == lingering_close(lingering) == (CLOSE, b"")
        engine.stop()
        assert_ended(own_threads(before))
        for client in clients:
            while client.more():
                pass
    finally:
        engine.stop()
        for client in clients:
            client.socket.close()


@pytest.mark.parametrize("begun", [True, False])
def test_a_channel_cut_short_by_a_stop_does_not_look_complete(begun):
    """The reader is told 1012, whoever of the two ends first; a Close without status means that all has come."""
    with Engine(EngineConfig.listening(port=0)) as engine:
        key = create(engine)
        with raw_end(engine, key, "write") as writer, raw_end(engine, key, "read") as reader:
            for end in (writer, reader):
                pong_to(end)
            if begun:
                writer.send(client_frame(BINARY, b"half"))
                assert reader.frame() == (BINARY, b"half")
            thread = threading.Thread(target=engine.stop)
            thread.start()
            assert reader.frame() == (CLOSE, (1012).to_bytes(2, "big"))
            reader.socket.close()
            assert writer.rest() == b""
            thread.join(10)
            assert not thread.is_alive()


def test_a_reading_end_that_comes_while_the_engine_stops_is_told_so(engine):
    key = create(engine)
    engine._listeners[0].end_reading_ends(1012)
    with raw_end(engine, key, "read") as reader:
        assert reader.frame() == (CLOSE, (1012).to_bytes(2, "big"))
        reader.send(client_frame(CLOSE))
        assert reader.rest() == b""


def lingering_close(reader):
    """Read up to the Close and leave the connection open."""
    while (frame := reader.frame())[0] == BINARY:
        assert frame[1] == bytes(MIB)
    return frame


def test_a_writer_that_vanishes_while_it_waits_for_room_frees_its_thread_and_loses_nothing(engine):
    key, size = create(engine, 2), 65536
    pipe = ask(engine.core.channels, TakeChannelEnd(key, "read"))
    before = threading.enumerate()
    with raw_end(engine, key, "write") as writer:
        chunk = client_frame(BINARY, bytes(size))
        fill(writer, chunk, KERNEL_AT_MOST)
        (thread,) = own_threads(before)
        assert pipe.waiting() == (2, 2 * size)
        # A reset instead of an orderly end: what the engine's kernel holds is still there to be read.
        writer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert_ended([thread])
    items = pipe.take(2**40)
    assert len(items) >= 2
    assert all(item == Item(False, bytes(size)) for item in items)
    assert pipe.take(1) is None


# --- pings -----------------------------------------------------------------------------------------------------------


def test_a_reader_that_lags_gets_its_pong_between_two_whole_messages(engine):
    key = create(engine)
    message = bytes(range(256)) * 4096
    with raw_end(engine, key, "write") as writer, raw_end(engine, key, "read", receive=4096) as reader:
        sent = fill(writer, client_frame(BINARY, message), KERNEL_AT_MOST)
        reader.send(client_frame(PING, b"still here"))
        frames = []
        while (frame := reader.frame())[0] == BINARY:
            frames.append(frame[1])
        assert frame == (PONG, b"still here")
        assert all(one == message for one in frames)
        assert len(frames) < sent // len(message), "it did not wait for the end"


def test_pings_of_a_peer_that_does_not_read_do_not_pile_up():
    ours, peers = socket.socketpair()
    with ours, peers, closing(_Bell()) as bell:
        wire = _Wire(ours, FrameReader(MIB, MIB), bell)
        blocking = client_frame(BINARY, bytes(8 * MIB))
        wire.outbox.frame(blocking)
        wire.outbox.flush()
        for number in range(1000):
            wire.pong(b"%03d" % number)
        assert 0 < wire.outbox.waiting < len(blocking)
        received = bytearray()
        while len(received) < len(blocking) + 16 * 5:
            received += peers.recv(MIB)
            wire.wait(0, 0.0)
        latest = b"".join(frame(PONG, b"%03d" % number) for number in range(984, 1000))
        assert received[len(blocking) :] == latest


def test_a_writers_ping_is_answered_although_what_it_sent_before_waits_for_room(engine):
    with raw_end(engine, create(engine, 1), "write") as writer:
        writer.send(b"".join([client_frame(TEXT, b"1"), client_frame(TEXT, b"2"), client_frame(PING, b"3")]))
        assert writer.frame() == (PONG, b"3")


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_slow_reader_gets_everything_although_it_takes_longer_than_the_wait_for_its_close(engine, monkeypatch):
    waited = threading.Event()
    looks = []

    def unsent(sock):
        looks.append(True)
        if len(looks) == 3:
            waited.set()
        return real(sock)

    real = channel_socket._unsent
    monkeypatch.setattr(channel_socket, "_unsent", unsent)
    monkeypatch.setattr(channel_socket, "CLOSE_WAIT_S", 0.02)
    key, count = create(engine), 8
    with raw_end(engine, key, "write") as writer, raw_end(engine, key, "read", receive=4096) as reader:
        for _ in range(count):
            writer.send(client_frame(BINARY, bytes(MIB)))
        writer.send(client_frame(CLOSE))
        # The wait for the reader is over several times; a socket closed by now would answer this with a reset.
        got = 0
        while not waited.is_set():
            if not waited.wait(0.05):
                got += reader.frame() == (BINARY, bytes(MIB))
        reader.send(client_frame(PING, b"are you there"))
        while (frame := reader.frame())[0] == BINARY:
            got += 1
        assert frame == (CLOSE, b"")
        assert got == count
        assert reader.rest() == b""


def test_a_peer_that_never_closes_after_our_close_is_cut(engine, monkeypatch):
    monkeypatch.setattr(channel_socket, "CLOSE_WAIT_S", 0.02)
    key = create(engine)
    before = threading.enumerate()
    with raw_end(engine, key, "read") as reader, raw_end(engine, key, "write") as writer:
        pong_to(reader)
        writer.send(client_frame(CLOSE))
        assert reader.frame() == (CLOSE, b"")
        assert_ended(own_threads(before))


# --- memory ----------------------------------------------------------------------------------------------------------


def test_a_hundred_megabytes_flow_through_a_few(engine):
    key, size, count = create(engine), 65536, 1600
    chunk = client_frame(BINARY, bytes(size))
    with raw_end(engine, key, "write") as writer, raw_end(engine, key, "read") as reader:
        pong_to(writer)
        pong_to(reader)
        got = 0
        sink = memoryview(bytearray(4 * size))

        def write():
            for _ in range(count):
                writer.send(chunk)
            writer.send(client_frame(CLOSE))

        tracemalloc.start()
        try:
            writing = threading.Thread(target=write)
            writing.start()
            while received := reader.socket.recv_into(sink):
                got += received
            writing.join()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert got == count * (10 + size) + 2
        assert peak < 12 * MIB, "64 items of 64 KiB, one round on either side, and the machinery"


def test_an_idle_end_keeps_nothing_of_what_passed(engine):
    key, size = create(engine), 8 * MIB
    with raw_end(engine, key, "write") as writer, raw_end(engine, key, "read") as reader:
        pong_to(writer)
        tracemalloc.start()
        try:
            writer.send(client_frame(BINARY, bytes(size)))
            assert reader.frame() == (BINARY, bytes(size))
            pong_to(writer)
            pong_to(reader)
            kept = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert kept < MIB


# --- the door --------------------------------------------------------------------------------------------------------


def test_while_the_engine_stops_the_door_says_so(engine):
    key = create(engine)
    ends = ChannelEnds(engine.core)
    where, _, query = path(key, "read").partition("?")
    request = Request(where, query, (), "")
    ends.check(request)
    engine.stop()
    with pytest.raises(Refused) as refused:
        ends.check(request)
    assert refused.value.status == 503


def test_the_door_is_at_every_listener():
    listener = {"name": "iii-worker-manager", "config": {"port": 0}}
    with Engine(EngineConfig(workers=[listener, listener])) as engine:
        key = create(engine)
        first, second = engine.listeners
        with RawClient(first) as writer, RawClient(second) as reader:
            writer.upgrade(path(key, "write"), client_frame(TEXT, b"across"))
            reader.upgrade(path(key, "read"))
            assert reader.frame() == (TEXT, b"across")


def test_the_limit_holds_in_a_running_engine(engine, monkeypatch):
    registry = engine.core.channels._actor_weakref()
    assert isinstance(registry, Channels)
    monkeypatch.setattr(registry, "_max_channels", 1)
    key = create(engine)
    with pytest.raises(Exception, match="1 channels are open"):
        create(engine)
    with raw_end(engine, key, "write", client_frame(CLOSE)) as writer, raw_end(engine, key, "read") as reader:
        assert writer.rest() == reader.rest() == b"\x88\x00"
    assert create(engine)
