"""core.md §10.5: what hooks may change, prefixes, triggers made by a call, and hooks that fail."""

import pytest

from iii_actors.clock import ManualClock
from iii_actors.limits import HOOK_WAIT_S
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


# --- what hooks may change -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "function_id", "description", "metadata"),
    [
        ({}, "f", "d", {"m": 1}),
        ({"function_id": "g"}, "g", "d", {"m": 1}),
        ({"description": "other", "later": 1}, "f", "other", {"m": 1}),
        ({"function_id": None, "description": None}, "f", "d", {"m": 1}),
        ({"function_id": 3, "description": ["x"]}, "f", "d", {"m": 1}),
        ({"metadata": {"n": 2}}, "f", "d", {"n": 2}),
        ({"metadata": None}, "f", "d", None),
    ],
)
def test_a_function_as_its_hook_wants_it(world, answer, function_id, description, metadata):
    client = world.join({"on-function": answer})
    send(client, FUNCTION)
    found = world.function(function_id)
    assert (found["description"], found.get("metadata")) == (description, metadata)
    if function_id != "f":
        assert world.function("f") is None
    world.admin.start_call(function_id, {})
    assert client.expect(type="invokefunction")["function_id"] == function_id


@pytest.mark.parametrize(
    ("answer", "type_id", "description"),
    [({}, "tt", "d"), ({"trigger_type_id": "uu"}, "uu", "d"), ({"description": "o", "trigger_type_id": 1}, "tt", "o")],
)
def test_a_trigger_type_as_its_hook_wants_it(world, answer, type_id, description):
    client = world.join({"on-type": answer})
    send(client, TYPE)
    assert world.types()[type_id]["description"] == description


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, {}),
        ({"trigger_id": "u"}, {"id": "u"}),
        ({"function_id": "pub::g"}, {"function_id": "pub::g"}),
        ({"config": [2]}, {"config": [2]}),
        ({"config": None}, {"config": None}),
        ({"trigger_id": None, "function_id": 1, "metadata": {"ignored": 1}}, {}),
    ],
)
def test_a_trigger_as_its_hook_wants_it(world, answer, expected):
    client = world.join({"on-trigger": answer})
    send(client, TRIGGER)
    expected = {"id": "t", "trigger_type": "hook", "function_id": "pub::f", "config": {"c": 1}} | expected
    sent = world.admin.expect(type="registertrigger", id=expected["id"])
    assert sent == {"type": "registertrigger", **expected}


def test_what_a_hook_changes_must_be_allowed(world):
    client = world.join({"on-trigger": {"function_id": "private"}})
    send(client, TRIGGER)
    [refusal] = [frame for frame in client.seen if frame["type"] == "triggerregistrationresult"]
    assert refusal["error"]["message"] == "function 'private' not allowed in namespace 'default'"


# --- prefixes ------------------------------------------------------------------------------------------------------------


def test_a_prefix_is_put_on_and_taken_off(world):
    client = world.join(function_registration_prefix="p")
    client.register("f", lambda data: data)
    assert world.told[0][1]["function_id"] == "f"
    assert world.function("f") is None
    assert world.function("p::f") is not None
    invocation_id = world.admin.start_call("p::f", {"n": 1})
    answer = world.admin.expect(type="invocationresult", invocation_id=invocation_id)
    assert (answer["result"]["n"], answer["function_id"]) == (1, "p::f")
    send(client, {"type": "unregisterfunction", "id": "f"})
    assert world.function("p::f") is None


def test_the_worker_is_called_by_the_name_it_knows(world):
    client = world.join(function_registration_prefix="p")
    client.register("f")
    world.admin.start_call("p::f", {"n": 1})
    assert client.expect(type="invokefunction")["function_id"] == "f"


def test_a_prefix_comes_after_the_hook(world):
    client = world.join({"on-function": {"function_id": "g"}}, function_registration_prefix="p")
    send(client, FUNCTION)
    assert world.function("p::g") is not None
    world.admin.start_call("p::g", {})
    assert client.expect(type="invokefunction")["function_id"] == "g"


def test_a_triggers_target_gets_the_prefix_and_then_needs_permission(world):
    client = world.join(function_registration_prefix="p")
    send(client, TRIGGER, function_id="f")
    assert world.triggers()["t"]["function_id"] == "p::f"
    other = world.join(function_registration_prefix="q")
    send(other, TRIGGER, function_id="f", id="t2")
    [refusal] = [frame for frame in other.seen if frame["type"] == "triggerregistrationresult"]
    assert refusal["error"]["message"] == "function 'q::f' not allowed in namespace 'default'"


def test_an_empty_prefix_is_none(world):
    send(world.join(function_registration_prefix=""), FUNCTION)
    assert world.function("f") is not None


# --- by function call (§6.7) ---------------------------------------------------------------------------------------------


def test_a_trigger_made_by_a_call(world):
    session = {
        "allowed_functions": ["engine::register_trigger"],
        "allowed_trigger_types": ["hook"],
        "function_registration_prefix": "p",
    }
    client = world.join(**session)
    invocation_id = client.start_call("engine::register_trigger", {"trigger_type": "hook", "function_id": "f"})
    sent = world.admin.expect(type="registertrigger", function_id="p::f")
    ids = {key: sent[key] for key in ("id", "trigger_type", "function_id")}
    world.admin.send(type="triggerregistrationresult", **ids)
    made = client.expect(type="invocationresult", invocation_id=invocation_id)
    assert made["result"] == {"id": sent["id"]}
    world.admin.call("engine::unregister_trigger", {"id": sent["id"]})
    with pytest.raises(CallFailed) as refused:
        client.call("engine::register_trigger", {"trigger_type": "cron", "function_id": "f"})
    assert (refused.value.code, refused.value.message) == (
        "FORBIDDEN",
        "Trigger type 'cron' is not allowed for this session.",
    )


# --- hooks that fail -----------------------------------------------------------------------------------------------------


def test_a_hook_that_is_not_there_denies():
    with rules(rbac={"on_function_registration_function_id": "nowhere"}) as made:
        client = made.join(announce=True)
        send(client, FUNCTION)
        world = Hooked(made)
        assert world.function("f") is None


@pytest.fixture(params=["shared", "own"])
def hanging(request):
    clock = ManualClock()
    with rules(clock, rbac={"on_function_registration_function_id": "slow"}, reader=request.param) as made:
        made.admin.register("slow")
        yield made, clock


def test_a_hook_that_hangs_denies_in_the_end_and_holds_up_its_own_connection_only(hanging):
    made, clock = hanging
    client, other = made.join(announce=True), made.join(announce=True)
    client.send(**FUNCTION)
    client.send(type="ping")
    made.admin.expect(type="invokefunction", function_id="slow")
    other.barrier()
    assert [frame for frame in client.seen if frame["type"] == "pong"] == []
    clock.advance(HOOK_WAIT_S)
    client.expect(type="pong")
    with pytest.raises(CallFailed, match="NOT_FOUND"):
        made.admin.call("engine::functions::info", {"function_id": "f"})


def test_a_session_that_leaves_while_its_hook_is_asked(hanging):
    made, _ = hanging
    client = made.join(announce=True)
    client.send(**FUNCTION)
    asked = made.admin.expect(type="invokefunction", function_id="slow")
    client.cut()
    assert made.engine._listeners[1].wait_until_empty(10)
    made.admin.answer(asked, {})
    made.admin.barrier()
    with pytest.raises(CallFailed, match="NOT_FOUND"):
        made.admin.call("engine::functions::info", {"function_id": "f"})
