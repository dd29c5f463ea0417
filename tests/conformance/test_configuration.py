"""The `configuration` worker through real sockets (config-and-cli.md §3, §5)."""

import json

import pytest
import yaml

import iii_actors
from iii_actors.clock import ManualClock
from iii_actors.limits import CONFIGURATION_ENTRIES, CONFIGURATION_SWEEP_S
from tests.support.peer import CallFailed, peers

WAIT_S = 10
SCHEMA = {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]}


def settings(folder, *workers, **configuration):
    adapter = {"name": "fs", "config": {"directory": str(folder)}}
    return iii_actors.EngineConfig(
        workers=[
            {"name": "iii-worker-manager", "config": {"port": 0}},
            {"name": "configuration", "config": {"adapter": adapter, **configuration}},
            *workers,
        ]
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "config"


@pytest.fixture
def engine(folder):
    with iii_actors.Engine(settings(folder, {"name": "iii-state"})) as running:
        yield running


@pytest.fixture
def peer(engine):
    with peers(engine.url) as make:
        yield make("peer")


def registered(peer, entry_id="shop", **more):
    entry = {"id": entry_id, "name": "Shop", "description": "The shop's", "schema": SCHEMA} | more
    return peer.call("configuration::register", entry)


def follow(peer, trigger_id="t", **config):
    peer.register(f"on-{trigger_id}")
    peer.send(
        type="registertrigger",
        id=trigger_id,
        trigger_type="configuration",
        function_id=f"on-{trigger_id}",
        config=config,
    )
    peer.barrier()


def told(peer, trigger_id="t"):
    frame = peer.expect(type="invokefunction", function_id=f"on-{trigger_id}")
    peer.answer(frame, None)
    return {key: value for key, value in frame["data"].items() if key != "_caller_worker_id"}


def failing(peer, function_id, data):
    with pytest.raises(CallFailed) as failed:
        peer.call(function_id, data)
    return failed.value.code, failed.value.message


# --- functions -------------------------------------------------------------------------------------------------------


def test_register_answers_with_the_entry(peer):
    entry = registered(peer, initial_value={"port": 1}, metadata={"team": "a"})
    assert entry == {
        "id": "shop",
        "name": "Shop",
        "description": "The shop's",
        "schema": SCHEMA,
        "value": {"port": 1},
        "metadata": {"team": "a"},
    }


def test_register_again_keeps_the_value_unless_one_is_given(peer):
    registered(peer, initial_value={"port": 1})
    peer.call("configuration::set", {"id": "shop", "value": {"port": 2}})
    assert registered(peer)["value"] == {"port": 2}
    assert registered(peer, initial_value={"port": 3})["value"] == {"port": 3}


def test_set_answers_with_both_values_as_they_were_written(peer, monkeypatch):
    monkeypatch.setenv("SHOP_PORT", "8080")
    registered(peer)
    value = {"port": "${SHOP_PORT}"}
    assert peer.call("configuration::set", {"id": "shop", "value": value}) == {"old_value": None, "new_value": value}
    assert peer.call("configuration::set", {"id": "shop", "value": {"port": 1}})["old_value"] == value


def test_get_replaces_placeholders_unless_raw(peer, monkeypatch):
    monkeypatch.setenv("SHOP_NAME", "corner")
    value = {
        "port": "${SHOP_NOWHERE:8080}",
        "at": "http://${SHOP_NAME}:${SHOP_NOWHERE:1}",
        "n": [1, "${SHOP_NOWHERE:}"],
    }
    registered(peer, initial_value=value)
    expanded = {"port": 8080, "at": "http://corner:1", "n": [1, None]}
    assert peer.call("configuration::get", {"id": "shop"}) == {"id": "shop", "value": expanded}
    assert peer.call("configuration::get", {"id": "shop", "raw": True})["value"] == value


def test_list_and_schema_show_no_values(peer):
    registered(peer, "zebra", initial_value={"port": 1})
    registered(peer, "ant", initial_value={"port": 1})
    listed = peer.call("configuration::list", {})["configurations"]
    ids = [one["id"] for one in listed]
    assert ids == sorted(ids)
    assert {"ant", "zebra", "iii-state"} <= set(ids)
    assert all("value" not in one for one in listed)
    assert peer.call("configuration::schema", {"id": "ant"}) == next(one for one in listed if one["id"] == "ant")


@pytest.mark.parametrize(
    ("function_id", "data", "code", "message"),
    [
        (
            "set",
            {"id": "nobody", "value": 1},
            "NOT_REGISTERED",
            "configuration 'nobody' is not registered; call configuration::register first",
        ),
        ("get", {"id": "nobody"}, "NOT_FOUND", "configuration 'nobody' not found"),
        ("schema", {"id": "nobody"}, "NOT_FOUND", "configuration 'nobody' not found"),
        ("get", {"id": "No"}, "INVALID_ID", "invalid configuration id 'No': must match [a-z0-9_-]{1,64}"),
        ("get", {"id": "../etc"}, "INVALID_ID", "invalid configuration id '../etc': must match [a-z0-9_-]{1,64}"),
        (
            "get",
            {"id": "x" * 65},
            "INVALID_ID",
            f"invalid configuration id '{'x' * 65}': must match [a-z0-9_-]{{1,64}}",
        ),
        ("get", {}, "deserialization_error", "Failed to deserialize input for configuration::get: missing field `id`"),
        (
            "set",
            {"id": "shop", "value": {"port": "x"}},
            "SCHEMA_INVALID",
            "schema validation failed: port: 'x' is not of type 'integer'",
        ),
        (
            "set",
            {"id": "shop", "value": {}},
            "SCHEMA_INVALID",
            "schema validation failed: 'port' is a required property",
        ),
        (
            "set",
            {"id": "shop", "value": {"port": "${SHOP_NOWHERE}"}},
            "EXPAND_FAILED",
            "Environment variable 'SHOP_NOWHERE' not set and no default provided",
        ),
    ],
)
def test_what_is_refused(peer, function_id, data, code, message):
    registered(peer, initial_value={"port": 1})
    assert failing(peer, f"configuration::{function_id}", data) == (code, message)
    assert peer.call("configuration::get", {"id": "shop"})["value"] == {"port": 1}


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": 1}, 7, "text", {"properties": []}], ids=json.dumps)
def test_a_schema_that_is_none(peer, schema):
    entry = {"id": "shop", "name": "", "description": "", "schema": schema}
    assert failing(peer, "configuration::register", entry)[0] == "SCHEMA_INVALID"


def test_a_schema_is_never_fetched(peer):
    registered(peer, schema={"$ref": "http://127.0.0.1:9/schema.json"})
    code, message = failing(peer, "configuration::set", {"id": "shop", "value": 1})
    assert code == "SCHEMA_INVALID"
    assert "is not fetched" in message


def test_an_initial_value_is_checked(peer):
    entry = {"id": "shop", "name": "", "description": "", "schema": SCHEMA, "initial_value": {}}
    assert failing(peer, "configuration::register", entry)[0] == "SCHEMA_INVALID"
    assert failing(peer, "configuration::get", {"id": "shop"})[0] == "NOT_FOUND"


def test_there_is_an_end_to_how_many_and_how_large(engine, peer, monkeypatch):
    monkeypatch.setattr("iii_actors.builtin.configuration.desk.CONFIGURATION_ENTRIES", 2)
    registered(peer, "a", schema=True)
    registered(peer, "b", schema=True)
    entry = {"id": "c", "name": "", "description": "", "schema": True}
    assert failing(peer, "configuration::register", entry)[0] == "LIMIT_EXCEEDED"
    assert CONFIGURATION_ENTRIES > 2
    monkeypatch.setattr("iii_actors.builtin.configuration.desk.CONFIGURATION_BYTES", 10)
    assert failing(peer, "configuration::set", {"id": "a", "value": "x" * 20})[0] == "LIMIT_EXCEEDED"


# --- triggers --------------------------------------------------------------------------------------------------------


def test_changes_are_told(peer, monkeypatch):
    monkeypatch.setenv("SHOP_PORT", "8080")
    follow(peer, configuration_id="shop")
    registered(peer, initial_value={"port": 1}, metadata={"m": 1})
    common = {"type": "configuration", "id": "shop", "name": "Shop", "description": "The shop's", "schema": SCHEMA}
    common |= {"metadata": {"m": 1}}
    new = common | {"event_type": "configuration:registered", "old_value": None, "new_value": {"port": 1}}
    assert told(peer) == new
    peer.call("configuration::set", {"id": "shop", "value": {"port": "${SHOP_PORT}"}})
    changed = common | {"event_type": "configuration:updated", "old_value": {"port": 1}, "new_value": {"port": 8080}}
    assert told(peer) == changed


def test_only_what_was_asked_for_is_told(peer):
    follow(peer, "ids", configuration_id="other")
    follow(peer, "kinds", event_types=["configuration:updated"])
    follow(peer, "all")
    registered(peer, initial_value={"port": 1})
    peer.call("configuration::set", {"id": "shop", "value": {"port": 1}})
    peer.call("configuration::set", {"id": "shop", "value": {"port": 2}})
    registered(peer, "other", initial_value={"port": 3})
    assert [told(peer, "all")["event_type"] for _ in range(3)] == [
        "configuration:registered",
        "configuration:updated",
        "configuration:registered",
    ]
    assert told(peer, "ids")["id"] == "other"
    assert told(peer, "kinds")["new_value"] == {"port": 2}
    peer.barrier()
    assert [frame for frame in peer.seen if frame["type"] == "invokefunction"] == []


def test_a_condition_may_keep_it_back(peer):
    peer.register("never", lambda _: False)
    follow(peer, "kept", condition_function_id="never")
    follow(peer, "open")
    registered(peer, initial_value={"port": 1})
    assert told(peer, "open")["id"] == "shop"
    peer.call("configuration::list", {})
    assert [frame for frame in peer.seen if frame.get("function_id") == "on-kept"] == []


@pytest.mark.parametrize("config", [{"event_types": ["nonsense"]}, {"configuration_id": 7}, [1], "x"])
def test_a_trigger_that_is_wrong(peer, config):
    peer.register("f")
    peer.send(type="registertrigger", id="t", trigger_type="configuration", function_id="f", config=config)
    refusal = peer.expect(type="triggerregistrationresult", id="t")
    assert refusal["error"]["code"] == "trigger_registration_failed"


def test_an_entry_that_nobody_follows_any_more_is_deleted(folder):
    clock = ManualClock()
    with iii_actors.Engine(settings(folder, ttl_seconds=60), clock=clock) as engine, peers(engine.url) as make:
        owner, follower = make("owner"), make("follower")
        registered(owner, initial_value={"port": 1})
        registered(owner, "never-followed", initial_value={"port": 1})
        follow(follower, configuration_id="shop")
        follow(owner, "watch", event_types=["configuration:deleted"])
        follower.send(type="unregistertrigger", id="t", trigger_type="configuration")
        follower.barrier()
        clock.advance(59)
        assert owner.call("configuration::get", {"id": "shop"})["value"] == {"port": 1}
        clock.advance(1 + CONFIGURATION_SWEEP_S)
        gone = told(owner, "watch")
        assert (gone["id"], gone["old_value"], gone["new_value"]) == ("shop", {"port": 1}, None)
        assert failing(owner, "configuration::get", {"id": "shop"})[0] == "NOT_FOUND"
        assert not (folder / "shop.yaml").exists()
        assert owner.call("configuration::get", {"id": "never-followed"})["value"] == {"port": 1}


# --- files -----------------------------------------------------------------------------------------------------------


def test_nothing_is_written_before_something_is_set(peer, folder):
    registered(peer)
    assert not folder.exists()
    peer.call("configuration::set", {"id": "shop", "value": {"port": "${P:1}"}})
    document = yaml.safe_load((folder / "shop.yaml").read_text())
    assert document == {"id": "shop", "name": "Shop", "description": "The shop's", "value": {"port": "${P:1}"}}


def test_values_survive_a_restart(folder):
    for before in (None, {"port": 5}):
        with iii_actors.Engine(settings(folder)) as engine, peers(engine.url) as make:
            peer = make("peer")
            if before is not None:
                assert peer.call("configuration::get", {"id": "shop"})["value"] == before
                assert failing(peer, "configuration::set", {"id": "shop", "value": 1})[0] == "NOT_REGISTERED"
                assert failing(peer, "configuration::schema", {"id": "shop"})[0] == "SCHEMA_UNAVAILABLE"
            assert registered(peer)["value"] == before
            peer.call("configuration::set", {"id": "shop", "value": {"port": 5}})


def test_an_edited_file_is_gone_by_and_a_wrong_one_is_not(peer, folder):
    registered(peer, initial_value={"port": 1})
    follow(peer, event_types=["configuration:updated"])
    path = folder / "shop.yaml"
    path.write_text("id: shop\nvalue: {port: x}\n")
    path.write_text("id: shop\nvalue: {port: 9}\n")
    assert told(peer)["new_value"] == {"port": 9}
    assert peer.call("configuration::get", {"id": "shop"})["value"] == {"port": 9}


def test_files_of_others_are_left_alone(peer, folder):
    folder.mkdir()
    (folder / "shop.yaml").write_text("database: {host: db}\n")
    registered(peer)
    code, message = failing(peer, "configuration::set", {"id": "shop", "value": {"port": 1}})
    assert code == "ADAPTER_ERROR"
    assert "not written over" in message
    assert (folder / "shop.yaml").read_text() == "database: {host: db}\n"
    assert peer.call("configuration::get", {"id": "shop"})["value"] is None


# --- the engine's own workers ----------------------------------------------------------------------------------------


def test_a_worker_of_the_engine_goes_by_what_is_set(peer):
    assert peer.call("configuration::get", {"id": "iii-state"})["value"] == {}
    follow(peer, configuration_id="iii-state")
    peer.call("configuration::set", {"id": "iii-state", "value": {"max_value_bytes": 10}})
    assert told(peer)["new_value"] == {"max_value_bytes": 10}
    code, message = failing(peer, "state::set", {"scope": "s", "key": "k", "value": "x" * 20})
    assert "max_value_bytes limit of 10" in message, code
    assert (
        failing(peer, "configuration::set", {"id": "iii-state", "value": {"max_value_bytes": "x"}})[0]
        == "SCHEMA_INVALID"
    )
    assert peer.call("configuration::get", {"id": "iii-state"})["value"] == {"max_value_bytes": 10}


def test_what_it_cannot_go_by_changes_nothing(peer, folder, tmp_path):
    (tmp_path / "file").write_text("")
    adapter = {"name": "kv", "config": {"store_method": "file_based", "file_path": str(tmp_path / "file")}}
    peer.call("state::set", {"scope": "s", "key": "k", "value": 1})
    code, _ = failing(peer, "configuration::set", {"id": "iii-state", "value": {"adapter": adapter}})
    assert code == "config_error"
    assert peer.call("configuration::get", {"id": "iii-state"})["value"] == {}
    assert not folder.exists()
    assert peer.call("state::set", {"scope": "s", "key": "k", "value": 2})["new_value"] == 2


def test_it_lasts_until_the_settings_file_says_something_else(folder):
    written = {"name": "iii-state", "config": {"triggers_enabled": False}}
    for config, expected in [
        (written, 10),
        (written, 10),
        ({"name": "iii-state", "config": {"triggers_enabled": True}}, None),
        (written, 10),
    ]:
        with iii_actors.Engine(settings(folder, config)) as engine, peers(engine.url) as make:
            peer = make("peer")
            if not folder.exists():
                peer.call("configuration::set", {"id": "iii-state", "value": {"max_value_bytes": 10}})
            assert peer.call("configuration::get", {"id": "iii-state"})["value"].get("max_value_bytes") == expected


def test_its_entry_follows_the_settings_file(engine, peer, folder):
    follow(peer, configuration_id="iii-state")
    changed = {"name": "iii-state", "config": {"triggers_enabled": False}}
    assert engine.reconfigure(settings(folder, changed)) == []
    assert told(peer)["new_value"] == {"triggers_enabled": False}
    assert engine.reconfigure(settings(folder)) == []
    assert told(peer)["event_type"] == "configuration:deleted"


def test_its_entry_is_not_anybody_s(peer):
    entry = {"id": "iii-state", "name": "", "description": "", "schema": True}
    assert failing(peer, "configuration::register", entry)[0] == "ADAPTER_ERROR"
