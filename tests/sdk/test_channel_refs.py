"""References as plain JSON."""

import json

import pytest
from pydantic import ValidationError

from iii_worker.channel_refs import (
    ChannelDirection,
    StreamChannelRef,
    extract_channel_refs,
    is_channel_ref,
    may_hold_refs,
)

READ = {"channel_id": "c1", "access_key": "secret-key", "direction": "read"}
WRITE = {"channel_id": "c2", "access_key": "k2", "direction": "write"}


def test_a_reference_is_an_object_with_three_strings():
    assert is_channel_ref(READ)
    assert is_channel_ref(WRITE)
    assert is_channel_ref(READ | {"_caller_worker_id": "w"})


@pytest.mark.parametrize(
    "value",
    [
        None,
        "c1",
        [],
        {},
        [READ],
        {"channel_id": "c1", "access_key": "k"},
        READ | {"channel_id": 1},
        READ | {"access_key": None},
        READ | {"direction": "both"},
        READ | {"direction": ["read"]},
    ],
)
def test_everything_else_is_none(value):
    assert not is_channel_ref(value)


def test_the_model_goes_back_to_the_same_json():
    ref = StreamChannelRef.model_validate(READ | {"_caller_worker_id": "w"})
    assert ref.to_ref() == READ
    assert ref.model_dump() == READ
    assert json.loads(ref.model_dump_json()) == READ
    assert ref.direction == ChannelDirection.READ
    assert StreamChannelRef(**READ) == ref == StreamChannelRef(**READ | {"direction": ChannelDirection.READ})
    assert hash(StreamChannelRef(**READ)) == hash(ref)


def test_the_key_is_not_shown():
    assert "secret-key" not in repr(StreamChannelRef(**READ))
    assert "secret-key" not in str(StreamChannelRef(**READ))


def test_what_is_no_reference_cannot_be_made_one():
    with pytest.raises(ValidationError, match="direction"):
        StreamChannelRef.model_validate(READ | {"direction": "sideways"})


def test_directions_are_the_wires_words():
    assert [ChannelDirection.READ, ChannelDirection.WRITE] == ["read", "write"]


def test_references_are_found_everywhere_and_in_order():
    data = {"a": {"b.c": [1, READ, {"d": [WRITE]}]}, "e": READ, "f": None}
    found = extract_channel_refs(data)
    assert [path for path, _ in found] == ["a.b.c[1]", "a.b.c[2].d[0]", "e"]
    assert [ref.channel_id for _, ref in found] == ["c1", "c2", "c1"]


def test_the_path_of_the_whole_value_is_empty():
    assert extract_channel_refs(READ) == [("", StreamChannelRef(**READ))]
    assert extract_channel_refs([READ, [WRITE]]) == [
        ("[0]", StreamChannelRef(**READ)),
        ("[1][0]", StreamChannelRef(**WRITE)),
    ]


@pytest.mark.parametrize("data", [None, 1, "text", [], {}, {"a": [{"channel_id": "c"}]}])
def test_none_are_found_where_none_are(data):
    assert extract_channel_refs(data) == []


def test_depth_is_no_matter():
    data = READ
    for _ in range(5000):
        data = [data]
    assert extract_channel_refs(data)[0][0] == "[0]" * 5000


def test_a_look_at_the_text_tells_whether_to_search():
    assert may_hold_refs(json.dumps({"a": [READ]}).encode())
    assert may_hold_refs(memoryview(b'{"channel_id":1}'))
    assert not may_hold_refs(b'{"a":"channel id"}')
    assert not may_hold_refs(bytearray(b"null"))
