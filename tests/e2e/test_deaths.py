"""Workers that are killed, in either role, and two that want the same name."""

import time

import pytest

from tests.e2e.support.names import unique
from tests.e2e.support.probe import ProbeError


def test_a_call_to_a_worker_that_is_killed_is_stopped(pair, shared, shop):
    function_id = unique("e2e::hang")
    mortal = shop.probe(pair.callee.kind, shared.engine.url)
    mortal.offer(function_id, "hang")
    calls = [pair.caller.start("call", function_id=function_id, payload={"n": n}) for n in range(5)]
    for n in range(5):
        assert mortal.event("called", function_id=function_id)["data"]["n"] in range(5), n
    killed = time.monotonic()
    mortal.kill()
    for call in calls:
        with pytest.raises(ProbeError) as raised:
            pair.caller.finish(call)
        assert (raised.value.code, raised.value.message) == ("invocation_stopped", "Invocation stopped")
    assert time.monotonic() - killed < 2
    with pytest.raises(ProbeError) as raised:
        pair.caller.call(function_id, {})
    assert raised.value.code == "function_not_found"


def test_a_caller_that_is_killed_does_not_harm_the_callee(pair, shared, shop):
    function_id, echo = unique("e2e::hang"), unique("e2e::echo")
    pair.callee.offer(function_id, "hang")
    pair.callee.offer(echo)
    mortal = shop.probe(pair.caller.kind, shared.engine.url)
    mortal.start("call", function_id=function_id, payload={})
    pair.callee.event("called", function_id=function_id)
    mortal.kill()
    assert pair.caller.call(echo, 1)["data"] == 1


def test_a_worker_that_is_started_again_has_its_name_and_functions(any_sdk, shared, shop, peer):
    name, function_id = unique("phoenix"), unique("e2e::echo")
    for life in range(3):
        worker = shop.probe(any_sdk, shared.engine.url, name)
        worker.offer(function_id)
        assert peer.call(function_id, life)["data"] == life
        worker.kill()


def test_the_second_worker_of_a_name_is_refused_for_good(python_sdk, shared, shop, peer):
    name, function_id = unique("twin"), unique("e2e::echo")
    first = shop.probe(python_sdk, shared.engine.url, name)
    first.offer(function_id)
    second = shop.probe(python_sdk, shared.engine.url, name, ready=False)
    rejected = second.event("rejected")
    assert (rejected["code"], rejected["worker_name"]) == ("WORKER_NAMESPACE_CONFLICT", name)
    assert rejected["owner_worker_id"] == first.do("state")["worker_id"]
    assert peer.call(function_id, 1)["data"] == 1


def test_a_worker_that_shuts_down_is_gone_at_once(any_sdk, shared, shop, peer):
    function_id = unique("e2e::hang")
    worker = shop.probe(any_sdk, shared.engine.url)
    worker.offer(function_id, "hang")
    call = peer.start_call(function_id, {})
    worker.event("called", function_id=function_id)
    worker.do("shutdown")
    answer = peer.expect(type="invocationresult", invocation_id=call)
    assert answer["error"] == {"code": "invocation_stopped", "message": "Invocation stopped"}
