"""Every message both ways: what is read from JSON, and what JSON is written (core.md §1.3, §2)."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iii_actors.wire import messages as wire
from iii_actors.wire.codec import Undecodable, decode, encode, raw

UUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
uuids = st.uuids().map(str)
payloads = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
errors = st.fixed_dictionaries({"code": texts, "message": texts}, optional={"stacktrace": texts})
actions = st.just({"type": "void"}) | st.fixed_dictionaries({"type": st.just("enqueue"), "queue": texts})

ANY = "any JSON"
"""Marks, in the tables below, members that are carried as text and never parsed."""

INCOMING = {
    # type: (required members, optional members, members that must not be null though they may be absent)
    "invokefunction": (
        {"function_id": texts},
        {
            "invocation_id": uuids,
            "data": ANY,
            "traceparent": texts,
            "baggage": texts,
            "action": actions,
            "metadata": ANY,
            "namespace": texts,
        },
    ),
    "invocationresult": (
        {"invocation_id": uuids, "function_id": texts},
        {"result": ANY, "error": errors, "traceparent": texts, "baggage": texts},
    ),
    "registerfunction": (
        {"id": texts},
        {"description": texts, "request_format": ANY, "response_format": ANY, "metadata": ANY, "invocation": ANY},
    ),
    "unregisterfunction": ({"id": texts}, {}),
    "registertriggertype": (
        {"id": texts, "description": texts},
        {"trigger_request_format": ANY, "call_request_format": ANY, "namespace": texts},
    ),
    "registertrigger": (
        {"id": texts, "trigger_type": texts, "function_id": texts},
        {"config": ANY, "metadata": ANY, "namespace": texts, "trigger_namespace": texts},
    ),
    "unregistertrigger": ({"id": texts}, {"trigger_type": texts}),
    "triggerregistrationresult": ({"id": texts, "trigger_type": texts, "function_id": texts}, {"error": errors}),
    "registerservice": ({"id": texts}, {"description": texts, "parent_service_id": texts}),
    "reattach": ({"previous_worker_id": texts}, {"reattach_token": texts}),
    "ping": ({}, {}),
    "pong": ({}, {}),
    "workerregistered": ({"worker_id": texts, "reattach_token": texts}, {}),
}
REQUIRED_ANY = {("invokefunction", "data"), ("registertrigger", "config")}
"""Read as null when absent (core.md §1.3-5)."""


def member(kind):
    return payloads if kind is ANY else kind


@st.composite
def frames(draw):
    """A frame as a dict, its members in any order, and the strategy table it was made from."""
    name = draw(st.sampled_from(sorted(INCOMING)))
    required, optional = INCOMING[name]
    frame = {key: draw(member(kind)) for key, kind in required.items()}
    for key, kind in optional.items():
        given_as = draw(st.sampled_from(["value", "null", "absent"]))
        if given_as != "absent":
            frame[key] = draw(member(kind)) if given_as == "value" else None
    frame["type"] = name
    known = {*required, *optional, "type", "name"}
    unknown = draw(st.dictionaries(texts.filter(lambda key: key not in known), payloads, max_size=2))
    items = draw(st.permutations([*frame.items(), *unknown.items()]))
    return dict(items)


def as_text(frame, draw=None):
    return json.dumps(frame).encode()


@settings(max_examples=400, deadline=None)
@given(frame=frames(), ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_a_frame_is_read_member_by_member(frame, ascii_only, indent):
    message = decode(json.dumps(frame, ensure_ascii=ascii_only, indent=indent).encode())
    name = frame["type"]
    assert type(message).__name__.lower() == name
    required, optional = INCOMING[name]
    for key, kind in (required | optional).items():
        value = getattr(message, key)
        if kind is ANY:
            if key not in frame:
                assert bytes(value) == (b"null" if (name, key) in REQUIRED_ANY else b"")
            else:
                assert json.loads(bytes(value)) == frame[key]
            assert wire.present(value) is (frame.get(key) is not None)
        else:
            assert msgspec.to_builtins(value) == frame.get(key) or subset(msgspec.to_builtins(value), frame[key])


def subset(read, sent):
    """ErrorBody's absent stacktrace comes back as nothing or None."""
    return {key: value for key, value in read.items() if value is not None} == sent


