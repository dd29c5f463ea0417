"""``engine::functions::*`` and how ``engine::*`` is called, through real sockets (engine-functions.md §1, §3, §4)."""

import pytest

from tests.support.asking import bind, ids, provide, refusal, rows

QUERIES = [
    "engine::functions::list",
    "engine::functions::info",
    "engine::triggers::list",
    "engine::triggers::info",
    "engine::registered-triggers::list",
    "engine::registered-triggers::info",
    "engine::workers::list",
    "engine::workers::info",
    "engine::register_trigger",
    "engine::unregister_trigger",
    "engine::channels::create",
    "_internal.get_worker",
]


# --- calling (§1) -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_an_input_that_is_no_object(worker, data):
    peer = worker()
    for function_id in QUERIES:
        error = refusal(peer, function_id, data)
        assert error["code"] == "deserialization_error"
        assert error["message"].startswith(f"Failed to deserialize input for {function_id}: ")


@pytest.mark.parametrize(
    ("function_id", "field"),
    [
        ("engine::triggers::info", "id"),
        ("engine::registered-triggers::info", "id"),
        ("engine::workers::info", "name"),
        ("engine::register_trigger", "trigger_type"),
        ("engine::unregister_trigger", "id"),
        ("_internal.get_worker", "worker_id"),
        ("engine::log::info", "message"),
        ("engine::baggage::get", "key"),
    ],
)
def test_a_required_member_that_is_missing(worker, function_id, field):
    assert refusal(worker(), function_id, {"_": 1}) == {
        "code": "deserialization_error",
        "message": f"Failed to deserialize input for {function_id}: missing field `{field}`",
    }


@pytest.mark.parametrize(
    ("function_id", "data"),
    [
        ("engine::functions::list", {"search": 1}),
        ("engine::functions::list", {"include_internal": "yes"}),
        ("engine::functions::list", {"workers": "one"}),
        ("engine::functions::list", {"workers": [1]}),
        ("engine::functions::info", {"function_ids": "a"}),
        ("engine::triggers::info", {"id": None}),
        ("engine::workers::info", {"name": 1}),
    ],
)
def test_a_member_of_a_wrong_type(worker, function_id, data):
    assert refusal(worker(), function_id, data)["code"] == "deserialization_error"


@pytest.mark.parametrize("function_id", ["engine::functions::list", "engine::workers::list", "engine::triggers::list"])
def test_nulls_and_unknown_members_are_as_if_absent(worker, function_id):
    peer = worker()
    bare = peer.call(function_id, {})
    given = {"search": None, "prefix": None, "worker": None, "include_internal": None, "status": None, "what": [1]}
    assert peer.call(function_id, given) == bare


# --- functions::list --------------------------------------------------------------------------------------------------


def test_a_function_s_row(worker):
    peer = worker("people")
    peer.register("users::get", description="finds", metadata={"a": 1}, request_format={"type": "object"})
    peer.register("bare")
    assert rows(peer, "functions", worker="people") == [
        {"function_id": "bare", "namespace": "default", "worker_name": "people"},
        {
            "function_id": "users::get",
            "namespace": "default",
            "worker_name": "people",
            "description": "finds",
            "metadata": {"a": 1},
        },
    ]


def test_the_engine_s_own_functions_are_hidden_by_default(worker):
    peer = worker()
    peer.register("engine::queue::enqueue")
    peer.register("engine::console::open")
    peer.register("hidden", metadata={"internal": True})
    shown = [one for one in ids(peer) if not one.startswith("configuration::")]
    assert shown == ["engine::queue::enqueue"]
    everything = ids(peer, include_internal=True)
    assert everything == sorted(everything)
    assert {"engine::workers::register", "engine::console::open", "hidden", "_internal.list_workers"} < {*everything}
    own = rows(peer, "functions", include_internal=True, worker="iii-engine-functions")
    assert {row["function_id"] for row in own} >= {*QUERIES}


def test_functions_searched_and_filtered(worker):
    one, two = worker("one"), worker("two")
    one.register("orders::create")
    one.register("orders::list", description="of a Customer")
    two.register("customer::orders")
    two.register("reorders")
    assert ids(one, search="ORDERS") == ["customer::orders", "orders::create", "orders::list", "reorders"]
    assert ids(one, search="customer") == ["customer::orders", "orders::list"]
    assert ids(one, prefix="orders::") == ["orders::create", "orders::list"]
    assert ids(one, prefix="Orders::") == []
    assert ids(one, worker="two") == ["customer::orders", "reorders"]
    assert ids(one, worker="one", workers=["two"], search="create") == ["orders::create"]


def test_an_id_appears_once_per_namespace_and_never_twice(worker):
    here, there = worker(), worker(namespace="other")
    for peer in (here, here, there, there):
        peer.register("same", description="again")
    assert [(row["function_id"], row["namespace"]) for row in rows(here, "functions", prefix="same")] == [
        ("same", "default"),
        ("same", "other"),
    ]


def test_a_nameless_worker_s_functions_go_by_their_first_segment(worker, engine):
    peer = worker(announce=False)
    peer.call("engine::workers::register", {})
    peer.register("mail::send")
    assert rows(peer, "functions", prefix="mail")[0]["worker_name"] == "mail"


