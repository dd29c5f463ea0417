"""``engine::register_trigger``, logging, baggage, the register function and the older names, through real sockets."""

import logging
import uuid

import pytest

import iii_actors
from iii_actors.clock import ManualClock
from tests.support.asking import bind, ids, provide, refusal
from tests.support.peer import peers


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def paused(clock):
    """A maker of workers on an engine whose time stands still."""
    config = iii_actors.EngineConfig.listening(port=0)
    with iii_actors.Engine(config, clock=clock) as engine, peers(engine.url) as make:
        yield make


def acknowledge(provider, error=None):
    """Wait for a binding to be offered and answer it; returns what was offered."""
    offered = provider.expect(type="registertrigger")
    members = {key: offered[key] for key in ("id", "trigger_type", "function_id")}
    provider.send(type="triggerregistrationresult", **members, **({"error": error} if error else {}))
    return offered


def answer_to(peer, invocation_id):
    return peer.expect(type="invocationresult", invocation_id=invocation_id)


# --- engine::register_trigger -----------------------------------------------------------------------------------------


def test_a_binding_made_by_a_call_outlives_its_maker(worker):
    provider, maker = worker("provider"), worker("maker", namespace="elsewhere")
    provide(provider, "webhook")
    wish = {"trigger_type": "webhook", "function_id": "f", "config": {"a": 1}, "metadata": {"m": 1}}
    call = maker.start_call("engine::register_trigger", wish)
    offered = acknowledge(provider)
    trigger_id = answer_to(maker, call)["result"]["id"]
    assert str(uuid.UUID(trigger_id)) == trigger_id
    assert offered == {"type": "registertrigger", "id": trigger_id, **wish}
    provider.register("told")
    bind(provider, "w", "engine::workers-available", "told")
    maker.close()
    gone = {"event": "worker_disconnected", "worker_id": maker.worker_id}
    provider.expect(type="invokefunction", function_id="told", data=gone)
    assert trigger_id in ids(provider, "registered-triggers")
    assert provider.call("engine::unregister_trigger", {"id": trigger_id}) == {"removed": True}
    provider.expect(type="unregistertrigger", id=trigger_id)
    assert provider.call("engine::unregister_trigger", {"id": trigger_id}) == {"removed": False}


def test_while_a_provider_thinks_others_are_answered(worker):
    provider, maker = worker(), worker()
    provide(provider, "webhook")
    first = maker.start_call("engine::register_trigger", {"trigger_type": "webhook", "function_id": "f"})
    assert provider.call("engine::functions::list", {"worker": "provider"}) == {"functions": []}
    assert [frame for frame in maker.seen if frame["type"] == "invocationresult"] == []
    acknowledge(provider)
    assert "id" in answer_to(maker, first)["result"]


def test_a_refusal_fails_the_call_and_leaves_nothing_behind(worker):
    provider, maker = worker(), worker()
    provide(provider, "webhook")
    call = maker.start_call("engine::register_trigger", {"trigger_type": "webhook", "function_id": "f"})
    offered = acknowledge(provider, {"code": "bad_config", "message": "no path"})
    assert answer_to(maker, call)["error"] == {
        "code": "trigger_registration_failed",
        "message": "bad_config: no path",
    }
    assert ids(maker, "registered-triggers") == []
    provide(provider, "webhook")
    assert maker.call("engine::unregister_trigger", {"id": offered["id"]}) == {"removed": False}
    assert [frame for frame in provider.seen if frame["type"] == "registertrigger"] == []


def test_silence_is_consent_after_ten_seconds(paused, clock):
    provider, maker = paused(), paused()
    provide(provider, "webhook")
    call = maker.start_call("engine::register_trigger", {"trigger_type": "webhook", "function_id": "f"})
    offered = provider.expect(type="registertrigger")
    ids(provider)
    clock.advance(9.9)
    ids(provider)
    maker.barrier()
    assert [frame for frame in maker.seen if frame["type"] == "invocationresult"] == []
    clock.advance(0.2)
    assert answer_to(maker, call)["result"] == {"id": offered["id"]}
    provider.send(
        type="triggerregistrationresult",
        id=offered["id"],
        trigger_type="webhook",
        function_id="f",
        error={"code": "late", "message": "late"},
    )
    provider.barrier()
    assert ids(maker, "registered-triggers") == [], "a late refusal parks it, as any other"
    provide(provider, "webhook")
    assert ids(maker, "registered-triggers") == [offered["id"]]


