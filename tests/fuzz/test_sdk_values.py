"""One invariant: what is written is JSON that reads back as the same value, or it is refused with one line."""

import dataclasses
import json
import math
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from iii_worker.values import NotJsonError, from_json, to_json

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
ODD = (
    PLAIN
    | st.floats()
    | st.binary()
    | st.decimals()
    | st.dates()
    | st.uuids()
    | st.text(st.characters())
    | st.just(object())
    | st.sets(st.integers())
)
ANYTHING = st.recursive(
    ODD,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.tuples(inner),
    max_leaves=20,
)


@dataclasses.dataclass
class Box:
    content: Any


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_json_comes_back_as_it_was(value):
    assert from_json(to_json(value)) == value
    assert json.loads(to_json(Box(value))) == {"content": value}


def strict(text):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


@settings(max_examples=120, deadline=None)
@given(ANYTHING)
def test_anything_else_is_written_as_strict_json_or_refused(value):
    for whole in (value, Box(value), [Box([value])]):
        try:
            text = to_json(whole)
        except NotJsonError as error:
            assert "\n" not in str(error)
            continue
        strict(text.decode())


@settings(max_examples=60, deadline=None)
@given(JSON, st.sampled_from([math.nan, math.inf, b"", "\ud800"]), st.text(string.ascii_letters, min_size=1))
def test_one_bad_value_anywhere_is_found(value, bad, key):
    for whole in ({"before": value, key: bad}, [value, [bad]], {"in": Box({key: bad})}):
        try:
            text = to_json(whole)
        except NotJsonError:
            continue
        raise AssertionError(text)
