"""State through real sockets: functions, results, atomicity, refusals (state.md §1 to §4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

import iii_actors
from tests.support.asking import refusal
from tests.support.peer import Peer, peers
from tests.support.quiet import unexpected


@pytest.fixture(scope="module", params=["shared", "own"])
def engine(request: pytest.FixtureRequest) -> Iterator[iii_actors.Engine]:
    listener = {"port": 0, "reader": request.param}
    workers = [{"name": "iii-worker-manager", "config": listener}, {"name": "iii-state"}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def join(engine: iii_actors.Engine) -> Iterator[Callable[..., Peer]]:
    """A maker of workers; the state is empty before each test."""
    with peers(engine.url) as make:
        cleaner = make()
        for scope in cleaner.call("state::list_groups", {})["groups"]:
            for key in cleaner.call("state::list_keys", {"scope": scope}):
                cleaner.call("state::delete", {"scope": scope, "key": key})
        yield make


@pytest.fixture
def peer(join: Callable[..., Peer]) -> Peer:
    return join()


def answer(peer: Peer, function_id: str, data: object) -> dict[str, object]:
    """The whole frame, so that an absent result is told from null."""
    return peer.expect(type="invocationresult", invocation_id=peer.start_call(function_id, data))


def put(peer: Peer, key: str, value: object, scope: str = "s", **more: object) -> object:
    return peer.call("state::set", {"scope": scope, "key": key, "value": value} | more)


def get(peer: Peer, key: str, scope: str = "s") -> object:
    return peer.call("state::get", {"scope": scope, "key": key})


# --- §1, §2 ------------------------------------------------------------------------------------------------------------


def test_set_answers_both_values(peer):
    assert put(peer, "k", {"a": 1}) == {"old_value": None, "new_value": {"a": 1}}
    assert put(peer, "k", 5) == {"old_value": {"a": 1}, "new_value": 5}


def test_data_is_a_synonym_of_value(peer):
    assert peer.call("state::set", {"scope": "s", "key": "k", "data": [1]}) == {"old_value": None, "new_value": [1]}
    assert get(peer, "k") == [1]


@pytest.mark.parametrize("value", [None, 0, -1.5, "text", "", True, [], {}, {"b": [{"a": None}]}])
def test_any_value_comes_back_as_it_was(peer, value):
    put(peer, "k", value)
    frame = answer(peer, "state::get", {"scope": "s", "key": "k"})
    assert (frame["result"], type(frame["result"])) == (value, type(value))


def test_absent_is_no_result_and_null_is_one(peer):
    assert "result" not in answer(peer, "state::get", {"scope": "s", "key": "k"})
    assert "error" not in answer(peer, "state::get", {"scope": "s", "key": "k"})
    put(peer, "k", None)
    assert answer(peer, "state::get", {"scope": "s", "key": "k"})["result"] is None
    assert answer(peer, "state::delete", {"scope": "s", "key": "k"})["result"] is None
    assert "result" not in answer(peer, "state::get", {"scope": "s", "key": "k"})
    missing = answer(peer, "state::delete", {"scope": "s", "key": "k"})
    assert "result" not in missing
    assert "error" not in missing


def test_delete_answers_the_value_itself(peer):
    put(peer, "k", {"a": 1})
    assert peer.call("state::delete", {"scope": "s", "key": "k"}) == {"a": 1}


def test_list_is_the_bare_values_in_the_order_of_insertion(peer):
    assert peer.call("state::list", {"scope": "none"}) == []
    for key in ("c", "a", "b"):
        put(peer, key, key)
    put(peer, "a", "over")
    peer.call("state::delete", {"scope": "s", "key": "c"})
    put(peer, "c", "again")
    assert peer.call("state::list", {"scope": "s"}) == ["over", "b", "again"]


def test_list_groups_is_sorted_unique_and_of_what_holds_something(peer):
    for scope in ("b", "", "a", "b"):
        put(peer, "k", 1, scope)
    assert peer.call("state::list_groups", {}) == {"groups": ["", "a", "b"]}
    peer.call("state::delete", {"scope": "a", "key": "k"})
    assert peer.call("state::list_groups", {"more": 1}) == {"groups": ["", "b"]}


def test_state_is_global_whatever_the_caller_s_namespace(join):
    here, there = join(), join(namespace="shop")
    put(there, "k", "there")
    assert get(here, "k") == "there"


@pytest.mark.parametrize("name", ["", "__proto__", "\0", "*", "a:b", "☕", "x" * 1_000_000, " ", "null"])
def test_any_text_is_a_scope_and_a_key(peer, name):
    assert put(peer, name, {"n": 1}, name) == {"old_value": None, "new_value": {"n": 1}}
    assert get(peer, name, name) == {"n": 1}
    updated = peer.call(
        "state::update", {"scope": name, "key": name, "ops": [{"type": "increment", "path": "n", "by": 1}]}
    )
    assert updated["new_value"] == {"n": 2}
    assert peer.call("state::list_groups", {}) == {"groups": [name]}
    assert peer.call("state::list_keys", {"scope": name}) == [name]
    assert peer.call("state::delete", {"scope": name, "key": name}) == {"n": 2}


def test_a_large_value(peer):
    put(peer, "k", "x" * 3_000_000)
    assert len(get(peer, "k")) == 3_000_000


@pytest.mark.parametrize(
    ("function_id", "data", "reason"),
    [
        ("state::set", {"scope": "s", "value": 1}, "missing field `key`"),
        ("state::set", {"key": "k", "value": 1}, "missing field `scope`"),
        ("state::set", {"scope": "s", "key": "k"}, "missing field `value`"),
        ("state::set", {"scope": "s", "key": "k", "value": 1, "data": 1}, "duplicate field `value`"),
        ("state::set", None, "invalid type: null, expected struct StateSetInput"),
        ("state::set", {"scope": 5, "key": "k", "value": 1}, "invalid type: integer `5`, expected a string"),
        (
            "state::set",
            {"scope": "s", "key": "k", "value": 1, "ttl_ms": 0},
            "invalid value: integer `0`, expected at least 1 for `ttl_ms`",
        ),
        ("state::get", {"scope": "s"}, "missing field `key`"),
        ("state::get", [], "invalid type: sequence, expected struct StateGetInput"),
        ("state::delete", {"scope": "s", "key": None}, "invalid type: null, expected a string"),
        ("state::list", {}, "missing field `scope`"),
        ("state::list_groups", None, "invalid type: null, expected struct StateListGroupsInput"),
        ("state::get_many", {"scope": "s", "keys": "k"}, 'invalid type: string "k", expected a sequence'),
        ("state::update", {"scope": "s", "key": "k"}, "missing field `ops`"),
        ("state::update", {"scope": "s", "key": "k", "ops": None}, "invalid type: null, expected a sequence"),
        (
            "state::update",
            {"scope": "s", "key": "k", "ops": [{"type": "set", "path": "a", "value": 1}, {"type": "foo"}]},
            "unknown variant `foo`, expected one of `set`, `merge`, `increment`, `decrement`, `append`, `remove`",
        ),
    ],
)
def test_wrong_input_is_refused_and_nothing_happens(peer, function_id, data, reason):
    error = refusal(peer, function_id, data)
    assert error["code"] == "deserialization_error"
    assert error["message"] == f"Failed to deserialize input for {function_id}: {reason}"
    assert peer.call("state::list_groups", {}) == {"groups": []}


def test_unknown_members_are_ignored(peer):
    put(peer, "k", 1, _caller_worker_id="x", more={})
    assert get(peer, "k") == 1


def test_a_void_set_is_carried_out_and_answers_nothing(peer):
    data = {"scope": "s", "key": "k", "value": 1}
    peer.send(type="invokefunction", function_id="state::set", data=data, action={"type": "void"})
    assert get(peer, "k") == 1
    assert unexpected(peer) == []


# --- §3, §4 ------------------------------------------------------------------------------------------------------------


def update(peer: Peer, *ops: dict[str, object], key: str = "k", **more: object) -> dict[str, object]:
    return peer.call("state::update", {"scope": "s", "key": key, "ops": ops} | more)


def test_update_answers_both_values_and_errors_only_if_there_are_any(peer):
    put(peer, "k", {"count": 0, "name": "n"})
    assert update(peer, {"type": "set", "path": "count", "value": 5}) == {
        "old_value": {"count": 0, "name": "n"},
        "new_value": {"count": 5, "name": "n"},
    }
    put(peer, "k", {"events": [], "t": "hello"})
    ops = [{"type": "append", "path": "events", "value": {"k": 1}}, {"type": "append", "path": "t", "value": " world"}]
    assert update(peer, *ops)["new_value"] == {"events": [{"k": 1}], "t": "hello world"}


def test_a_rejected_operation_is_reported_and_the_others_are_carried_out(peer):
    ops = [{"type": "set", "path": "__proto__", "value": 1}, {"type": "increment", "path": "n", "by": 2}]
    assert update(peer, *ops) == {
        "old_value": None,
        "new_value": {"n": 2},
        "errors": [
            {
                "op_index": 0,
                "code": "set.path.proto_polluted",
                "message": "Path segment '__proto__' is not allowed (prototype pollution).",
                "doc_url": "https://iii.dev/docs/workers/iii-state#error-codes",
            }
        ],
    }


def test_the_outcome_is_written_whatever_the_operations(peer):
    assert update(peer) == {"old_value": None, "new_value": {}}
    assert get(peer, "k") == {}
    assert len(update(peer, {"type": "remove", "path": "prototype"}, key="other")["errors"]) == 1
    assert get(peer, "other") == {}


def test_a_value_that_cannot_be_read_is_an_update_error(peer):
    peer.send_raw(
        '{"type":"invokefunction","invocation_id":"f7f19aed-1111-4000-8000-000000000001",'
        '"function_id":"state::set","data":{"scope":"s","key":"k","value":1e400}}'
    )
    assert peer.expect(type="invocationresult")
    error = refusal(peer, "state::update", {"scope": "s", "key": "k", "ops": []})
    assert error["code"] == "UPDATE_ERROR"
    assert error["message"].startswith("Failed to update value: ")


def test_racing_updates_lose_nothing(join):
    workers = [join() for _ in range(4)]
    op = {"type": "increment", "path": "n", "by": 1}
    for _ in range(100):
        for worker in workers:
            worker.start_call("state::update", {"scope": "s", "key": "k", "ops": [op]})
    seen = [
        worker.expect(type="invocationresult")["result"]["new_value"]["n"] for worker in workers for _ in range(100)
    ]
    assert sorted(seen) == list(range(1, 401))


# --- beyond the protocol -----------------------------------------------------------------------------------------------


def test_versions_are_told_when_asked_for_and_compared(peer):
    first = put(peer, "k", 1, with_version=True)["version"]
    assert peer.call("state::get", {"scope": "s", "key": "k", "with_version": True}) == {"value": 1, "version": first}
    second = put(peer, "k", 2, if_version=first)["version"]
    assert second > first
    error = refusal(peer, "state::set", {"scope": "s", "key": "k", "value": 3, "if_version": first})
    assert error == {"code": "VERSION_CONFLICT", "message": f"expected version {first}, found version {second}"}
    third = update(peer, {"type": "set", "path": "", "value": 3}, if_version=second)["version"]
    assert (
        refusal(peer, "state::delete", {"scope": "s", "key": "k", "if_version": second})["code"] == "VERSION_CONFLICT"
    )
    assert peer.call("state::delete", {"scope": "s", "key": "k", "if_version": third}) == 3
    assert put(peer, "k", 4, if_version=0)["new_value"] == 4
    assert "result" not in answer(peer, "state::get", {"scope": "s", "key": "none", "with_version": True})


def test_several_values_and_the_keys_alone(peer):
    for key in ("b", "a"):
        put(peer, key, {key: None})
    asked = {"scope": "s", "keys": ["a", "none", "b", "a"]}
    assert peer.call("state::get_many", asked) == {"a": {"a": None}, "b": {"b": None}}
    assert peer.call("state::get_many", {"scope": "s", "keys": []}) == {}
    assert peer.call("state::list_keys", {"scope": "s"}) == ["b", "a"]


# --- introspection -----------------------------------------------------------------------------------------------------


def test_the_functions_tell_their_formats(peer):
    answering = {"state::set", "state::update", "state::list_groups", "state::list_keys", "state::get_many"}
    for name in ("get", "set", "delete", "update", "list", "list_groups", "list_keys", "get_many"):
        told = peer.call("engine::functions::info", {"function_id": f"state::{name}"})
        assert told["worker_name"] == "iii-state"
        assert told["request_schema"]["type"] == "object"
        assert ("response_schema" in told) == (f"state::{name}" in answering)
    told = peer.call("engine::functions::info", {"function_id": "state::set"})
    assert told["request_schema"]["required"] == ["scope", "key"]
    assert told["response_schema"]["required"] == ["old_value", "new_value"]
    told = peer.call("engine::triggers::info", {"id": "state"})
    assert sorted(told["configuration_schema"]["properties"]) == ["condition_function_id", "key", "scope"]
    assert len(told["request_schema"]["required"]) == 6
    assert json.dumps(told).count("draft-07") == 2
