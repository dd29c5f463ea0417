"""Writing that never blocks, over socket pairs with small buffers."""

import contextlib
import logging
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iii_actors.transport.frames import frame
from iii_actors.transport.outbox import Outbox
from tests.support.raw import BINARY, CLOSE, PONG, TEXT

MIB = 2**20


class Wire:
    """An outbox, its socket, and the peer's end."""

    def __init__(self, limit=64 * MIB, small=True):
        self.socket, self.peer = socket.socketpair()
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.waits = 0
        self.rooms = 0
        self.finishes = 0
        self.outbox = Outbox(self.socket, limit, "Peer", self._wait, self._finished)

    def _wait(self):
        self.waits += 1

    def _finished(self):
        self.finishes += 1

    def close(self):
        self.socket.close()
        self.peer.close()

    def read_now(self):
        """What has arrived by now."""
        came = b""
        with contextlib.suppress(BlockingIOError):
            while data := self.peer.recv(65536, socket.MSG_DONTWAIT):
                came += data
        return came

    def read_all(self):
        """Read, and say that there is room as often as was asked for, as the poller does; returns what came."""
        came = self.read_now()
        while self.rooms < self.waits:
            self.rooms += 1
            self.outbox.room()
            self.outbox.flush()
            came += self.read_now()
        return came + self.read_now()

    def ended(self):
        """Whether the peer sees the end of the stream."""
        try:
            return self.peer.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


@pytest.fixture
def wire():
    one = Wire()
    yield one
    one.close()


def limited(limit):
    return contextlib.closing(Wire(limit))


# --- writing ---------------------------------------------------------------------------------------------------------


def test_nothing_leaves_before_the_flush(wire):
    wire.outbox.write(b"a")
    wire.outbox.write(b"b")
    assert wire.read_now() == b""
    wire.outbox.flush()
    assert wire.read_now() == frame(TEXT, b"a") + frame(TEXT, b"b")
    assert wire.outbox.waiting == 0
    wire.outbox.flush()
    assert wire.read_now() == b""
    assert wire.waits == 0


def test_one_flush_is_one_write(wire):
    """Of small messages; counted by what a datagram socket would deliver."""
    wire.close()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    outbox = Outbox(here, MIB, "Peer", pytest.fail, pytest.fail)
    for number in range(100):
        outbox.write(b"%d" % number)
    outbox.flush()
    assert there.recv(65536) == b"".join(frame(TEXT, b"%d" % number) for number in range(100))
    here.close()
    there.close()


def test_every_kind_of_frame_in_order(wire):
    wire.outbox.write(b"a")
    wire.outbox.write_parts([b"b", memoryview(b"cd")[:1], b"e"])
    wire.outbox.pong(b"\xff")
    wire.outbox.frame(frame(BINARY, b"x"))
    wire.outbox.write_frame(frame(TEXT, b"whole"))
    wire.outbox.write(b"")
    wire.outbox.flush()
    expected = [frame(TEXT, b"a"), frame(TEXT, b"bce"), frame(PONG, b"\xff"), frame(BINARY, b"x")]
    expected += [frame(TEXT, b"whole"), frame(TEXT, b"")]
    assert wire.read_now() == b"".join(expected)


def test_what_does_not_fit_stays_and_leaves_when_there_is_room(wire):
    payload = bytes(range(256)) * 4000
    wire.outbox.write(payload)
    wire.outbox.flush()
    assert wire.waits == 1
    assert 0 < wire.outbox.waiting < len(payload) + 10
    came = wire.read_now()
    # Until it is told that there is room it does not even try.
    wire.outbox.write(b"behind")
    wire.outbox.flush()
    assert wire.waits == 1
    assert wire.read_now() == b""
    came += wire.read_all()
    assert came == frame(TEXT, payload) + frame(TEXT, b"behind")
    assert wire.outbox.waiting == 0
    assert wire.waits > 1


def test_room_without_anything_to_write(wire):
    """As when the connection was cut before the poller came to say it."""
    wire.outbox.room()
    wire.outbox.flush()
    assert wire.read_now() == b""


def test_more_parts_than_one_call_takes(wire):
    parts = [b"%06d" % number for number in range(30_000)]
    for part in parts:
        wire.outbox.write(part)
    wire.outbox.write_parts([b"x" * 200_000, *[b"y"] * 3000])
    wire.outbox.flush()
    assert wire.read_all() == b"".join(frame(TEXT, part) for part in parts) + frame(TEXT, b"x" * 200_000 + b"y" * 3000)


