"""core.md §10.1, §10.3, §10.4: which calls a session may make, and in which order that is decided."""

import pytest

from tests.support.peer import CallFailed
from tests.support.rbac import rules

EXPOSED = [
    'match("pub::*")',
    "match('exact')",
    {"match": "ns::*", "namespace": "blue"},
    {"metadata": {"tier": "gold", "flag": True}},
    {"metadata": {"team": 'match("core-*")'}},
    {"metadata": {"tier": "gold"}, "namespace": "blue"},
]

GRANTS = {
    "namespaces": {"blue": ["granted", 'match("wild::*")', "bare::*"], "default": ["ns-granted"]},
    "allowed_functions": ["allowed", "both"],
    "forbidden_functions": ["both", "pub::secret", "engine::log::info", "ns-forbidden"],
}


@pytest.fixture(scope="module", params=["shared", "own"])
def world(request):
    """A listener with rules, its auth function, and every function that the tables below name."""
    settings = {"auth_function_id": "auth", "expose_functions": EXPOSED}
    with rules(rbac=settings, reader=request.param) as made:
        made.admin.register("auth", lambda _: GRANTS)
        functions = {
            "pub::a": None,
            "pub::secret": None,
            "exact": None,
            "exact::more": None,
            "private": None,
            "allowed": None,
            "both": None,
            "ns-granted": None,
            "gold": {"tier": "gold", "flag": True},
            "half": {"tier": "gold"},
            "one-is-not-true": {"tier": "gold", "flag": 1},
            "core": {"team": "core-eng"},
            "core-list": {"team": ["core-eng"]},
            "listed": [1],
        }
        for function_id, metadata in functions.items():
            made.admin.register(function_id, lambda data: data, metadata=metadata)
        second = made.other("blue", ["granted", "wild::x", "bare::y", "ns::z", "allowed", "pub::a", "ns-forbidden"])
        second.register("gold", lambda data: data, metadata={"tier": "gold"})
        made.client = made.join()
        yield made


def outcome(client, function_id, **members):
    try:
        client.call(function_id, {"a": 1}, **members)
    except CallFailed as failed:
        return failed.code, failed.message
    return "ok"


def refused(function_id, mend="add to rbac.expose_functions"):
    return "FORBIDDEN", f"function '{function_id}' not allowed ({mend})"


FORBIDDEN = "remove from rbac.forbidden_functions"

TABLE = [
    # 1. forbidden wins over everything, in every namespace
    ("both", None, FORBIDDEN),
    ("pub::secret", None, FORBIDDEN),
    ("engine::log::info", None, FORBIDDEN),
    ("ns-forbidden", "blue", FORBIDDEN),
    # 2. grants of the namespace
    ("granted", "blue", None),
    ("wild::x", "blue", None),
    ("bare::y", "blue", None),
    ("ns-granted", "default", None),
    ("granted", None, "add"),
    # 3. allowed functions are of the default namespace only
    ("allowed", None, None),
    ("allowed", "blue", "add"),
    # 6. expose rules: patterns, of one namespace each
    ("pub::a", None, None),
    ("pub::a", "blue", "add"),
    ("exact", None, None),
    ("exact::more", None, "add"),
    ("EXACT", None, "add"),
    ("ns::z", "blue", None),
    ("ns::z", None, "add"),
    # 6. expose rules: metadata of the function in the namespace that is asked for
    ("gold", None, None),
    ("half", None, "add"),
    ("one-is-not-true", None, "add"),
    ("core", None, None),
    ("core-list", None, "add"),
    ("listed", None, "add"),
    ("gold", "blue", None),
    ("core", "blue", "add"),
    # nothing allows it
    ("private", None, "add"),
    ("nowhere", None, "add"),
    ("", None, "add"),
]


@pytest.mark.parametrize(("function_id", "namespace", "refusal"), TABLE)
def test_a_call_is_decided_by_the_first_rule_that_applies(world, function_id, namespace, refusal):
    members = {} if namespace is None else {"namespace": namespace}
    if refusal is None:
        expected = "ok"
    else:
        expected = refused(function_id, FORBIDDEN if refusal is FORBIDDEN else "add to rbac.expose_functions")
    assert outcome(world.client, function_id, **members) == expected


@pytest.mark.parametrize(
    "function_id",
    [
        "engine::channels::create",
        *(f"engine::log::{level}" for level in ("warn", "error", "debug", "trace")),
        *(f"engine::baggage::{what}" for what in ("get", "set", "get_all")),
    ],
)
def test_what_every_session_may_call(world, function_id):
    """4. Infrastructure. What these answer to a wrong input is theirs to say; they are reached."""
    assert outcome(world.client, function_id) not in [refused(function_id), refused(function_id, FORBIDDEN)]


def test_other_functions_of_the_engine_must_be_exposed(world):
    for function_id in ("engine::functions::list", "engine::workers::list", "engine::register_trigger"):
        assert outcome(world.client, function_id) == refused(function_id)


