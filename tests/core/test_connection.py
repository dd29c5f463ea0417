"""iii_actors.core.connection: what a worker is sent, member by member (core.md §2.2, §7.2)."""

import json

import pytest
from msgspec import Raw

from iii_actors.core.connection import Connection
from iii_actors.core.functions import Function
from iii_actors.core.messages import Completed, Drop, Forward, Invoke, Pong, Send, Target, Writable
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.probe import caller_of

ID = "00000000-0000-4000-8000-000000000001"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BIG = "x" * 20000


class Outlet:
    def __init__(self):
        self.written, self.done, self.flushes, self.broken = [], [], 0, False

    def write(self, payload):
        if self.broken:
            raise ValueError("broken")
        self.written.append(payload)

    def write_parts(self, parts):
        self.written.append(b"".join(parts))

    def pong(self, payload):
        self.done.append(("pong", payload))

    def drop(self, code, reason):
        self.done.append(("drop", code, reason))

    def flush(self):
        self.flushes += 1

    def frames(self):
        written, self.written = self.written, []
        return [json.loads(text) for text in written]


@pytest.fixture
def outlet():
    return Outlet()


@pytest.fixture
def connection(start, outlet):
    return start(Connection(outlet))


@pytest.fixture
def caller(probe):
    return caller_of("the-caller", probe())


def deliver(connection, outlet, data=wire.NULL, caller=None, function_id="f", **members):
    call = wire.InvokeFunction(function_id, ID, data=data, **members)
    target = Target("me", connection)
    function = Function("default", function_id, wire.RegisterFunction(function_id), target)
    connection.tell(Forward(Invoke(call, "default", ID, None, caller), function, target))
    [frame] = outlet.frames()
    return frame


def test_a_call_has_these_members_and_no_others(connection, outlet):
    call = deliver(connection, outlet, raw([1]), action=wire.Void(), namespace="default")
    assert call == {"type": "invokefunction", "invocation_id": ID, "function_id": "f", "data": [1]}


def test_data_is_always_there(connection, outlet):
    assert deliver(connection, outlet)["data"] is None


@pytest.mark.parametrize(("metadata", "sent"), [(wire.ABSENT, False), (wire.NULL, False), (raw({"a": None}), True)])
def test_metadata_is_left_out_where_there_is_none(connection, outlet, metadata, sent):
    frame = deliver(connection, outlet, metadata=metadata)
    assert ("metadata" in frame) == sent
    assert frame.get("metadata") == ({"a": None} if sent else None)


@pytest.mark.parametrize("filler", ["", BIG], ids=["small", "large"])
@pytest.mark.parametrize(
    "value", [{"a": 1}, {"_caller_worker_id": "me"}, {"a": {"b": []}, "_caller_worker_id": 7, "z": 0}]
)
def test_an_object_gets_its_caller_as_last_member(connection, outlet, caller, value, filler):
    value = {"filler": filler, **value}
    connection_data = deliver(connection, outlet, raw(value), caller)["data"]
    value.pop("_caller_worker_id", None)
    assert connection_data == {**value, "_caller_worker_id": "the-caller"}


@pytest.mark.parametrize("text", [b"{}", b"{ }", b"{\r\n\t }", b"{" + b" " * 20000 + b"}"])
def test_an_empty_object_too(connection, outlet, caller, text):
    assert deliver(connection, outlet, Raw(text), caller)["data"] == {"_caller_worker_id": "the-caller"}


@pytest.mark.parametrize("value", [None, 0, 1.5, "text", "{}", [], [{"a": 1}], True, [BIG], BIG])
def test_anything_else_stays_as_it_is(connection, outlet, caller, value):
    assert deliver(connection, outlet, raw(value), caller)["data"] == value


def test_calls_of_the_engine_itself_name_no_caller(connection, outlet):
    assert deliver(connection, outlet, raw({"a": 1}))["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("traceparent", "baggage", "sent"),
    [
        (None, None, {}),
        (TRACE, None, {"traceparent": TRACE, "baggage": "iii.function.id=f"}),
        ("broken", None, {"baggage": "iii.function.id=f"}),
        ("", None, {"baggage": "iii.function.id=f"}),
        (None, "", {"baggage": "iii.function.id=f"}),
        (None, "a=1,b=2", {"baggage": "a=1,b=2,iii.function.id=f"}),
        (TRACE, "iii.function.id=other,a=1", {"traceparent": TRACE, "baggage": "a=1,iii.function.id=f"}),
    ],
)
def test_trace_context(connection, outlet, traceparent, baggage, sent):
    frame = deliver(connection, outlet, traceparent=traceparent, baggage=baggage)
    assert {key: frame[key] for key in ("traceparent", "baggage") if key in frame} == sent


@pytest.mark.parametrize(
    ("baggage", "sent"), [(None, {"traceparent": TRACE}), ("a=1", {"traceparent": TRACE, "baggage": "a=1"})]
)
def test_the_engine_s_own_ids_are_not_added_to_baggage(connection, outlet, baggage, sent):
    frame = deliver(connection, outlet, function_id="engine::queue::enqueue", traceparent=TRACE, baggage=baggage)
    assert {key: frame[key] for key in ("traceparent", "baggage") if key in frame} == sent


def complete(connection, outlet, result=wire.ABSENT, error=None, **members):
    invoke = Invoke(wire.InvokeFunction("f", ID, **members), "default", ID, connection, None)
    connection.tell(Completed(invoke, result, error))
    [frame] = outlet.frames()
    return frame


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        (wire.ABSENT, {}),
        (wire.NULL, {"result": None}),
        (raw({"a": 1}), {"result": {"a": 1}}),
        (raw(BIG), {"result": BIG}),
    ],
)
def test_a_result(connection, outlet, result, sent):
    frame = complete(connection, outlet, result)
    assert frame == {"type": "invocationresult", "invocation_id": ID, "function_id": "f", **sent}


@pytest.mark.parametrize("result", [wire.ABSENT, raw(1), raw(BIG)], ids=["none", "small", "large"])
@pytest.mark.parametrize("stacktrace", [None, "trace"])
def test_an_error_excludes_a_result(connection, outlet, result, stacktrace):
    frame = complete(connection, outlet, result, wire.ErrorBody("c", "m", stacktrace))
    error = {"code": "c", "message": "m"} | ({"stacktrace": stacktrace} if stacktrace else {})
    assert frame == {"type": "invocationresult", "invocation_id": ID, "function_id": "f", "error": error}


@pytest.mark.parametrize("text", ["", "broken", TRACE])
def test_trace_context_comes_back_verbatim(connection, outlet, text):
    frame = complete(connection, outlet, raw(1), traceparent=text, baggage=text)
    assert (frame["traceparent"], frame["baggage"]) == (text, text)


def test_the_rest_goes_through(connection, outlet):
    connection.tell(Send(wire.Pong()))
    connection.tell(Pong(b"p"))
    connection.tell(Drop(1012, "bye"))
    assert outlet.frames() == [{"type": "pong"}]
    assert outlet.done == [("pong", b"p"), ("drop", 1012, "bye")]


def test_every_batch_ends_with_a_flush(connection, outlet):
    connection.tell(Writable())
    assert outlet.flushes == 1


def test_a_connection_that_cannot_be_served_is_ended(connection, outlet):
    outlet.broken = True
    connection.tell(Send(wire.Pong()))
    assert outlet.done == [("drop", None, "")]
