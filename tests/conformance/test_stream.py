"""Streams through real sockets: functions, results, updates, refusals (stream.md §1, §2, §9)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

import iii_actors
from tests.support.asking import refusal
from tests.support.peer import Frame, Peer, peers
from tests.support.quiet import unexpected

AT = {"stream_name": "s", "group_id": "g", "item_id": "i"}


@pytest.fixture(scope="module", params=["shared", "own"])
def engine(request: pytest.FixtureRequest) -> Iterator[iii_actors.Engine]:
    listener = {"port": 0, "reader": request.param}
    workers = [
        {"name": "iii-worker-manager", "config": listener},
        {"name": "iii-stream", "config": {"port": 0}},
        {"name": "iii-state"},
    ]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def join(engine: iii_actors.Engine) -> Iterator[Callable[..., Peer]]:
    """A maker of workers; no test leaves an item."""
    with peers(engine.url) as make:
        yield make
        cleaner = make()
        for stream in cleaner.call("stream::list_all", {})["stream"]:
            for group in stream["groups"]:
                empty(cleaner, stream["id"], group)
        assert cleaner.call("stream::list_all", {}) == {"stream": [], "count": 0}


ITEMS = ["i", "a", "b", "c"]
"""The ids that the tests use, beside the stream's own name."""


def empty(peer: Peer, stream: str, group: str) -> None:
    for item in [*ITEMS, stream]:
        peer.call("stream::delete", {"stream_name": stream, "group_id": group, "item_id": item})


@pytest.fixture
def peer(join: Callable[..., Peer]) -> Peer:
    return join()


def answer(peer: Peer, function_id: str, data: object) -> Frame:
    """The whole frame, so that an absent result is told from null."""
    return peer.expect(type="invocationresult", invocation_id=peer.start_call(function_id, data))


def put(peer: Peer, data: object, **address: str) -> Frame:
    return peer.call("stream::set", AT | address | {"data": data})


def update(peer: Peer, *ops: Frame, **address: str) -> Frame:
    return peer.call("stream::update", AT | address | {"ops": ops})


def listed(peer: Peer, stream: str = "s", group: str = "g") -> list[object]:
    return peer.call("stream::list", {"stream_name": stream, "group_id": group})


def groups(peer: Peer, stream: str = "s") -> list[str]:
    return sorted(peer.call("stream::list_groups", {"stream_name": stream}))


# --- set, get, delete --------------------------------------------------------------------------------------------------


def test_set_answers_exactly_both_values(peer):
    assert put(peer, {"a": 1}) == {"old_value": None, "new_value": {"a": 1}}
    assert put(peer, 5) == {"old_value": {"a": 1}, "new_value": 5}
    assert put(peer, None) == {"old_value": 5, "new_value": None}


@pytest.mark.parametrize("value", [None, 0, -1.5, "text", "", True, [], {}, {"b": [{"a": None}]}])
def test_any_value_comes_back_as_it_was(peer, value):
    put(peer, value)
    frame = answer(peer, "stream::get", AT)
    assert (frame["result"], type(frame["result"])) == (value, type(value))


def test_absent_is_no_result_and_null_is_one(peer):
    missing = answer(peer, "stream::get", AT)
    assert "result" not in missing
    assert "error" not in missing
    put(peer, None)
    assert answer(peer, "stream::get", AT)["result"] is None
    assert peer.call("stream::delete", AT) == {"old_value": None}
    assert "result" not in answer(peer, "stream::get", AT)


def test_delete_answers_what_was_there_and_does_not_fail_where_nothing_was(peer):
    assert peer.call("stream::delete", AT) == {"old_value": None}
    put(peer, {"a": 1})
    assert peer.call("stream::delete", AT) == {"old_value": {"a": 1}}
    assert peer.call("stream::delete", AT) == {"old_value": None}


def test_a_void_set_is_carried_out_and_answers_nothing(peer):
    peer.send(type="invokefunction", function_id="stream::set", data=AT | {"data": 1}, action={"type": "void"})
    assert peer.call("stream::get", AT) == 1
    assert unexpected(peer) == []


def test_streams_are_global_and_apart_from_state(join):
    here, there = join(), join(namespace="shop")
    put(there, "there")
    assert here.call("stream::get", AT) == "there"
    assert "result" not in answer(here, "state::get", {"scope": "s", "key": "i"})
    assert "s" not in here.call("state::list_groups", {})["groups"]