def test_an_unknown_type_parks_the_binding_and_the_call_succeeds(worker):
    provider, maker = worker(), worker()
    trigger_id = maker.call("engine::register_trigger", {"trigger_type": "webhook", "function_id": "f"})["id"]
    assert ids(maker, "registered-triggers") == []
    provide(provider, "webhook")
    assert provider.expect(type="registertrigger")["id"] == trigger_id
    assert ids(maker, "registered-triggers") == [trigger_id]


def test_a_parked_binding_can_be_removed(worker):
    maker = worker()
    trigger_id = maker.call("engine::register_trigger", {"trigger_type": "webhook", "function_id": "f"})["id"]
    assert maker.call("engine::unregister_trigger", {"id": trigger_id, "trigger_type": "x"}) == {"removed": True}
    provide(maker, "webhook")
    assert [frame for frame in maker.seen if frame["type"] == "registertrigger"] == []


def test_the_provider_is_looked_for_in_default_or_where_the_call_says(worker):
    here, there, maker = worker(), worker(namespace="x"), worker(namespace="x")
    for provider in (here, there):
        provide(provider, "webhook")
    for members, provider in [({}, here), ({"trigger_namespace": "x"}, there)]:
        wish = {"trigger_type": "webhook", "function_id": "f", **members}
        call = maker.start_call("engine::register_trigger", wish)
        offered = acknowledge(provider)
        assert offered.get("trigger_namespace") == members.get("trigger_namespace")
        assert "namespace" not in offered, "the target is in default"
        assert "result" in answer_to(maker, call)
    blank = {"trigger_type": "webhook", "function_id": "f", "trigger_namespace": " "}
    assert refusal(maker, "engine::register_trigger", blank)["code"] == "INVALID_NAMESPACE"


@pytest.mark.parametrize("trigger_type", ["engine::workers-available", "engine::functions-available"])
def test_a_type_of_the_engine_s_own_accepts_at_once(worker, trigger_type):
    peer = worker()
    peer.register("told")
    trigger_id = peer.call("engine::register_trigger", {"trigger_type": trigger_type, "function_id": "told"})["id"]
    assert ids(peer, "registered-triggers") == [trigger_id]
    worker(announce=False)
    peer.answer(peer.expect(type="invokefunction", function_id="told"))
    assert peer.call("engine::unregister_trigger", {"id": trigger_id}) == {"removed": True}
    assert ids(peer, "registered-triggers") == []


def test_another_worker_s_trigger_can_be_removed(worker):
    one, other = worker(), worker()
    bind(one, "mine", "engine::workers-available", "f")
    assert other.call("engine::unregister_trigger", {"id": "mine"}) == {"removed": True}


# --- engine::workers::register ----------------------------------------------------------------------------------------


