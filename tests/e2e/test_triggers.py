"""Custom trigger types of official workers: bound, fired, refused, given up; by providers and binders of any kind."""

import pytest

from tests.e2e.support.names import unique


@pytest.fixture
def provider(pair):
    return pair.caller


@pytest.fixture
def binder(pair):
    return pair.callee


def test_a_trigger_is_bound_fires_and_is_given_up(provider, binder):
    type_id, function_id = unique("e2e-type"), unique("e2e::on")
    provider.do("trigger_type", type_id=type_id)
    binder.offer(function_id)
    config, metadata = {"every": [1, 2], "where": {"a": None}}, {"owner": "test"}
    binding = binder.do("bind", type=type_id, function_id=function_id, config=config, metadata=metadata)
    bound = provider.event("bound", function_id=function_id)
    assert (bound["config"], bound["metadata"]) == (config, metadata)

    (result,) = provider.do("fire", type_id=type_id, payload={"n": 1})
    assert result["data"] == {"n": 1, "_caller_worker_id": provider.do("state")["worker_id"]}
    assert result["metadata"] == metadata

    binder.do("unbind", binding=binding)
    provider.event("unbound", function_id=function_id)
    assert provider.do("fire", type_id=type_id, payload={"n": 2}) == []


def test_a_trigger_waits_for_its_type(provider, binder):
    type_id, function_id = unique("e2e-type"), unique("e2e::on")
    binder.offer(function_id)
    binder.do("bind", type=type_id, function_id=function_id, config={"n": 1})
    provider.do("trigger_type", type_id=type_id)
    assert provider.event("bound", function_id=function_id)["config"] == {"n": 1}
    (result,) = provider.do("fire", type_id=type_id, payload=[1])
    assert result["data"] == [1]


def test_a_provider_may_refuse_and_the_binder_is_told(provider, binder):
    type_id, function_id = unique("e2e-type"), unique("e2e::on")
    provider.do("trigger_type", type_id=type_id, reject="every must be positive")
    binder.offer(function_id)
    binder.do("bind", type=type_id, function_id=function_id, config={"every": -1})
    binder.expect(f"Trigger registration failed.*{type_id}.*every must be positive")
    assert provider.do("fire", type_id=type_id, payload={}) == []


def test_a_worker_fires_its_own_trigger(provider):
    type_id, function_id = unique("e2e-type"), unique("e2e::on")
    provider.do("trigger_type", type_id=type_id)
    provider.offer(function_id)
    provider.do("bind", type=type_id, function_id=function_id, config={})
    provider.event("bound", function_id=function_id)
    (result,) = provider.do("fire", type_id=type_id, payload={"n": 3})
    assert result["data"]["n"] == 3


def test_the_triggers_of_a_killed_worker_are_withdrawn(provider, binder, shared, shop):
    type_id, function_id = unique("e2e-type"), unique("e2e::on")
    provider.do("trigger_type", type_id=type_id)
    mortal = shop.probe(binder.kind, shared.engine.url)
    mortal.offer(function_id)
    mortal.do("bind", type=type_id, function_id=function_id, config={})
    provider.event("bound", function_id=function_id)
    mortal.kill()
    provider.event("unbound", function_id=function_id)
    assert provider.do("fire", type_id=type_id, payload={}) == []


def test_triggers_outlive_their_provider_and_go_to_the_next(provider, binder, shared, shop):
    type_id, function_id = unique("e2e-type"), unique("e2e::on")
    binder.offer(function_id)
    first = shop.probe(provider.kind, shared.engine.url)
    first.do("trigger_type", type_id=type_id)
    binder.do("bind", type=type_id, function_id=function_id, config={"n": 1})
    first.event("bound", function_id=function_id)
    first.kill()
    second = shop.probe(provider.kind, shared.engine.url)
    second.do("trigger_type", type_id=type_id)
    assert second.event("bound", function_id=function_id)["config"] == {"n": 1}
    (result,) = second.do("fire", type_id=type_id, payload=1)
    assert result["data"] == 1
