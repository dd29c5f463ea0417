"""Every fact of core.md §9 that a client can see, through real sockets."""

import itertools
import threading
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from iii_actors import Engine, EngineConfig, limits
from iii_actors.actor import ask
from iii_actors.clock import ManualClock
from iii_actors.core.ends import TakeChannelEnd
from iii_actors.core.messages import ChannelKey
from tests.support.channel_client import create, fill, open_end, path, raw_end, taken_end
from tests.support.raw import BINARY, CLOSE, CONTINUATION, PING, TEXT, client_frame

DIRECTIONS = ["read", "write"]
UNKNOWN = "7d9c2c52-6a57-4b8c-9d57-3b0ff0b1a001"


def everything(reader):
    """Return all items up to the end, and check that the end is a Close without status."""
    items = []
    try:
        while True:
            items.append(reader.recv(timeout=10))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, "the end came without a Close"
        assert closed.rcvd.code == 1005
    return items


def close_code_of(connection):
    """Wait for the end of a connection that gets nothing else; 1006: TCP ended without a Close."""
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(timeout=10)
    return closed.value.rcvd.code if closed.value.rcvd is not None else 1006


def refusal(url):
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass
    response = refused.value.response
    return response.status_code, response.body.decode()


# --- making one (§9.1) -----------------------------------------------------------------------------------------------


def test_a_channel_outlives_the_worker_that_had_it_made(engine, worker):
    maker = worker("maker")
    pair = maker.call("engine::channels::create", {"buffer_size": 2})
    writing, reading = pair["writer"], pair["reader"]
    assert (writing.pop("direction"), reading.pop("direction")) == ("write", "read")
    assert writing == reading
    maker.close()
    witness = worker("witness")
    assert all(row["id"] != maker.worker_id for row in witness.call("engine::workers::list", {})["workers"])
    key = ChannelKey(**writing)
    with open_end(engine, key, "write") as writer, open_end(engine, key, "read") as reader:
        writer.send("ownerless")
        assert reader.recv(timeout=10) == "ownerless"


# --- the door (§9.2) -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "missing field `key`"),
        ("?dir=read", "missing field `key`"),
        ("?key=k", "missing field `dir`"),
        ("?key=k&dir=", "dir: unknown variant ``, expected `read` or `write`"),
        ("?key=k&dir=both", "dir: unknown variant `both`, expected `read` or `write`"),
        ("?key=k&dir=READ", "dir: unknown variant `READ`, expected `read` or `write`"),
        ("?key=k&key=l&dir=read", "duplicate field `key`"),
        ("?key=k&dir=read&dir=read", "duplicate field `dir`"),
    ],
)
def test_a_bad_query_is_answered_with_400(engine, query, detail):
    url = f"{engine.url}/ws/channels/{create(engine).channel_id}{query}"
    assert refusal(url) == (400, f"Failed to deserialize query string: {detail}")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_unknown_channel_or_a_wrong_key_is_answered_with_404_before_the_upgrade(engine, direction):
    key, other = create(engine), create(engine)
    for wrong in [ChannelKey(UNKNOWN, key.access_key), ChannelKey(key.channel_id, other.access_key), ("", "")]:
        assert refusal(engine.url + path(ChannelKey(*wrong), direction)) == (404, "Channel not found")
    with open_end(engine, key, direction):
        pass


def test_order_and_other_members_of_the_query_do_not_matter_and_it_is_percent_decoded(engine):
    key = create(engine)
    encoded = "".join(f"%{ord(one):02x}" for one in key.access_key)
    request = f"/ws/channels/{key.channel_id}?x=1&dir=wr%69te&x=2&key={encoded}"
    with raw_end(engine, key, "write", client_frame(TEXT, b"in"), request), open_end(engine, key, "read") as reader:
        assert reader.recv(timeout=10) == "in"


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_end_taken_before_is_accepted_and_closed_at_once_without_status(engine, direction):
    key = create(engine)
    with taken_end(engine, key, direction):
        for _ in range(2):
            with open_end(engine, key, direction) as second:
                assert close_code_of(second) == 1005
    with open_end(engine, key, direction) as after_the_first_has_left:
        assert close_code_of(after_the_first_has_left) == 1005


