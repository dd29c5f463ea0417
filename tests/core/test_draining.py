"""Going down: what is refused, what is let through, when the last call has ended."""

import threading

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import iii_actors
from iii_actors.core.draining import EngineDraining
from iii_actors.limits import DRAIN_DEADLINE_S
from tests.support.peer import CallFailed, peers

WAIT_S = 10


@pytest.fixture
def engine():
    config = iii_actors.EngineConfig(workers=[{"name": "iii-worker-manager", "config": {"port": 0}}])
    with iii_actors.Engine(config) as running:
        yield running


@pytest.fixture
def join(engine):
    with peers(engine.url) as make:
        yield make


def test_an_idle_engine_is_through_at_once(engine, join):
    join("idle")
    drained = engine.drain()
    assert (drained.calls, drained.left) == (0, 0)
    assert drained.seconds < DRAIN_DEADLINE_S


def test_a_call_in_flight_ends_as_ever(engine, join):
    callee, caller = join("callee"), join("caller")
    callee.register("slow")
    pending = caller.start_call("slow", 1)
    frame = callee.expect(type="invokefunction")
    others = join("others")
    drain = threading.Thread(target=lambda: results.append(engine.drain(WAIT_S)))
    results = []
    drain.start()
    _until_refused(others)
    callee.send(type="invocationresult", invocation_id=frame["invocation_id"], function_id="slow", result=2)
    assert caller.expect(type="invocationresult", invocation_id=pending)["result"] == 2
    drain.join(WAIT_S)
    assert (results[0].calls, results[0].left) == (1, 0)


def test_what_it_calls_while_it_runs_belongs_to_it(engine, join):
    callee, caller, helper = join("callee"), join("caller"), join("helper")
    callee.register("slow")
    helper.register("helper::help", lambda data: data + 1)
    pending = caller.start_call("slow", 1)
    frame = callee.expect(type="invokefunction")
    drain = threading.Thread(target=engine.drain, args=(WAIT_S,))
    drain.start()
    _until_refused(helper)
    assert callee.call("helper::help", 41) == 42
    with pytest.raises(CallFailed, match="takes no new calls"):
        caller.call("helper::help", 1)
    callee.send(type="invocationresult", invocation_id=frame["invocation_id"], function_id="slow", result=2)
    assert caller.expect(type="invocationresult", invocation_id=pending)["result"] == 2
    drain.join(WAIT_S)
    assert not drain.is_alive()


def test_what_does_not_end_is_stopped(engine, join):
    callee, caller = join("callee"), join("caller")
    callee.register("never")
    caller.start_call("never")
    callee.expect(type="invokefunction")
    drained = engine.drain(0.0)
    assert (drained.calls, drained.left) == (1, 1)
    engine.stop()
    assert caller.closed.wait(WAIT_S)
    assert caller.close_code == 1012


def test_a_void_call_is_dropped(engine, join):
    callee, caller = join("callee"), join("caller")
    callee.register("fire")
    engine.drain()
    caller.send(type="invokefunction", function_id="fire", data=1, action={"type": "void"})
    caller.barrier()
    callee.barrier()
    assert [frame for frame in callee.seen if frame["type"] == "invokefunction"] == []


def test_new_workers_are_turned_away_and_channels_are_not(engine, join):
    worker = join("worker")
    made = worker.call("engine::channels::create", {})
    engine.drain()
    with pytest.raises(InvalidStatus) as refused, connect(engine.url, proxy=None):
        pass
    assert refused.value.response.status_code == 503
    assert b"going down" in refused.value.response.body
    reader = made["reader"]
    address = f"{engine.url}/ws/channels/{reader['channel_id']}?key={reader['access_key']}&dir=read"
    with connect(address, proxy=None) as end:
        assert end.response.status_code == 101


def test_the_function_stops_an_engine_in_a_program(engine, join):
    worker = join("worker")
    assert worker.call("engine::drain", {}) == {"draining": True, "in_flight": 0}
    assert worker.closed.wait(WAIT_S)
    assert worker.close_code == 1012


@pytest.mark.parametrize("deadline_ms", [-1, "soon", 1.5])
def test_a_wrong_deadline(join, deadline_ms):
    worker = join("worker")
    with pytest.raises(CallFailed) as failed:
        worker.call("engine::drain", {"deadline_ms": deadline_ms})
    assert failed.value.code == "deserialization_error"
    assert worker.call("engine::workers::list", {})


def _until_refused(peer):
    """Return when the engine drains: a worker that executes nothing is refused then."""
    while True:
        try:
            peer.call("engine::baggage::get_all", {})
        except CallFailed as failed:
            assert failed.code == EngineDraining.code
            return
