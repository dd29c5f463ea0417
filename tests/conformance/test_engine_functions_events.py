"""``engine::workers-available`` and ``engine::functions-available`` through real sockets (engine-functions.md §5, §6).

Where the 200 ms and the 5 s matter, the engine's clock is moved by hand.
"""

import contextlib

import pytest

import iii_actors
from iii_actors.clock import ManualClock
from tests.support.asking import bind, ids, unbind
from tests.support.peer import peers

WORKERS = ["engine::workers-available", "workers.available"]
FUNCTIONS = ["engine::functions-available", "functions.available"]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def paused(clock):
    """A maker of workers on an engine whose time stands still."""
    config = iii_actors.EngineConfig.listening(port=0)
    with iii_actors.Engine(config, clock=clock) as engine, peers(engine.url) as make:
        yield make


def subscriber(make, trigger_type, name="watcher", **members):
    """A worker whose function ``<name>::told`` is bound; its calls are frames to expect."""
    peer = make(name)
    peer.register(f"{name}::told")
    bind(peer, f"{name}::trigger", trigger_type, f"{name}::told", **members)
    return peer


def told(peer, name="watcher", **members):
    """The next delivery's frame, answered."""
    frame = peer.expect(type="invokefunction", function_id=f"{name}::told", **members)
    peer.answer(frame)
    return frame


def nothing_more(peer):
    """Whether nothing is left to deliver: the desk has answered what came before, and the socket is empty."""
    ids(peer)
    peer.barrier()
    return [frame for frame in peer.seen if frame["type"] == "invokefunction"] == []


# --- workers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger_type", WORKERS)
def test_a_worker_s_life_is_three_events(worker, trigger_type):
    watcher = subscriber(worker, trigger_type, config={"ignored": True})
    peer = worker("passing")
    peer.close()
    assert [told(watcher)["data"] for _ in range(3)] == [
        {"event": event, "worker_id": peer.worker_id}
        for event in ("worker_connected", "worker_metadata_updated", "worker_disconnected")
    ]
    assert nothing_more(watcher)


def test_a_worker_hears_of_its_own_metadata(worker):
    watcher = subscriber(worker, "engine::workers-available")
    watcher.register_worker("renamed")
    assert told(watcher)["data"] == {"event": "worker_metadata_updated", "worker_id": watcher.worker_id}


def test_a_nameless_worker_counts_too(worker):
    watcher = subscriber(worker, "engine::workers-available")
    peer = worker(announce=False)
    assert told(watcher)["data"] == {"event": "worker_connected", "worker_id": peer.worker_id}
    peer.cut()
    assert told(watcher)["data"] == {"event": "worker_disconnected", "worker_id": peer.worker_id}


def test_a_successor_retires_its_predecessor(worker):
    watcher = subscriber(worker, "engine::workers-available")
    old = worker(announce=False)
    new = worker(announce=False)
    new.send(type="reattach", previous_worker_id=old.worker_id, reattach_token=old.reattach_token)
    events = [told(watcher)["data"] for _ in range(3)]
    assert events[-1] == {"event": "worker_disconnected", "worker_id": old.worker_id}


def test_by_the_time_of_the_event_everything_of_the_worker_s_is_gone(worker):
    watcher = subscriber(worker, "engine::workers-available")
    peer = worker("passing")
    peer.register("passing::f")
    peer.close()
    told(watcher, data={"event": "worker_disconnected", "worker_id": peer.worker_id})
    assert ids(watcher, prefix="passing::") == []
    assert worker("passing").worker_id, "the name is free"


def test_what_a_delivery_carries(worker):
    watcher = worker("watcher", namespace="x")
    watcher.register("watcher::told")
    bind(watcher, "t", "engine::workers-available", "watcher::told", namespace="x", metadata={"m": 1})
    peer = worker(announce=False)
    frame = told(watcher)
    assert frame.pop("invocation_id")
    assert frame.pop("traceparent"), "a delivery has a span (observability.md §4)"
    assert frame.pop("baggage") == "iii.function.id=watcher::told"
    assert frame == {
        "type": "invokefunction",
        "function_id": "watcher::told",
        "metadata": {"m": 1},
        "data": {"event": "worker_connected", "worker_id": peer.worker_id},
    }


def test_each_binding_is_called_and_a_missing_function_is_nobody_s_concern(worker):
    watcher = subscriber(worker, "engine::workers-available")
    bind(watcher, "second", "engine::workers-available", "watcher::told")
    bind(watcher, "missing", "engine::workers-available", "not::there")
    peer = worker(announce=False)
    assert [told(watcher)["data"]["worker_id"] for _ in range(2)] == [peer.worker_id] * 2
    assert nothing_more(watcher)


def test_no_event_after_the_trigger_is_unregistered(worker):
    watcher = subscriber(worker, "engine::workers-available")
    unbind(watcher, "watcher::trigger")
    worker("passing").close()
    assert nothing_more(watcher)


def test_an_id_used_again_for_another_type_is_served_by_that_type_only(paused):
    watcher = subscriber(paused, "engine::workers-available")
    bind(watcher, "watcher::trigger", "engine::functions-available", "watcher::told")
    assert told(watcher)["data"]["event"] == "functions_changed"
    paused()
    assert nothing_more(watcher)
    unbind(watcher, "watcher::trigger")
    paused()
    assert nothing_more(watcher)