def test_a_second_taker_that_sends_at_once_still_gets_the_close(engine):
    key = create(engine)
    behind = client_frame(BINARY, bytes(100_000))
    with taken_end(engine, key, "write"), raw_end(engine, key, "write", behind) as second:
        second.send(client_frame(PING))
        received = second.received
        # An engine that closed its socket with that unread would answer with a reset, which may overtake the Close.
        while data := second.socket.recv(100):
            received += data
        assert received == b"\x88\x00"


def test_the_first_taker_is_not_disturbed_by_a_second(engine):
    key = create(engine)
    with taken_end(engine, key, "write") as writer, taken_end(engine, key, "read") as reader:
        for direction in DIRECTIONS:
            with open_end(engine, key, direction) as second:
                assert close_code_of(second) == 1005
        writer.send("still here")
        assert reader.recv(timeout=10) == "still here"


def test_after_both_ends_are_over_each_counts_as_taken(engine):
    key = create(engine)
    with open_end(engine, key, "write") as writer, open_end(engine, key, "read") as reader:
        writer.close()
        assert everything(reader) == []
    for direction in DIRECTIONS:
        with open_end(engine, key, direction) as again:
            assert close_code_of(again) == 1005


# --- what flows (§9.3) -----------------------------------------------------------------------------------------------

MIXED = [
    "",
    b"",
    "text",
    b"bytes",
    "ключ €",
    b"\0\xff" * 100,
    "x" * 125,
    b"x" * 126,
    b"y" * 65536,
    "z" * 65537,
    b"\0" * 2**20,
]


@pytest.mark.parametrize("first", ["writer", "reader"])
def test_kind_boundaries_and_order_are_kept(engine, first):
    key = create(engine)
    with open_end(engine, key, "write" if first == "writer" else "read") as one:
        if first == "writer":
            for item in MIXED:
                one.send(item)
        with open_end(engine, key, "read" if first == "writer" else "write") as other:
            writer, reader = (one, other) if first == "writer" else (other, one)
            if first == "reader":
                for item in MIXED:
                    writer.send(item)
            writer.close()
            assert everything(reader) == MIXED


@pytest.mark.parametrize("buffer_size", [1, 64, 1024])
def test_ten_thousand_items_in_order(engine, buffer_size):
    key = create(engine, buffer_size)
    items = [f"{number}" if number % 3 else b"%d" % number for number in range(10_000)]
    with open_end(engine, key, "write") as writer, open_end(engine, key, "read") as reader:

        def write():
            for item in items:
                writer.send(item)
            writer.close()

        writing = threading.Thread(target=write)
        writing.start()
        assert everything(reader) == items
        writing.join()


def test_a_writer_may_come_send_and_close_before_there_is_a_reader(engine):
    key = create(engine)
    items = [f"{number}" for number in range(64)]
    with open_end(engine, key, "write") as writer:
        for item in items:
            writer.send(item)
    assert writer.close_code == 1000, "its Close was answered"
    with open_end(engine, key, "read") as reader:
        assert everything(reader) == items


def test_after_a_writers_tcp_loss_the_reader_gets_everything_and_then_the_end(engine):
    key = create(engine)
    with raw_end(engine, key, "write") as writer:
        for number in range(10):
            writer.send(client_frame(TEXT, b"%d" % number))
    with open_end(engine, key, "read") as reader:
        assert everything(reader) == [f"{number}" for number in range(10)]


def test_what_comes_with_the_handshake_counts(engine):
    key = create(engine)
    behind = client_frame(TEXT, b"early") + client_frame(CLOSE)
    with raw_end(engine, key, "write", behind) as writer:
        assert writer.rest() == b"\x88\x00"
    with open_end(engine, key, "read") as reader:
        assert everything(reader) == ["early"]


