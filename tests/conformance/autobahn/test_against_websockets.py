"""The frames of cases.py, sent raw to the echo server; needs no Python 2.7.

Legal input is echoed exactly and the closing handshake is clean. Illegal input ends the connection, with a Close frame
of the right code or without any; what came before it may be answered, what comes after it never is. The sans-IO client
of ``websockets`` makes the handshake and judges what the server sends; its server half is the oracle of the last test.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN, Protocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from tests.conformance.autobahn.cases import (
    BINARY,
    CASES,
    CLOSE,
    NO_CODE,
    PING,
    PONG,
    TEXT,
    Case,
    Event,
    close,
    fragments,
    frame,
    pieces,
)

SECONDS = 10
ODD = (1, 2, 3, 5, 7, 11, 13, 1, 1, 17, 4, 125, 2, 1024, 3, 1460)


def octetwise(frames: Sequence[bytes]) -> list[bytes]:
    """Octet by octet; in a large case only where headers and characters are, its first and last octets."""
    data = b"".join(frames)
    if len(data) <= 2048:
        return pieces(data, 1)
    return [*pieces(data[:64], 1), data[64:-64], *pieces(data[-64:], 1)]


def oddly(frames: Sequence[bytes]) -> list[bytes]:
    data = b"".join(frames)
    sizes = itertools.accumulate(itertools.cycle(ODD), initial=0)
    ends = list(itertools.takewhile(lambda at: at < len(data), sizes))[:400]
    return [data[a:b] for a, b in itertools.pairwise([*ends, len(data)])]


WAYS: dict[str, Callable[[Sequence[bytes]], list[bytes]]] = {
    "whole": lambda frames: [b"".join(frames)],
    "frames": list,
    "octets": octetwise,
    "odd": oddly,
}


class Client:
    """Sends any octets; what comes back is parsed, and checked, by the sans-IO client of websockets."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.protocol = ClientProtocol(parse_uri(f"ws://{address[0]}:{address[1]}/"), max_size=None)
        self.collected = Collected(self.protocol)
        self.ended = False

    def handshake(self) -> None:
        self.protocol.send_request(self.protocol.connect())
        self.send(self.protocol.data_to_send())
        while self.protocol.state is not OPEN and not self.ended:
            self.receive()
        assert self.protocol.state is OPEN, f"no handshake: {self.protocol.handshake_exc}"

    def close(self) -> None:
        self.socket.close()

    def send(self, chunks: Iterable[bytes]) -> None:
        """Send each chunk by itself, as far as the server still takes them."""
        with contextlib.suppress(ConnectionError):
            for chunk in chunks:
                self.socket.sendall(chunk)

    def receive(self) -> None:
        try:
            data = self.socket.recv(2**16)
        except ConnectionResetError:
            data = b""
        except TimeoutError:
            pytest.fail(f"nothing more in {SECONDS} s after {self.collected.events}, Close {self.collected.code}")
        if data:
            self.protocol.receive_data(data)
        else:
            self.ended = True
        self.collected.take()
        # What the sans-IO client objects to is the server's fault: it has only received.
        assert self.protocol.parser_exc is None, f"the server sent what it must not: {self.protocol.parser_exc}"

    def until(self, events: int | None) -> None:
        """Receive so many events, or (None) everything to the end."""
        while not self.ended and (events is None or len(self.collected.events) < events):
            self.receive()


