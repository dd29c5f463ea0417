"""Calls between official workers of different languages and versions, and what the SDKs make of the outcomes."""

import pytest

from tests.e2e.support.names import unique
from tests.e2e.support.probe import ProbeError

MIB = 1024 * 1024


def test_a_call_brings_data_and_metadata_there_and_the_result_back(pair):
    function_id = unique("e2e::echo")
    pair.callee.offer(function_id, description="Says what it was told")
    payload = {"text": "Grüße, 世界 \u2028 🫖", "numbers": [1, -1, 2**53, 0.1], "nothing": None, "deep": {"er": [[{}]]}}
    result = pair.caller.call(function_id, payload, metadata={"tenant": "a", "n": [1]})
    sender = result["data"].pop("_caller_worker_id")
    assert result == {"data": payload, "metadata": {"tenant": "a", "n": [1]}}
    assert sender == pair.caller.do("state")["worker_id"]


@pytest.mark.parametrize("payload", [None, [], [1, {"a": 2}], "text", 0, False])
def test_a_payload_need_not_be_an_object(pair, payload):
    function_id = unique("e2e::echo")
    pair.callee.offer(function_id)
    assert pair.caller.call(function_id, payload) == {"data": payload, "metadata": None}


def test_a_function_may_return_nothing(pair):
    function_id = unique("e2e::nothing")
    pair.callee.offer(function_id, "nothing")
    assert pair.caller.call(function_id, {}) is None


def test_a_function_calls_back_while_it_is_waited_for(pair):
    inner, outer = unique("e2e::inner"), unique("e2e::outer")
    pair.caller.offer(inner)
    pair.callee.offer(outer, "nested")
    result = pair.caller.call(outer, {"function_id": inner, "payload": {"n": 1}})
    assert result["nested"]["data"]["n"] == 1
    assert result["nested"]["data"]["_caller_worker_id"] == pair.callee.do("state")["worker_id"]


def test_calls_nest_eight_deep(pair):
    bottom, hops = unique("e2e::bottom"), [unique("e2e::hop") for _ in range(8)]
    pair.callee.offer(bottom)
    for at, hop in enumerate(hops):
        (pair.callee, pair.caller)[at % 2].offer(hop, "nested")
    payload = {"n": 1}
    target = bottom
    for hop in hops:
        payload, target = {"function_id": target, "payload": payload}, hop
    result = pair.caller.call(target, payload) if len(hops) % 2 else pair.callee.call(target, payload)
    for _ in hops:
        result = result["nested"]
    assert result["data"]["n"] == 1


def test_many_calls_at_once(pair):
    function_id = unique("e2e::echo")
    pair.callee.offer(function_id)
    numbers = [pair.caller.start("call", function_id=function_id, payload={"n": n}) for n in range(100)]
    assert [pair.caller.finish(number)["data"]["n"] for number in numbers] == list(range(100))


def test_a_void_call_arrives_and_returns_nothing(pair):
    function_id = unique("e2e::told")
    pair.callee.offer(function_id)
    assert pair.caller.call(function_id, {"n": 5}, action={"type": "void"}) is None
    assert pair.callee.event("called", function_id=function_id)["data"]["n"] == 5


def test_what_a_function_raises_reaches_the_caller_with_its_stack(pair):
    function_id = unique("e2e::fail")
    pair.callee.offer(function_id, "fail")
    with pytest.raises(ProbeError) as raised:
        pair.caller.call(function_id, {"message": "no tea — ☕"})
    error = raised.value
    assert (error.kind, error.code, error.message) == ("InvocationError", "invocation_failed", "no tea — ☕")
    assert "probe.mjs" in error.stacktrace or "probe.py" in error.stacktrace


def test_an_unknown_function_is_not_found(pair):
    function_id = unique("e2e::nobody")
    with pytest.raises(ProbeError) as raised:
        pair.caller.call(function_id, {})
    assert raised.value.code == "function_not_found"
    assert raised.value.message == f"Function {function_id} not found in namespace default."


def test_an_unregistered_function_is_gone_and_can_be_registered_again(pair):
    function_id = unique("e2e::fleeting")
    pair.callee.offer(function_id)
    assert pair.caller.call(function_id, 1)["data"] == 1
    pair.callee.do("unregister", function_id=function_id)
    with pytest.raises(ProbeError) as raised:
        pair.caller.call(function_id, 2)
    assert raised.value.code == "function_not_found"
    pair.callee.offer(function_id)
    assert pair.caller.call(function_id, 3)["data"] == 3


def test_the_first_to_register_an_id_keeps_it_and_the_second_goes_on(pair, peer):
    function_id, other = unique("e2e::contended"), unique("e2e::other")
    pair.callee.offer(function_id)
    before = pair.caller.mark()
    pair.caller.offer(function_id, "nothing")
    if pair.caller.kind != "node":  # which passes such news over in silence
        pair.caller.expect("FUNCTION_NAMESPACE_CONFLICT", after=before)
    pair.caller.offer(other)
    assert peer.call(function_id, 7)["data"] == 7, "the first one's function answers"
    assert peer.call(other, 8)["data"] == 8, "the second one still serves"


def test_a_payload_of_one_frame_size_there_and_back(pair):
    """0.9 MiB: official Python before 0.25 takes no message over 1 MiB."""
    function_id = unique("e2e::large")
    pair.callee.offer(function_id, "large")
    length = 9 * MIB // 10
    assert pair.caller.do("call_large", function_id=function_id, length=length)["length"] == length


@pytest.mark.parametrize(("caller", "callee"), [("newest", "node"), ("node", "newest")])
def test_ten_mib_there_and_back(shared, caller, callee):
    function_id = unique("e2e::large")
    shared.probe(callee).offer(function_id, "large")
    assert shared.probe(caller).do("call_large", function_id=function_id, length=10 * MIB)["length"] == 10 * MIB


def test_twenty_mb_there_and_back_in_fragments(shared, shop):
    """More than one frame may hold (16 MiB): 0.25 and newer send it in fragments; the engine answers in one frame."""
    function_id, length = unique("e2e::large"), 20_000_000
    shop.probe("newest", shared.engine.url).offer(function_id, "large")
    caller = shared.probe("newest")
    assert caller.do("call_large", function_id=function_id, length=length, wait_s=60.0)["length"] == length
