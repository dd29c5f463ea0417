"""`iii-pubsub` in an engine: what it offers, and its settings changed while it runs (pubsub.md §1, §6)."""

from contextlib import contextmanager

import pytest

import iii_actors
from iii_actors.actor import stats
from iii_actors.builtin.pubsub import PubSub
from iii_actors.config.pubsub import PubSubAdapter, PubSubSettings
from iii_actors.errors import ConfigError
from tests.support.asking import bind
from tests.support.peer import peers
from tests.support.redis import redis_server

LOCAL = PubSubSettings()


def over(url):
    return PubSubSettings(adapter=PubSubAdapter(name="redis", config={"redis_url": url}))


@contextmanager
def running(config=None):
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, {"name": "iii-pubsub", "config": config}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as engine:
        yield engine


@pytest.fixture(scope="module")
def server():
    with redis_server() as one:
        yield one


@pytest.fixture
def engine():
    with running() as one:
        yield one


@pytest.fixture
def worker(engine):
    with peers(engine.url) as make:
        yield make


def the_worker(engine) -> PubSub:
    return next(one for one in engine._builtins if isinstance(one, PubSub))


def test_what_it_offers(engine, worker):
    peer = worker()
    publish = peer.call("engine::functions::info", {"function_id": "publish"})
    assert publish["description"] == "Publishes an event"
    assert publish["worker_name"] == "iii-pubsub"
    assert publish["request_schema"]["title"] == "PubSubInput"
    assert set(publish["request_schema"]["required"]) == {"topic", "data"}
    assert publish.get("response_schema") is None
    subscribe = peer.call("engine::triggers::info", {"id": "subscribe"})
    assert subscribe["description"] == "Subscribe to a topic"
    assert subscribe["configuration_schema"]["title"] == "SubscribeTriggerConfig"
    assert subscribe["configuration_schema"]["required"] == ["topic"]
    assert "request_schema" not in subscribe
    names = {stats(ref).name for ref in the_worker(engine).actors()}
    assert names == {"Topics"}, "without a bus there is nothing to wait for"


def test_the_bus_is_changed_and_back_and_the_subscriptions_stay(engine, worker, server):
    peer = worker()
    peer.register("f")
    bind(peer, "t", "subscribe", "f", config={"topic": "topic"})
    pubsub = the_worker(engine)

    def publish_and_expect(data, publish=peer.call):
        publish("publish", {"topic": "topic", "data": data})
        assert peer.expect(type="invokefunction", function_id="f")["data"] == data

    publish_and_expect(1)
    pubsub.apply(over(server.url))
    publish_and_expect(2)
    with server.client() as outsider:
        assert outsider.publish("topic", "3") == 1
        assert peer.expect(type="invokefunction", function_id="f")["data"] == 3
        bind(peer, "u", "subscribe", "f", config={"topic": "other"})
        assert outsider.publish("other", "4") == 1
        assert peer.expect(type="invokefunction", function_id="f")["data"] == 4
        assert len(pubsub.actors()) == 4
        pubsub.apply(LOCAL)
        assert outsider.publish("topic", "5") == 0
    publish_and_expect(6)
    assert len(pubsub.actors()) == 2


def test_a_bus_that_cannot_be_had_changes_nothing(engine, worker):
    peer = worker()
    peer.register("f")
    bind(peer, "t", "subscribe", "f", config={"topic": "topic"})
    pubsub = the_worker(engine)
    with pytest.raises(ConfigError, match=r"cannot reach redis://127.0.0.1:1: "):
        pubsub.apply(over("redis://user:secret@127.0.0.1:1"))
    peer.call("publish", {"topic": "topic", "data": 1})
    assert peer.expect(type="invokefunction", function_id="f")["data"] == 1


def test_the_same_bus_again_is_not_made_anew(server):
    with running({"adapter": {"name": "redis", "config": {"redis_url": server.url}}}) as engine:
        before = the_worker(engine).actors()
        the_worker(engine).apply(over(server.url))
        assert the_worker(engine).actors() == before


def test_an_unreachable_redis_keeps_the_engine_from_starting():
    config = {"adapter": {"name": "redis", "config": {"redis_url": "redis://user:secret@127.0.0.1:1/0"}}}
    with pytest.raises(ConfigError) as failed, running(config):
        pass
    assert failed.value.message.startswith("failed to create worker 'iii-pubsub': cannot reach redis://127.0.0.1:1/0: ")
    assert "secret" not in failed.value.message
