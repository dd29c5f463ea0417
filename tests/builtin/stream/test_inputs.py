"""What the functions take, and how a wrong input is told (stream.md §2)."""

import json

import pytest
from msgspec import Raw

from iii_actors.builtin.stream import inputs
from iii_actors.errors import DeserializationError

AT = {"stream_name": "s", "group_id": "g", "item_id": "i"}


def raw(value):
    return Raw(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("source", "data"),
    [
        (inputs.GET, AT),
        (inputs.DELETE, AT),
        (inputs.SET, AT | {"data": None}),
        (inputs.UPDATE, AT | {"ops": []}),
        (inputs.LIST, {"stream_name": "", "group_id": ""}),
        (inputs.LIST_GROUPS, {"stream_name": "s"}),
        (inputs.LIST_ALL, {}),
        (inputs.SEND, {"stream_name": "s", "group_id": "g", "type": "t", "data": 1}),
        (inputs.SEND, {"stream_name": "s", "group_id": "g", "type": "t", "data": 1, "id": None}),
    ],
)
def test_what_is_needed_is_enough_and_more_is_ignored(source, data):
    for given in (data, data | {"more": 1, "_caller_worker_id": "w"}):
        read = source.read(raw(given))
        assert all(getattr(read, name) == value for name, value in data.items() if name not in ("data", "ops"))
        assert not hasattr(read, "more")


def test_values_are_kept_as_they_were_written():
    text = b'{"stream_name":"s","group_id":"g","item_id":"i","data":{ "n": 1.0e2 }}'
    assert bytes(inputs.SET.read(Raw(text)).data) == b'{ "n": 1.0e2 }'


@pytest.mark.parametrize(
    ("source", "data", "reason"),
    [
        (inputs.GET, None, "invalid type: null, expected struct StreamGetInput"),
        (inputs.DELETE, [], "invalid type: sequence, expected struct StreamDeleteInput"),
        (inputs.LIST_ALL, None, "invalid type: null, expected struct StreamListAllInput"),
        (inputs.GET, AT | {"item_id": 5}, "invalid type: integer `5`, expected a string"),
        (inputs.SEND, {"stream_name": "s", "group_id": "g", "type": "t"}, "missing field `data`"),
        (
            inputs.SEND,
            {"stream_name": "s", "group_id": "g", "type": "t", "data": 1, "id": 5},
            "invalid type: integer `5`, expected a string",
        ),
        *[
            (inputs.SET, {k: v for k, v in (AT | {"data": 1}).items() if k != gone}, f"missing field `{gone}`")
            for gone in (*AT, "data")
        ],
    ],
)
def test_a_wrong_input_is_told(source, data, reason):
    with pytest.raises(DeserializationError) as refused:
        source.read(raw(data))
    assert str(refused.value).endswith(f": {reason}")