def test_a_fragmented_message_is_one_item(engine):
    key = create(engine)
    with raw_end(engine, key, "write") as writer, open_end(engine, key, "read") as reader:
        writer.send(client_frame(TEXT, b"a", fin=False) + client_frame(PING) + client_frame(CONTINUATION, b"b"))
        assert reader.recv(timeout=10) == "ab"


def test_what_the_reader_sends_is_ignored(engine):
    key = create(engine)
    with open_end(engine, key, "write") as writer, open_end(engine, key, "read") as reader:
        reader.send("ignored")
        reader.send(bytes(300_000))
        assert reader.ping().wait(10), "it was read, at least"
        writer.send("item")
        assert reader.recv(timeout=10) == "item"


def test_a_full_channel_stops_the_writer_and_goes_on_with_the_reader(engine):
    key, size, most = create(engine, 4), 65536, 256 * 2**20
    pipe = ask(engine.core.channels, TakeChannelEnd(key, "read"))
    chunk = client_frame(BINARY, bytes(size))
    with raw_end(engine, key, "write") as writer:
        sent = fill(writer, chunk, most)
        assert sent < most // 4, "only the kernel's buffers took more than the channel"
        assert pipe.waiting() == (4, 4 * size)
        there = threading.Event()
        pipe.attach_reader(there.set)
        writing = threading.Thread(target=writer.send, args=(chunk[sent % len(chunk) :],))
        writing.start()
        expected = sent // len(chunk) + 1
        got = 0
        while got < expected:
            there.clear()
            items = pipe.take(2**30)
            assert len(items) <= 4
            assert all(len(item.payload) == size for item in items)
            got += len(items)
            assert items or there.wait(10), f"{got} of {expected}"
        writing.join()
        assert pipe.take(2**30) == []


@pytest.mark.parametrize("how", ["close", "cut"])
def test_when_the_reader_leaves_the_writer_is_dropped_without_close(engine, how):
    key = create(engine)
    with open_end(engine, key, "write") as writer, open_end(engine, key, "read") as reader:
        writer.send("item")
        assert reader.recv(timeout=10) == "item"
        if how == "close":
            reader.close()
        else:
            reader.socket.close()
        # Nothing more is written: the engine does not wait for the next delivery to notice.
        assert close_code_of(writer) == 1006


def test_a_writer_that_waits_for_room_is_dropped_when_the_reader_leaves(engine):
    key = create(engine, 1)
    with raw_end(engine, key, "write") as writer, raw_end(engine, key, "read", receive=4096) as reader:
        fill(writer, client_frame(BINARY, bytes(2**20)), 256 * 2**20)
        reader.socket.close()
        assert writer.rest() == b""


def test_a_writer_that_comes_after_the_reader_has_left_is_dropped(engine):
    key = create(engine)
    with open_end(engine, key, "read"):
        pass
    with open_end(engine, key, "write") as writer:
        assert close_code_of(writer) == 1006


def test_a_reader_of_a_writer_that_never_came_waits(engine):
    key = create(engine)
    with open_end(engine, key, "read") as reader:
        with pytest.raises(TimeoutError):
            reader.recv(timeout=0.2)
        with open_end(engine, key, "write") as writer:
            writer.send("at last")
        assert everything(reader) == ["at last"]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_pings_are_answered_on_an_idle_end(engine, direction):
    with open_end(engine, create(engine), direction) as end:
        for payload in [b"", b"\xff\x00", b"x" * 125]:
            assert end.ping(payload).wait(10)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("body", [b"", b"\x03\xe8", b"\x0f\xa0good-bye"])
def test_a_clients_close_is_answered_with_the_same_code(engine, direction, body):
    with raw_end(engine, create(engine), direction) as end:
        end.send(client_frame(CLOSE, body))
        answer = b"\x88" + bytes([len(body[:2])]) + body[:2]
        assert end.rest() == answer


def test_a_close_is_answered_with_items_still_under_way_to_the_reader(engine):
    key = create(engine)
    with raw_end(engine, key, "write") as writer, raw_end(engine, key, "read", receive=4096) as reader:
        fill(writer, client_frame(BINARY, bytes(2**20)), 256 * 2**20)
        reader.send(client_frame(CLOSE))
        frames = iter(reader.frame, (CLOSE, b""))
        assert all(frame == (BINARY, bytes(2**20)) for frame in frames)
        assert reader.rest() == b""