@settings(max_examples=200, deadline=None)
@given(frame=frames(), data=st.data())
def test_a_frame_without_a_required_member_is_undecodable(frame, data):
    required = sorted(INCOMING[frame["type"]][0])
    if not required:
        return
    missing = data.draw(st.sampled_from(required))
    without = {key: value for key, value in frame.items() if key != missing}
    for broken in (without, frame | {missing: None}, frame | {missing: 1}, frame | {missing: ["x"]}):
        with pytest.raises(Undecodable):
            decode(json.dumps(broken).encode())


@settings(max_examples=200, deadline=None)
@given(frame=frames(), data=st.data(), wrong=st.sampled_from([1, True, ["x"], {"x": 1}, 1.5]))
def test_a_wrongly_typed_optional_member_makes_the_frame_undecodable(frame, data, wrong):
    optional = sorted(key for key, kind in INCOMING[frame["type"]][1].items() if kind is not ANY)
    if not optional:
        return
    with pytest.raises(Undecodable):
        decode(json.dumps(frame | {data.draw(st.sampled_from(optional)): wrong}).encode())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing"),
        ("null", "not an object"),
        ("[]", "not an object"),
        ('"ping"', "not an object"),
        ("{}", "no type"),
        ('{"type":null}', "no type"),
        ('{"type":1}', "type is not a text"),
        ('{"type":"PING"}', "types are in lower case"),
        ('{"type":"Ping"}', "types are in lower case"),
        ('{"Type":"ping"}', "members are in lower case"),
        ('{"type":"unregistertriggertype","id":"a"}', "deliberately unknown"),
        ('{"type":"error","error":{"code":"A","message":"b"}}', "only ever from the engine"),
        ('{"type":"ping"} {"type":"ping"}', "two messages"),
        ('{"type":"ping"', "cut"),
        ('{"type":"ping",}', "a trailing comma"),
        ("{'type':'ping'}", "not JSON"),
        ('{"type":"registerservice","id":"a","name":null}', "a defaulted member is not null"),
        ('{"type":"invokefunction","function_id":"f","action":{"type":"later"}}', "unknown action"),
        ('{"type":"invokefunction","function_id":"f","action":"void"}', "an action is an object"),
        ('{"type":"invokefunction","function_id":"f","action":{"type":"enqueue"}}', "an enqueue names its queue"),
        (f'{{"type":"invocationresult","invocation_id":"{UUID}","function_id":"f","error":"bad"}}', "no error body"),
        (
            f'{{"type":"invocationresult","invocation_id":"{UUID}","function_id":"f","error":{{"code":"x"}}}}',
            "no message",
        ),
        ('{"type":"registrationrejected","code":"c","namespace":"n","owner_worker_id":"o"}', "names nothing"),
        (
            '{"type":"registrationrejected","code":"c","namespace":"n","owner_worker_id":"o","worker_name":"w",'
            '"function_id":"f"}',
            "names both",
        ),
    ],
)
def test_what_is_no_message(text, why):
    with pytest.raises(Undecodable):
        decode(text.encode())


def test_absent_and_null_are_told_apart_where_that_matters():
    absent = decode(b'{"type":"invokefunction","function_id":"f"}')
    null = decode(b'{"type":"invokefunction","function_id":"f","data":null,"metadata":null,"namespace":null}')
    assert absent.metadata is wire.ABSENT
    assert bytes(absent.data) == bytes(null.data) == bytes(null.metadata) == b"null"
    assert not wire.present(absent.metadata)
    assert not wire.present(null.metadata)
    assert wire.present(raw({}))
    assert absent.namespace is None
    assert null.namespace is None


def test_a_defaulted_name_may_be_absent():
    assert decode(b'{"type":"registerservice","id":"a"}').name == ""


