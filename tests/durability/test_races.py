"""Races and cuts: exactly one wins, nothing registered is lost, no answer is lost or doubled (core.md §3.5, §7.4, §13)."""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

import iii_actors
from iii_actors.actor import ask
from iii_actors.core.messages import CountCalls, FindFunction, FindWorker, ListTriggers
from tests.support.peer import WAIT_S, Peer, peers
from tests.support.quiet import settle, unexpected

ROUNDS = 200
REGISTER = "engine::workers::register"


@pytest.fixture
def join(either_engine: "iii_actors.Engine") -> Iterator[Callable[..., Peer]]:
    with peers(either_engine.url) as make:
        yield make


def at_once(*works: Callable[[], object]) -> None:
    """Do all of it on threads that start together; a failure of any is raised."""
    start, failures = threading.Barrier(len(works)), []

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait(WAIT_S)
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if failures:
        raise failures[0]


# --- claims ------------------------------------------------------------------------------------------------------------


def test_of_two_that_claim_a_function_exactly_one_wins(join):
    claimants, caller = [join(), join()], join()
    gate = threading.Barrier(2)

    def claim(peer):
        for n in range(ROUNDS):
            gate.wait(WAIT_S)
            peer.register(f"f{n}")

    at_once(*(lambda peer=peer: claim(peer) for peer in claimants))
    one, two = claimants
    lost = [{frame["function_id"]: frame for frame in unexpected(peer)} for peer in claimants]
    assert lost[0].keys() | lost[1].keys() == {f"f{n}" for n in range(ROUNDS)}
    assert not lost[0].keys() & lost[1].keys()
    for loser, winner, refused in ((one, two, lost[0]), (two, one, lost[1])):
        for function_id, frame in refused.items():
            assert frame["owner_worker_id"] == winner.worker_id != loser.worker_id
            caller.start_call(function_id, "who?")
            assert winner.expect(type="invokefunction", function_id=function_id)["data"] == "who?"


def test_of_two_that_claim_a_name_exactly_one_wins(either_engine, join):
    bystander = join()
    for n in range(ROUNDS):
        pair = [Peer(either_engine.url), Peer(either_engine.url)]
        results = {}

        def claim(peer, name=f"n{n}", results=results):
            results[peer.worker_id] = peer.call(REGISTER, {"name": name})["success"]

        at_once(*(lambda peer=peer: claim(peer) for peer in pair))
        assert sorted(results.values()) == [False, True]
        winner, loser = sorted(pair, key=lambda peer: not results[peer.worker_id])
        assert loser.expect(type="registrationrejected")["owner_worker_id"] == winner.worker_id
        assert loser.closed.wait(WAIT_S)
        assert unexpected(winner) == []
        winner.close()
    settle(bystander)


# --- a worker comes back while its old socket lingers ------------------------------------------------------------------

STATES = [
    "idle", "buffered", "burst", "naming itself", "calling", "called", "half a frame", "providing",
]  # fmt: skip


def bring_into(state, old, helper, functions):
    """Leave the old connection in a state; whatever it was about to do, nobody waits for it."""
    if state != "buffered":
        old.send(type="invokefunction", function_id=REGISTER, data={"name": "same"}, action={"type": "void"})
    for function_id in functions:
        old.send(type="registerfunction", id=function_id)
    old.send(type="registerfunction", id="only the old one's")
    match state:
        case "idle":
            settle(old)
        case "burst":
            for n in range(300):
                old.send(type="registerfunction", id=f"burst {n}")
        case "naming itself":
            old.send(type="invokefunction", function_id=REGISTER, data={"name": "same", "version": "2"})
        case "calling":
            old.start_call("helper::slow", 1)
            helper.expect(type="invokefunction", function_id="helper::slow")
        case "called":
            settle(old)
            helper.start_call(functions[0], "pending")
            old.expect(type="invokefunction", data="pending")
        case "half a frame":
            old.socket.socket.sendall(b"\x81\xfe\x10\x00\0\0\0\0{")
        case "providing":
            old.send(type="registertriggertype", id="hook", description="d")
            old.send(type="registertrigger", id="t", trigger_type="hook", function_id=functions[0])