writes = st.lists(
    st.tuples(st.just("write"), st.integers(0, 5) | st.integers(0, 200_000))
    | st.tuples(st.just("parts"), st.lists(st.integers(0, 3) | st.integers(0, 90_000), max_size=5))
    | st.tuples(st.just("pong"), st.integers(0, 125))
    | st.tuples(st.sampled_from(["flush", "read"]), st.none()),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(steps=writes)
def test_whatever_the_rhythm_everything_arrives_in_order(steps):
    pattern = bytes(range(251)) * 800
    with contextlib.closing(Wire()) as wire:
        sent, came, at = b"", b"", 0

        def some(size):
            nonlocal at
            at = (at + 7) % 251
            return pattern[at : at + size]

        for step, argument in steps:
            match step:
                case "write":
                    payload = some(argument)
                    wire.outbox.write(payload)
                    sent += frame(TEXT, payload)
                case "parts":
                    parts = [some(size) for size in argument]
                    wire.outbox.write_parts(list(parts))
                    sent += frame(TEXT, b"".join(parts))
                case "pong":
                    payload = some(argument)
                    wire.outbox.pong(payload)
                    sent += frame(PONG, payload)
                case "flush":
                    wire.outbox.flush()
                case "read":
                    came += wire.read_now()
        wire.outbox.drop(1012, "end")
        came += wire.read_all()
        assert came == sent + frame(CLOSE, b"\x03\xf4end")
        assert wire.ended()
        assert wire.finishes == 1


# --- slow peers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [Outbox.write, lambda outbox, text: outbox.write_frame(frame(TEXT, text)), lambda outbox, text: outbox.pong(text)],
    ids=["message", "frame", "pong"],
)
def test_a_peer_that_reads_too_slowly_is_dropped(caplog, write):
    with limited(50_000) as wire:
        written = 0
        while not caplog.records:
            write(wire.outbox, b"x" * 1000)
            wire.outbox.flush()
            written += 1000
            assert written < 10 * MIB
        assert caplog.records[0].levelno == logging.WARNING
        assert "Peer reads too slowly" in caplog.text
        assert wire.outbox.waiting == 0
        assert wire.finishes == 0
        write(wire.outbox, b"late")
        wire.outbox.pong(b"late")
        wire.outbox.drop(1012, "late")
        wire.outbox.room()
        wire.outbox.flush()
        rest = wire.read_now()
        assert len(rest) < written
        assert b"late" not in rest
        assert wire.ended()
        assert len(caplog.records) == 1


def test_up_to_its_bound_a_slow_peer_is_waited_for(caplog):
    with limited(50_000) as wire:
        wire.outbox.write(b"x" * 400_000)
        while wire.outbox.waiting == 0:
            wire.outbox.flush()
        wire.outbox._limit = wire.outbox.waiting + 5000
        sent = 0
        while wire.outbox.waiting + 1010 <= wire.outbox._limit:
            wire.outbox.write(b"y" * 1000)
            wire.outbox.flush()
            sent += 1
        assert sent >= 4
        assert caplog.records == []
        assert wire.read_all().endswith(frame(TEXT, b"y" * 1000) * sent)


def test_the_message_that_crosses_the_bound_still_fits(caplog):
    """limits.OUTBOX_BYTES: "plus the message that crosses the line, so that the largest always fits"."""
    with limited(1000) as wire:
        wire.outbox.write(b"x" * MIB)
        wire.outbox.flush()
        assert wire.outbox.waiting > 1000
        assert caplog.records == []
        assert wire.read_all() == frame(TEXT, b"x" * MIB)
        wire.outbox.write(b"x" * MIB)
        wire.outbox.flush()
        wire.outbox.write(b"one more")
        wire.outbox.flush()
        assert "reads too slowly" in caplog.text


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "body"), [(0, "", b""), (1000, "", b"\x03\xe8"), (1012, "stopping", b"\x03\xf4stopping")]
)
def test_a_good_bye_comes_last_and_ends_our_half(wire, code, reason, body):
    wire.outbox.write(b"before")
    wire.outbox.drop(code, reason)
    wire.outbox.write(b"after")
    wire.outbox.flush()
    assert wire.read_now() == frame(TEXT, b"before") + frame(CLOSE, body)
    assert wire.ended()
    assert wire.finishes == 1
    # The peer's half goes on: its own Close can still be read.
    wire.peer.sendall(b"close")
    assert wire.socket.recv(10) == b"close"
    wire.outbox.drop(1000, "again")
    wire.outbox.drop(None, "")
    wire.outbox.flush()
    assert wire.finishes == 1


def test_a_good_bye_waits_for_room_like_everything_else(wire):
    wire.outbox.write(b"x" * MIB)
    wire.outbox.drop(1012, "")
    assert wire.finishes == 0
    assert wire.read_all() == frame(TEXT, b"x" * MIB) + frame(CLOSE, b"\x03\xf4")
    assert wire.ended()
    assert wire.finishes == 1


def test_a_drop_without_code_cuts_at_once(wire):
    wire.outbox.write(b"never sent")
    wire.outbox.drop(None, "")
    assert wire.ended()
    assert wire.outbox.waiting == 0
    assert wire.socket.recv(10) == b""
    assert wire.finishes == 0
    wire.outbox.write(b"after")
    wire.outbox.flush()


def test_a_peer_that_has_gone_makes_no_trouble(wire):
    wire.peer.close()
    for _ in range(3):
        wire.outbox.write(b"x" * 300_000)
        wire.outbox.flush()
        assert wire.outbox.waiting == 0
    wire.outbox.drop(1012, "")
    assert wire.waits == 0


def test_a_socket_that_is_closed_makes_no_trouble(wire):
    wire.socket.close()
    wire.outbox.write(b"x")
    wire.outbox.flush()
    wire.outbox.drop(1012, "")
    wire.outbox.drop(None, "")
