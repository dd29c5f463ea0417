"""Several workers behind one function: ``metadata.group`` (issue 3, item 9; ours)."""

import threading
from collections import Counter

import pytest

from iii_actors.actor import ask
from iii_actors.core.messages import ListCalls
from tests.support.peer import WAIT_S, CallFailed
from tests.support.quiet import leave, settle, unexpected

POLICIES = ["round_robin", "least_busy", "sticky", "standby"]


def policy(name, **metadata):
    return {"group": name} | ({"group_key": "user"} if name == "sticky" else {}) | metadata


@pytest.fixture
def members(join):
    """A maker of groups: so many workers that answer ``f`` with their own name."""

    def make(count, group, **metadata):
        made = []
        for n in range(count):
            peer = join()
            peer.register("f", lambda _, name=n: name, metadata=policy(group, **metadata))
            made.append(peer)
        return made

    return make


def refused(peer, owner):
    settle(peer)
    assert peer.expect(type="registrationrejected") == {
        "type": "registrationrejected", "code": "FUNCTION_NAMESPACE_CONFLICT", "namespace": "default",
        "owner_worker_id": owner.worker_id, "function_id": "f",
    }  # fmt: skip


@pytest.mark.parametrize("group", POLICIES)
def test_joining_is_silent(members, group):
    for peer in members(3, group):
        assert unexpected(peer) == []


def test_round_robin(join, members):
    members(3, "round_robin")
    caller = join()
    assert Counter(caller.call("f", n) for n in range(30)) == {0: 10, 1: 10, 2: 10}


def test_least_busy(join):
    workers = [join() for _ in range(3)]
    for worker in workers:
        worker.register("f", metadata=policy("least_busy"))
    caller = join()
    for n in range(6):
        caller.start_call("f", n)
    calls = [[worker.expect(type="invokefunction") for _ in range(2)] for worker in workers]
    for call in calls[1]:
        workers[1].answer(call, "done")
    settle(workers[1])
    for n in range(6, 8):
        caller.start_call("f", n)
        workers[1].expect(type="invokefunction", data=n)
    assert unexpected(workers[0]) == unexpected(workers[2]) == []


def test_sticky(lasting_engine, join, members):
    workers = members(3, "sticky")
    caller = join()
    home = {user: caller.call("f", {"user": user}) for user in range(60)}
    assert set(home.values()) == {0, 1, 2}
    for user, worker in home.items():
        assert caller.call("f", {"other": 1, "user": user}) == worker
    leave(lasting_engine, workers[1], "cut")
    moved = {user: caller.call("f", {"user": user}) for user in home}
    assert all(moved[user] == worker for user, worker in home.items() if worker != 1)
    assert set(moved.values()) == {0, 2}


def test_standby(lasting_engine, join, members):
    workers = members(3, "standby")
    caller = join()
    for expected in range(3):
        assert {caller.call("f") for _ in range(5)} == {expected}
        leave(lasting_engine, workers[expected], "cut")
    with pytest.raises(CallFailed, match="function_not_found"):
        caller.call("f")


@pytest.mark.parametrize("group", POLICIES)
@pytest.mark.parametrize("how", ["close", "cut", "unregister"])
def test_a_member_that_leaves_takes_only_its_own_calls(lasting_engine, join, group, how):
    workers = [join(), join()]
    for worker in workers:
        worker.register("f", metadata=policy(group))
    caller = join()
    ids = [caller.start_call("f", {"user": n}) for n in range(40)]
    settle(caller)
    for worker in workers:
        settle(worker)
    held = [[frame for frame in worker.seen if frame["type"] == "invokefunction"] for worker in workers]
    assert sum(map(len, held)) == 40
    assert (len(held[1]) == 0) == (group == "standby")
    if how == "unregister":
        workers[0].send(type="unregisterfunction", id="f")
        for call in held[0]:
            workers[0].answer(call, "in time")
        settle(workers[0])
    else:
        leave(lasting_engine, workers[0], how)
    for call in held[1]:
        workers[1].answer(call, "fine")
    outcomes = {call_id: caller.expect(type="invocationresult", invocation_id=call_id) for call_id in ids}
    for call in held[0]:
        outcome = outcomes[call["invocation_id"]]
        if how == "unregister":
            assert outcome["result"] == "in time"
        else:
            assert outcome["error"]["code"] == "invocation_stopped"
    assert all(outcomes[call["invocation_id"]]["result"] == "fine" for call in held[1])
    last = caller.start_call("f", {"user": 1})
    workers[1].answer(workers[1].expect(type="invokefunction", invocation_id=last), 1)
    assert caller.expect(type="invocationresult", invocation_id=last)["result"] == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (policy("round_robin"), policy("standby")),
        (policy("sticky"), policy("sticky") | {"group_key": "other"}),
        (policy("standby"), None),
        (policy("standby"), {"group": "made up"}),
        (None, policy("standby")),
        (None, None),
        ({"group": "made up"}, {"group": "made up"}),
    ],
)
def test_who_does_not_fit_is_refused(join, first, second):
    one, two = join(), join()
    one.register("f", lambda _: "one", metadata=first)
    two.send(type="registerfunction", id="f", metadata=second)
    refused(two, one)
    assert two.call("f") == "one"


