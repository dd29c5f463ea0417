"""A worker's life: coming, naming itself, reattaching, leaving (core.md §3)."""

import threading
import uuid

import pytest

from iii_actors import Engine, EngineConfig
from iii_actors.actor import ask
from iii_actors.clock import ManualClock
from iii_actors.core.messages import (
    CountCalls,
    FindFunction,
    FindWorker,
    FunctionsOf,
    ListTriggers,
    ListTriggerTypes,
    ListWorkers,
    WorkerEvent,
)
from iii_actors.core.queries import WatchWorkers
from tests.support.peer import WAIT_S, CallFailed, peers
from tests.support.probe import watching
from tests.support.quiet import leave, settle, unexpected

REGISTER = "engine::workers::register"


@pytest.fixture(params=["shared", "own"])
def timed(request):
    """An engine whose time stands still, and a maker of workers."""
    clock = ManualClock()
    with Engine(EngineConfig.listening(reader=request.param), clock=clock) as engine, peers(engine.url) as make:
        yield engine, make, clock


def record(engine, peer):
    return ask(engine.core.workers, FindWorker(peer.worker_id))


# --- §3.1 coming -------------------------------------------------------------------------------------------------------


def test_a_worker_needs_no_register_call_to_call(join):
    callee, silent = join(), join(announce=False)
    callee.register("f", lambda data: data["_caller_worker_id"])
    assert silent.call("f", {}) == silent.worker_id


def test_the_record(lasting_engine, join):
    peer = join(announce=False)
    found = record(lasting_engine, peer)
    assert (found.status, found.namespace, found.name, found.ip_address) == ("connected", "default", None, "127.0.0.1")
    peer.call(
        REGISTER,
        {"name": " n\n", "runtime": "python", "version": "1", "os": "Linux", "pid": 7, "isolation": "docker",
         "description": "d", "namespace": "team", "unknown": 1,
         "telemetry": {"language": "en", "amplitude_api_key": "k"}, "_caller_worker_id": "somebody else"},
    )  # fmt: skip
    found = record(lasting_engine, peer)
    assert (found.name, found.runtime, found.version, found.os, found.pid) == ("n", "python", "1", "Linux", 7)
    assert (found.isolation, found.description, found.namespace) == ("docker", "d", "team")
    assert found.telemetry.language == "en"


def test_events_come_in_their_order(lasting_engine, join):
    with watching(lasting_engine.core.workers, WatchWorkers) as watcher:
        peer = join(announce=False)
        peer.register_worker()
        peer.cut()
        for event in ("worker_connected", "worker_metadata_updated", "worker_disconnected"):
            assert watcher.next() == WorkerEvent(event, peer.worker_id)
        assert ask(lasting_engine.core.workers, FindWorker(peer.worker_id)) is None


# --- §3.2 the namespace ------------------------------------------------------------------------------------------------


def test_registrations_wait_and_calls_do_not(timed):
    engine, make, _ = timed
    peer, other = make(announce=False), make()
    peer.send(type="registerfunction", id="f")
    peer.send(type="registertriggertype", id="hook", description="d")
    peer.send(type="registertrigger", id="t", trigger_type="hook", function_id="f", config=None)
    peer.send(type="registerservice", id="s")
    assert unexpected(peer) == []
    with pytest.raises(CallFailed) as missing:
        other.call("f")
    assert (missing.value.code, missing.value.message) == (
        "function_not_found",
        "Function f not found in namespace default.",
    )
    assert "hook" not in {one.id for one in ask(engine.core.triggers, ListTriggerTypes())}
    assert peer.register_worker(namespace="team") == {"success": True}
    assert peer.expect(type="registertrigger")["trigger_namespace"] == "team"
    with pytest.raises(CallFailed) as elsewhere:
        other.call("f")
    assert elsewhere.value.message == (
        "Function f not found in namespace default. It is registered in namespace(s): team."
    )
    other.start_call("f", 1, namespace="team")
    peer.expect(type="invokefunction", data=1)


