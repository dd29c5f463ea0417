"""Bytes to messages, however they are cut; and frames the other way."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from iii_actors.transport.frames import FrameReader, close_frame, frame, header
from tests.support.raw import BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, TEXT, client_frame, cut, fragments, masked

MIB = 2**20
IN_PLACE = 32768
"""From this size on a frame is received in place."""


def feed(reader, data, sizes=(), at_once=65536):
    """Give the reader the data in pieces of at most ``at_once`` bytes. Returns all messages."""
    messages = reader.taken(b"")
    for piece in cut(data, sizes) if data else []:
        chunk = piece
        while chunk and not reader.closed and reader.error is None:
            place = reader.place
            if place is None:
                count = min(at_once, len(chunk))
                messages += reader.taken(chunk[:count])
            else:
                assert len(place) > 0
                count = min(len(place), len(chunk))
                place[:count] = chunk[:count]
                messages += reader.filled(count)
            chunk = chunk[count:]
    return [(opcode, bytes(payload)) for opcode, payload in messages]


def reader(max_frame=16 * MIB, max_message=64 * MIB, first=b""):
    return FrameReader(max_frame, max_message, first)


# --- conversations ---------------------------------------------------------------------------------------------------

codes = st.sampled_from([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 4999])


@st.composite
def conversations(draw, sizes=300):
    """``(frames, messages)``: legal ones, in fragments with control frames between."""
    sent, messages = [], []
    for payload in draw(st.lists(st.text(max_size=sizes) | st.binary(max_size=sizes), max_size=6)):
        opcode = TEXT if isinstance(payload, str) else BINARY
        data = payload.encode() if isinstance(payload, str) else payload
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
        for part in fragments(opcode, [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]):
            control = draw(st.sampled_from([None, None, PING, PONG]))
            if control is not None:
                body = draw(st.binary(max_size=125))
                sent.append(client_frame(control, body, mask=draw(st.binary(min_size=4, max_size=4))))
                messages.append((control, body))
            sent.append(part)
        messages.append((opcode, data))
    if draw(st.booleans()):
        body = draw(
            st.just(b"")
            | st.builds(lambda code, why: code.to_bytes(2, "big") + why.encode(), codes, st.text(max_size=20))
        )
        sent.append(client_frame(CLOSE, body))
        messages.append((CLOSE, body))
    return sent, messages


@settings(max_examples=300, deadline=None)
@given(conversation=conversations(), sizes=st.lists(st.integers(1, 400), max_size=8), at_once=st.integers(1, 2000))
def test_the_same_messages_come_out_however_they_are_cut(conversation, sizes, at_once):
    frames, messages = conversation
    one = reader()
    assert feed(one, b"".join(frames), sizes, at_once) == messages
    assert one.error is None
    assert one.closed is any(opcode == CLOSE for opcode, _ in messages)


@settings(max_examples=100, deadline=None)
@given(conversation=conversations(), at=st.integers(0, 2000))
def test_what_came_with_the_handshake_is_the_beginning(conversation, at):
    frames, messages = conversation
    data = b"".join(frames)
    assert feed(reader(first=data[:at]), data[at:]) == messages


@settings(max_examples=40, deadline=None)
@given(
    size=st.sampled_from([32760, 32761, 32767, 32768, 32769, 65535, 65536, 65537, 200_000, MIB]),
    opcode=st.sampled_from([TEXT, BINARY]),
    sizes=st.lists(st.integers(1, 100_000), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 2000),
    before=st.integers(0, 3),
)
@pytest.mark.parametrize("at_once", [IN_PLACE // 2, IN_PLACE, 262_144])
def test_large_frames_come_over_several_rounds(at_once, size, opcode, sizes, before):
    payload = (b"0123456789abcdefg" * (size // 17 + 1))[:size]
    data = client_frame(TEXT, b"before") * before + client_frame(opcode, payload) + client_frame(TEXT, b"after")
    one = reader()
    assert feed(one, data, sizes, at_once) == [(TEXT, b"before")] * before + [(opcode, payload), (TEXT, b"after")]
    assert one.error is None


@pytest.mark.parametrize("text", [b"", b"a", b"ab", b"\xc3\xa9", b"a" * 119, b"a" * 125, b"a" * 126, b"a" * 65535])
@pytest.mark.parametrize("form", [(126, 2), (127, 8)])
def test_a_message_alone_is_read_as_when_it_comes_byte_by_byte(text, form):
    marker, width = form
    longer = bytes([0x81, 0x80 | marker]) + len(text).to_bytes(width, "big") + bytes(4) + text
    for data in (longer, client_frame(TEXT, text)):
        assert reader().taken(data) == feed(reader(), data, [1]) == [(TEXT, text)]


def test_a_large_fragmented_message_with_pings_between():
    parts = [b"a" * 100_000, b"", b"b" * 40_000, b"c" * 10, b"d" * 70_000]
    data = b"".join(part + client_frame(PING, b"%d" % i) for i, part in enumerate(fragments(BINARY, parts)))
    messages = feed(reader(), data, [50_000], IN_PLACE)
    pings = [(PING, b"%d" % i) for i in range(5)]
    assert messages == [*pings[:4], (BINARY, b"".join(parts)), pings[4]]


def test_a_large_frame_is_received_in_place():
    one = reader()
    data = client_frame(BINARY, b"x" * 500_000)
    assert one.taken(data[:65536]) == []
    place = one.place
    assert len(place) == len(data) - 65536
    place[:100] = data[65536:65636]
    assert one.filled(100) == []
    assert len(one.place) == len(place) - 100
    place[100:] = data[65636:]
    assert one.filled(len(place) - 100) == [(BINARY, b"x" * 500_000)]
    assert one.place is None


# --- violations ------------------------------------------------------------------------------------------------------

GOOD = client_frame(TEXT, b"good")
PART = client_frame(TEXT, b"part", fin=False)


def with_length(opcode, length, field):
    """A frame's header alone, its length written in a field of 2 or 8 bytes."""
    return bytes([0x80 | opcode, 0x80 | (126 if field == 2 else 127)]) + length.to_bytes(field, "big") + MASK


