import json

import msgspec
import pytest
from msgspec import Raw

from iii_actors.builtin.engine_functions.functions import (
    FunctionInfoQuery,
    FunctionQuery,
    batch,
    detail,
    is_internal,
    owned_by,
    summary,
    visible,
)
from iii_actors.errors import InvalidArguments
from iii_actors.wire.codec import raw
from tests.support.records import function, named, shared, trigger


def written(row):
    return json.loads(msgspec.json.encode(row))


def ids(functions):
    return [one.function_id for one in functions]


# --- what a list shows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "internal"),
    [
        (function("users::list"), False),
        (function("engine::workers::list"), True),
        (function("engine::queue::enqueue"), False),
        (function("engine::queuesort"), True),
        (function("engine"), False),
        (function("a", metadata={"internal": True}), True),
        (function("a", metadata={"internal": 1}), False),
        (function("a", metadata={"internal": "true"}), False),
        (function("a", metadata={"internal": None}), False),
        (function("a", metadata=[{"internal": True}]), False),
        (function("a", metadata="internal"), False),
        (function("engine::queue::x", metadata={"internal": True}), True),
    ],
)
def test_internal_is_what_the_engine_holds_or_what_says_so(one, internal):
    assert is_internal(one) is internal
    assert ids(visible([one], FunctionQuery())) == ([] if internal else [one.function_id])
    assert ids(visible([one], FunctionQuery(include_internal=True))) == [one.function_id]


def test_a_list_is_sorted_by_id_and_then_by_namespace():
    functions = [function("b"), function("a", namespace="x"), function("a"), function("B")]
    found = visible(functions, FunctionQuery())
    assert [(one.function_id, one.namespace) for one in found] == [
        ("B", "default"),
        ("a", "default"),
        ("a", "x"),
        ("b", "default"),
    ]


def test_a_prefix_is_exact_and_an_empty_one_says_nothing():
    functions = [function("Users::a"), function("users::b"), function("all::users::")]
    assert ids(visible(functions, FunctionQuery(prefix="users::"))) == ["users::b"]
    assert len(visible(functions, FunctionQuery(prefix=""))) == 3


def test_a_search_ranks_beginning_or_segment_before_part_before_description():
    functions = [
        function("z::reuser"),
        function("b::described", description="Makes a USER"),
        function("a::described", description="finds Users"),
        function("z::USER::get"),
        function("userland"),
        function("none"),
    ]
    found = visible(functions, FunctionQuery(search="uSer"))
    assert ids(found) == ["userland", "z::USER::get", "z::reuser", "a::described", "b::described"]


def test_an_empty_search_is_none():
    assert ids(visible([function("a")], FunctionQuery(search=""))) == ["a"]


def test_conditions_are_combined():
    functions = [function("a::x"), function("a::y"), function("b::x")]
    assert ids(visible(functions, FunctionQuery(search="x", prefix="a::"))) == ["a::x"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (FunctionQuery(), ["a", "b", "c"]),
        (FunctionQuery(worker="one"), ["a"]),
        (FunctionQuery(workers=["two", "nobody"]), ["b"]),
        (FunctionQuery(worker="one", workers=["two"]), ["a", "b"]),
        (FunctionQuery(worker="One"), []),
        (FunctionQuery(worker="c"), ["c"]),
        (FunctionQuery(workers=[]), ["a", "b", "c"]),
    ],
)
def test_owners_are_compared_exactly_and_any_of_those_named_will_do(query, found):
    functions = [function("a", "w1"), function("b", "w2"), function("c", "gone")]
    assert ids(owned_by(functions, query, named(w1="one", w2="two"))) == found


