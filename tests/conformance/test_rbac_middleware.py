"""core.md §10.6: a function in the place of every call; and §10.7: what discovery shows to a session."""

import json

import pytest

from tests.support.peer import CallFailed
from tests.support.rbac import rules, send

ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
RBAC = {
    "auth_function_id": "auth",
    "expose_functions": [
        'match("pub::*")',
        'match("engine::functions::*")',
        'match("engine::workers::list")',
        'match("engine::pub::*")',
        {"metadata": {"gold": True}},
    ],
}
SESSION = {"context": {"team": "a"}, "allowed_functions": ["allowed"], "forbidden_functions": ["pub::secret"]}


class World:
    """A listener with rules and a middleware: :attr:`answer` is what that does."""

    def __init__(self, made):
        self.made, self.admin = made, made.admin
        self.told = []
        self.answer = None
        self.admin.register("auth", lambda _: SESSION)
        self.admin.register("mw", self._middleware)
        for function_id in ("pub::a", "engine::pub::mine", "private", "allowed"):
            self.admin.register(function_id, lambda data: data, metadata={"of": function_id})
        self.admin.register("golden", lambda data: data, metadata={"gold": True})
        self.client = made.join(announce=True)

    def _middleware(self, data):
        self.told.append(data)
        return self.answer(data) if self.answer is not None else {"instead": data["function_id"]}


@pytest.fixture(scope="module", params=["shared", "own"])
def running(request):
    with rules(rbac=RBAC, middleware_function_id="mw", reader=request.param) as made:
        yield World(made)


@pytest.fixture
def world(running):
    running.told.clear()
    running.client.seen.clear()
    running.answer = None
    return running


def answered(client, **call):
    client.send(type="invokefunction", **call)
    return client.expect(type="invocationresult", function_id=call["function_id"])


@pytest.mark.parametrize(
    "action", [None, {"type": "void"}, {"type": "enqueue", "queue": "q"}], ids=["none", "void", "enqueue"]
)
@pytest.mark.parametrize("invocation_id", [ID, None])
def test_it_is_called_instead_and_its_answer_is_always_returned(world, action, invocation_id):
    given = {} if invocation_id is None else {"invocation_id": invocation_id}
    if action is not None:
        given["action"] = action
    frame = answered(world.client, function_id="pub::a", data={"n": 1}, traceparent="t", baggage="b", **given)
    assert world.told == [
        {
            "function_id": "pub::a",
            "payload": {"n": 1},
            "action": action,
            "context": {"team": "a"},
            "namespace": "default",
        }
    ]
    assert frame["result"] == {"instead": "pub::a"}
    assert (frame["traceparent"], frame["baggage"]) == ("t", "b")
    assert frame["invocation_id"] == invocation_id if invocation_id else len(frame["invocation_id"]) == 36


@pytest.mark.parametrize("payload", [None, [1, {"a": []}], "text", 1.5, {"_caller_worker_id": "mine"}])
def test_the_payload_is_passed_as_it_is(world, payload):
    answered(world.client, function_id="pub::a", data=payload, invocation_id=ID)
    assert world.told[0]["payload"] == payload


def test_metadata_travels_along(world):
    world.admin.keep_text = True
    answered(world.client, function_id="pub::a", data={}, invocation_id=ID, metadata={"m": [1]})
    world.admin.keep_text = False
    frames = [json.loads(text) for text in world.admin.texts]
    [call] = [frame for frame in frames if frame.get("function_id") == "mw"]
    assert call["metadata"] == {"m": [1]}
    assert "_caller_worker_id" not in call["data"]
    assert call["invocation_id"] != ID


def test_the_middleware_makes_the_real_call_itself(world):
    caller = world.made.other("default", [])
    real = world.made.other("default", ["pub::real"])
    world.answer = lambda data: caller.call(data["function_id"], {**data["payload"], "seen": True})
    result = world.client.call("pub::real", {"n": 1})
    assert (result["n"], result["seen"], result["_caller_worker_id"]) == (1, True, caller.worker_id)
    send(real, {"type": "unregisterfunction", "id": "pub::real"})


def test_it_may_refuse(world):
    def refuse(_):
        raise CallFailed({"code": "nope", "message": "not today", "stacktrace": "s"})

    world.answer = refuse
    frame = answered(world.client, function_id="pub::a", data={}, invocation_id=ID)
    assert frame["error"] == {"code": "nope", "message": "not today", "stacktrace": "s"}


def test_it_is_looked_for_in_the_calls_namespace(world):
    with rules(rbac=None, middleware_function_id="mw") as made:
        made.admin.register("mw", lambda _: "default")
        made.admin.register("pub::a", lambda _: "real")
        client = made.join(announce=True)
        assert client.call("pub::a") == "default"
        with pytest.raises(CallFailed) as failed:
            client.call("pub::a", namespace="blue")
        assert (failed.value.code, failed.value.message) == (
            "function_not_found",
            "Function mw not found in namespace blue",
        )
        made.other("blue", ["mw"])
        assert client.call("pub::a", {"n": 1}, namespace="blue") == {
            "function_id": "pub::a",
            "payload": {"n": 1},
            "action": None,
            "context": {},
            "namespace": "blue",
        }