def test_further_members_of_an_error_are_dropped():
    frame = {"type": "invocationresult", "invocation_id": UUID, "function_id": "f"}
    frame["error"] = {"code": "c", "message": "m", "details": {"a": 1}, "stacktrace": None}
    error = decode(json.dumps(frame).encode()).error
    assert msgspec.json.encode(error) == b'{"code":"c","message":"m"}'


def test_a_payload_is_carried_as_it_was_written():
    payload = b'{ "z" : 1.0, "a":1 ,"z":2, "\\u00e9\\ud83d\\ude00":1E5}'
    message = decode(b'{"type":"invokefunction","data":' + payload + b' ,"function_id":"f"}')
    assert bytes(message.data) == payload


# --- engine to worker ------------------------------------------------------------------------------------------------

OUTGOING = {
    # type: (class, members always there, members left out without value)
    "workerregistered": (wire.WorkerRegistered, {"worker_id": texts, "reattach_token": texts}, {}),
    "invokefunction": (
        wire.InvokeFunction,
        {"function_id": texts, "invocation_id": uuids, "data": ANY},
        {"traceparent": texts, "baggage": texts, "metadata": ANY},
    ),
    "invocationresult": (
        wire.InvocationResult,
        {"invocation_id": uuids, "function_id": texts},
        {"result": ANY, "error": errors, "traceparent": texts, "baggage": texts},
    ),
    "registertrigger": (
        wire.RegisterTrigger,
        {"id": texts, "trigger_type": texts, "function_id": texts, "config": ANY},
        {"metadata": ANY, "namespace": texts, "trigger_namespace": texts},
    ),
    "unregistertrigger": (wire.UnregisterTrigger, {"id": texts, "trigger_type": texts}, {}),
    "triggerregistrationresult": (
        wire.TriggerRegistrationResult,
        {"id": texts, "trigger_type": texts, "function_id": texts, "error": errors},
        {},
    ),
    "registrationrejected": (
        wire.RegistrationRejected,
        {"code": texts, "namespace": texts, "owner_worker_id": texts},
        {"worker_name": texts, "function_id": texts},
    ),
    "pong": (wire.Pong, {}, {}),
    "error": (wire.ErrorFrame, {"error": errors}, {}),
}


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_message_is_written_with_what_it_has_and_nothing_else(data):
    name = data.draw(st.sampled_from(sorted(OUTGOING)))
    kind, always, sometimes = OUTGOING[name]
    some = [key for key in sorted(sometimes) if data.draw(st.booleans())]
    values = {key: data.draw(member((always | sometimes)[key])) for key in [*always, *some]}
    built = {}
    for key, value in values.items():
        strategy = (always | sometimes)[key]
        if strategy is ANY:
            built[key] = raw(value)
        else:
            built[key] = wire.ErrorBody(**value) if strategy is errors else value
    assert json.loads(encode(kind(**built))) == {"type": name, **values}


def test_both_sides_of_each_message_agree():
    """What the engine writes it could read itself, `error` excepted."""
    for message in (
        wire.WorkerRegistered("w", "t"),
        wire.InvokeFunction("f", UUID, data=raw({"a": [1]}), metadata=raw(0)),
        wire.InvocationResult(UUID, "f", result=raw(None)),
        wire.InvocationResult(UUID, "f", error=wire.ErrorBody("c", "m", "s")),
        wire.RegisterTrigger("i", "t", "f", raw(None)),
        wire.UnregisterTrigger("i", "t"),
        wire.TriggerRegistrationResult("i", "t", "f", wire.ErrorBody("c", "m")),
        wire.RegistrationRejected("c", "n", "o", function_id="f"),
        wire.Pong(),
    ):
        again = decode(encode(message))
        assert type(again) is type(message)
        assert encode(again) == encode(message)


def test_every_message_has_its_struct():
    assert {info.__struct_config__.tag for info in wire.FromWorker.__args__} == {*INCOMING, "registrationrejected"}
    assert {info.__struct_config__.tag for info in wire.ToWorker.__args__} == set(OUTGOING)