# --- the sweep (§9.3) ------------------------------------------------------------------------------------------------


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def timed(clock):
    with Engine(EngineConfig.listening(port=0), clock=clock) as engine:
        yield engine


OLD = limits.CHANNEL_UNUSED_S + limits.CHANNEL_SWEEP_S


def test_a_channel_that_nobody_opened_is_unknown_after_five_minutes(timed, clock):
    key = create(timed)
    clock.advance(OLD)
    assert refusal(timed.url + path(key, "read")) == (404, "Channel not found")


def test_a_waiting_reader_of_a_swept_channel_gets_a_close(timed, clock):
    key = create(timed)
    with open_end(timed, key, "read") as reader:
        assert reader.ping().wait(10), "the end was taken"
        clock.advance(limits.CHANNEL_UNUSED_S)
        assert reader.ping().wait(10), "five minutes are not more than five minutes"
        clock.advance(limits.CHANNEL_SWEEP_S)
        assert everything(reader) == []


def test_the_writer_of_a_swept_channel_is_dropped(timed, clock):
    key = create(timed)
    with open_end(timed, key, "write") as writer:
        writer.send("for nobody")
        assert writer.ping().wait(10)
        clock.advance(OLD)
        assert close_code_of(writer) == 1006


def test_a_channel_in_use_is_never_swept(timed, clock):
    key = create(timed)
    with open_end(timed, key, "write") as writer, open_end(timed, key, "read") as reader:
        assert reader.ping().wait(10)
        clock.advance(10 * OLD)
        writer.send("on and on")
        writer.close()
        assert everything(reader) == ["on and on"]


# --- bad input and stalled peers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        client_frame(TEXT, b"unmasked", mask=None),
        client_frame(TEXT, b"\xff"),
        client_frame(BINARY, bytes(3000)),
        client_frame(BINARY, bytes(2000), fin=False) + client_frame(CONTINUATION, bytes(2000)),
    ],
    ids=["unmasked", "not UTF-8", "frame too large", "message too large"],
)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_violation_drops_that_end_without_close(bad, direction):
    config = EngineConfig.listening(port=0, max_frame_bytes=2500, max_message_bytes=3500)
    with Engine(config) as engine:
        key = create(engine)
        with (
            raw_end(engine, key, direction) as end,
            raw_end(engine, key, "read" if direction == "write" else "write") as other,
        ):
            end.send(client_frame(TEXT, b"before") + bad)
            assert end.rest() == b""
            assert other.rest() == (b"\x81\x06before\x88\x00" if direction == "write" else b"")


def test_the_default_limits_hold_for_channels(engine):
    key = create(engine)
    with open_end(engine, key, "write") as writer, open_end(engine, key, "read") as reader:
        part, parts = bytes(limits.MAX_FRAME_BYTES - 2**20), 4
        writer.send(itertools.repeat(part, parts))
        assert len(reader.recv(timeout=30)) == parts * len(part) <= limits.MAX_MESSAGE_BYTES
        with suppress(ConnectionClosed):
            writer.send(itertools.repeat(part, parts + 1))
        assert close_code_of(writer) == 1006
        assert everything(reader) == []


def test_a_stalled_reader_holds_up_nobody_else(engine, worker):
    stalled, other = create(engine), create(engine)
    with raw_end(engine, stalled, "write") as writer, raw_end(engine, stalled, "read", receive=4096):
        fill(writer, client_frame(BINARY, bytes(2**20)), 256 * 2**20)
        with open_end(engine, other, "write") as quick, open_end(engine, other, "read") as reader:
            for item in MIXED:
                quick.send(item)
            quick.close()
            assert everything(reader) == MIXED
        callee, caller = worker("callee"), worker("caller")
        callee.register("double", lambda data: data["x"] * 2)
        assert caller.call("double", {"x": 21}) == 42
