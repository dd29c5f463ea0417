"""Namespaces and names (core.md §8)."""

import pytest

from tests.support.peer import WAIT_S, CallFailed
from tests.support.quiet import unexpected

REGISTER = "engine::workers::register"


def test_absent_is_default_for_the_target_of_a_call(join):
    inside, outside = join(namespace="team"), join()
    inside.register("f", lambda _: "team")
    outside.register("f", lambda _: "default")
    assert inside.call("f") == "default"
    assert inside.call("f", namespace=None) == "default"


def test_there_is_no_fallback(join):
    default, team = join(), join(namespace="team")
    default.register("f")
    team.register("g")
    for function_id, namespace, text in [
        ("f", "team", "Function f not found in namespace team. It is registered in namespace(s): default."),
        ("g", None, "Function g not found in namespace default. It is registered in namespace(s): team."),
        ("g", "Team", "Function g not found in namespace Team. It is registered in namespace(s): team."),
        ("g", " team", "Function g not found in namespace  team. It is registered in namespace(s): team."),
        ("h", "x", "Function h not found in namespace x."),
    ]:
        with pytest.raises(CallFailed) as missing:
            team.call(function_id, namespace=namespace)
        assert missing.value.error == {"code": "function_not_found", "message": text}


def test_the_hint_is_sorted(join):
    for namespace in ("b", "a", "c"):
        join(namespace=namespace).register("f")
    with pytest.raises(CallFailed) as missing:
        join().call("f")
    assert missing.value.message == (
        "Function f not found in namespace default. It is registered in namespace(s): a, b, c."
    )


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_namespace_of_a_call(join, blank):
    peer = join()
    call_id = peer.start_call("f", namespace=blank, traceparent="x", baggage="y")
    assert peer.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": "f", "traceparent": "x", "baggage": "y",
        "error": {
            "code": "INVALID_NAMESPACE",
            "message": "`namespace` is empty: it was named and left blank. "
            "Give it a name, or omit it to use `default`.",
        },
    }  # fmt: skip
    peer.send(type="invokefunction", function_id="f", data=1, namespace=blank)
    assert unexpected(peer) == []


@pytest.mark.parametrize("name", ["Ünïcode", "a::b", "x" * 1000, "null", "DEFAULT"])
def test_names_of_namespaces_are_free(join, name):
    peer = join(namespace=name)
    peer.register("f", lambda _: 1)
    assert peer.call("f", namespace=name) == 1


def test_the_engine_s_own_functions_are_in_default_only(join):
    peer = join(announce=False)
    with pytest.raises(CallFailed, match="function_not_found"):
        peer.call(REGISTER, {"namespace": "team"}, namespace="team")
    assert peer.call(REGISTER, {"namespace": "team"}, namespace="default") == {"success": True}


# --- §8.3 --------------------------------------------------------------------------------------------------------------


def test_the_loser_of_a_name_is_told_answered_and_closed_without_status(join):
    owner, loser = join("taken", namespace="team"), join(announce=False)
    loser.send(type="registerfunction", id="f")
    call_id = loser.start_call(REGISTER, {"name": "\u202etaken ", "namespace": "team", "pid": 1})
    assert loser.expect(type="registrationrejected") == {
        "type": "registrationrejected", "code": "WORKER_NAMESPACE_CONFLICT", "namespace": "team",
        "worker_name": "taken", "owner_worker_id": owner.worker_id,
    }  # fmt: skip
    assert loser.expect(type="invocationresult", invocation_id=call_id)["result"] == {"success": False}
    assert loser.closed.wait(WAIT_S)
    assert loser.close_code == 1005
    with pytest.raises(CallFailed, match="function_not_found"):
        owner.call("f", namespace="team")
    assert unexpected(owner) == []


def test_void_losers_are_told_too(join):
    owner, loser = join("taken"), join(announce=False)
    loser.send(type="invokefunction", function_id=REGISTER, data={"name": "taken"}, action={"type": "void"})
    assert loser.expect(type="registrationrejected")["owner_worker_id"] == owner.worker_id
    assert loser.closed.wait(WAIT_S)
    assert [frame["type"] for frame in loser.seen] == []


def test_a_name_is_of_its_namespace(join):
    one, two = join("n"), join(announce=False)
    assert two.register_worker("n", namespace="team") == {"success": True}
    assert unexpected(one) == unexpected(two) == []


def test_unnamed_workers_never_conflict(join):
    for name in (None, "", " ", "\u200e\x00\u2028"):
        for _ in range(2):
            details = {} if name is None else {"name": name.replace("\u200e", "")}
            assert join(announce=False).call(REGISTER, details) == {"success": True}


def test_a_worker_may_say_its_name_again_and_take_another(join):
    peer, other = join("n"), join()
    for name in ("n", "m", "n"):
        assert peer.call(REGISTER, {"name": name}) == {"success": True}
    assert unexpected(other) == unexpected(peer) == []
