"""Ids, splicing and parts; which members a message has is in test_messages.py."""

import json
import uuid

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from iii_actors.wire import messages as wire
from iii_actors.wire.codec import (
    Undecodable,
    caller_member,
    canonical_uuid,
    decode,
    encode,
    encode_parts,
    raw,
    splice_caller,
)

ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
CALLER = "11111111-2222-4333-8444-555555555555"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
payloads = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
spacing = st.sampled_from([None, 0, 1, "\t"])


@st.composite
def written(draw):
    """A JSON value and one of its texts."""
    value = draw(payloads)
    text = json.dumps(value, indent=draw(spacing), ensure_ascii=draw(st.booleans()))
    return value, text.encode()


# --- ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        ID,
        ID.upper(),
        ID.replace("-", ""),
        ID.replace("-", "").upper(),
        "{" + ID + "}",
        "{" + ID.upper() + "}",
        "urn:uuid:" + ID,
        "urn:uuid:" + ID.upper(),
    ],
)
def test_every_spelling_of_an_id_becomes_the_canonical_one(spelling):
    assert canonical_uuid(spelling) == ID
    frame = {"type": "invokefunction", "function_id": "f", "invocation_id": spelling}
    assert decode(json.dumps(frame).encode()).invocation_id == ID


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "1",
        ID[:-1],
        ID + "0",
        ID + "\n",
        " " + ID,
        ID[:-1] + "g",
        ID[:-1] + "\u0663",
        "{" + ID,
        ID + "}",
        "(" + ID + ")",
        "uuid:" + ID,
        "{urn:uuid:" + ID + "}",
        "urn:uuid:{" + ID + "}",
        ID.replace("-", "", 1),
        ID.replace("-", "_"),
        ID[:4] + "-" + ID[4:],
    ],
)
def test_anything_else_is_no_id(spelling):
    with pytest.raises(ValueError):
        canonical_uuid(spelling)
    frame = {"type": "invokefunction", "function_id": "f", "invocation_id": spelling}
    with pytest.raises(Undecodable):
        decode(json.dumps(frame).encode())


@given(value=st.uuids())
def test_canonical_is_what_the_standard_library_writes(value):
    for spelling in (str(value), value.hex, value.urn, f"{{{value}}}".upper()):
        assert canonical_uuid(spelling) == str(value)


@given(text=st.text(st.sampled_from("0123456789abcdefABCDEF-{}urnuid: "), max_size=50))
def test_what_counts_as_an_id_the_standard_library_can_read(text):
    try:
        canonical = canonical_uuid(text)
    except ValueError:
        return
    assert canonical == str(uuid.UUID(text))


# --- splicing --------------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(pair=written())
def test_objects_are_told_from_everything_else(pair):
    value, text = pair
    decoded = decode(b'{"type":"invokefunction","function_id":"f","data": ' + text + b" }")
    assert (memoryview(decoded.data)[0] == ord("{")) is isinstance(value, dict)


@pytest.mark.parametrize("text", [b"{}", b"{ }", b"{\n}", b"{\t \r\n}"])
def test_an_empty_object_may_have_space_inside(text):
    assert json.loads(bytes(splice_caller(Raw(text), caller_member(CALLER)))) == {"_caller_worker_id": CALLER}


@settings(max_examples=300)
@given(value=st.dictionaries(texts, payloads, max_size=4), indent=spacing, ascii_only=st.booleans())
def test_the_caller_is_added_as_the_last_member(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    spliced = bytes(splice_caller(Raw(text), caller_member(CALLER)))
    assert json.loads(spliced) == value | {"_caller_worker_id": CALLER}
    assert msgspec.json.decode(spliced)["_caller_worker_id"] == CALLER


@pytest.mark.parametrize(
    "text",
    [
        '{"_caller_worker_id":"forged"}',
        '{"_caller_worker_id":"forged","a":1}',
        '{"_caller\\u005fworker_id":"forged"}',
        '{ "a":1, "_caller_worker_id" : {"deep":[1]} }',
    ],
)
def test_a_forged_caller_is_overridden(text):
    spliced = bytes(splice_caller(Raw(text.encode()), caller_member(CALLER)))
    assert json.loads(spliced)["_caller_worker_id"] == CALLER
    assert msgspec.json.decode(spliced)["_caller_worker_id"] == CALLER


def test_the_callers_member_in_a_nested_object_is_left_alone():
    text = b'{"inner":{"_caller_worker_id":"theirs"}}'
    assert json.loads(bytes(splice_caller(Raw(text), caller_member(CALLER))))["inner"] == {
        "_caller_worker_id": "theirs"
    }


def test_a_huge_object_is_spliced():
    value = {"text": "ü" * 2_000_000, "list": list(range(1000))}
    spliced = bytes(splice_caller(raw(value), caller_member(CALLER)))
    assert json.loads(spliced) == value | {"_caller_worker_id": CALLER}


# --- parts -----------------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(pair=written(), traceparent=st.none() | texts, baggage=st.none() | texts, metadata=st.booleans())
def test_a_call_in_parts_is_the_call_as_a_whole(pair, traceparent, baggage, metadata):
    _, text = pair

    def call(data):
        extra = raw({"m": 1}) if metadata else wire.ABSENT
        return wire.InvokeFunction("größe", ID, traceparent, baggage, None, None, extra, data)

    parts = encode_parts(call(Raw(b"0")), Raw(text))
    assert b"".join(parts) == encode(call(Raw(text)))


@settings(max_examples=200)
@given(pair=written(), traceparent=st.none() | texts)
def test_a_result_in_parts_is_the_result_as_a_whole(pair, traceparent):
    _, text = pair
    parts = encode_parts(wire.InvocationResult(ID, "f", traceparent, None, None, Raw(b"0")), Raw(text))
    assert b"".join(parts) == encode(wire.InvocationResult(ID, "f", traceparent, None, None, Raw(text)))


def test_parts_do_not_copy_the_payload():
    payload = decode(b'{"type":"invokefunction","function_id":"f","data":"' + b"x" * 100_000 + b'"}').data
    assert any(
        part.obj is memoryview(payload).obj for part in encode_parts(_zero(), payload) if type(part) is memoryview
    )


def _zero():
    return wire.InvokeFunction("f", ID, data=Raw(b"0"))


@settings(max_examples=200)
@given(value=st.dictionaries(texts, payloads, min_size=1, max_size=4))
def test_parts_with_a_member_are_the_spliced_call(value):
    data, member = raw(value), caller_member(CALLER)
    parts = encode_parts(_zero(), data, member)
    assert json.loads(b"".join(parts))["data"] == value | {"_caller_worker_id": CALLER}
    assert b"".join(parts) == encode(wire.InvokeFunction("f", ID, data=splice_caller(data, member)))


# --- what decoding accepts can be forwarded --------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["data", "metadata", "unknown"])
def test_json_that_is_not_utf8_is_undecodable(member):
    """A binary frame may hold any bytes; forwarded in a text frame they would cost the receiver its connection."""
    with pytest.raises(Undecodable):
        decode(b'{"type":"invokefunction","function_id":"f","%b":"\xff"}' % member.encode())