def test_a_permitted_function_that_is_not_there(world):
    """A denial comes before the question whether there is such a function; permission does not invent one."""
    assert outcome(world.client, "pub::nowhere") == (
        "function_not_found",
        "Function pub::nowhere not found in namespace default.",
    )
    assert outcome(world.client, "granted", namespace="green") == refused("granted")


def test_metadata_counts_as_it_is_now(world):
    admin, client = world.admin, world.client
    admin.register("changing", lambda data: data, metadata={"team": "core-a"})
    assert outcome(client, "changing") == "ok"
    admin.register("changing", lambda data: data, metadata={"team": "other"})
    assert outcome(client, "changing") == refused("changing")
    admin.register("changing", lambda data: data)
    assert outcome(client, "changing") == refused("changing")
    admin.register("changing", lambda data: data, metadata={"team": "core-b"})
    assert outcome(client, "changing") == "ok"


@pytest.mark.parametrize("function_id", ["private", "half", "both"])
@pytest.mark.parametrize(
    ("members", "answered"),
    [
        ({"invocation_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"}, True),
        ({"invocation_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "action": {"type": "void"}}, True),
        ({"invocation_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "action": {"type": "enqueue", "queue": "q"}}, True),
        ({}, False),
        ({"action": {"type": "void"}}, False),
    ],
)
def test_a_refusal_is_always_said_and_echoes_the_trace(world, function_id, members, answered):
    client = world.client
    trace = {"traceparent": "not one at all", "baggage": ""}
    client.send(type="invokefunction", function_id=function_id, data=None, **trace, **members)
    frame = client.expect(type="invocationresult", function_id=function_id)
    assert frame["error"]["code"] == "FORBIDDEN"
    assert {key: frame[key] for key in trace} == trace
    if answered:
        assert frame["invocation_id"] == members["invocation_id"]
    else:
        assert len(frame["invocation_id"]) == 36


def test_a_blank_namespace_comes_before_permission(world):
    assert outcome(world.client, "private", namespace=" ")[0] == "INVALID_NAMESPACE"
    world.client.send(type="invokefunction", function_id="private", data=None, namespace="")
    world.client.barrier()
    assert not [frame for frame in world.client.seen if frame["type"] == "invocationresult"]


# --- the register call (§10.4) -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [{"namespace": "green"}])
def test_a_namespace_outside_the_grants_is_refused_and_the_connection_stays(world, declared):
    client = world.join()
    with pytest.raises(CallFailed) as refusal:
        client.register_worker(**declared)
    assert (refusal.value.code, refusal.value.message) == (
        "FORBIDDEN",
        "namespace 'green' not allowed for this session (permitted: blue, default)",
    )
    assert client.register_worker(namespace="blue") == {"success": True}
    assert outcome(client, "granted", namespace="blue") == "ok"


def test_without_a_namespace_the_default_one_is_declared():
    settings = {"auth_function_id": "auth", "expose_functions": []}
    with rules(rbac=settings) as made:
        made.admin.register("auth", lambda _: {"namespaces": {"blue": []}})
        client = made.join()
        with pytest.raises(CallFailed, match=r"namespace 'default' not allowed for this session \(permitted: blue\)"):
            client.register_worker()
        assert client.register_worker(namespace="blue") == {"success": True}


def test_a_session_that_may_not_register_itself():
    with rules(rbac={"auth_function_id": "auth"}) as made:
        made.admin.register("auth", lambda _: {"forbidden_functions": ["engine::workers::register"]})
        client = made.join()
        call = {"type": "invokefunction", "function_id": "engine::workers::register", "data": {"name": "x"}}
        client.send(**call, action={"type": "void"})
        frame = client.expect(type="invocationresult")
        assert frame["error"]["message"].endswith("(remove from rbac.forbidden_functions)")


# --- listeners without an auth function ---------------------------------------------------------------------------------


def test_without_an_auth_function_what_is_exposed_may_be_called():
    with rules(rbac={"expose_functions": ['match("pub::*")']}) as made:
        made.admin.register("pub::a", lambda data: data)
        made.admin.register("private", lambda data: data)
        client = made.join(announce=True)
        assert outcome(client, "pub::a") == "ok"
        assert outcome(client, "private") == refused("private")
        client.send(type="registertriggertype", id="hook", description="may be registered")
        client.barrier()
        made.admin.send(type="registertrigger", id="t", trigger_type="hook", function_id="pub::a", config=1)
        assert client.expect(type="registertrigger", id="t")["config"] == 1


def test_without_rules_everything_may_be_called():
    with rules(rbac=None, quotas={"pending_calls": 5}) as made:
        made.admin.register("private", lambda data: data)
        assert outcome(made.join(), "private") == "ok"


def test_an_empty_block_exposes_nothing_but_infrastructure():
    with rules(rbac={}) as made:
        made.admin.register("private", lambda data: data)
        client = made.join(announce=True)
        assert outcome(client, "private") == refused("private")
        assert outcome(client, "engine::channels::create") == "ok"