def test_the_queue_is_replayed_in_order(join):
    peer = join(announce=False)
    for n in range(100):
        peer.send(type="registerfunction", id="f", description=str(n))
        peer.send(type="registerfunction", id=f"g{n}")
        peer.send(type="unregisterfunction", id=f"g{n - 1}")
    peer.send(type="registertrigger", id="t", trigger_type="hook", function_id="f")
    peer.send(type="unregistertrigger", id="t")
    peer.send(type="registertriggertype", id="hook", description="d")
    peer.register_worker()
    assert unexpected(peer) == []
    peer.start_call("f")
    peer.expect(type="invokefunction", function_id="f")
    peer.start_call("g99")
    peer.expect(type="invokefunction", function_id="g99")
    with pytest.raises(CallFailed):
        peer.call("g98")


def test_registrations_are_live_when_the_register_call_is_answered(join):
    worker, caller = join(announce=False), join()
    for n in range(300):
        worker.send(type="registerfunction", id=f"f{n}")
    worker.register_worker()
    caller.start_call("f299")
    worker.expect(type="invokefunction", function_id="f299")


def test_the_register_call_comes_first_or_last(join):
    """Node sends it first, Python last; both without an invocation id and void (core.md §2.3)."""
    call = {"type": "invokefunction", "function_id": REGISTER, "action": {"type": "void"}}
    node, python = join(announce=False), join(announce=False)
    node.send(**call, data={"name": "node", "namespace": "one"}, message_type="invokefunction")
    node.send(type="registerfunction", id="f")
    python.send(type="registerfunction", id="f")
    python.send(**call, data={"name": "python", "namespace": "two"})
    assert unexpected(node) == unexpected(python) == []
    for namespace, worker in (("one", node), ("two", python)):
        node.start_call("f", namespace, namespace=namespace)
        worker.expect(type="invokefunction", data=namespace)


def until_grace_is_over(engine, peer, function_id):
    """The grace ends on a thread of its own: ask until the function is there."""
    while ask(engine.core.functions, FindFunction(function_id, None))[0] is None:
        peer.barrier()
    return ask(engine.core.functions, FindFunction(function_id, None))[0].namespace


def test_without_a_name_it_is_default_when_the_grace_is_over(timed, caplog):
    engine, make, clock = timed
    peer = make(announce=False)
    peer.send(type="registerfunction", id="f")
    settle(peer)
    clock.advance(4.999)
    settle(peer)
    assert ask(engine.core.functions, FindFunction("f", None)) == (None, [])
    clock.advance(0.001)
    assert until_grace_is_over(engine, peer, "f") == "default"
    assert "did not register itself in time" in caplog.text
    assert peer.register_worker("late", namespace="team") == {"success": True}
    peer.register("g")
    assert ask(engine.core.functions, FindFunction("g", None))[0].namespace == "default"
    assert record(engine, peer).namespace == "default"
    rival = make(announce=False)
    rival.send(type="invokefunction", function_id=REGISTER, data={"name": "late"})
    assert rival.expect(type="registrationrejected")["namespace"] == "default"


def test_the_grace_is_a_setting():
    clock = ManualClock()
    config = EngineConfig(
        registration_namespace_grace_ms=100, workers=[{"name": "iii-worker-manager", "config": {"port": 0}}]
    )
    with Engine(config, clock=clock) as engine, peers(engine.url) as make:
        peer = make(announce=False)
        peer.send(type="registerfunction", id="f")
        settle(peer)
        clock.advance(0.1)
        assert until_grace_is_over(engine, peer, "f") == "default"


def test_a_disconnect_discards_what_waited(timed):
    engine, make, clock = timed
    peer, other = make(announce=False), make()
    peer.send(type="registerfunction", id="f")
    settle(peer)
    leave(engine, peer)
    clock.advance(60)
    settle(other)
    assert ask(engine.core.functions, FindFunction("f", None)) == (None, [])


def test_a_second_register_call_changes_the_record_and_not_the_namespace(lasting_engine, join):
    peer = join(announce=False)
    peer.register_worker("n", namespace="team")
    assert peer.call(REGISTER, {"namespace": "other", "version": "2", "runtime": None}) == {"success": True}
    found = record(lasting_engine, peer)
    assert (found.namespace, found.name, found.version, found.runtime) == ("team", "n", "2", "unknown")
    peer.register("f")
    assert ask(lasting_engine.core.functions, FindFunction("f", "team"))[0].target.worker_id == peer.worker_id