def test_what_has_left_is_listed_no_more(worker):
    watcher, peer = worker("watcher"), worker("gone")
    provide(peer, "gone::type")
    peer.register("gone::f")
    bind(peer, "gone::t", "gone::type", "gone::f")
    watcher.register("told")
    bind(watcher, "w", "engine::workers-available", "told")
    peer.close()
    event = {"event": "worker_disconnected", "worker_id": peer.worker_id}
    watcher.expect(type="invokefunction", function_id="told", data=event)
    assert ids(watcher, prefix="gone::") == []
    assert ids(watcher, "registered-triggers", search="gone::") == []
    assert ids(watcher, "triggers", search="gone::") == []
    assert ids(watcher, "workers", search="gone") == []


# --- functions::info --------------------------------------------------------------------------------------------------


def test_everything_about_a_function(worker):
    peer = worker("people")
    formats = {"request_format": {"type": "object", "a": [1.0]}, "response_format": {"type": "null"}}
    peer.register("users::get", description="finds", metadata={"a": 1}, **formats)
    provide(peer, "t")
    bind(peer, "z", "t", "users::get", config={"c": 1})
    bind(peer, "a", "t", "users::get")
    bind(peer, "x", "t", "users::get", namespace="other")
    assert peer.call("engine::functions::info", {"function_id": "users::get"}) == {
        "function_id": "users::get",
        "namespace": "default",
        "worker_name": "people",
        "description": "finds",
        "request_schema": formats["request_format"],
        "response_schema": formats["response_format"],
        "metadata": {"a": 1},
        "registered_triggers": [
            {"id": "a", "trigger_type": "t", "config": None},
            {"id": "z", "trigger_type": "t", "config": {"c": 1}},
        ],
    }


def test_without_a_namespace_default_wins_then_the_only_one(worker):
    here, x, y = worker(), worker(namespace="x"), worker(namespace="y")
    for peer in (here, x, y):
        peer.register("everywhere")
    x.register("once")
    x.register("twice")
    y.register("twice")

    def info(**query):
        return here.call("engine::functions::info", query)["namespace"]

    assert info(function_id="everywhere") == "default"
    assert info(function_id="everywhere", namespace="y") == "y"
    assert info(function_id="once") == "x"
    ambiguous = "Function '{}' is ambiguous: it is registered in namespace(s): {}. Pass `namespace` to select one."
    for query, message in [
        ({"function_id": "twice"}, ambiguous.format("twice", "x, y")),
        ({"function_id": "once", "namespace": "default"}, ambiguous.format("once", "x")),
        ({"function_id": "never"}, "Function 'never' is not registered."),
        ({"function_id": "never", "namespace": "x"}, "Function 'never' is not registered."),
    ]:
        assert refusal(here, "engine::functions::info", query) == {"code": "NOT_FOUND", "message": message}


def test_a_batch_keeps_the_order_and_a_bad_id_never_fails_it(worker):
    peer, x, y = worker(), worker(namespace="x"), worker(namespace="y")
    peer.register("a")
    for other in (x, y):
        other.register("both")
    found = peer.call("engine::functions::info", {"function_ids": ["nope", "a", "both", "a", "nope"]})["functions"]
    assert [row["function_id"] for row in found] == ["nope", "a", "both"]
    assert found[0] == {"function_id": "nope", "error": "not_found"}
    assert found[1]["registered_triggers"] == []
    assert found[2] == {"function_id": "both", "error": "not_found"}
    (row,) = peer.call("engine::functions::info", {"function_ids": ["both"], "namespace": "y"})["functions"]
    assert row["namespace"] == "y"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"function_id": "a", "function_ids": ["b"]}, "pass either `function_id` or `function_ids`, not both"),
        ({}, "missing field `function_id` (or `function_ids` for a batch)"),
        ({"function_id": None, "namespace": "x"}, "missing field `function_id` (or `function_ids` for a batch)"),
        ({"function_ids": []}, "`function_ids` must be a non-empty array of function ids"),
        ({"function_ids": [str(n) for n in range(33)]}, "too many function_ids (max 32)"),
    ],
)
def test_arguments_that_do_not_go_together(worker, query, message):
    error = refusal(worker(), "engine::functions::info", query)
    assert error == {"code": "INVALID_ARGUMENTS", "message": message}


def test_a_group_lists_its_members_with_their_load(worker):
    one, two = worker("one"), worker("two")
    for peer in (one, two):
        peer.register("job", metadata={"group": "round_robin"})
    one.start_call("job")
    busy = one.expect(type="invokefunction", function_id="job")
    found = two.call("engine::functions::info", {"function_id": "job"})
    assert found["worker_name"] == "one"
    assert found["group"] == {
        "policy": "round_robin",
        "members": [
            {"worker_id": one.worker_id, "worker_name": "one", "active_invocations": 1},
            {"worker_id": two.worker_id, "worker_name": "two", "active_invocations": 1},
        ],
    }
    assert ids(two, prefix="job") == ["job"]
    assert ids(two, worker="two") == ["job"]
    info = two.call("engine::workers::info", {"name": "two"})
    assert info["functions"][0] == {
        "function_id": "job",
        "namespace": "default",
        "worker_name": "two",
        "metadata": {"group": "round_robin"},
    }
    one.answer(busy)


def test_the_engine_s_functions_have_schemas(worker):
    peer = worker()
    for function_id in [*QUERIES, "engine::workers::register", "engine::log::info"]:
        found = peer.call("engine::functions::info", {"function_id": function_id})
        logs = function_id == "engine::log::info"
        assert found["worker_name"] == ("iii-observability" if logs else "iii-engine-functions")
        assert found["request_schema"]
        assert ("response_schema" in found) != logs
