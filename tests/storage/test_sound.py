"""What is JSON, and what only looks like it."""

import pytest

from iii_actors.storage.sound import is_json

DEEP = b"[" * 200_000 + b"]" * 200_000


@pytest.mark.parametrize("text", [b"1", b' {"a": [1.5e3, null]}\n', '"é"'.encode(), b'"\\ud800"', b"1e400"])
def test_json(text):
    assert is_json(text, trusted=False)


@pytest.mark.parametrize("text", [b"", b"x", b"[1", b"1 2", b"01", b"NaN", b"-Infinity", b'"\xff"', b"\xff", b'"\t"'])
def test_no_json(text):
    assert not is_json(text, trusted=True)


def test_what_nests_too_deep_to_be_checked_is_taken_at_its_writer_s_word():
    assert is_json(DEEP, trusted=True)
    assert not is_json(DEEP, trusted=False)