# --- §3.3 the register call --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["", "   "])
def test_a_blank_namespace_is_refused_and_can_be_mended(join, blank):
    peer = join(announce=False)
    peer.send(type="registerfunction", id="f")
    with pytest.raises(CallFailed) as refused:
        peer.call(REGISTER, {"name": "n", "namespace": blank})
    assert refused.value.error == {
        "code": "INVALID_NAMESPACE",
        "message": f"namespace is empty: worker 'n' declared \"{blank}\". "
        "Give it a name, or omit the field to register in 'default'.",
    }
    assert peer.call(REGISTER, {"name": "n"}) == {"success": True}
    peer.start_call("f")
    peer.expect(type="invokefunction")


@pytest.mark.parametrize("data", [None, 1, "x", [], {"pid": "7"}, {"pid": -1}, {"name": 1}, {"telemetry": 1}])
def test_wrong_input_of_the_register_call(join, data):
    peer = join(announce=False)
    with pytest.raises(CallFailed) as refused:
        peer.call(REGISTER, data)
    assert refused.value.code == "deserialization_error"
    assert refused.value.message.startswith(f"Failed to deserialize input for {REGISTER}: ")
    assert "result" not in refused.value.error
    assert peer.call(REGISTER, {}) == {"success": True}


def test_the_answer_of_the_register_call_as_it_stands(join):
    peer = join(announce=False)
    call_id = peer.start_call(REGISTER, {}, traceparent="", baggage="a=1")
    assert peer.expect(type="invocationresult") == {
        "type": "invocationresult", "invocation_id": call_id, "function_id": REGISTER, "result": {"success": True},
        "traceparent": "", "baggage": "a=1",
    }  # fmt: skip


# --- §3.5 reattach -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["id", "case", "token", "no token", "null token", "own"])
def test_a_wrong_reattach_is_ignored(join, wrong):
    old, new = join(), join()
    old.register("f", lambda _: "old")
    frame = {"previous_worker_id": old.worker_id, "reattach_token": old.reattach_token}
    frame |= {
        "id": {"previous_worker_id": str(uuid.uuid4())},
        "case": {"reattach_token": old.reattach_token.upper() + " "},
        "token": {"reattach_token": new.reattach_token},
        "no token": {},
        "null token": {"reattach_token": None},
        "own": {"previous_worker_id": new.worker_id, "reattach_token": new.reattach_token},
    }[wrong]
    if wrong == "no token":
        del frame["reattach_token"]
    new.send(type="reattach", **frame)
    assert unexpected(new) == []
    assert new.call("f") == "old"


def test_reattach_clears_the_slate_before_the_next_frame(lasting_engine, join):
    old, caller, provider = join("same", announce=True), join(), join()
    provider.send(type="registertriggertype", id="hook", description="d")
    provider.barrier()
    old.register("f")
    old.send(type="registertrigger", id="t", trigger_type="hook", function_id="f")
    provider.expect(type="registertrigger", id="t")
    pending = caller.start_call("f", 1)
    old.expect(type="invokefunction", data=1)
    made = caller.worker_id
    new = join(announce=False)
    new.send(type="reattach", previous_worker_id=old.worker_id, reattach_token=old.reattach_token)
    new.send(type="registerfunction", id="f")
    assert new.register_worker("same") == {"success": True}
    assert unexpected(new) == []
    assert old.closed.wait(WAIT_S)
    assert old.close_code in (1006, 1012)
    assert caller.expect(type="invocationresult", invocation_id=pending)["error"] == {
        "code": "invocation_stopped",
        "message": "Invocation stopped",
    }
    assert provider.expect(type="unregistertrigger") == {"type": "unregistertrigger", "id": "t", "trigger_type": "hook"}
    assert ask(lasting_engine.core.workers, FindWorker(old.worker_id)) is None
    assert new.worker_id != old.worker_id
    call_id = caller.start_call("f", 2)
    call = new.expect(type="invokefunction", data=2)
    new.answer(call, made)
    assert caller.expect(type="invocationresult", invocation_id=call_id)["result"] == made


def test_a_token_is_of_use_once(join):
    old, new, third = join(), join(), join()
    for peer in (new, third):
        peer.send(type="reattach", previous_worker_id=old.worker_id, reattach_token=old.reattach_token)
        settle(peer)
    new.register("f", lambda _: "new")
    third.send(type="reattach", previous_worker_id=old.worker_id, reattach_token=old.reattach_token)
    settle(third)
    assert third.call("f") == "new"