# --- lists -------------------------------------------------------------------------------------------------------------


def test_list_is_the_bare_values_in_the_order_of_insertion(peer):
    assert answer(peer, "stream::list", {"stream_name": "none", "group_id": "g"})["result"] == []
    for item in ("c", "a", "b"):
        put(peer, item, item_id=item)
    put(peer, "over", item_id="a")
    peer.call("stream::delete", AT | {"item_id": "c"})
    put(peer, "again", item_id="c")
    assert listed(peer) == ["over", "b", "again"]


def test_list_groups_is_a_bare_array_of_what_holds_something(peer):
    assert answer(peer, "stream::list_groups", {"stream_name": "s"})["result"] == []
    for group in ("h", "", "g"):
        put(peer, 1, group_id=group)
    assert groups(peer) == ["", "g", "h"]
    peer.call("stream::delete", AT)
    assert groups(peer) == ["", "h"]
    assert groups(peer, "none") == []


def test_list_all_is_sorted_on_both_levels(peer):
    assert peer.call("stream::list_all", {}) == {"stream": [], "count": 0}
    for stream, group in [("t", "b"), ("s", "b"), ("t", "a"), ("S", "z"), ("s", "")]:
        put(peer, 1, stream_name=stream, group_id=group)
    assert peer.call("stream::list_all", {"more": 1}) == {
        "stream": [{"id": "S", "groups": ["z"]}, {"id": "s", "groups": ["", "b"]}, {"id": "t", "groups": ["a", "b"]}],
        "count": 3,
    }


def test_names_with_colons_do_not_mix(peer):
    put(peer, "ab-c", stream_name="a:b", group_id="c")
    put(peer, "a-bc", stream_name="a", group_id="b:c")
    put(peer, "ab-cd", stream_name="a:b", group_id="c:d")
    assert (groups(peer, "a"), groups(peer, "a:b")) == (["b:c"], ["c", "c:d"])
    assert listed(peer, "a:b", "c") == ["ab-c"]
    assert listed(peer, "a", "b:c") == ["a-bc"]
    assert peer.call("stream::list_all", {}) == {
        "stream": [{"id": "a", "groups": ["b:c"]}, {"id": "a:b", "groups": ["c", "c:d"]}],
        "count": 2,
    }


@pytest.mark.parametrize("name", ["", "__proto__", "\0", "*", "%3A", "☕", "x" * 100_000, " ", "null", "(s)"])
def test_any_text_is_a_name(peer, name):
    at = {"stream_name": name, "group_id": name, "item_id": name}
    assert peer.call("stream::set", at | {"data": {"n": 1}}) == {"old_value": None, "new_value": {"n": 1}}
    ops = [{"type": "increment", "path": "n", "by": 1}]
    assert peer.call("stream::update", at | {"ops": ops})["new_value"] == {"n": 2}
    assert listed(peer, name, name) == [{"n": 2}]
    assert groups(peer, name) == [name]
    assert peer.call("stream::delete", at) == {"old_value": {"n": 2}}


# --- update ------------------------------------------------------------------------------------------------------------


def test_update_sets_appends_and_merges(peer):
    put(peer, {"name": "n", "log": [], "text": "hello"})
    updated = update(
        peer,
        {"type": "set", "path": "name", "value": "m"},
        {"type": "append", "path": "log", "value": {"k": 1}},
        {"type": "append", "path": "text", "value": " world"},
        {"type": "merge", "path": "one", "value": {"a": 1}},
        {"type": "merge", "path": ["two", "deep"], "value": {"b": 2}},
    )
    assert sorted(updated) == ["new_value", "old_value"]
    assert updated["old_value"] == {"name": "n", "log": [], "text": "hello"}
    assert updated["new_value"] == {
        "name": "m",
        "log": [{"k": 1}],
        "text": "hello world",
        "one": {"a": 1},
        "two": {"deep": {"b": 2}},
    }
    assert peer.call("stream::get", AT) == updated["new_value"]


def test_a_rejected_operation_is_reported_and_the_others_are_carried_out(peer):
    outcome = update(
        peer, {"type": "set", "path": "__proto__", "value": 1}, {"type": "increment", "path": "n", "by": 2}
    )
    assert (outcome["old_value"], outcome["new_value"]) == (None, {"n": 2})
    (error,) = outcome["errors"]
    assert (error["op_index"], error["code"]) == (0, "set.path.proto_polluted")
    assert {"message", "doc_url"} <= set(error)
    assert peer.call("stream::get", AT) == {"n": 2}