def straggle(old, over):
    """Go on claiming on the old connection until it is cut off."""
    with suppress(ConnectionClosed, OSError):
        while not over.is_set():
            old.send(type="registerfunction", id="f0")
            old.send(type="invokefunction", function_id="helper::echo", data=1)


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_lost_when_a_worker_comes_back(either_engine, join, state):
    """64 cuts: 8 states of the old socket x one or many functions x naming first or last x a straggler or none."""
    core = either_engine.core
    helper = join()
    helper.register("helper::slow")
    helper.register("helper::echo", lambda data: data)
    for count, naming_first, straggling in itertools.product((1, 50), (True, False), (True, False)):
        functions = [f"f{n}" for n in range(count)]
        old = join(announce=False)
        bring_into(state, old, helper, functions)
        over = threading.Event()
        straggler = threading.Thread(target=straggle, args=(old, over))
        if straggling and state != "half a frame":
            straggler.start()
        new = join(announce=False)
        new.send(type="reattach", previous_worker_id=old.worker_id, reattach_token=old.reattach_token)
        name = {"type": "invokefunction", "function_id": REGISTER, "data": {"name": "same", "pid": 1}}
        if naming_first:
            new.send(**name, action={"type": "void"})
        for function_id in functions:
            new.send(type="registerfunction", id=function_id)
        new.send(type="registertriggertype", id="hook", description="d")
        new.send(type="registertrigger", id="t", trigger_type="hook", function_id="f0")
        if not naming_first:
            new.send(**name, action={"type": "void"})
        bound = new.expect(type="registertrigger")
        assert bound["id"] == "t"
        over.set()
        assert old.closed.wait(WAIT_S)
        assert unexpected(new) == []
        assert ask(core.workers, FindWorker(old.worker_id)) is None
        assert ask(core.workers, FindWorker(new.worker_id)).name == "same"
        assert ask(core.functions, FindFunction("only the old one's", None)) == (None, [])
        assert {one.id: one.owner.worker_id for one in ask(core.triggers, ListTriggers()) if one.id == "t"} == {
            "t": new.worker_id
        }
        for function_id in functions:
            call_id = helper.start_call(function_id, "hello")
            new.answer(new.expect(type="invokefunction", function_id=function_id), function_id)
            assert helper.expect(type="invocationresult", invocation_id=call_id)["result"] == function_id
        if straggler.ident is not None:
            straggler.join(WAIT_S)
        new.close()
        # The next round's worker takes the same name and functions: wait until they are free.
        while ask(core.workers, FindWorker(new.worker_id)) is not None:
            helper.barrier()
        helper.seen.clear()


# --- no answer lost, none doubled --------------------------------------------------------------------------------------

ENDINGS = {None, "invocation_stopped", "function_not_found", "channel_send_failed"}


@pytest.mark.parametrize("group", [None, "round_robin", "least_busy", "standby"])
def test_every_call_ends_exactly_once_whoever_dies(either_engine, join, group):
    """Callees and callers are killed at random in the middle of their calls; each caller accounts for all of its own."""
    rounds, at_a_time, callers, callees = 20, 20, 3, 3
    over, endings = threading.Event(), Counter()

    def be_called(number):
        chance = random.Random(number)
        while not over.is_set():
            worker, countdown = join(), itertools.count(chance.randrange(5, 60), -1)
            dying = threading.Event()

            def handle(data, left=countdown, dying=dying):
                if next(left) <= 0:
                    dying.set()
                return data["n"]

            worker.register("shared", handle, metadata={"group": group} if group else None)
            worker.register(f"own::{number}", handle)
            while not dying.is_set() and not over.is_set() and not worker.closed.is_set():
                worker.barrier()
            (worker.cut if chance.random() < 0.5 else worker.close)()

    def call(number):
        chance = random.Random(100 + number)
        peer = join()
        for _ in range(rounds):
            if chance.random() < 0.15:
                for _ in range(at_a_time):
                    peer.start_call("shared", {"n": -1})
                peer.cut()
                peer = join()
            calls = {}
            for n in range(at_a_time):
                function_id = chance.choice(["shared", f"own::{chance.randrange(callees)}"])
                calls[peer.start_call(function_id, {"n": n})] = n
            for call_id, n in calls.items():
                frame = peer.expect(type="invocationresult", invocation_id=call_id)
                code = frame.get("error", {}).get("code")
                assert code in ENDINGS
                assert code is not None or frame["result"] == n
                endings[code] += 1
            assert unexpected(peer) == []

    serving = [threading.Thread(target=be_called, args=(number,)) for number in range(callees)]
    for thread in serving:
        thread.start()
    try:
        at_once(*(lambda number=number: call(number) for number in range(callers)))
    finally:
        over.set()
        for thread in serving:
            thread.join(WAIT_S)
    assert sum(endings.values()) == rounds * at_a_time * callers
    assert endings[None] > 0
    last = join()
    settle(last)
    for listener in either_engine._listeners:
        for worker in listener.workers():
            worker.close(1012, "the test is over")
        assert listener.wait_until_empty(WAIT_S)
    assert ask(either_engine.core.invocations, CountCalls()) == {}
