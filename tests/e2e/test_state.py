"""Official workers share state, and are called when it changes (state.md §8)."""

import pytest

from tests.e2e.support.names import unique
from tests.e2e.support.probe import ProbeError


@pytest.fixture
def one(pair):
    return pair.caller


@pytest.fixture
def other(pair):
    return pair.callee


def at(scope, key="k", **more):
    return {"scope": scope, "key": key, **more}


def test_what_one_sets_the_other_gets(one, other):
    scope = unique("scope")
    value = {"text": "Grüße, 世界 🫖", "numbers": [1, -1, 0.5], "nothing": None, "deep": {"er": [[{}]]}}
    assert one.call("state::get", at(scope)) is None
    assert one.call("state::set", at(scope, value=value)) == {"old_value": None, "new_value": value}
    assert other.call("state::get", at(scope)) == value
    assert other.call("state::set", at(scope, data=2)) == {"old_value": value, "new_value": 2}
    assert one.call("state::delete", at(scope)) == 2
    assert other.call("state::get", at(scope)) is None
    assert other.call("state::delete", at(scope)) is None


def test_a_scope_is_listed(one, other):
    scope = unique("scope")
    assert one.call("state::list", {"scope": scope}) == []
    for key in ("b", "a", "c"):
        one.call("state::set", at(scope, key, value={"key": key}))
    assert [row["key"] for row in other.call("state::list", {"scope": scope})] == ["b", "a", "c"]
    assert scope in other.call("state::list_groups", {})["groups"]


def test_updates_of_both_are_one_after_the_other(one, other):
    scope = unique("scope")
    one.call("state::set", at(scope, value={"count": 0, "name": "n", "log": [], "text": ""}))
    ops = [
        {"type": "increment", "path": "count", "by": 1},
        {"type": "append", "path": "log", "value": {"k": 1}},
        {"type": "append", "path": "text", "value": "x"},
        {"type": "merge", "path": ["seen", "by"], "value": {"both": True}},
    ]
    numbers = [
        (probe, probe.start("call", function_id="state::update", payload=at(scope, ops=ops)))
        for _ in range(20)
        for probe in (one, other)
    ]
    outcomes = [probe.finish(number) for probe, number in numbers]
    assert sorted(outcome["new_value"]["count"] for outcome in outcomes) == list(range(1, 41))
    assert all("errors" not in outcome for outcome in outcomes)
    assert other.call("state::get", at(scope)) == {
        "count": 40,
        "name": "n",
        "log": [{"k": 1}] * 40,
        "text": "x" * 40,
        "seen": {"by": {"both": True}},
    }


def test_what_is_wrong_is_told(one):
    with pytest.raises(ProbeError) as raised:
        one.call("state::set", {"scope": "s", "value": 1})
    assert raised.value.message == "Failed to deserialize input for state::set: missing field `key`"
    outcome = one.call("state::update", at(unique("scope"), ops=[{"type": "set", "path": "__proto__", "value": 1}]))
    assert [error["code"] for error in outcome["errors"]] == ["set.path.proto_polluted"]


def test_a_trigger_observes_the_changes_of_its_scope_and_key_and_no_others(one, other):
    scope, function_id = unique("scope"), unique("e2e::on")
    other.offer(function_id)
    config = {"scope": scope, "key": "k"}
    binding = other.do("bind", type="state", function_id=function_id, config=config, metadata={"m": 1})
    one.call("state::set", at(scope, "other", value=0))
    one.call("state::set", at(scope, value=1))
    told = other.event("called", function_id=function_id)
    assert told["metadata"] == {"m": 1}
    event = {"type": "state", "scope": scope, "key": "k"}
    expected = event | {"event_type": "state:created", "old_value": None, "new_value": 1}
    assert {key: told["data"][key] for key in expected} == expected
    one.call("state::update", at(scope, ops=[{"type": "increment", "path": "", "by": 1}]))
    told = other.event("called", function_id=function_id)["data"]
    assert (told["event_type"], told["old_value"], told["new_value"]) == ("state:updated", 1, 2)
    other.do("unbind", binding=binding)
    one.call("state::set", at(scope, value="unseen"))
    other.do("bind", type="state", function_id=function_id, config=config)
    one.call("state::delete", at(scope))
    told = other.event("called", function_id=function_id)["data"]
    assert (told["event_type"], told["old_value"], told["new_value"]) == ("state:deleted", "unseen", None)


def test_a_worker_sees_its_own_write_through_a_trigger_it_has_just_registered(one):
    scope, function_id = unique("scope"), unique("e2e::on")
    one.offer(function_id)
    one.do("bind", type="state", function_id=function_id, config={"scope": scope})
    one.call("state::set", at(scope, value="mine"))
    assert one.event("called", function_id=function_id)["data"]["new_value"] == "mine"


def test_state_in_a_file_is_there_after_the_engine_has_been_killed(shop, tmp_path, python_sdk):
    folder = tmp_path / "state_store.db"
    settings = tmp_path / "config.yaml"
    settings.write_text(
        "workers:\n"
        "  - name: iii-state\n"
        "    config:\n"
        "      adapter:\n"
        "        name: kv\n"
        f"        config: {{store_method: file_based, file_path: {folder}}}\n"
    )
    engine = shop.engine("--config", str(settings))
    probe = shop.probe(python_sdk, engine.url)
    for number in range(20):
        probe.call("state::set", at("s", f"{number}", value=number))
    engine.kill()
    engine.start()
    again = shop.probe(python_sdk, engine.url)
    assert again.call("state::list", {"scope": "s"}) == list(range(20))
