"""Arbitrary bytes never raise out of the frame reader, and never make it ask for no room. To run longer: README.rst."""

from hypothesis import given
from hypothesis import strategies as st

from iii_actors.transport.frames import FrameReader
from tests.fuzz.examples import examples

heads = st.builds(
    lambda first, second, more: bytes([first, second]) + more,
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=20),
)


def give(reader, chunk, at_once):
    """Give the reader what it takes of a chunk; returns how many bytes, and the messages complete now."""
    place = reader.place
    if place is None:
        count = min(at_once, len(chunk))
        return count, reader.taken(chunk[:count])
    assert len(place) > 0
    count = min(len(place), len(chunk))
    place[:count] = chunk[:count]
    return count, reader.filled(count)


@examples(600)
@given(
    chunks=st.lists(st.binary(max_size=80) | heads, max_size=12),
    first=st.binary(max_size=80),
    max_frame=st.sampled_from([0, 1, 10, 125, 126, 127, 1000, 40_000, 2**20]),
    more=st.sampled_from([0, 1, 1000]),
    at_once=st.integers(1, 100),
)
def test_any_bytes(chunks, first, max_frame, more, at_once):
    reader = FrameReader(max_frame, max_frame + more, first)
    messages = reader.taken(b"")
    for whole in chunks:
        chunk = whole
        while chunk:
            was_over = reader.closed or reader.error is not None
            count, came = give(reader, chunk, at_once)
            assert not (was_over and came)
            messages += came
            chunk = chunk[count:]
    for opcode, payload in messages:
        assert opcode in (1, 2, 8, 9, 10)
        assert len(payload) <= (max_frame + more if opcode < 8 else 125)
        if opcode == 1:
            payload.decode()
    assert not (reader.closed and reader.error is not None)


@examples(30)
@given(
    data=st.binary(max_size=60),
    length=st.integers(32_000, 70_000),
    opcode=st.integers(0, 255),
    cut=st.integers(1, 70_000),
)
def test_long_frames_of_any_kind(data, length, opcode, cut):
    stream = bytes([opcode, 0xFF]) + length.to_bytes(8, "big") + bytes(length) + data
    reader = FrameReader(65_536, 65_536)
    for start in range(0, len(stream), cut):
        chunk = stream[start : start + cut]
        while chunk:
            count, _ = give(reader, chunk, 32_768)
            chunk = chunk[count:]
