"""iii_actors.builtin.queue.fields: one field of the data, the rest unread."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.builtin.queue.fields import Field, field

values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.lists(st.integers())


names = st.sampled_from(["customer", "a.b", "", "ü☕", 'q"', "\\", "\x1f", "type"])


@given(names, values, st.dictionaries(st.text(), values))
def test_any_key_is_found(name, value, others):
    data = json.dumps({**others, name: value}).encode()
    text = field(name).text(data)
    assert json.loads(text) == value
    group = field(name).group(data)
    if isinstance(value, str):
        assert group == value
    elif value is None:
        assert group is None
    else:
        assert json.loads(group) == value


@pytest.mark.parametrize(
    "data", [b"null", b"5", b'"customer"', b"[]", b'[{"customer":1}]', b"{}", b'{"other":1}', b"{"]
)
def test_what_has_no_such_key(data):
    assert Field("customer").text(data) is None
    assert Field("customer").group(data) is None
    assert Field("customer").priority(data) == 0


def test_no_paths():
    assert Field("a.b").text(b'{"a":{"b":1}}') is None
    assert Field("a.b").text(b'{"a.b":1}') == b"1"


def test_the_last_of_several_counts():
    assert Field("a").group(b'{"a":"x","a":"y"}') == "y"


@pytest.mark.parametrize(
    ("value", "priority"),
    [("0", 0), ("7", 7), ("255", 255), ("256", 256), ("99999999999999999999", 255), ("-1", 0), ("1.0", 0), ('"7"', 0),
     ("true", 0), ("null", 0), ("[7]", 0)],
)  # fmt: skip
def test_a_whole_number_is_a_priority(value, priority):
    assert Field("rank").priority(b'{"rank":%b}' % value.encode()) == priority


def test_readers_are_made_once():
    assert field("a") is field("a")
