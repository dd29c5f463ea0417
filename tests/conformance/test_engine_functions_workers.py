"""``engine::workers::*`` and ``engine::channels::create`` through real sockets (engine-functions.md §3, §4)."""

import os
import uuid

import pytest

import iii_actors
from tests.support.asking import bind, provide, refusal, rows

# --- workers::* -------------------------------------------------------------------------------------------------------


def test_a_worker_s_row(worker, engine):
    peer = worker(
        "people", runtime="python", version="3", os="linux", description="d", isolation="docker", namespace="x"
    )
    peer.register("f")
    (row,) = rows(peer, "workers", search="PEOP")
    assert row.pop("connected_at_ms") > 1_700_000_000_000
    assert row == {
        "id": peer.worker_id,
        "name": "people",
        "description": "d",
        "version": "3",
        "runtime": "python",
        "os": "linux",
        "namespace": "x",
        "status": "connected",
        "function_count": 1,
        "active_invocations": 1,
        "isolation": "docker",
        "ip_address": "127.0.0.1",
    }


def test_built_in_workers_are_listed_as_such(worker):
    found = {row["id"]: row for row in rows(worker(), "workers", runtime="engine")}
    assert {"iii-engine-functions", "iii-worker-manager", "iii-observability", "configuration"} <= set(found)
    row = found["iii-engine-functions"]
    assert row["description"]
    assert row["function_count"] >= 20
    assert {key: row[key] for key in ("name", "version", "os", "namespace", "status", "active_invocations")} == {
        "name": "iii-engine-functions",
        "version": iii_actors.__version__,
        "os": None,
        "namespace": "default",
        "status": "available",
        "active_invocations": 0,
    }
    assert (row["isolation"], row["ip_address"]) == ("in-process", None)


def test_calls_are_counted_for_caller_and_callee(worker):
    caller, callee = worker("caller"), worker("callee")
    callee.register("slow")
    caller.start_call("slow")
    call = callee.expect(type="invokefunction", function_id="slow")
    counts = {row["name"]: row["active_invocations"] for row in rows(callee, "workers", status="connected")}
    assert counts == {"caller": 1, "callee": 2}
    callee.answer(call)
    callee.barrier()
    counts = {row["name"]: row["active_invocations"] for row in rows(callee, "workers", status="connected")}
    assert counts == {"caller": 0, "callee": 1}


def test_workers_without_a_process_id_are_found_by_name_only(worker):
    peer, browser = worker("server"), worker("browser", pid=None)
    assert [row["name"] for row in rows(peer, "workers", status="connected")] == ["server"]
    found = peer.call("engine::workers::info", {"name": "browser"})["worker"]
    assert found["id"] == browser.worker_id
    assert "pid" not in found
    assert [row["name"] for row in rows(peer, "workers", worker_id=browser.worker_id)] == ["browser"]


def test_workers_are_sorted_by_name_or_id(worker):
    second, first = worker("b"), worker("a")
    nameless = worker(announce=False)
    nameless.call("engine::workers::register", {"pid": 1})
    found = rows(second, "workers")
    keys = [(row["name"] or row["id"], row["id"]) for row in found]
    assert keys == sorted(keys)
    assert {first.worker_id, second.worker_id, nameless.worker_id} < {row["id"] for row in found}


def test_everything_about_a_worker(worker):
    other, peer = worker("other"), worker("people", namespace="x")
    for function_id in ("b", "a"):
        peer.register(function_id)
    other.register("a")
    provide(peer, "own")
    provide(peer, "abroad", namespace="default")
    bind(other, "t2", "own", "a", namespace="x", trigger_namespace="x")
    bind(peer, "t1", "own", "b", namespace="x")
    bind(peer, "t3", "own", "a")
    found = other.call("engine::workers::info", {"name": "people"})
    assert found["worker"] | {"pid": os.getpid(), "internal": False, "function_count": 2} == found["worker"]
    assert "latest_metrics" not in found["worker"]
    assert [row["function_id"] for row in found["functions"]] == ["a", "b"]
    assert [row["id"] for row in found["trigger_types"]] == ["own"]
    assert [row["id"] for row in found["registered_triggers"]] == ["t1", "t2"]


def test_everything_about_a_built_in_worker(worker):
    found = worker().call("engine::workers::info", {"name": "iii-engine-functions"})
    assert found["worker"]["internal"] is True
    assert "engine::workers::info" in [row["function_id"] for row in found["functions"]]
    assert [row["id"] for row in found["trigger_types"]] == [
        "engine::functions-available",
        "engine::workers-available",
        "functions.available",
        "workers.available",
    ]


def test_workers_by_name_and_namespace(worker):
    peer = worker("both")
    for namespace in ("x", "y"):
        worker("both" if namespace == "x" else "twice", namespace=namespace)
    worker("twice", namespace="z")

    def info(**query):
        return peer.call("engine::workers::info", query)["worker"]["namespace"]

    assert info(name="both") == "default"
    assert info(name="both", namespace="x") == "x"
    for query, message in [
        ({"name": "nobody"}, "Worker 'nobody' is not connected."),
        (
            {"name": "twice", "namespace": "x"},
            "Worker 'twice' is not connected in the requested namespace; it is connected in namespace(s): y, z.",
        ),
        (
            {"name": "twice"},
            "Worker 'twice' is ambiguous: it is connected in namespace(s): y, z. Pass `namespace` to disambiguate.",
        ),
    ]:
        assert refusal(peer, "engine::workers::info", query) == {"code": "NOT_FOUND", "message": message}


# --- channels::create -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [{}, {"buffer_size": None}, {"buffer_size": 0}, {"buffer_size": 10**9}])
def test_a_channel_is_two_references_with_one_key(worker, data):
    pair = worker().call("engine::channels::create", data)
    assert (pair["writer"].pop("direction"), pair["reader"].pop("direction")) == ("write", "read")
    assert pair["writer"] == pair["reader"]
    assert [str(uuid.UUID(pair["reader"][key])) for key in ("channel_id", "access_key")] == list(
        pair["reader"].values()
    )


@pytest.mark.parametrize("size", [-1, 1.5, "64", True, [1]])
def test_a_buffer_size_that_is_no_count(worker, size):
    assert refusal(worker(), "engine::channels::create", {"buffer_size": size})["code"] == "deserialization_error"
