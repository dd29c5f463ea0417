"""core.md §10.5: what a session's registrations have to pass, in which order, and what hooks are told."""

import pytest

from tests.support.peer import CallFailed
from tests.support.rbac import FUNCTION, HOOKS, TRIGGER, TYPE, Hooked, rules, send


@pytest.fixture(scope="module", params=["shared", "own"])
def running(request):
    with rules(rbac=HOOKS, reader=request.param) as made:
        yield Hooked(made)


@pytest.fixture
def world(running):
    yield running
    running.leave()


# --- what hooks are told -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "message", "told"),
    [
        (
            "on-function",
            FUNCTION,
            {"function_id": "f", "description": "d", "metadata": {"m": 1}, "namespace": "blue", "context": {"team": 1}},
        ),
        (
            "on-function",
            {"type": "registerfunction", "id": ""},
            {"function_id": "", "description": None, "metadata": None, "namespace": "blue", "context": {"team": 1}},
        ),
        ("on-type", TYPE, {"trigger_type_id": "tt", "description": "d", "context": {"team": 1}}),
        (
            "on-trigger",
            TRIGGER,
            {
                "trigger_id": "t",
                "trigger_type": "hook",
                "function_id": "pub::f",
                "config": {"c": 1},
                "metadata": None,
                "namespace": "default",
                "context": {"team": 1},
            },
        ),
        (
            "on-trigger",
            TRIGGER | {"metadata": [1], "namespace": "green", "config": None},
            {
                "trigger_id": "t",
                "trigger_type": "hook",
                "function_id": "pub::f",
                "config": None,
                "metadata": [1],
                "namespace": "green",
                "context": {"team": 1},
            },
        ),
    ],
)
def test_a_hook_is_told(world, hook, message, told):
    client = world.join(namespace="blue")
    send(client, message)
    assert world.told == [(hook, told)]


def test_what_waits_for_the_namespace_is_asked_about_with_it(world):
    world.session = {}
    client = world.made.join()
    send(client, FUNCTION)
    assert world.told == []
    client.register_worker(namespace="blue")
    assert [(name, data["namespace"]) for name, data in world.told] == [("on-function", "blue")]
    assert world.function("f", "blue") is not None


# --- what may stand in the way -------------------------------------------------------------------------------------------


DENIALS = [None, False, True, "yes", 1, [], CallFailed({"code": "no", "message": "no"})]


@pytest.mark.parametrize("answer", DENIALS, ids=str)
@pytest.mark.parametrize(("hook", "message"), [("on-function", FUNCTION), ("on-type", TYPE), ("on-trigger", TRIGGER)])
def test_all_but_an_object_denies_silently(world, hook, message, answer):
    client = world.join({hook: answer})
    send(client, message)
    assert [name for name, _ in world.told] == [hook]
    assert world.function("f") is None
    assert "t" not in world.triggers()
    assert "tt" not in world.types()
    assert [frame["type"] for frame in client.seen if frame["type"] not in ("invocationresult", "pong")] == []


@pytest.mark.parametrize(
    ("message", "session"),
    [
        (FUNCTION, {"allow_function_registration": False}),
        (TYPE, {"allow_trigger_type_registration": False}),
        (TRIGGER, {"allowed_trigger_types": ["cron"]}),
        (TRIGGER, {"allowed_trigger_types": []}),
    ],
)
def test_the_session_comes_before_the_hook_and_is_silent(world, message, session):
    client = world.join(**session)
    send(client, message)
    assert world.told == []
    assert world.function("f") is None
    assert "t" not in world.triggers()
    assert "tt" not in world.types()
    assert [frame for frame in client.seen if frame["type"] == "triggerregistrationresult"] == []


def test_types_may_be_registered_only_where_that_is_said(world):
    world.session = {}
    client = world.made.join(announce=True)
    send(client, TYPE)
    assert "tt" not in world.types()


@pytest.mark.parametrize("kinds", [None, ["hook"]])
def test_a_type_that_is_allowed(world, kinds):
    client = world.join(allowed_trigger_types=kinds)
    send(client, TRIGGER)
    assert "t" in world.triggers()


def test_the_type_is_looked_at_before_a_hook_changes_it(world):
    client = world.join({"on-trigger": {"trigger_type": "hook"}}, allowed_trigger_types=["asked-for"])
    send(client, TRIGGER, trigger_type="asked-for")
    assert world.triggers()["t"]["trigger_type"] == "hook"
    send(client, TRIGGER, id="t2")
    assert "t2" not in world.triggers()


@pytest.mark.parametrize(
    ("function_id", "namespace", "session", "allowed"),
    [
        ("pub::f", None, {}, True),
        ("private", None, {}, False),
        ("pub::f", "green", {}, False),
        ("private", None, {"allowed_functions": ["private"]}, True),
        ("green", "green", {"namespaces": {"green": ["green"], "default": []}}, True),
        ("pub::f", None, {"forbidden_functions": ["pub::f"]}, False),
        ("gold", None, {}, True),
        ("silver", None, {}, False),
        ("nowhere", None, {}, False),
    ],
)
def test_a_trigger_may_call_what_its_session_may_call(world, function_id, namespace, session, allowed):
    world.admin.register("gold", lambda _: None, metadata={"gold": True})
    world.admin.register("silver", lambda _: None, metadata={"gold": False})
    client = world.join(**session)
    given = {} if namespace is None else {"namespace": namespace}
    client.send(**(TRIGGER | {"function_id": function_id, **given}))
    client.barrier()
    assert ("t" in world.triggers()) is allowed
    refusals = [frame for frame in client.seen if frame["type"] == "triggerregistrationresult"]
    if not allowed:
        message = f"function '{function_id}' not allowed in namespace '{namespace or 'default'}'"
        [refusal] = refusals
        assert refusal["error"] == {"code": "FORBIDDEN", "message": message}
        assert (refusal["id"], refusal["trigger_type"], refusal["function_id"]) == ("t", "hook", function_id)
    else:
        assert refusals == []


@pytest.mark.parametrize("field", ["namespace", "trigger_namespace"])
def test_a_blank_namespace_comes_first(world, field):
    client = world.join(allowed_trigger_types=[])
    client.send(**(TRIGGER | {field: " "}))
    refusal = client.expect(type="triggerregistrationresult")
    assert refusal["error"]["code"] == "INVALID_NAMESPACE"
    assert world.told == []
