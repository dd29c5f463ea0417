"""What is in order and what is atomic (core.md §13)."""

import json
import threading

from iii_actors.actor import ask
from iii_actors.core.messages import FindFunction, ListTriggers
from tests.support.peer import WAIT_S, CallFailed
from tests.support.quiet import leave, settle, unexpected


def test_register_then_call_on_one_socket_always_works(join):
    """Nothing is waited for in between: the frames may even arrive in one piece."""
    peer = join()
    for n in range(300):
        peer.send(type="registerfunction", id=f"f{n}")
        peer.send(type="invokefunction", function_id=f"f{n}", data=n)
    for n in range(300):
        assert peer.expect(type="invokefunction", data=n)["function_id"] == f"f{n}"
    assert unexpected(peer) == []


def test_unregister_then_call_never_works(join):
    peer = join()
    ids = []
    for n in range(200):
        peer.send(type="registerfunction", id="f")
        peer.send(type="unregisterfunction", id="f")
        ids.append(peer.start_call("f", n))
    for call_id in ids:
        assert peer.expect(type="invocationresult", invocation_id=call_id)["error"]["code"] == "function_not_found"
    assert unexpected(peer) == []


def test_the_register_call_is_in_order_too(join):
    peer = join(announce=False)
    peer.send(type="registerfunction", id="f")
    peer.send(type="invokefunction", function_id="engine::workers::register", data={}, action={"type": "void"})
    peer.send(type="invokefunction", function_id="f", data="in one go")
    peer.expect(type="invokefunction", data="in one go")


def test_a_trigger_and_its_type_in_one_go(join):
    peer = join()
    for n in range(100):
        peer.send(type="registertrigger", id=f"before-{n}", trigger_type=f"type-{n}", function_id="f")
        peer.send(type="registertriggertype", id=f"type-{n}", description="d")
        peer.send(type="registertrigger", id=f"after-{n}", trigger_type=f"type-{n}", function_id="f")
        peer.send(type="unregistertrigger", id=f"before-{n}")
    settle(peer)
    frames = [(frame["type"], frame["id"]) for frame in peer.seen]
    assert frames == [
        (kind, f"{when}-{n}")
        for n in range(100)
        for kind, when in (("registertrigger", "before"), ("registertrigger", "after"), ("unregistertrigger", "before"))
    ]


def test_one_large_write_is_taken_frame_by_frame(join):
    """Thousands of frames of all kinds in one go, as a worker sends them that has been waiting for its connection."""
    peer, other = join(), join()
    other.register("echo", lambda data: data["n"])
    ids = {}
    for n in range(500):
        peer.send(type="registerfunction", id=f"f{n}")
        ids[peer.start_call("echo", {"n": n})] = n
        peer.send(type="ping")
        peer.send_raw(json.dumps({"type": "unknown", "n": n}))
    for call_id, n in ids.items():
        assert peer.expect(type="invocationresult", invocation_id=call_id)["result"] == n
    for _ in range(500):
        peer.expect(type="pong")
    assert unexpected(peer) == []


def test_a_cleanup_never_removes_what_a_successor_has_claimed(lasting_engine, join):
    """The successor claims again and again while its predecessor is being cleaned up."""
    core = lasting_engine.core
    for round_number in range(20):
        old, new = join(), join()
        for n in range(50):
            old.send(type="registerfunction", id=f"f{n}")
        old.barrier()
        leaving = threading.Thread(target=leave, args=(lasting_engine, old, "cut"))
        leaving.start()
        missing = {f"f{n}" for n in range(50)}
        while missing:
            for function_id in missing:
                new.send(type="registerfunction", id=function_id)
            settle(new)
            missing = {frame["function_id"] for frame in new.seen if frame["type"] == "registrationrejected"}
            new.seen.clear()
        leaving.join(WAIT_S)
        settle(new)
        owners = {ask(core.functions, FindFunction(f"f{n}", None))[0].target.worker_id for n in range(50)}
        assert owners == {new.worker_id}, round_number
        leave(lasting_engine, new)


def test_a_binding_is_live_or_parked_and_never_both_or_lost(lasting_engine, join):
    """Providers come and go while bindings are made and unmade; in the end everyone wanted is served by the last."""
    stop, failures = threading.Event(), []

    def come_and_go(namespace):
        try:
            while not stop.is_set():
                provider = join(namespace=namespace)
                provider.send(type="registertriggertype", id="hook", description="d")
                settle(provider)
                leave(lasting_engine, provider, "cut")
        except (AssertionError, CallFailed) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=come_and_go, args=(namespace,)) for namespace in ("default", "team")]
    for thread in threads:
        thread.start()
    worker = join(namespace="team")
    for n in range(150):
        worker.send(type="registertrigger", id=f"keep-{n}", trigger_type="hook", function_id="f")
        worker.send(type="registertrigger", id=f"drop-{n}", trigger_type="hook", function_id="f")
        worker.send(type="unregistertrigger", id=f"drop-{n}")
        settle(worker)
    stop.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert failures == []
    last = join(namespace="team")
    last.send(type="registertriggertype", id="hook", description="d")
    settle(last)
    given = [frame["id"] for frame in last.seen if frame["type"] == "registertrigger"]
    assert sorted(given) == sorted(f"keep-{n}" for n in range(150))
    live = {one.id: one.provider_namespace for one in ask(lasting_engine.core.triggers, ListTriggers())}
    assert {key: value for key, value in live.items() if "-" in key and key.split("-")[0] in {"keep", "drop"}} == {
        f"keep-{n}": "team" for n in range(150)
    }


def test_results_of_one_callee_reach_each_caller_once(join):
    callee = join()
    callee.register("echo", lambda data: data["n"])
    failures = []

    def work(caller):
        ids = [caller.start_call("echo", {"n": n}) for n in range(300)]
        for n, call_id in enumerate(ids):
            if caller.expect(type="invocationresult", invocation_id=call_id).get("result") != n:
                failures.append(call_id)
        failures.extend(unexpected(caller))

    threads = [threading.Thread(target=work, args=(join(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
