import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iii_actors.builtin.http.json_text import is_json

PAD = b" " * 400
"""Behind a text it makes it long enough for the way that long bodies take."""

GOOD = [
    b"null", b"1", b'"x"', b"[]", b"{}", b' {"a": [1, -2.5e3, "\\u00fc", true]} ', b"1e308", b"-1e308", b"1e-999",
    b'"\\ud83d\\ude00"', '"ü"'.encode(), b'{"a":1,"a":2}', b"1" * 308, b'"1e999"', b'["\\"1e999\\"", 1]',
    b'"' + b"9" * 400 + b'"', b"0.0001e310", b'{"1e400": 1}', b"[1E5, 1e+5, 0e999]",
]  # fmt: skip
BAD = [
    b"", b" ", b"{", b"nul", b"NaN", b"[Infinity]", b"-Infinity", b"1 2", b"{}x", b"[1,]", b"{'a':1}", b"01", b"+1",
    b".5", b"1.", b'"\xff"', b'"\\ud800"', b'"\\udc00"', b'"a', b'"\x01"', b"\xef\xbb\xbf1", b"1e400", b"[-1e400]",
    b"1E+309", b"9" * 400, b"[" + b"9" * 310 + b"]", b'{"a":"1e1","b":2e308}', b"1.8e308", b"// x\n1", b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("pad", [b"", PAD], ids=["short", "long"])
@pytest.mark.parametrize("text", GOOD, ids=lambda text: repr(text[:24]))
def test_one_strict_value_is_json(text, pad):
    assert is_json(text + pad)


@pytest.mark.parametrize("pad", [b"", PAD], ids=["short", "long"])
@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:24]))
def test_anything_else_is_not(text, pad):
    assert not is_json(text + pad)


def test_a_number_too_large_is_found_far_inside():
    filler = b'{"e":"1e1000 \\" 9e999","n":[1,2.5,3e10,-4e-400]},' * 300
    assert is_json(b"[" + filler + b"1]")
    assert not is_json(b"[" + filler + b"1e999]")
    assert not is_json(b"[" + filler + b"1." + b"0" * 400 + b"e309]")


numbers = st.one_of(
    st.integers(-(10**400), 10**400).map(str),
    st.builds(
        "{}{}{}".format, st.integers(-999, 999), st.sampled_from(["e", "E", "e+", "e-", ".5e"]), st.integers(0, 400)
    ),
)
values = st.recursive(
    st.one_of(numbers, st.text(max_size=8).map(json.dumps), st.sampled_from(["true", "null"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda some: f"[{','.join(some)}]"),
        st.dictionaries(st.text(max_size=4).map(json.dumps), inner, max_size=3).map(
            lambda some: "{" + ",".join(f"{key}:{value}" for key, value in some.items()) + "}"
        ),
    ),
    max_leaves=8,
)


def _finite(text):
    if math.isinf(float(text)):
        raise ValueError(text)
    return 0


@settings(deadline=None)
@given(values, st.integers(0, 400))
def test_it_agrees_with_a_parser_that_looks_at_every_number(text, pad):
    try:
        json.loads(text, parse_int=_finite, parse_float=_finite)
        expected = True
    except ValueError:
        expected = False
    try:
        text.encode()
        paired = "\\ud" not in text.lower()
    except UnicodeEncodeError:
        paired = False
    if paired:
        assert is_json(text.encode() + b" " * pad) == expected


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_get_an_answer(body):
    assert is_json(body) in (True, False)
    assert is_json(body + PAD) in (True, False)
