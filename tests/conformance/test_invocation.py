"""Calls from one worker to another (core.md §7)."""

import uuid

import pytest

from tests.support.peer import CallFailed
from tests.support.quiet import settle, unexpected

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
VOID = {"type": "void"}


@pytest.fixture
def pair(join):
    """A callee that answers ``f`` by hand, and a caller."""
    callee, caller = join("callee"), join("caller")
    callee.register("f")
    return callee, caller


def result_of(call_id, function_id="f", **members):
    return {"type": "invocationresult", "invocation_id": call_id, "function_id": function_id} | members


# --- §7.1 --------------------------------------------------------------------------------------------------------------


def test_a_call_and_its_answer(pair):
    callee, caller = pair
    call_id = caller.start_call("f", [1])
    call = callee.expect(type="invokefunction")
    assert call == {"type": "invokefunction", "invocation_id": call_id, "function_id": "f", "data": [1]}
    callee.answer(call, {"a": [None]})
    assert caller.expect(type="invocationresult") == result_of(call_id, result={"a": [None]})


def test_without_an_id_nothing_comes_back(pair):
    callee, caller = pair
    caller.send(type="invokefunction", function_id="f", data=1)
    call = callee.expect(type="invokefunction")
    assert str(uuid.UUID(call["invocation_id"])) == call["invocation_id"]
    callee.answer(call, 2)
    settle(callee)
    caller.send(type="invokefunction", function_id="missing", data=1)
    assert unexpected(caller) == []


@pytest.mark.parametrize("with_id", [True, False])
@pytest.mark.parametrize("function_id", ["f", "missing"])
def test_a_void_call_is_never_answered(pair, with_id, function_id):
    callee, caller = pair
    members = {"invocation_id": str(uuid.uuid4())} if with_id else {}
    caller.send(type="invokefunction", function_id=function_id, data={"a": 1}, action=VOID, **members)
    settle(caller)
    if function_id == "f":
        call = callee.expect(type="invokefunction")
        assert "action" not in call
        assert call["data"] == {"a": 1, "_caller_worker_id": caller.worker_id}
        assert not with_id or call["invocation_id"] == members["invocation_id"]
        callee.answer(call, error={"code": "c", "message": "m"})
        settle(callee)
    assert unexpected(caller) == []


def test_a_worker_may_call_itself(join):
    peer = join()
    peer.register("f", lambda data: data["n"] + 1)
    assert peer.call("f", {"n": 1}) == 2


def test_a_call_does_not_hold_up_the_next(pair, join):
    callee, caller = pair
    callee.register("quick", lambda _: "quick")
    slow = caller.start_call("f")
    call = callee.expect(type="invokefunction")
    assert caller.call("quick") == "quick"
    callee.answer(call, "slow")
    assert caller.expect(type="invocationresult", invocation_id=slow)["result"] == "slow"


# --- §7.2 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [None, VOID])
@pytest.mark.parametrize(
    "data", [{}, {"a": {"_caller_worker_id": "inner"}}, {"_caller_worker_id": "forged", "z": 1}, {"": 0}]
)
def test_objects_name_their_caller_whatever_the_client_says(pair, data, action):
    callee, caller = pair
    caller.send(type="invokefunction", function_id="f", data=data, action=action)
    received = callee.expect(type="invokefunction")["data"]
    assert received == data | {"_caller_worker_id": caller.worker_id}


@pytest.mark.parametrize("data", [None, 0, "", "x", [], [{}], True, 1.5])
def test_everything_else_arrives_as_it_was(pair, data):
    callee, caller = pair
    caller.start_call("f", data)
    assert callee.expect(type="invokefunction")["data"] == data


@pytest.mark.parametrize("metadata", [{}, {"a": [1]}, "text", 0, False, []])
def test_metadata_is_a_member_of_its_own(pair, metadata):
    callee, caller = pair
    caller.start_call("f", {}, metadata=metadata)
    call = callee.expect(type="invokefunction")
    assert call["metadata"] == metadata
    assert call["data"] == {"_caller_worker_id": caller.worker_id}