# --- §3.6 leaving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "cut"])
def test_leaving_takes_exactly_one_s_own(lasting_engine, join, how):
    """200 functions, 200 bindings, types and calls; the same of another worker stay."""
    core = lasting_engine.core
    leaver, stayer, provider = join(), join(), join()
    provider.send(type="registertriggertype", id="hook", description="d")
    provider.barrier()
    for peer, mark in ((leaver, "l"), (stayer, "s")):
        for n in range(200):
            peer.send(type="registerfunction", id=f"{mark}{n}")
            peer.send(type="registertrigger", id=f"{mark}{n}", trigger_type="hook", function_id=f"{mark}{n}")
        peer.send(type="registertriggertype", id=f"type-{mark}", description="d")
        peer.send(type="registertrigger", id=f"parked-{mark}", trigger_type="later", function_id="f")
        peer.barrier()
    to_leaver, to_stayer = provider.start_call("l0"), provider.start_call("s0")
    from_leaver = leaver.start_call("s1", 5)
    stayer.expect(type="invokefunction", function_id="s0")
    of_leaver = stayer.expect(type="invokefunction", function_id="s1")
    leaver.expect(type="invokefunction", function_id="l0")
    leave(lasting_engine, leaver, how)
    assert ask(core.functions, FunctionsOf(leaver.worker_id)) == []
    assert len(ask(core.functions, FunctionsOf(stayer.worker_id))) == 200
    left = {f"{one.id}" for one in ask(core.triggers, ListTriggers())}
    assert {f"s{n}" for n in range(200)} <= left
    assert not any(one.startswith("l") for one in left)
    types = {one.id for one in ask(core.triggers, ListTriggerTypes())}
    assert "type-s" in types
    assert "type-l" not in types
    withdrawn = [provider.expect(type="unregistertrigger") for _ in range(200)]
    assert {frame["id"] for frame in withdrawn} == {f"l{n}" for n in range(200)}
    assert provider.expect(type="invocationresult", invocation_id=to_leaver)["error"]["code"] == "invocation_stopped"
    assert ask(core.invocations, CountCalls()) == {provider.worker_id: 1, stayer.worker_id: 1}
    stayer.send(type="invocationresult", invocation_id=from_leaver, function_id="s1", result=1)
    stayer.answer({"invocation_id": to_stayer, "function_id": "s0"}, "done")
    assert provider.expect(type="invocationresult", invocation_id=to_stayer)["result"] == "done"
    assert of_leaver["data"] == 5
    provider.send(type="registertriggertype", id="later", description="d")
    settle(provider)
    parked = [frame["id"] for frame in provider.seen if frame["type"] == "registertrigger" and "parked" in frame["id"]]
    assert parked == ["parked-s"]


def test_functions_are_gone_when_the_event_comes(lasting_engine, join):
    core = lasting_engine.core
    peer = join()
    peer.register("f")
    with watching(core.workers, WatchWorkers) as watcher:
        peer.cut()
        assert watcher.next() == WorkerEvent("worker_disconnected", peer.worker_id)
        assert ask(core.functions, FindFunction("f", None)) == (None, [])
        assert peer.worker_id not in {one.worker_id for one in ask(core.workers, ListWorkers())}


def test_a_name_is_free_when_its_holder_has_left(lasting_engine, join):
    first, second = join("n"), join(announce=False)
    leave(lasting_engine, first)
    assert second.register_worker("n") == {"success": True}


def test_many_come_and_go_at_once(lasting_engine, join):
    """Every worker registers the same three functions in a namespace of its own, and nothing is left of any."""
    start, failures = threading.Barrier(8), []

    def live(mark):
        try:
            start.wait(WAIT_S)
            for _ in range(5):
                peer = join(announce=False)
                peer.register_worker(namespace=mark)
                for n in range(3):
                    peer.register(f"f{n}", lambda data: data)
                assert peer.call("f1", mark, namespace=mark) == mark
                leave(lasting_engine, peer, "cut")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=live, args=(f"team-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    for n in range(3):
        assert ask(lasting_engine.core.functions, FindFunction(f"f{n}", None)) == (None, [])
    assert ask(lasting_engine.core.invocations, CountCalls()) == {}