def test_a_worker_that_takes_over_the_type_serves_its_bindings_instead_of_the_engine(worker):
    watcher = subscriber(worker, "engine::workers-available")
    provider = worker(announce=False)
    told(watcher)
    provider.register_worker("provider")
    told(watcher)
    provider.send(type="registertriggertype", id="engine::workers-available", description="mine")
    provider.expect(type="registertrigger", id="watcher::trigger")
    worker()
    assert nothing_more(watcher)


# --- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger_type", FUNCTIONS)
def test_the_complete_list_on_binding_and_after_a_change(paused, clock, trigger_type):
    watcher = subscriber(paused, trigger_type)
    first = told(watcher)["data"]
    assert first["event"] == "functions_changed"
    everything = watcher.call("engine::functions::list", {"include_internal": True})["functions"]
    assert sorted(first["functions"], key=lambda row: row["function_id"]) == everything
    paused("other", namespace="x").register("new", description="d", metadata={"internal": True})
    assert nothing_more(watcher)
    clock.advance(0.25)
    (added,) = [row for row in told(watcher)["data"]["functions"] if row not in first["functions"]]
    assert added == {
        "function_id": "new",
        "namespace": "x",
        "worker_name": "other",
        "description": "d",
        "metadata": {"internal": True},
    }


def test_in_real_time_a_change_is_heard_of(worker):
    watcher = subscriber(worker, "engine::functions-available")
    told(watcher)
    watcher.register("new")
    assert "new" in [row["function_id"] for row in told(watcher)["data"]["functions"]]


def test_a_burst_of_registrations_is_one_delivery(paused, clock):
    watcher = subscriber(paused, "engine::functions-available")
    told(watcher)
    for n in range(50):
        watcher.register(f"f{n}")
    clock.advance(0.25)
    assert len([row for row in told(watcher)["data"]["functions"] if row["function_id"].startswith("f")]) == 50
    assert nothing_more(watcher)


def test_a_departure_is_a_change(paused, clock):
    watcher = subscriber(paused, "engine::functions-available")
    events = subscriber(paused, "engine::workers-available", "events")
    peer = paused("passing")
    peer.register("passing::f")
    told(watcher)
    clock.advance(0.25)
    assert "passing::f" in [row["function_id"] for row in told(watcher)["data"]["functions"]]
    peer.close()
    told(events, "events", data={"event": "worker_disconnected", "worker_id": peer.worker_id})
    # The departure is noticed and the pause begun on another thread, maybe only after the clock was moved.
    for _ in range(20):
        clock.advance(0.25)
        with contextlib.suppress(AssertionError):
            rows = told(watcher, timeout=0.5)["data"]["functions"]
            break
    assert "passing::f" not in [row["function_id"] for row in rows]


def test_registering_the_same_function_again_is_no_change(paused, clock):
    watcher = subscriber(paused, "engine::functions-available")
    told(watcher)
    watcher.register("watcher::told", description="another")
    clock.advance(10.0)
    assert nothing_more(watcher)


def test_coming_and_going_within_the_pause_is_no_change(paused, clock):
    watcher = subscriber(paused, "engine::functions-available")
    told(watcher)
    watcher.register("brief")
    watcher.send(type="unregisterfunction", id="brief")
    watcher.barrier()
    clock.advance(10.0)
    assert nothing_more(watcher)


def test_no_delivery_after_the_trigger_is_unregistered(paused, clock):
    watcher = subscriber(paused, "engine::functions-available")
    told(watcher)
    watcher.register("new")
    unbind(watcher, "watcher::trigger")
    clock.advance(10.0)
    assert nothing_more(watcher)


def test_differences_for_those_who_ask_for_them(paused, clock):
    watcher = subscriber(paused, "engine::functions-available", config={"delta": True}, metadata={"m": 1})
    first = told(watcher)
    assert first["metadata"] == {"m": 1}
    assert set(first["data"]) == {"event", "added", "removed"}
    assert first["data"]["removed"] == []
    everything = ids(watcher, include_internal=True)
    assert sorted(row["function_id"] for row in first["data"]["added"]) == everything
    watcher.register("new")
    clock.advance(0.25)
    row = {"function_id": "new", "namespace": "default", "worker_name": "watcher"}
    assert told(watcher)["data"] == {"event": "functions_changed", "added": [row], "removed": []}
    watcher.send(type="unregisterfunction", id="new")
    watcher.barrier()
    clock.advance(0.25)
    gone = {"function_id": "new", "namespace": "default"}
    assert told(watcher)["data"] == {"event": "functions_changed", "added": [], "removed": [gone]}


def test_bound_before_the_engine_s_provider_answers_nothing_is_delivered_to_other_bindings(paused):
    first = subscriber(paused, "engine::functions-available", "first")
    told(first, "first")
    second = subscriber(paused, "engine::functions-available", "second")
    assert told(second, "second")["data"]["event"] == "functions_changed"
    assert nothing_more(first), "the snapshot is for the new binding"