def test_only_a_worker_itself_can_register_itself(worker, caplog):
    peer = worker("keeps-its-name")
    bind(peer, "t", "engine::workers-available", "engine::workers::register")
    worker("other")
    names = [row["name"] for row in peer.call("engine::workers::list", {"status": "connected"})["workers"]]
    assert names == ["keeps-its-name", "other"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# --- engine::log ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "number"), [("trace", 5), ("debug", 10), ("info", 20), ("warn", 30), ("error", 40)])
def test_a_worker_s_log_line_is_one_line_of_the_engine_s(worker, caplog, level, number):
    caplog.set_level(1, "iii_actors.worker_log")
    line = {
        "message": "100 % done",
        "data": {"name": "x", "message": "y"},
        "trace_id": "t1",
        "span_id": "s1",
        "service_name": "billing",
    }
    frame_id = (peer := worker()).start_call(f"engine::log::{level}", line, baggage="iii.function.id=pay%3A%3Anow")
    frame = answer_to(peer, frame_id)
    assert {"result", "error"}.isdisjoint(frame)
    (record,) = [record for record in caplog.records if record.name == "iii_actors.worker_log"]
    assert record.levelno == number
    assert record.getMessage() == "billing pay::now 100 % done"
    assert (record.data, record.trace_id, record.span_id) == ({"name": "x", "message": "y"}, "t1", "s1")


def test_a_bare_log_line(worker, caplog):
    caplog.set_level(1, "iii_actors.worker_log")
    worker().call("engine::log::info", {"message": "hello"})
    (record,) = [record for record in caplog.records if record.name == "iii_actors.worker_log"]
    assert record.getMessage() == "unknown hello"
    assert {"data", "trace_id", "span_id"}.isdisjoint(vars(record))


def test_levels_that_are_off_write_nothing(worker, caplog):
    caplog.set_level(logging.WARNING, "iii_actors.worker_log")
    peer = worker()
    peer.call("engine::log::info", {"message": "hello"})
    assert [record for record in caplog.records if record.name == "iii_actors.worker_log"] == []
    assert refusal(peer, "engine::log::info", {"message": None})["code"] == "deserialization_error"


# --- engine::baggage --------------------------------------------------------------------------------------------------


def test_baggage_is_that_of_the_call(worker):
    peer = worker()
    baggage = "tenant=acme;p=1, city=K%C3%B6ln"
    assert peer.call("engine::baggage::get", {"key": "tenant"}, baggage=baggage) == {"value": "acme"}
    assert peer.call("engine::baggage::get", {"key": "none"}, baggage=baggage) == {"value": None}
    assert peer.call("engine::baggage::get", {"key": "tenant"}) == {"value": None}
    assert peer.call("engine::baggage::get_all", {}, baggage=baggage) == {"baggage": {"tenant": "acme", "city": "Köln"}}
    assert peer.call("engine::baggage::get_all", {}) == {"baggage": {}}
    answer = peer.call("engine::baggage::set", {"key": "tenant", "value": "other"}, baggage=baggage)
    assert answer["success"] is True
    assert set(answer) == {"success", "note"}


# --- older names (§6) -------------------------------------------------------------------------------------------------


def test_older_names_are_not_listed_by_default(worker):
    peer = worker()
    older = {
        "_internal.list_functions",
        "_internal.list_workers",
        "_internal.get_worker",
        "engine::trigger-types::list",
    }
    assert older.isdisjoint(ids(peer))
    assert older <= {*ids(peer, include_internal=True)}


def test_list_functions(worker):
    peer = worker("people")
    peer.register("f", request_format={"type": "object"})
    listed = peer.call("_internal.list_functions", {})["functions"]
    assert [row for row in listed if row["worker_name"] == "people"] == [
        {
            "function_id": "f",
            "id": "f",
            "namespace": "default",
            "worker_name": "people",
            "request_format": {"type": "object"},
            "response_format": None,
        }
    ]
    everything = peer.call("_internal.list_functions", {"include_internal": True})["functions"]
    assert [row["id"] for row in everything] == ids(peer, include_internal=True)


def test_list_workers_knows_connections_only_with_or_without_process_id(worker):
    peer, browser = worker("b"), worker("a", pid=None)
    peer.register("g")
    peer.register("f")
    first, second = peer.call("_internal.list_workers", {})["workers"]
    assert (first["id"], second["id"]) == (browser.worker_id, peer.worker_id)
    assert second["functions"] == second["function_ids"] == ["f", "g"]
    assert (second["function_count"], second["active_invocations"], len(second["invocations"])) == (2, 1, 1)
    assert first["invocations"] == first["external_function_ids"] == []
    assert first["latest_metrics"] is None
    assert first["connected_at"].endswith("Z")


def test_get_worker_by_id_or_name(worker):
    peer = worker("people")
    (listed,) = peer.call("_internal.list_workers", {})["workers"]
    by_id = peer.call("_internal.get_worker", {"worker_id": peer.worker_id})
    assert by_id | {"invocations": listed["invocations"]} == listed
    assert peer.call("_internal.get_worker", {"name": "people"})["id"] == peer.worker_id
    for query, named in [
        ({"worker_id": "nobody"}, "nobody"),
        ({"worker_id": "iii-engine-functions"}, "iii-engine-functions"),
        ({"name": "nobody"}, "nobody"),
    ]:
        assert refusal(peer, "_internal.get_worker", query) == {
            "code": "NOT_FOUND",
            "message": f"Worker '{named}' is not connected.",
        }


def test_trigger_types(worker):
    peer = worker()
    provide(peer, "webhook", "Calls", trigger_request_format={"a": 1})
    shown = peer.call("engine::trigger-types::list", {})["trigger_types"]
    assert {"id": "webhook", "description": "Calls", "trigger_request_format": {"a": 1}} in shown
    everything = peer.call("engine::trigger-types::list", {"include_internal": True})["trigger_types"]
    assert "engine::workers-available" in {row["id"] for row in everything} - {row["id"] for row in shown}
