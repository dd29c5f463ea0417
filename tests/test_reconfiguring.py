"""An engine that goes by other settings while it runs: what changes, what notices, what goes wrong."""

import socket

import pytest
import requests
from websockets.sync.client import connect

import iii_actors
from iii_actors import EngineConfig, ListenError
from tests.support.peer import peers

WAIT_S = 10


def config(*workers, port=0):
    return EngineConfig(workers=[{"name": "iii-worker-manager", "config": {"port": port}}, *workers])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as briefly:
        return briefly.getsockname()[1]


@pytest.fixture
def engine():
    with iii_actors.Engine(config({"name": "iii-state"}, {"name": "iii-pubsub"})) as running:
        yield running


@pytest.fixture
def join(engine):
    with peers(engine.url) as make:
        yield make


def names(peer):
    return {worker["name"] for worker in peer.call("engine::workers::list", {})["workers"]}


def test_what_is_added_starts_and_what_is_removed_stops(engine, join):
    peer = join("lasting")
    peer.call("state::set", {"scope": "s", "key": "k", "value": 1})
    assert engine.reconfigure(config({"name": "iii-state"}, {"name": "iii-cron"})) == []
    assert {"iii-state", "iii-cron"} <= names(peer)
    assert "iii-pubsub" not in names(peer)
    assert peer.call("state::get", {"scope": "s", "key": "k"}) == 1, "what has not changed goes on"
    assert not peer.closed.is_set()


def test_the_same_settings_change_nothing(engine, join):
    peer = join("lasting")
    before = list(engine._builtins)
    assert engine.reconfigure(engine.config) == []
    assert engine._builtins == before
    assert peer.call("engine::workers::list", {})


def test_what_can_be_changed_is_not_stopped(engine, join):
    peer = join("lasting")
    peer.call("state::set", {"scope": "s", "key": "k", "value": 1})
    changed = {"name": "iii-state", "config": {"max_value_bytes": 10}}
    assert engine.reconfigure(config(changed, {"name": "iii-pubsub"})) == []
    assert peer.call("state::get", {"scope": "s", "key": "k"}) == 1
    with pytest.raises(Exception, match="max_value_bytes limit of 10"):
        peer.call("state::set", {"scope": "s", "key": "k", "value": "x" * 20})


def test_what_cannot_be_changed_is_stopped_and_started(engine, join, tmp_path):
    peer = join("lasting")
    peer.register("watcher", lambda _: None)
    peer.send(type="registertrigger", id="t", trigger_type="state", function_id="watcher", config={"scope": "s"})
    peer.barrier()
    file = {"store_method": "file_based", "file_path": str(tmp_path / "data")}
    changed = {"name": "iii-state", "config": {"adapter": {"name": "kv", "config": file}}}
    assert engine.reconfigure(config(changed, {"name": "iii-pubsub"})) == []
    assert peer.call("state::set", {"scope": "s", "key": "k", "value": 2})["new_value"] == 2
    assert (tmp_path / "data" / "state.sqlite").exists()
    bound = peer.call("engine::registered-triggers::list", {})["registered_triggers"]
    assert [one["id"] for one in bound if one["trigger_type"] == "state"] == ["t"], "its triggers are bound anew"


def test_a_listener_that_moves_sends_its_workers_away_to_come_back(engine, join):
    peer = join("lasting")
    port = free_port()
    assert engine.reconfigure(config({"name": "iii-state"}, {"name": "iii-pubsub"}, port=port)) == []
    assert peer.closed.wait(WAIT_S)
    assert peer.close_code == 1012
    assert engine.url.endswith(f":{port}")
    with peers(engine.url) as make:
        assert "iii-state" in names(make("again"))


def test_a_second_listener_leaves_the_first_alone(engine, join):
    peer = join("lasting")
    second = {"name": "iii-worker-manager", "config": {"port": 0}}
    assert engine.reconfigure(config({"name": "iii-state"}, second)) == []
    assert len(engine.listeners) == 2
    assert not peer.closed.is_set()
    with connect(f"ws://127.0.0.1:{engine.listeners[1][1]}", proxy=None) as socket_there:
        assert "workerregistered" in socket_there.recv(WAIT_S)
    assert engine.reconfigure(config({"name": "iii-state"})) == []
    assert len(engine.listeners) == 1
    assert peer.call("engine::workers::list", {})


def test_http_moves_to_another_port_with_its_routes(engine, join):
    peer = join("lasting")
    first, second = free_port(), free_port()
    assert engine.reconfigure(config({"name": "iii-http", "config": {"port": first}})) == []
    peer.register("hello", lambda _: {"body": "hi"})
    peer.send(type="registertrigger", id="t", trigger_type="http", function_id="hello", config={"api_path": "hello"})
    peer.barrier()
    assert requests.get(f"http://127.0.0.1:{first}/hello", timeout=WAIT_S).json() == "hi"
    assert engine.reconfigure(config({"name": "iii-http", "config": {"port": second}})) == []
    assert requests.get(f"http://127.0.0.1:{second}/hello", timeout=WAIT_S).json() == "hi"


def test_a_port_that_is_taken_leaves_the_old_one(engine, join):
    peer = join("lasting")
    first = free_port()
    assert engine.reconfigure(config({"name": "iii-http", "config": {"port": first}})) == []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = {"name": "iii-http", "config": {"port": taken.getsockname()[1]}}
        (error,) = engine.reconfigure(config(wanted, {"name": "iii-cron"}))
    assert isinstance(error, ListenError)
    assert requests.get(f"http://127.0.0.1:{first}/nowhere", timeout=WAIT_S).status_code == 404
    assert "iii-cron" in names(peer), "the others go by their settings"


def test_a_listener_s_port_that_is_taken_leaves_the_old_one(engine, join):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (error,) = engine.reconfigure(config({"name": "iii-state"}, port=taken.getsockname()[1]))
    assert isinstance(error, ListenError)
    with peers(engine.url) as make:
        assert "iii-state" in names(make("again"))


def test_only_a_running_engine_is_changed():
    engine = iii_actors.Engine(config())
    with pytest.raises(RuntimeError, match="only a running engine"):
        engine.reconfigure(config())
