"""What a custom provider is given, and what its answer means (stream.md §4)."""

import json

import pytest
from msgspec import Raw

from iii_actors.builtin.stream import inputs, providers
from iii_actors.errors import EngineError
from iii_actors.wire import messages as wire

SET = ("STREAM_SET_ERROR", "Failed to set value: ")
DELETE = ("STREAM_DELETE_ERROR", "Failed to delete value: ")


def texts(change):
    return tuple(None if entry is None else json.loads(entry.text) for entry in (change.old, change.new))


def test_it_is_given_the_known_members_only():
    data = {"stream_name": "s", "group_id": "g", "item_id": "i", "data": {"a": None}}
    request = inputs.SET.read(Raw(json.dumps(data | {"more": 1}).encode()))
    assert json.loads(bytes(providers.given(request))) == data


@pytest.mark.parametrize(("result", "nothing"), [(wire.ABSENT, True), (Raw(b"null"), True), (Raw(b"false"), False)])
def test_null_and_nothing_are_the_same(result, nothing):
    assert providers.is_nothing(result) is nothing


@pytest.mark.parametrize(
    ("answer", "old", "text"),
    [
        ({"new_value": 1}, None, {"old_value": None, "new_value": 1}),
        ({"old_value": None, "new_value": 1}, None, {"old_value": None, "new_value": 1}),
        ({"old_value": 0, "new_value": 1, "more": 2}, 0, {"old_value": 0, "new_value": 1}),
        ({"new_value": 1, "errors": None}, None, {"old_value": None, "new_value": 1}),
        ({"new_value": 1, "errors": [{}]}, None, {"old_value": None, "new_value": 1, "errors": [{}]}),
    ],
)
def test_an_answer_to_a_write_is_normalised(answer, old, text):
    change, told = providers.written(Raw(json.dumps(answer).encode()), None, *SET)
    assert texts(change) == (old, 1)
    assert json.loads(told) == text


def test_an_answer_to_a_write_may_hold_null():
    change, told = providers.written(Raw(b'{"old_value":1,"new_value":null}'), None, *SET)
    assert (change.new.text, json.loads(told)) == (b"null", {"old_value": 1, "new_value": None})


@pytest.mark.parametrize(("answer", "old"), [({}, None), ({"old_value": None}, None), ({"old_value": 1, "x": 2}, 1)])
def test_an_answer_to_a_delete_is_normalised(answer, old):
    change, told = providers.deleted(Raw(json.dumps(answer).encode()), None, *DELETE)
    assert texts(change) == (old, None)
    assert json.loads(told) == {"old_value": old}


@pytest.mark.parametrize("result", [wire.ABSENT, Raw(b"null")])
def test_no_answer_is_an_error(result):
    for read, kind in ((providers.written, SET), (providers.deleted, DELETE)):
        with pytest.raises(EngineError) as failed:
            read(result, None, *kind)
        assert (failed.value.code, str(failed.value)) == (kind[0], f"{kind[1]}Function returned no result")


def test_a_failure_keeps_its_code_and_message_in_the_text():
    with pytest.raises(EngineError) as failed:
        providers.deleted(wire.ABSENT, wire.ErrorBody("oops", "no"), *DELETE)
    assert failed.value.code == "STREAM_DELETE_ERROR"
    assert str(failed.value) == (
        'Failed to delete value: Failed to invoke function: ErrorBody { code: "oops", message: "no", stacktrace: None }'
    )
    read = providers.passed_on(wire.ErrorBody("oops", "no"))
    assert (read.code, str(read)) == ("oops", "no")


@pytest.mark.parametrize("text", [b"5", b"[]", b'"x"', b"true"])
def test_another_shape_is_an_error(text):
    for read, kind in ((providers.written, SET), (providers.deleted, DELETE)):
        with pytest.raises(EngineError, match=r"^Failed to convert result to value: ") as failed:
            read(Raw(text), None, *kind)
        assert failed.value.code == "JSON_ERROR"


def test_a_write_without_its_new_value_is_another_shape():
    with pytest.raises(EngineError, match=r"value: missing field `new_value`$") as failed:
        providers.written(Raw(b'{"old_value":1}'), None, *SET)
    assert failed.value.code == "JSON_ERROR"