class Collected:
    """The frames a protocol has received, fragments put together."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.events: list[Event] = []
        self.code: int | None = None  # of the Close frame; 1005 if it had none, None if there was no such frame
        self.parts: list[bytes] = []
        self.opcode = 0

    def take(self) -> None:
        for event in self.protocol.events_received():
            if isinstance(event, Frame):
                self.take_frame(event)

    def take_frame(self, received: Frame) -> None:
        data = bytes(received.data)
        if received.opcode is Opcode.CLOSE:
            self.code = Close.parse(data).code
        elif received.opcode in (Opcode.PING, Opcode.PONG):
            self.events.append(Event(received.opcode, data))
        else:
            self.opcode = received.opcode or self.opcode
            self.parts.append(data)
            if received.fin:
                self.events.append(Event(self.opcode, b"".join(self.parts)))
                self.parts = []


def play(address: tuple[str, int], case: Case, chunks: Sequence[bytes]) -> Collected:
    with contextlib.closing(Client(address)) as client:
        client.handshake()
        client.send(chunks)
        if not case.closes and not case.refused:
            client.until(len(case.answers))
            client.send([close(1000)])
        client.until(None)
    return client.collected


def judge(case: Case, observed: Collected) -> None:
    answers = list(case.answers)
    if case.refused:
        assert observed.events == answers[: len(observed.events)], "answered more than what came before the violation"
        assert observed.code in (None, *case.refused)
    else:
        assert observed.events == answers
        assert observed.code in (case.closes or (1000,))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(echo_url: tuple[str, int], case: Case, way: str) -> None:
    judge(case, play(echo_url, case, WAYS[way](case.frames)))


def oracle(frames: Sequence[bytes]) -> Case:
    """What the server half of websockets makes of these frames; it leaves UTF-8 to its callers."""
    protocol = ServerProtocol(state=OPEN, max_size=2**26)
    protocol.receive_data(b"".join(frames))
    collected = Collected(protocol)
    collected.take()
    answers: list[Event] = []
    for event in collected.events:
        if event.opcode == TEXT and event.payload.decode(errors="ignore").encode() != event.payload:
            return Case("oracle", frames, answers, refused=[1007])
        if event.opcode != PONG:
            answers.append(Event(PONG, event.payload) if event.opcode == PING else event)
    if protocol.parser_exc is not None:
        return Case("oracle", frames, answers, refused=[1002, 1007, 1009])
    if collected.code is not None:
        return Case("oracle", frames, answers, closes=[1000, collected.code, NO_CODE])
    return Case("oracle, unfinished" if collected.parts else "oracle", frames, answers)


# websockets takes a Close between fragments for a violation; Autobahn (7.1.5) wants it answered.
@pytest.mark.parametrize("case", [c for c in CASES if not c.name.startswith("7.1.5")], ids=lambda case: case.name)
def test_the_table_agrees_with_the_oracle(case: Case) -> None:
    expected = oracle(case.frames)
    assert expected.answers == list(case.answers)
    assert (bool(expected.closes), bool(expected.refused)) == (bool(case.closes), bool(case.refused))


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Legal messages, in fragments with control frames between; sometimes one frame's first octets are changed."""
    frames: list[bytes] = []
    for payload in draw(st.lists(st.text(max_size=200) | st.binary(max_size=200), max_size=6)):
        data = payload.encode() if isinstance(payload, str) else payload
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
        parts = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
        for part in fragments(TEXT if isinstance(payload, str) else BINARY, parts):
            control = draw(st.sampled_from([0, 0, PING, PONG]))
            if control:
                frames.append(frame(control, draw(st.binary(max_size=125))))
            frames.append(part)
    if frames and draw(st.integers(0, 1)) == 1:
        at = draw(st.integers(0, len(frames) - 1))
        first, second = draw(st.integers(0, 255)), frames[at][1] ^ draw(st.sampled_from([0, 0, 0x80]))
        # A Close made by accident has a code on which servers may differ.
        assume(first & 15 != CLOSE)
        frames[at] = bytes([first, second]) + frames[at][2:]
    return frames


@settings(max_examples=150, deadline=None)
@given(frames=conversations(), sizes=st.lists(st.integers(1, 300), max_size=20))
def test_conversations_agree_with_the_oracle(echo_url: tuple[str, int], frames: list[bytes], sizes: list[int]) -> None:
    case, data = oracle(frames), b"".join(frames)
    # An unfinished message may be refused at once or not yet: the oracle cannot say.
    assume("unfinished" not in case.name)
    ends = [end for end in itertools.accumulate(sizes, initial=0) if end < len(data)]
    judge(case, play(echo_url, case, [data[a:b] for a, b in itertools.pairwise([*ends, len(data)])]))
