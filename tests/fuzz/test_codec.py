"""Arbitrary bytes never raise anything but Undecodable out of the codec. How to run longer: README.rst."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.wire.codec import Undecodable, canonical_uuid, decode
from tests.fuzz.examples import examples

ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
VALID = [
    {"type": "ping"},
    {"type": "invokefunction", "invocation_id": ID, "function_id": "f", "data": {"a": [1, 2.5, None, "ü"]}},
    {"type": "invokefunction", "function_id": "f", "action": {"type": "enqueue", "queue": "q"}, "metadata": {}},
    {"type": "invocationresult", "invocation_id": ID, "function_id": "f", "error": {"code": "c", "message": "m"}},
    {"type": "invocationresult", "invocation_id": ID, "function_id": "f", "result": "x" * 50},
    {"type": "registerfunction", "id": "f", "request_format": {"type": "object"}, "invocation": {"url": "u"}},
    {"type": "registertriggertype", "id": "t", "description": "d"},
    {"type": "registertrigger", "id": "i", "trigger_type": "t", "function_id": "f", "config": {"every": 1}},
    {"type": "triggerregistrationresult", "id": "i", "trigger_type": "t", "function_id": "f"},
    {"type": "registerservice", "id": "s", "name": "n"},
    {"type": "reattach", "previous_worker_id": ID, "reattach_token": ID},
    {"type": "registrationrejected", "code": "c", "namespace": "n", "owner_worker_id": ID, "function_id": "f"},
]
NASTY = [b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\udfff\\ud800", b"1e400", b"-", b"9" * 400, b"NaN"]
NASTY += [
    b"[" * 200,
    b"]" * 200,
    b'{"a":' * 200,
    b'"',
    b"\\",
    b"{",
    b"}",
    b",",
    b":",
    b"null",
    b"true",
    b"\xef\xbb\xbf",
]


def survive(payload):
    try:
        decode(payload)
    except Undecodable as error:
        assert str(error)


@examples()
@given(payload=st.binary(max_size=300))
def test_any_bytes(payload):
    survive(payload)


@examples()
@given(payload=st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_text(payload):
    survive(payload)


@examples(500)
@given(
    frame=st.sampled_from(VALID),
    edits=st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 20), st.sampled_from(NASTY) | st.binary(max_size=8)),
        min_size=1,
        max_size=4,
    ),
)
def test_damaged_messages(frame, edits):
    payload = json.dumps(frame).encode()
    for place, cut, put in edits:
        at = place % (len(payload) + 1)
        payload = payload[:at] + put + payload[at + cut :]
    survive(payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@examples(500)
@given(frame=st.sampled_from(VALID), changed=st.data())
def test_messages_with_members_of_any_type(frame, changed):
    keys = changed.draw(st.sets(st.sampled_from(sorted(frame)), min_size=1))
    survive(json.dumps(frame | {key: changed.draw(json_values) for key in keys}).encode())


@pytest.mark.parametrize("place", ["top", "data", "unknown", "type", "action"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("levels", [100, 1_000, 100_000, 1_000_000])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting(place, opening, closing, levels, closed):
    deep = opening * levels + b"1" + closing * (levels if closed else 0)
    if place == "top":
        survive(deep)
    else:
        survive(b'{"type":"invokefunction","function_id":"f","%b":%b}' % (place.encode(), deep))


@pytest.mark.parametrize("place", ["data", "unknown", "invocation_id", "action"])
@pytest.mark.parametrize("number", [b"9" * 100_000, b"-" + b"9" * 5000, b"1e999999999", b"0." + b"0" * 10_000 + b"1"])
def test_huge_numbers(place, number):
    survive(b'{"type":"invokefunction","function_id":"f","%b":%b}' % (place.encode(), number))


@examples()
@given(text=st.text())
def test_any_text_is_an_id_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert len(canonical_uuid(text)) == 36