@pytest.mark.parametrize(
    ("given", "forwarded"),
    [
        ({}, {}),
        ({"traceparent": TRACE}, {"traceparent": TRACE, "baggage": "iii.function.id=f"}),
        ({"traceparent": TRACE, "baggage": "a=1, b=2"}, {"traceparent": TRACE, "baggage": "a=1,b=2,iii.function.id=f"}),
        ({"baggage": "a=1"}, {"baggage": "a=1,iii.function.id=f"}),
        ({"baggage": "iii.function.id=g,a=1"}, {"baggage": "a=1,iii.function.id=f"}),
        ({"baggage": ""}, {"baggage": "iii.function.id=f"}),
        ({"traceparent": "nonsense"}, {"baggage": "iii.function.id=f"}),
        ({"traceparent": ""}, {"baggage": "iii.function.id=f"}),
        (
            {"traceparent": TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32)},
            {"baggage": "iii.function.id=f"},
        ),
        ({"traceparent": TRACE.upper()}, {"baggage": "iii.function.id=f"}),
        ({"traceparent": "ff" + TRACE[2:]}, {"baggage": "iii.function.id=f"}),
    ],
)
def test_trace_context_there_and_back(pair, given, forwarded):
    callee, caller = pair
    call_id = caller.start_call("f", None, **given)
    call = callee.expect(type="invokefunction")
    assert {key: call[key] for key in ("traceparent", "baggage") if key in call} == forwarded
    callee.answer(call, 1, traceparent="the callee's", baggage="x=y")
    assert caller.expect(type="invocationresult") == result_of(call_id, result=1, **given)


def test_trace_context_comes_back_with_a_miss_too(join):
    peer = join()
    call_id = peer.start_call("missing", None, traceparent="bad", baggage="")
    error = {"code": "function_not_found", "message": "Function missing not found in namespace default."}
    assert peer.expect(type="invocationresult") == result_of(
        call_id, "missing", error=error, traceparent="bad", baggage=""
    )


# --- §7.4 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [0, False, "", [], {}, {"error": 1}, "null"])
def test_results_of_every_kind(pair, result):
    callee, caller = pair
    call_id = caller.start_call("f")
    callee.answer(callee.expect(type="invokefunction"), result)
    assert caller.expect(type="invocationresult") == result_of(call_id, result=result)


@pytest.mark.parametrize("members", [{}, {"result": None}, {"result": None, "error": None}])
def test_a_null_result_travels_as_absence(pair, members):
    callee, caller = pair
    call_id = caller.start_call("f")
    callee.expect(type="invokefunction")
    callee.send(type="invocationresult", invocation_id=call_id, function_id="f", **members)
    assert caller.expect(type="invocationresult") == result_of(call_id)


@pytest.mark.parametrize(
    ("error", "forwarded"),
    [
        ({"code": "custom", "message": "m"}, {"code": "custom", "message": "m"}),
        ({"code": "c", "message": "m", "stacktrace": "s"}, {"code": "c", "message": "m", "stacktrace": "s"}),
        ({"code": "c", "message": "m", "stacktrace": None}, {"code": "c", "message": "m"}),
        ({"code": "c", "message": "", "extra": [1]}, {"code": "c", "message": ""}),
    ],
)
def test_errors_pass_untouched_and_win(pair, error, forwarded):
    callee, caller = pair
    call_id = caller.start_call("f")
    callee.answer(callee.expect(type="invokefunction"), {"ignored": True}, error=error)
    assert caller.expect(type="invocationresult") == result_of(call_id, error=forwarded)


@pytest.mark.parametrize("error", ["text", {}, {"code": "c"}, {"code": 1, "message": "m"}, [], True])
def test_an_error_that_is_none_makes_the_frame_undecodable(pair, error):
    callee, caller = pair
    call_id = caller.start_call("f")
    call = callee.expect(type="invokefunction")
    callee.answer(call, error=error)
    settle(callee)
    assert unexpected(caller) == []
    callee.answer(call, "now right")
    assert caller.expect(type="invocationresult") == result_of(call_id, result="now right")


def test_the_function_id_of_an_answer_does_not_matter(pair):
    callee, caller = pair
    call_id = caller.start_call("f")
    callee.answer(callee.expect(type="invokefunction") | {"function_id": "other"}, 1)
    assert caller.expect(type="invocationresult") == result_of(call_id, result=1)


# --- §7.6 --------------------------------------------------------------------------------------------------------------


def test_a_miss(join):
    peer = join()
    with pytest.raises(CallFailed) as missing:
        peer.call("a::b")
    assert missing.value.error == {
        "code": "function_not_found",
        "message": "Function a::b not found in namespace default.",
    }


def test_a_callee_that_ends_its_connection(pair):
    callee, caller = pair
    call_id = caller.start_call("f", None, traceparent=TRACE)
    callee.expect(type="invokefunction")
    callee.close()
    assert caller.expect(type="invocationresult") == result_of(
        call_id, error={"code": "invocation_stopped", "message": "Invocation stopped"}, traceparent=TRACE
    )


def test_a_caller_s_own_code_passes(pair):
    callee, caller = pair
    for code in ("invocation_failed", "function_not_invokable", "function_not_found"):
        caller.start_call("f")
        callee.answer(callee.expect(type="invokefunction"), error={"code": code, "message": "m"})
        assert caller.expect(type="invocationresult")["error"]["code"] == code