VIOLATIONS = {
    "unmasked": (client_frame(TEXT, b"x", mask=None), 1002),
    "unmasked and empty": (client_frame(TEXT, mask=None), 1002),
    "unmasked and long": (client_frame(TEXT, b"x" * 70_000, mask=None), 1002),
    **{f"rsv {rsv}": (client_frame(TEXT, b"x", rsv=rsv), 1002) for rsv in range(1, 8)},
    "rsv on a ping": (client_frame(PING, b"x", rsv=1), 1002),
    "rsv on a continuation": (PART + client_frame(CONTINUATION, b"x", rsv=4), 1002),
    **{f"opcode {code}": (client_frame(code, b"x"), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "opcode 3 and empty": (client_frame(3), 1002),
    "fragmented ping": (client_frame(PING, b"x", fin=False), 1002),
    "fragmented close": (client_frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "long ping": (client_frame(PING, b"x" * 126), 1002),
    "very long ping": (client_frame(PING, b"x" * 70_000), 1002),
    "long close": (client_frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "stray continuation": (client_frame(CONTINUATION, b"x"), 1002),
    "stray unfinished continuation": (client_frame(CONTINUATION, b"x", fin=False), 1002),
    "text inside fragments": (PART + client_frame(TEXT, b"x"), 1002),
    "binary inside fragments": (PART + client_frame(BINARY, b"x", fin=False), 1002),
    "close of one byte": (client_frame(CLOSE, b"\x03"), 1002),
    **{
        f"close {code}": (client_frame(CLOSE, code.to_bytes(2, "big")), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535)
    },
    "close reason not UTF-8": (client_frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "text not UTF-8": (client_frame(TEXT, b"\xce\xba\xff"), 1007),
    "text cut in a character": (client_frame(TEXT, b"\xce"), 1007),
    "surrogate": (client_frame(TEXT, b"\xed\xa0\x80"), 1007),
    "overlong": (client_frame(TEXT, b"\xc0\x80"), 1007),
    "fragment not UTF-8": (client_frame(TEXT, b"\xff", fin=False), 1007),
    "second fragment not UTF-8": (client_frame(TEXT, b"\xce", fin=False) + client_frame(CONTINUATION, b"x"), 1007),
    "fragments end in a character": (client_frame(TEXT, b"\xce", fin=False) + client_frame(CONTINUATION), 1007),
    "too large a frame": (client_frame(BINARY, b"x" * 50_001), 1009),
    "too large by far": (with_length(BINARY, 2**40, 8), 1009),
    "largest length": (with_length(TEXT, 2**64 - 1, 8), 1009),
    "too large a message": (b"".join(fragments(BINARY, [b"x" * 40_000] * 3)), 1009),
    "long ping in 8 bytes": (with_length(PING, 126, 8), 1002),
}


@pytest.mark.parametrize("sizes", [[], [1], [2], [3], [7], [13, 1]], ids=str)
@pytest.mark.parametrize(("bad", "code"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_a_violation_sets_the_error_after_the_messages_before_it(bad, code, sizes):
    one = reader(max_frame=50_000, max_message=100_000)
    sizes = sizes if len(bad) < 10_000 else [size * 100 for size in sizes]
    assert feed(one, GOOD * 2 + bad + GOOD * 2, sizes) == [(TEXT, b"good")] * 2
    assert one.error is not None
    assert one.error.close_code == code
    assert not one.closed
    assert one.taken(GOOD) == []


@pytest.mark.parametrize(
    "before", [b"", GOOD, PART + client_frame(CONTINUATION, b"x")], ids=["first", "later", "after"]
)
@pytest.mark.parametrize(
    "start",
    [
        client_frame(TEXT, mask=None),
        client_frame(TEXT, b"x" * 100, mask=None)[:2],
        client_frame(TEXT, b"x", rsv=1)[:2],
        client_frame(3, b"x")[:2],
        client_frame(PING, b"x", fin=False)[:2],
        client_frame(PING, b"x" * 126)[:2],
        client_frame(CLOSE, b"x" * 70_000)[:2],
        client_frame(CONTINUATION, b"x")[:2],
    ],
    ids=lambda start: start.hex(),
)
def test_two_bytes_of_a_header_are_enough_to_see_a_violation(before, start):
    one = reader()
    feed(one, before + start)
    assert one.error is not None
    assert one.error.close_code == 1002


@pytest.mark.parametrize(("opcode", "length"), [(BINARY, 50_001), (TEXT, 2**32), (CONTINUATION, 90_000)])
@pytest.mark.parametrize("sizes", [[], [1]], ids=str)
def test_a_header_is_enough_to_see_that_a_frame_is_too_large(opcode, length, sizes):
    one = reader(max_frame=50_000, max_message=100_000)
    before = client_frame(TEXT, b"x" * 20_000, fin=False) if opcode == CONTINUATION else b""
    feed(one, before + with_length(opcode, length, 8)[:10], [len(before), *sizes] if before else sizes)
    assert one.error is not None
    assert one.error.close_code == 1009


def test_a_legal_beginning_is_no_violation():
    for end in range(len(PART)):
        one = reader()
        assert feed(one, PART[:end]) == []
        assert one.error is None


def test_after_a_close_nothing_is_looked_at():
    one = reader()
    assert feed(one, GOOD + client_frame(CLOSE, b"\x03\xe8bye") + b"\xff" * 100) == [
        (TEXT, b"good"),
        (CLOSE, b"\x03\xe8bye"),
    ]
    assert one.closed
    assert one.error is None
    assert one.taken(GOOD) == []


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [10, 125, 126, 127, 5000, 65535, 65536])
@pytest.mark.parametrize("sizes", [[], [1], [3]], ids=str)
def test_a_frame_may_be_as_large_as_the_limit(limit, sizes):
    one = reader(limit, 2 * limit)
    assert feed(one, client_frame(TEXT, b"x" * limit), sizes) == [(TEXT, b"x" * limit)]
    assert feed(one, client_frame(TEXT, b"x" * (limit + 1)), sizes) == []
    assert one.error.close_code == 1009


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_a_message_may_be_as_large_as_the_limit(parts):
    one = reader(1000, 5000)
    assert feed(one, b"".join(fragments(BINARY, [b"x" * 1000] * parts))) == [(BINARY, b"x" * (1000 * parts))]
    assert one.error is None


def test_a_message_may_not_be_larger():
    one = reader(1000, 5000)
    assert feed(one, b"".join(fragments(BINARY, [b"x" * 1000] * 5 + [b"x"]))) == []
    assert one.error.close_code == 1009


def test_empty_fragments_cost_nothing():
    one = reader(1000, 5000)
    data = PART + client_frame(CONTINUATION, fin=False) * 20_000 + client_frame(CONTINUATION, b"!")
    assert feed(one, data) == [(TEXT, b"part!")]


def test_a_finished_message_does_not_count_towards_the_next():
    one = reader(1000, 2500)
    twice = b"".join(fragments(BINARY, [b"x" * 1000] * 2)) * 10
    assert feed(one, twice, [999]) == [(BINARY, b"x" * 2000)] * 10


def test_control_frames_are_not_limited_by_the_size_of_messages():
    one = reader(10, 10)
    assert feed(one, PART + client_frame(PING, b"x" * 125)) == [(PING, b"x" * 125)]
    assert one.error is None


# --- the oracle ------------------------------------------------------------------------------------------------------


def oracle(data):
    """What the server half of websockets makes of the same bytes: ``(messages, whether it objects)``."""
    protocol = ServerProtocol(state=OPEN, max_size=64 * MIB)
    protocol.receive_data(data)
    messages, parts, kind = [], [], 0
    for one in protocol.events_received():
        body = bytes(one.data)
        if one.opcode in (Opcode.PING, Opcode.PONG, Opcode.CLOSE):
            messages.append((int(one.opcode), body))
            continue
        kind = int(one.opcode) or kind
        parts.append(body)
        # It leaves UTF-8 to its callers.
        if kind == TEXT and b"".join(parts).decode(errors="ignore").encode() != b"".join(parts) and one.fin:
            return messages, True
        if one.fin:
            messages.append((kind, b"".join(parts)))
            parts = []
    return messages, protocol.parser_exc is not None


@st.composite
def damaged(draw):
    """A conversation with some bytes changed, most of them in the frames' first two."""
    frames, _ = draw(conversations(sizes=60))
    data = bytearray(b"".join(frames))
    starts = [0, *itertools.accumulate(map(len, frames))][: len(frames)]
    for _ in range(draw(st.integers(0, 3)) if data else 0):
        start = draw(st.sampled_from(starts)) + draw(st.integers(0, 1))
        at = draw(st.just(start) | st.integers(0, len(data) - 1))
        data[min(at, len(data) - 1)] = draw(st.integers(0, 255))
    return bytes(data)


@settings(max_examples=400, deadline=None)
@given(data=damaged(), sizes=st.lists(st.integers(1, 100), max_size=5))
def test_damaged_conversations_are_judged_as_the_oracle_does(data, sizes):
    one = reader()
    messages = feed(one, data, sizes)
    expected, objects = oracle(data)
    # Of fragments not finished the oracle does not say whether their text can still become UTF-8; ours refuses
    # earlier there, and a Close between fragments, which the oracle refuses, may be answered (Autobahn 7.1.5).
    assert messages[: len(expected)] == expected[: len(messages)]
    if one.error is None:
        assert not objects or (one.closed and messages[:-1] == expected)
        assert messages[: len(expected)] == expected


@settings(max_examples=400, deadline=None)
@given(data=damaged() | st.binary(max_size=200), sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_how_bytes_are_cut_makes_no_difference(data, sizes):
    whole, pieces = reader(max_frame=100, max_message=200), reader(max_frame=100, max_message=200)
    assert feed(whole, data) == feed(pieces, data, sizes)
    assert whole.closed is pieces.closed
    assert (whole.error and whole.error.close_code) == (pieces.error and pieces.error.close_code)


@pytest.mark.parametrize("cut_at", [0, 2, 3, 4, 6])
def test_a_ping_whose_length_is_written_too_long_is_judged_the_same_however_it_is_cut(cut_at):
    """RFC 6455 §5.2: "the minimal number of bytes MUST be used"; a control frame's length is in its second byte."""
    data = with_length(PING, 5, 2) + masked(b"hello")
    one = reader()
    messages = feed(one, data[:cut_at]) + feed(one, data[cut_at:])
    assert (messages, one.error is None) == ([], False)


# --- the other way ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_frame_is_the_clients_without_its_mask(opcode, size):
    payload = b"x" * size
    assert frame(opcode, payload) == client_frame(opcode, payload, mask=None)
    assert header(opcode, size) + payload == frame(opcode, payload)


def test_the_longest_header():
    assert header(BINARY, 2**40) == b"\x82\x7f" + (2**40).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("code", "reason", "body"), [(0, "", b""), (1012, "", b"\x03\xf4"), (1012, "stops", b"\x03\xf4stops")]
)
def test_a_close_frame(code, reason, body):
    assert close_frame(code, reason) == frame(CLOSE, body)


@given(reason=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_close_frame_is_legal_whatever_its_reason(reason):
    sent = close_frame(1012, reason)
    body = sent[2:]
    assert len(body) <= 125
    assert sent == frame(CLOSE, body)
    assert reason.startswith(body[2:].decode())
