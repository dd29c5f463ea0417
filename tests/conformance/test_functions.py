"""Registering and unregistering functions (core.md §4)."""

import pytest

from iii_actors.actor import ask
from iii_actors.core.messages import FindFunction
from tests.support.peer import CallFailed
from tests.support.quiet import leave, settle, unexpected


def rejection(owner, function_id="f", namespace="default"):
    return {
        "type": "registrationrejected", "code": "FUNCTION_NAMESPACE_CONFLICT", "namespace": namespace,
        "owner_worker_id": owner, "function_id": function_id,
    }  # fmt: skip


def test_success_is_silent(join):
    peer = join()
    peer.send(
        type="registerfunction", id="f", description="d", request_format={}, response_format=[], metadata={"a": 1}
    )
    assert unexpected(peer) == []
    peer.start_call("f")
    peer.expect(type="invokefunction")


def test_the_same_worker_replaces_everything(lasting_engine, join):
    peer = join()
    peer.register("f", description="one", metadata={"v": 1}, request_format={"a": 1})
    peer.register("f", description="two")
    found, _ = ask(lasting_engine.core.functions, FindFunction("f", "default"))
    assert (found.definition.description, bytes(found.definition.metadata)) == ("two", b"")
    assert bytes(found.definition.request_format) == b""
    assert unexpected(peer) == []


def test_another_live_worker_s_function_is_refused(lasting_engine, join):
    first, second = join(), join()
    first.register("f", lambda _: "first", description="one")
    second.send(type="registerfunction", id="f", description="two")
    assert second.expect(type="registrationrejected") == rejection(first.worker_id)
    assert second.call("f") == "first"
    assert ask(lasting_engine.core.functions, FindFunction("f", "default"))[0].definition.description == "one"
    second.register("g", lambda _: "still here")
    assert first.call("g") == "still here"


def test_a_refusal_while_buffered_comes_with_the_replay(join):
    first, second = join(), join(announce=False)
    first.register("f")
    second.send(type="registerfunction", id="f")
    assert unexpected(second) == []
    second.register_worker()
    assert second.expect(type="registrationrejected") == rejection(first.worker_id)


@pytest.mark.parametrize("how", ["unregister", "close", "cut"])
def test_what_was_given_up_can_be_claimed(lasting_engine, join, how):
    first, second = join(), join()
    first.register("f")
    if how == "unregister":
        first.send(type="unregisterfunction", id="f")
        settle(first)
    else:
        leave(lasting_engine, first, how)
    second.register("f", lambda _: "second")
    assert second.call("f") == "second"
    assert unexpected(second) == []


def test_namespaces_do_not_conflict(join):
    one, two = join(), join(namespace="team")
    one.register("f", lambda _: "default")
    two.register("f", lambda _: "team")
    assert one.call("f") == two.call("f") == "default"
    assert one.call("f", namespace="team") == two.call("f", namespace="team") == "team"
    assert unexpected(one) == unexpected(two) == []


def test_the_reserved_prefix(join):
    outside, inside = join(namespace="team"), join()
    outside.send(type="registerfunction", id="engine::mine")
    assert outside.expect(type="registrationrejected") == rejection("", "engine::mine", "team")
    inside.register("engine::mine", lambda _: "free")
    assert outside.call("engine::mine") == "free"
    assert unexpected(inside) == []


@pytest.mark.parametrize(
    "invocation", [{"url": "https://example.org/f"}, {"url": "broken"}, {"url": 1}, {}, {"auth": {"type": "none"}}]
)
def test_functions_behind_http_need_their_module(join, invocation):
    peer, other = join(), join()
    peer.register("f", invocation=invocation)
    assert unexpected(peer) == []
    with pytest.raises(CallFailed, match="function_not_found"):
        peer.call("f")
    other.register("f", lambda _: "free")
    assert peer.call("f") == "free"


# --- §4.3 --------------------------------------------------------------------------------------------------------------


def test_only_the_owner_unregisters_and_twice_is_once(join):
    owner, other, elsewhere = join(), join(), join(namespace="team")
    owner.register("f", lambda _: 1)
    for peer in (other, elsewhere):
        peer.send(type="unregisterfunction", id="f")
        settle(peer)
    assert other.call("f") == 1
    for _ in range(2):
        owner.send(type="unregisterfunction", id="f")
    owner.send(type="unregisterfunction", id="never")
    assert unexpected(owner) == []
    with pytest.raises(CallFailed, match="function_not_found"):
        other.call("f")


def test_calls_in_flight_outlive_the_registration(join):
    owner, caller = join(), join()
    owner.register("f")
    call_id = caller.start_call("f")
    call = owner.expect(type="invokefunction")
    owner.send(type="unregisterfunction", id="f")
    settle(owner)
    owner.answer(call, "in time")
    assert caller.expect(type="invocationresult", invocation_id=call_id)["result"] == "in time"


def test_five_thousand_functions(join):
    peer, other = join(), join()
    for n in range(5000):
        peer.send(type="registerfunction", id=f"bulk::{n}")
    settle(peer)
    for n in (0, 2500, 4999):
        other.start_call(f"bulk::{n}")
        peer.expect(type="invokefunction", function_id=f"bulk::{n}")