def test_a_member_may_register_again(join):
    one, two, caller = join(), join(), join()
    for _ in range(3):
        one.register("f", lambda _: "one", metadata=policy("standby", v=1))
        two.register("f", lambda _: "two", metadata=policy("standby", v=2))
    assert unexpected(one) == unexpected(two) == []
    assert caller.call("f") == "one"
    one.register("f", metadata=policy("round_robin"))
    refused(one, two)
    two.send(type="unregisterfunction", id="f")
    settle(two)
    one.register("f", metadata=policy("round_robin"))
    assert unexpected(one) == []


def test_a_member_that_reattaches_takes_its_place_again(join, members):
    workers = members(2, "standby")
    again, caller = join(announce=False), join()
    again.send(type="reattach", previous_worker_id=workers[0].worker_id, reattach_token=workers[0].reattach_token)
    again.register_worker()
    again.register("f", lambda _: "again", metadata=policy("standby"))
    assert unexpected(again) == []
    assert caller.call("f") == 1
    workers[1].send(type="unregisterfunction", id="f")
    settle(workers[1])
    assert caller.call("f") == "again"


def test_groups_of_two_namespaces_are_apart(join):
    one, two = join(namespace="a"), join(namespace="b")
    one.register("f", lambda _: "one", metadata=policy("standby"))
    two.register("f", lambda _: "two", metadata=policy("round_robin"))
    assert one.call("f", namespace="b") == "two"
    assert two.call("f", namespace="a") == "one"


@pytest.mark.parametrize("group", POLICIES)
@pytest.mark.parametrize("how", ["drained", "cut"])
def test_a_rolling_deploy_under_load(lasting_engine, join, group, how):
    """B joins, A leaves, again and again, while four threads call: the function is never missing.

    Who leaves in good order (unregisters, answers what it has, closes) costs nobody a single call.
    """
    over, codes, counts = threading.Event(), Counter(), Counter()

    def deploy(version):
        worker = join()
        worker.register("f", lambda _: version, metadata=policy(group))
        return worker

    def work(number, caller):
        while not over.is_set():
            try:
                counts[number, caller.call("f", {"user": number})] += 1
            except CallFailed as failed:
                codes[failed.code] += 1

    current = deploy(0)
    threads = [threading.Thread(target=work, args=(n, join())) for n in range(4)]
    for thread in threads:
        thread.start()
    for version in range(1, 8):
        successor = deploy(version)
        if how == "drained":
            current.send(type="unregisterfunction", id="f")
            settle(current)
            drain(lasting_engine, current)
            leave(lasting_engine, current, "close")
        else:
            leave(lasting_engine, current, "cut")
        current = successor
        served = sum(counts.values())
        while sum(counts.values()) < served + 20:
            successor.barrier()
    over.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert set(codes) <= (set() if how == "drained" else {"invocation_stopped"}), codes
    assert {version for _, version in counts} >= {7}


def drain(engine, worker):
    """Return when every call that the worker had is answered."""
    while ask(engine.core.invocations, ListCalls(worker.worker_id)):
        worker.barrier()
