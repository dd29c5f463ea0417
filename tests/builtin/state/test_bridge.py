"""State that is another engine's: two engines, one bridged to the other (state.md §7)."""

import pytest

import iii_actors
from iii_actors.errors import ConfigError
from tests.support.peer import CallFailed, peers

WAIT_S = 15


def config(*workers):
    return iii_actors.EngineConfig(workers=[{"name": "iii-worker-manager", "config": {"port": 0}}, *workers])


@pytest.fixture(scope="module")
def engines():
    """The far one, and the near one whose state is there."""
    with iii_actors.Engine(config({"name": "iii-state"})) as far:
        adapter = {"name": "bridge", "config": {"bridge_url": far.url}}
        with iii_actors.Engine(config({"name": "iii-state", "config": {"adapter": adapter}})) as near:
            yield far, near


@pytest.fixture
def both(engines):
    far, near = engines
    with peers(far.url) as make_far, peers(near.url) as make_near:
        yield make_far("far"), make_near("near")


def at(scope, key="k", **more):
    return {"scope": scope, "key": key, **more}


def test_it_is_a_worker_there(both):
    far, near = both
    near.call("state::get", at("any"))
    names = [worker["name"] for worker in far.call("engine::workers::list", {})["workers"]]
    assert [name for name in names if name.startswith("iii-state-bridge")]


def test_what_is_written_here_is_there(both):
    far, near = both
    assert near.call("state::set", at("w", value={"n": [1.0, None, "ü"]})) == {
        "old_value": None,
        "new_value": {"n": [1.0, None, "ü"]},
    }
    assert far.call("state::get", at("w")) == near.call("state::get", at("w")) == {"n": [1.0, None, "ü"]}
    far.call("state::set", at("w", value=2))
    assert near.call("state::set", at("w", value=3)) == {"old_value": 2, "new_value": 3}
    assert near.call("state::delete", at("w")) == 3
    assert far.call("state::get", at("w")) is None


def test_updates_take_place_there(both):
    far, near = both
    ops = [{"type": "increment", "path": "n", "by": 2}, {"type": "set", "path": "a", "value": "x"}]
    assert near.call("state::update", at("u", ops=ops))["new_value"] == {"n": 2, "a": "x"}
    answer = near.call("state::update", at("u", ops=[{"type": "increment", "path": "a", "by": 1}]))
    assert answer["new_value"] == {"n": 2, "a": "x"}
    assert [error["code"] for error in answer["errors"]] == ["increment.not_number"]
    assert far.call("state::get", at("u")) == {"n": 2, "a": "x"}


def test_lists(both):
    far, near = both
    for key in ("a", "b"):
        far.call("state::set", at("l", key, value=key.upper()))
    assert near.call("state::list", {"scope": "l"}) == ["A", "B"]
    assert near.call("state::list_keys", {"scope": "l"}) == ["a", "b"]
    assert near.call("state::get_many", {"scope": "l", "keys": ["b", "no"]}) == {"b": "B"}
    assert near.call("state::list_groups", {}) == far.call("state::list_groups", {})


def test_null_and_missing_are_one(both):
    far, near = both
    far.call("state::set", at("null", value=None))
    assert near.call("state::get", at("null")) is None
    assert near.call("state::set", at("null", value=1))["old_value"] is None


def test_both_engines_fire_their_own_triggers(both):
    for peer in both:
        peer.register("on-change")
        peer.send(type="registertrigger", id="t", trigger_type="state", function_id="on-change", config={"scope": "t"})
        peer.barrier()
    near = both[1]
    near.call("state::set", at("t", value=1))
    for peer in both:
        event = peer.expect(type="invokefunction", function_id="on-change")["data"]
        assert (event["key"], event["new_value"]) == ("k", 1)


@pytest.mark.parametrize(
    ("function_id", "more", "code", "text"),
    [
        ("get", {"with_version": True}, "GET_ERROR", "have no versions"),
        ("set", {"value": 1, "with_version": True}, "SET_ERROR", "have no versions"),
        ("set", {"value": 1, "if_version": 1}, "SET_ERROR", "Failed to set value: the adapter bridge has no versions"),
        ("set", {"value": 1, "ttl_ms": 1}, "SET_ERROR", "Failed to set value: the adapter bridge has no times to live"),
        ("delete", {"if_version": 1}, "DELETE_ERROR", "no versions"),
        ("update", {"ops": [], "if_version": 1}, "UPDATE_ERROR", "no versions"),
    ],
)
def test_what_a_bridge_cannot(both, function_id, more, code, text):
    _, near = both
    with pytest.raises(CallFailed) as failed:
        near.call(f"state::{function_id}", at("x", **more))
    assert failed.value.code == code
    assert text in failed.value.message


def test_a_failure_there_is_told_here():
    """The far engine has no state."""
    with iii_actors.Engine(config()) as far:
        adapter = {"name": "bridge", "config": {"bridge_url": far.url}}
        near_config = config({"name": "iii-state", "config": {"adapter": adapter}})
        with iii_actors.Engine(near_config) as near, peers(near.url) as make, pytest.raises(CallFailed) as failed:
            make("near").call("state::get", at("x"))
    assert failed.value.code == "GET_ERROR"
    assert failed.value.message.startswith(
        "Failed to get value: Failed to get value via bridge: function_not_found: Function state::get not found"
    )


def test_an_engine_that_is_away_is_an_error_in_time(monkeypatch):
    monkeypatch.setattr("iii_actors.remote.link.BRIDGE_TIMEOUT_S", 0.2)
    monkeypatch.setattr("iii_actors.remote.Link.call.__defaults__", (0.2,))
    adapter = {"name": "bridge", "config": {"bridge_url": "ws://127.0.0.1:9"}}
    near_config = config({"name": "iii-state", "config": {"adapter": adapter}})
    with iii_actors.Engine(near_config) as near, peers(near.url) as make:
        with pytest.raises(CallFailed) as failed:
            make("near").call("state::get", at("x"))
        assert "via bridge: TIMEOUT" in failed.value.message


@pytest.mark.parametrize("url", ["http://x", "localhost:1", 7, ""])
def test_a_url_that_is_none(url):
    adapter = {"name": "bridge", "config": {"bridge_url": url}}
    with pytest.raises(ConfigError, match="bridge_url"):
        config({"name": "iii-state", "config": {"adapter": adapter}})
