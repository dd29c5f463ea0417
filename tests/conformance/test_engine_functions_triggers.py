"""``engine::triggers::*`` and ``engine::registered-triggers::*`` through real sockets (engine-functions.md §3, §4)."""

import json

import pytest

from tests.support.asking import bind, ids, provide, refusal, rows

# --- triggers::* (types) ----------------------------------------------------------------------------------------------


def test_types_listed(worker):
    peer = worker("gateway")
    provide(peer, "webhook", "Calls", trigger_request_format={"type": "object"})
    provide(peer, "http", "Requests", namespace="x")
    assert [row for row in rows(peer, "triggers") if row["worker_name"] == "gateway"] == [
        {"id": "http", "namespace": "x", "worker_name": "gateway", "description": "Requests"},
        {"id": "webhook", "namespace": "default", "worker_name": "gateway", "description": "Calls"},
    ]
    assert "engine::workers-available" not in ids(peer, "triggers")
    assert {"engine::workers-available", "engine::functions-available"} < {
        *ids(peer, "triggers", include_internal=True)
    }
    assert ids(peer, "triggers", search="CALLS", prefix="web") == ["webhook"]
    assert ids(peer, "triggers", prefix="web") == ["webhook"]
    assert ids(peer, "triggers", worker="gateway") == ["http", "webhook"]


def test_everything_about_a_type(worker):
    peer = worker("gateway")
    provide(peer, "webhook", "Calls", trigger_request_format={"a": 1}, call_request_format={"b": 2})
    bind(peer, "t1", "webhook", "f")
    assert peer.call("engine::triggers::info", {"id": "webhook"}) == {
        "id": "webhook",
        "namespace": "default",
        "worker_name": "gateway",
        "description": "Calls",
        "configuration_schema": {"a": 1},
        "request_schema": {"b": 2},
        "instance_count": 1,
    }


@pytest.mark.parametrize("type_id", ["engine::workers-available", "engine::functions-available"])
def test_the_engine_s_own_types_publish_no_schema(worker, type_id):
    found = worker().call("engine::triggers::info", {"id": type_id})
    assert set(found) == {"id", "namespace", "worker_name", "description", "instance_count"}


@pytest.mark.parametrize(("query", "namespace"), [({}, "default"), ({"namespace": "y"}, "y")])
def test_a_type_is_looked_for_in_one_namespace_only(worker, query, namespace):
    peer = worker()
    provide(peer, "webhook", namespace="x")
    assert refusal(peer, "engine::triggers::info", {"id": "webhook", **query}) == {
        "code": "NOT_FOUND",
        "message": f"Trigger type 'webhook' is not registered in namespace '{namespace}'.",
    }


# --- registered-triggers::* (instances) -------------------------------------------------------------------------------


def test_instances_listed(worker):
    provider, peer = worker("provider"), worker("people")
    provide(provider, "webhook")
    peer.register("users::get")
    bind(peer, "b", "webhook", "users::get", config={"path": "x" * 80})
    bind(peer, "a", "webhook", "nobody::home")
    bind(peer, "hidden", "webhook", "engine::log::info")
    bind(peer, "shown", "engine::workers-available", "users::get")
    short = json.dumps({"path": "x" * 80}, separators=(",", ":"))[:80] + "…"
    found = rows(peer, "registered-triggers", trigger_type="webhook")
    assert found == [
        {
            "id": "a",
            "trigger_type": "webhook",
            "function_id": "nobody::home",
            "worker_name": "nobody",
            "config": None,
            "config_summary": "null",
        },
        {
            "id": "b",
            "trigger_type": "webhook",
            "function_id": "users::get",
            "worker_name": "people",
            "config": {"path": "x" * 80},
            "config_summary": short,
        },
    ]
    assert ids(peer, "registered-triggers") == ["a", "b", "shown"]
    assert ids(peer, "registered-triggers", include_internal=True) == ["a", "b", "hidden", "shown"]
    assert ids(peer, "registered-triggers", search="USERS::") == ["b", "shown"]
    assert ids(peer, "registered-triggers", function_id="nobody::home") == ["a"]
    assert ids(peer, "registered-triggers", worker="people") == ["b", "shown"]


def test_only_live_instances_are_listed(worker):
    provider, peer = worker(), worker()
    bind(peer, "waits", "webhook", "f")
    assert ids(peer, "registered-triggers") == []
    provide(provider, "webhook")
    provider.expect(type="registertrigger", id="waits")
    assert ids(peer, "registered-triggers") == ["waits"]
    refused = {"code": "trigger_registration_failed", "message": "no"}
    provider.send(type="triggerregistrationresult", id="waits", trigger_type="webhook", function_id="f", error=refused)
    peer.expect(type="triggerregistrationresult", id="waits")
    assert ids(peer, "registered-triggers") == []
    assert refusal(peer, "engine::registered-triggers::info", {"id": "waits"}) == {
        "code": "NOT_FOUND",
        "message": "Registered trigger 'waits' was not found.",
    }


def test_everything_about_an_instance(worker):
    peer = worker("people")
    provide(peer, "webhook", "Calls")
    bind(peer, "t1", "webhook", "f", config={"a": 1}, metadata={"m": 1})
    bare = peer.call("engine::registered-triggers::info", {"id": "t1"})
    served_by = peer.call("engine::triggers::info", {"id": "webhook"})
    assert bare == {
        "id": "t1",
        "trigger_type": "webhook",
        "function_id": "f",
        "worker_name": "f",
        "config": {"a": 1},
        "metadata": {"m": 1},
        "trigger": served_by,
        "function": None,
    }
    peer.register("f")
    full = peer.call("engine::registered-triggers::info", {"id": "t1"})
    target = peer.call("engine::functions::info", {"function_id": "f"})
    assert full == bare | {"worker_name": "people", "function": target}
