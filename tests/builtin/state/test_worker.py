"""`iii-state` in an engine: its settings, and the stores they choose (state.md §6, §7)."""

from __future__ import annotations

import pytest

from iii_actors.clock import ManualClock
from iii_actors.config.state import StateSettings
from iii_actors.errors import ConfigError
from tests.support.asking import bind, refusal
from tests.support.quiet import unexpected


def put(peer, key, value, scope="s", **more):
    return peer.call("state::set", {"scope": scope, "key": key, "value": value} | more)


def get(peer, key, scope="s"):
    return peer.call("state::get", {"scope": scope, "key": key})


def in_files(folder, **more):
    return {"adapter": {"name": "kv", "config": {"store_method": "file_based", "file_path": str(folder), **more}}}


# --- settings ----------------------------------------------------------------------------------------------------------


def test_it_appears_as_a_worker(site):
    (row,) = [
        row
        for row in site().join().call("engine::workers::list", {"include_internal": True})["workers"]
        if row["name"] == "iii-state"
    ]
    assert row["status"] == "available"


def test_a_value_over_the_limit_is_refused_and_nothing_is_written(site):
    here = site({"max_value_bytes": 10})
    peer = here.join()
    peer.register("on")
    bind(peer, "t", "state", "on")
    error = refusal(peer, "state::set", {"scope": "s", "key": "k", "value": "123456789"})
    assert error == {
        "code": "VALUE_TOO_LARGE",
        "message": "value of 11 bytes exceeds the configured max_value_bytes limit of 10",
    }
    assert get(peer, "k") is None
    assert unexpected(peer) == []
    here.state.apply(StateSettings(max_value_bytes=11))
    put(peer, "k", "123456789")
    ops = [{"type": "append", "path": "", "value": "x" * 100}]
    assert peer.call("state::update", {"scope": "s", "key": "k", "ops": ops})["new_value"][-1] == "x", (
        "only set is held"
    )


@pytest.mark.parametrize("text", ['{ "a" :\n  [1,  2] }', '"\\u00e9\\u00e9\\u00e9"', '"\\/\\/\\/\\/\\/"'])
def test_the_size_is_that_of_the_compact_text(site, text):
    peer = site({"max_value_bytes": 11}).join()
    peer.send_raw(
        '{"type":"invokefunction","invocation_id":"f7f19aed-1111-4000-8000-000000000001",'
        f'"function_id":"state::set","data":{{"scope":"s","key":"k","value":{text}}}}}'
    )
    assert "error" not in peer.expect(type="invocationresult")


def test_a_value_that_cannot_be_measured_is_measured_as_it_stands(site):
    peer = site({"max_value_bytes": 5}).join()
    peer.send_raw(
        '{"type":"invokefunction","invocation_id":"f7f19aed-1111-4000-8000-000000000001",'
        '"function_id":"state::set","data":{"scope":"s","key":"k","value":1.0e400}}'
    )
    assert "value of 7 bytes" in peer.expect(type="invocationresult")["error"]["message"]


def test_without_triggers_nobody_is_told_until_they_are_enabled(site):
    here = site({"triggers_enabled": False})
    peer = here.join()
    peer.register("on")
    bind(peer, "t", "state", "on")
    put(peer, "k", 1)
    assert unexpected(peer) == []
    here.state.apply(StateSettings())
    put(peer, "k", 2)
    assert peer.expect(type="invokefunction")["data"]["new_value"] == 2


def test_a_time_to_live(site):
    clock = ManualClock()
    peer = site(clock=clock).join()
    put(peer, "k", 1, ttl_ms=1000)
    put(peer, "kept", 1, ttl_ms=1000)
    put(peer, "kept", 2)
    clock.advance(0.999)
    assert get(peer, "k") == 1
    clock.advance(0.001)
    assert get(peer, "k") is None
    assert peer.call("state::list", {"scope": "s"}) == [2]


# --- stores ------------------------------------------------------------------------------------------------------------


def test_in_memory_everything_ends_with_the_engine(site):
    first = site({"adapter": {"name": "kv"}})
    put(first.join(), "k", 1)
    first.close()
    assert get(site().join(), "k") is None


def test_in_a_file_everything_is_there_again(site, tmp_path):
    config = in_files(tmp_path / "deep" / "state_store.db", save_interval_ms=100)
    first = site(config)
    peer = first.join()
    for key in ("b", "a"):
        put(peer, key, {"of": key})
    put(peer, "n", None)
    first.close()
    peer = site(config).join()
    assert peer.call("state::list", {"scope": "s"}) == [{"of": "b"}, {"of": "a"}, None]
    assert (tmp_path / "deep" / "state_store.db" / "state.sqlite").is_file()


def test_two_engines_on_one_file_are_refused_with_the_place_and_the_mend(site, tmp_path):
    first = site(in_files(tmp_path))
    with pytest.raises(ConfigError) as refused:
        site(in_files(tmp_path))
    assert refused.value.place == "failed to create worker 'iii-state'"
    assert str(tmp_path / "state.sqlite") in refused.value.problem
    assert refused.value.mend
    put(first.join(), "k", 1)


def test_a_foreign_file_is_refused_and_left_alone(site, tmp_path):
    (tmp_path / "state.sqlite").write_text("somebody else's")
    with pytest.raises(ConfigError) as refused:
        site(in_files(tmp_path))
    assert refused.value.place == "failed to create worker 'iii-state'"
    assert (tmp_path / "state.sqlite").read_text() == "somebody else's"


def test_a_folder_that_is_a_file_is_refused(site, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="failed to create worker 'iii-state': "):
        site(in_files(tmp_path / "file"))


def test_an_unknown_adapter_is_refused(site):
    with pytest.raises(ConfigError, match="Adapter factory 'nats' not found"):
        site({"adapter": {"name": "nats"}})


def test_an_unknown_store_method_is_memory(site):
    assert put(site({"adapter": {"name": "kv", "config": {"store_method": "cloud"}}}).join(), "k", 1)


def test_a_redis_that_is_not_there_is_refused(site):
    with pytest.raises(ConfigError) as refused:
        site({"adapter": {"name": "redis", "config": {"redis_url": "redis://127.0.0.1:1"}}})
    assert refused.value.place == "failed to create worker 'iii-state'"
    assert refused.value.problem.startswith("cannot reach redis://127.0.0.1:1: ")
