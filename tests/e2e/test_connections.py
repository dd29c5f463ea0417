"""Connections that break on one side only, and workers that live in a namespace."""

import pytest

from tests.e2e.support.names import unique
from tests.e2e.support.probe import ProbeError
from tests.e2e.support.proxy import LossyWire


@pytest.fixture
def wire(shared):
    made = LossyWire(shared.engine.port)
    yield made
    made.close()


def test_a_worker_takes_over_from_its_own_lingering_connection(any_sdk, shared, shop, peer, wire):
    """It says ``reattach`` first: else its own name and functions, held by the old connection, would be refused to it."""
    function_id, type_id, bound_id = unique("e2e::echo"), unique("e2e-type"), unique("e2e::bound")
    worker = shop.probe(any_sdk, wire.url)
    worker.offer(function_id)
    worker.do("trigger_type", type_id=type_id)
    peer.register(bound_id, lambda data: data)
    peer.send(type="registertrigger", id=unique("t"), trigger_type=type_id, function_id=bound_id, config={"n": 1})
    worker.event("bound", function_id=bound_id)
    ids = {worker.do("state")["worker_id"]}
    for round_number in range(3):
        wire.lose_workers()
        worker.event("bound", function_id=bound_id)  # on the new connection it registers the type again
        (result,) = worker.do("fire", type_id=type_id, payload={"round": round_number})
        assert result["round"] == round_number
        assert peer.call(function_id, round_number)["data"] == round_number
        ids.add(worker.do("state")["worker_id"])
    assert len(ids) == 4, "each connection has an id of its own"
    listed = peer.call("engine::workers::list", {})["workers"]
    assert [one["id"] in ids for one in listed if one["name"] == worker.name] == [True], "only the last one is left"


def test_a_worker_in_a_namespace_is_at_home_there(python_sdk, shared, shop):
    function_id, namespace = unique("e2e::where"), unique("blue")
    at_home = shop.probe(python_sdk, shared.engine.url, III_NAMESPACE=namespace)
    neighbour = shop.probe(python_sdk, shared.engine.url, III_NAMESPACE=namespace)
    elsewhere = shared.probe(python_sdk)
    at_home.offer(function_id)
    assert neighbour.call(function_id, 1)["data"] == 1
    assert elsewhere.call(function_id, 2, namespace=namespace)["data"] == 2
    with pytest.raises(ProbeError) as raised:
        elsewhere.call(function_id, 3)
    assert raised.value.code == "function_not_found"
    assert raised.value.message == (
        f"Function {function_id} not found in namespace default. It is registered in namespace(s): {namespace}."
    )
    shared.probe("node").offer(function_id)
    assert elsewhere.call(function_id, 4)["data"] == 4, "the same id in another namespace is another function"
    assert neighbour.call(function_id, 5, namespace="default")["data"] == 5
    workers = neighbour.call("engine::workers::list", {})["workers"]
    assert {one["name"]: one["namespace"] for one in workers}.items() >= {
        (at_home.name, namespace),
        (neighbour.name, namespace),
        (elsewhere.name, "default"),
    }


def test_a_trigger_type_of_a_namespace_serves_its_workers_only(python_sdk, shared, shop):
    type_id, function_id, namespace = unique("e2e-type"), unique("e2e::on"), unique("blue")
    provider = shop.probe(python_sdk, shared.engine.url, III_NAMESPACE=namespace)
    binder = shop.probe(python_sdk, shared.engine.url, III_NAMESPACE=namespace)
    stranger = shared.probe(python_sdk)
    provider.do("trigger_type", type_id=type_id)
    for worker in (stranger, binder):
        worker.offer(function_id)
        worker.do("bind", type=type_id, function_id=function_id, config={"of": worker.name})
    assert provider.event("bound", function_id=function_id)["config"] == {"of": binder.name}
    (result,) = provider.do("fire", type_id=type_id, payload=[7])
    assert result["data"] == [7]
    assert binder.event("called", function_id=function_id)["data"] == [7]