def test_every_member_of_a_group_owns_its_function():
    records = named(w1="one", w2="two")
    assert owned_by([shared("f", "w1", "w2")], FunctionQuery(worker="two"), records)
    assert not owned_by([shared("f", "w1", "w2")], FunctionQuery(worker="three"), records)


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_row_has_no_members_for_what_is_absent_or_null():
    bare = function("a::b", namespace="x")
    assert written(summary(bare, {})) == {"function_id": "a::b", "namespace": "x", "worker_name": "a"}
    nulls = function("a", description=None, request_format=Raw(b"null"))
    assert "metadata" not in written(summary(nulls, {}))


def test_a_full_row():
    one = function("a", description="does", metadata={"k": [1, {"v": None}]}, request_format=raw({"type": "object"}))
    assert written(summary(one, named(w="owner"))) == {
        "function_id": "a",
        "namespace": "default",
        "worker_name": "owner",
        "description": "does",
        "metadata": {"k": [1, {"v": None}]},
    }


def test_a_detail_has_formats_verbatim_and_the_triggers_that_call_it_by_id():
    one = function(
        "f", request_format=Raw(b'{"type": "object",  "x":1.0}'), response_format=raw(True), metadata={"a": 1}
    )
    live = [
        trigger("t2", "cron", config={"expression": "* * * * * *"}),
        trigger("t1", "http", config=None),
        trigger("elsewhere", namespace="x"),
        trigger("other", function_id="g"),
    ]
    text = msgspec.json.encode(detail(one, named(w="o"), live, {}))
    assert b'{"type": "object",  "x":1.0}' in text
    assert json.loads(text) == {
        "function_id": "f",
        "namespace": "default",
        "worker_name": "o",
        "metadata": {"a": 1},
        "request_schema": {"type": "object", "x": 1.0},
        "response_schema": True,
        "registered_triggers": [
            {"id": "t1", "trigger_type": "http", "config": None},
            {"id": "t2", "trigger_type": "cron", "config": {"expression": "* * * * * *"}},
        ],
    }


def test_a_bare_detail():
    assert written(detail(function("f"), {}, [], {})) == {
        "function_id": "f",
        "namespace": "default",
        "worker_name": "f",
        "registered_triggers": [],
    }


def test_a_group_s_detail_names_its_members_with_their_load():
    one = shared("f", "w1", "w2", policy="sticky", key="user")
    row = written(detail(one, named(w1="a", w2=None), [], {"w1": 3, "w9": 1}))
    assert row["worker_name"] == "a"
    assert row["group"] == {
        "policy": "sticky",
        "key": "user",
        "members": [
            {"worker_id": "w1", "worker_name": "a", "active_invocations": 3},
            {"worker_id": "w2", "worker_name": "f", "active_invocations": 0},
        ],
    }


def test_only_sticky_groups_have_a_key():
    assert "key" not in written(detail(shared("f", "w", policy="standby", key="user"), {}, [], {}))["group"]


# --- one or several ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (FunctionInfoQuery("a", ["b"]), "pass either `function_id` or `function_ids`, not both"),
        (FunctionInfoQuery("a", []), "pass either `function_id` or `function_ids`, not both"),
        (FunctionInfoQuery(), "missing field `function_id` (or `function_ids` for a batch)"),
        (FunctionInfoQuery(function_ids=[]), "`function_ids` must be a non-empty array of function ids"),
        (FunctionInfoQuery(function_ids=[str(n) for n in range(33)]), "too many function_ids (max 32)"),
    ],
)
def test_a_batch_refused(query, message):
    with pytest.raises(InvalidArguments) as refused:
        batch(query)
    assert (refused.value.code, refused.value.message) == ("INVALID_ARGUMENTS", message)


def test_a_batch_counts_each_id_once_and_keeps_the_order():
    assert batch(FunctionInfoQuery(function_ids=["b", "a", "b", "c", "a"])) == ["b", "a", "c"]
    many = [str(n) for n in range(32)] * 3
    assert batch(FunctionInfoQuery(function_ids=many)) == many[:32]


def test_one_id_is_no_batch():
    assert batch(FunctionInfoQuery("a")) is None