def test_permission_comes_first(world):
    for function_id in ("private", "pub::secret"):
        with pytest.raises(CallFailed, match="FORBIDDEN"):
            world.client.call(function_id)
    assert world.told == []
    assert world.client.call("allowed") == {"instead": "allowed"}
    assert world.client.call("golden") == {"instead": "golden"}
    assert world.client.call("pub::nowhere") == {"instead": "pub::nowhere"}


def test_what_is_the_engines_own_is_not_replaced(world):
    assert "functions" in world.client.call("engine::functions::list", {})
    assert world.client.call("engine::channels::create", {})["writer"]["direction"] == "write"
    with pytest.raises(CallFailed, match="Function engine::pub::nowhere not found"):
        world.client.call("engine::pub::nowhere")
    assert world.told == []


def test_what_a_worker_has_under_the_engines_prefix_is(world):
    assert world.client.call("engine::pub::mine", {"n": 1}) == {"instead": "engine::pub::mine"}
    frame = answered(world.client, function_id="engine::pub::mine", data=1, action={"type": "void"})
    assert frame["result"] == {"instead": "engine::pub::mine"}


def test_registering_is_not_replaced(world):
    other = world.made.join()
    assert other.register_worker("somebody") == {"success": True}
    assert world.told == []


def test_one_that_leaves_ends_its_calls(world):
    with rules(middleware_function_id="mw") as made:
        holder = made.other("default", [])
        holder.register("mw")
        client = made.join(announce=True)
        invocation_id = client.start_call("pub::a")
        holder.expect(type="invokefunction", function_id="mw")
        holder.close()
        frame = client.expect(type="invocationresult", invocation_id=invocation_id)
        assert frame["error"] == {"code": "invocation_stopped", "message": "Invocation stopped"}


def test_one_that_hangs_holds_up_that_call_only_and_a_client_may_leave(world):
    with rules(middleware_function_id="mw") as made:
        made.admin.register("mw")
        client = made.join(announce=True)
        first, second = client.start_call("pub::a", 1), client.start_call("pub::a", 2)
        calls = [made.admin.expect(type="invokefunction", function_id="mw") for _ in range(2)]
        made.admin.answer(calls[1], "second")
        assert client.expect(type="invocationresult", invocation_id=second)["result"] == "second"
        client.barrier()
        assert not [frame for frame in client.seen if frame.get("invocation_id") == first]
        client.close()
        assert made.engine._listeners[1].wait_until_empty(10)
        made.admin.answer(calls[0], "nobody")
        made.admin.barrier()
        assert not [one for one in made.admin.call("engine::workers::list", {})["workers"] if one["name"] is None]


# --- visibility (§10.7) --------------------------------------------------------------------------------------------------


def test_a_session_sees_what_it_may_call(world):
    shown = {one["function_id"] for one in world.client.call("engine::functions::list", {})["functions"]}
    assert shown == {"pub::a", "allowed", "golden"}
    everything = {one["function_id"] for one in world.admin.call("engine::functions::list", {})["functions"]}
    assert {"private", "auth", "mw"} <= everything
    internal = world.client.call("engine::functions::list", {"include_internal": True})["functions"]
    shown = {one["function_id"] for one in internal}
    assert {"engine::functions::list", "engine::pub::mine", "engine::log::info"} <= shown
    assert not {"engine::triggers::list", "private"} & shown


def test_each_namespace_is_decided_by_itself(world):
    world.made.other("blue", ["pub::a", "allowed"])
    rows = world.client.call("engine::functions::list", {})["functions"]
    assert [one["namespace"] for one in rows if one["function_id"] in ("pub::a", "allowed")] == ["default", "default"]


def test_a_session_is_told_about_what_it_may_call(world):
    assert world.client.call("engine::functions::info", {"function_id": "pub::a"})["function_id"] == "pub::a"
    with pytest.raises(CallFailed) as hidden:
        world.client.call("engine::functions::info", {"function_id": "private"})
    assert (hidden.value.code, hidden.value.message) == (
        "FORBIDDEN",
        "Function 'private' is not visible to this session.",
    )
    with pytest.raises(CallFailed, match="NOT_FOUND"):
        world.client.call("engine::functions::info", {"function_id": "pub::nowhere"})


def test_a_batch_says_it_for_each(world):
    ids = ["pub::a", "private", "nowhere", "golden"]
    rows = world.client.call("engine::functions::info", {"function_ids": ids})["functions"]
    assert [(one["function_id"], one.get("error")) for one in rows] == [
        ("pub::a", None),
        ("private", "forbidden"),
        ("nowhere", "not_found"),
        ("golden", None),
    ]


def test_other_discovery_is_not_filtered(world):
    names = {one["name"] for one in world.client.call("engine::workers::list", {})["workers"]}
    assert "admin" in names