def test_the_outcome_is_written_whatever_the_operations(peer):
    assert update(peer) == {"old_value": None, "new_value": {}}
    assert peer.call("stream::get", AT) == {}


def test_updates_of_several_workers_are_atomic(join):
    workers = [join() for _ in range(3)]
    for _ in range(50):
        for worker in workers:
            worker.start_call("stream::update", AT | {"ops": [{"type": "increment", "path": "n", "by": 1}]})
    seen = [w.expect(type="invocationresult")["result"]["new_value"]["n"] for w in workers for _ in range(50)]
    assert sorted(seen) == list(range(1, 151))


# --- send, refusals, order, introspection ------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"id": None}, {"id": "i"}])
def test_send_answers_null_and_stores_nothing(peer, more):
    frame = answer(peer, "stream::send", {"stream_name": "s", "group_id": "g", "type": "t", "data": 1} | more)
    assert frame["result"] is None
    assert "error" not in frame
    assert listed(peer) == groups(peer) == []


def test_what_one_connection_asks_for_is_done_in_that_order(peer):
    for number in range(50):
        peer.start_call("stream::set", AT | {"data": number})
        every = peer.start_call("stream::list_all", {})
        read = peer.start_call("stream::get", AT)
        peer.start_call("stream::delete", AT)
        assert peer.expect(type="invocationresult", invocation_id=every)["result"]["count"] == 1
        assert peer.expect(type="invocationresult", invocation_id=read)["result"] == number


@pytest.mark.parametrize(
    ("function_id", "data", "reason"),
    [
        ("set", {"stream_name": "s", "group_id": "g", "data": 1}, "missing field `item_id`"),
        ("set", {"stream_name": "s", "item_id": "i", "data": 1}, "missing field `group_id`"),
        ("set", {"group_id": "g", "item_id": "i", "data": 1}, "missing field `stream_name`"),
        ("set", AT, "missing field `data`"),
        ("set", AT | {"item_id": 5, "data": 1}, "invalid type: integer `5`, expected a string"),
        ("get", None, "invalid type: null, expected struct StreamGetInput"),
        ("delete", AT | {"group_id": None}, "invalid type: null, expected a string"),
        ("list", {"stream_name": "s"}, "missing field `group_id`"),
        ("list_groups", {}, "missing field `stream_name`"),
        ("list_all", None, "invalid type: null, expected struct StreamListAllInput"),
        ("list_all", "x", 'invalid type: string "x", expected struct StreamListAllInput'),
        ("send", {"stream_name": "s", "group_id": "g", "data": 1}, "missing field `type`"),
        ("update", AT, "missing field `ops`"),
        (
            "update",
            AT | {"ops": [{"type": "set", "path": "a", "value": 1}, {"type": "foo"}]},
            "unknown variant `foo`, expected one of `set`, `merge`, `increment`, `decrement`, `append`, `remove`",
        ),
    ],
)
def test_wrong_input_is_refused_and_nothing_happens(peer, function_id, data, reason):
    assert refusal(peer, f"stream::{function_id}", data) == {
        "code": "deserialization_error",
        "message": f"Failed to deserialize input for stream::{function_id}: {reason}",
    }
    assert groups(peer) == []


def test_unknown_members_are_ignored(peer):
    peer.call("stream::set", AT | {"data": 1, "more": {}, "_caller_worker_id": "x"})
    assert peer.call("stream::get", AT | {"data": 2}) == 1


def test_the_functions_and_the_trigger_type_tell_their_formats(peer):
    answering = {"set", "delete", "update", "list", "list_groups", "list_all"}
    for name in ("get", "set", "delete", "update", "list", "list_groups", "list_all", "send"):
        told = peer.call("engine::functions::info", {"function_id": f"stream::{name}"})
        assert told["worker_name"] == "iii-stream"
        assert told["request_schema"]["type"] == "object"
        assert ("response_schema" in told) == (name in answering)
    told = peer.call("engine::functions::info", {"function_id": "stream::set"})
    assert told["request_schema"]["required"] == ["stream_name", "group_id", "item_id", "data"]
    told = peer.call("engine::triggers::info", {"id": "stream"})
    assert {"stream_name", "group_id", "item_id", "condition_function_id"} <= set(
        told["configuration_schema"]["properties"]
    )
    assert len(told["request_schema"]["required"]) == 6
    assert "draft-07" in json.dumps(told)
