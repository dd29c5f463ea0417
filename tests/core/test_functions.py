"""iii_actors.core.functions: who executes ``(namespace, function id)`` (core.md §4, §7, §8)."""

import pytest

from iii_actors.actor import ask
from iii_actors.core import functions as module
from iii_actors.core import groups
from iii_actors.core.functions import Functions
from iii_actors.core.messages import (
    Completed,
    FindFunction,
    Forward,
    FunctionsOf,
    Invoke,
    ListFunctions,
    Members,
    RegisterFunction,
    RemoveFunctionsOf,
    UnregisterFunction,
)
from iii_actors.core.queries import WatchFunctions
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.probe import target_of

ID = "00000000-0000-4000-8000-000000000001"


class Registry:
    """The actor with probes around it, and the questions in short."""

    def __init__(self, start, probe):
        self.invocations, self.services = probe(), probe()
        self.ref = start(Functions(self.invocations.actor_ref, self.services.actor_ref))
        self.workers = {}
        self._probe = probe

    def target(self, worker_id, **kwargs):
        if worker_id not in self.workers:
            self.workers[worker_id] = self._probe()
        return target_of(worker_id, self.workers[worker_id], **kwargs)

    def register(self, worker_id, function_id="f", namespace="default", in_process=False, **members):
        definition = wire.RegisterFunction(function_id, **members)
        return ask(self.ref, RegisterFunction(namespace, definition, self.target(worker_id, in_process=in_process)))

    def join(self, worker_id, policy="round_robin", **metadata):
        return self.register(worker_id, metadata=raw({"group": policy, **metadata}))

    def unregister(self, worker_id, function_id="f", namespace="default"):
        return ask(self.ref, UnregisterFunction(namespace, function_id, worker_id))

    def remove(self, worker_id):
        ask(self.ref, RemoveFunctionsOf(worker_id))

    def ids(self):
        return sorted((one.namespace, one.function_id, one.target.worker_id) for one in ask(self.ref, ListFunctions()))

    def of(self, worker_id):
        return sorted(one.function_id for one in ask(self.ref, FunctionsOf(worker_id)))

    def find(self, function_id, namespace=None):
        return ask(self.ref, FindFunction(function_id, namespace))


@pytest.fixture
def registry(start, probe):
    return Registry(start, probe)


def rejected(owner, namespace="default", function_id="f"):
    return wire.RegistrationRejected("FUNCTION_NAMESPACE_CONFLICT", namespace, owner, function_id=function_id)


# --- §4.2, row by row --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function_id", ["f", "", "a::b::c", "engine::queue::enqueue", "ü\n"])
def test_any_free_id_is_registered(registry, function_id):
    assert registry.register("a", function_id) is None
    assert registry.ids() == [("default", function_id, "a")]


def test_the_same_worker_replaces_everything(registry):
    registry.register("a", description="one", metadata=raw({"v": 1}))
    assert registry.register("a", description="two") is None
    found, _ = registry.find("f")
    assert (found.definition.description, found.definition.metadata) == ("two", wire.ABSENT)
    assert len(registry.services.of(Members)) == 1


def test_another_worker_s_claim_is_refused(registry):
    registry.register("a", description="one")
    assert registry.register("b", description="two") == rejected("a")
    assert registry.ids() == [("default", "f", "a")]
    assert registry.find("f")[0].definition.description == "one"
    assert registry.of("b") == []


def test_the_same_id_elsewhere_is_another_entry(registry):
    assert registry.register("a") is None
    assert registry.register("b", namespace="x") is None
    assert registry.ids() == [("default", "f", "a"), ("x", "f", "b")]


def test_what_a_leaver_held_is_free(registry):
    registry.register("a")
    registry.remove("a")
    assert registry.register("b") is None


@pytest.mark.parametrize("function_id", ["engine::x", "engine::queue::enqueue", "engine::"])
def test_the_reserved_prefix_belongs_to_default(registry, function_id):
    assert registry.register("a", function_id, "team") == rejected("", "team", function_id)
    assert registry.ids() == []


def test_a_built_in_is_not_replaced(registry):
    registry.register("builtin", "engine::f", in_process=True)
    assert registry.register("a", "engine::f") == rejected("", function_id="engine::f")
    assert registry.register("a", "engine::f", metadata=raw({"group": "standby"})) is not None
    assert registry.ids() == [("default", "engine::f", "builtin")]


def test_too_many_functions_are_refused(registry, monkeypatch):
    monkeypatch.setattr(module, "MAX_FUNCTIONS_PER_WORKER", 2)
    assert [registry.register("a", name) for name in ("f", "g", "f")] == [None, None, None]
    assert registry.register("a", "h") == rejected("", function_id="h")
    assert registry.of("a") == ["f", "g"]


# --- §4.3 and leaving --------------------------------------------------------------------------------------------------


def test_only_the_owner_unregisters(registry):
    registry.register("a")
    assert not registry.unregister("b")
    assert not registry.unregister("a", namespace="x")
    assert not registry.unregister("a", "g")
    assert registry.unregister("a")
    assert not registry.unregister("a")
    assert registry.ids() == []


def test_a_leaver_takes_exactly_its_own(registry):
    for n in range(200):
        registry.register("a", f"a{n}")
        registry.register("b", f"b{n}", namespace="x")
    registry.remove("a")
    registry.remove("a")
    assert registry.ids() == sorted(("x", f"b{n}", "b") for n in range(200))
    assert registry.of("a") == []


def test_a_successor_s_claim_survives_the_predecessor_s_cleanup(registry):
    registry.register("a")
    registry.unregister("a")
    registry.register("b")
    registry.remove("a")
    assert registry.ids() == [("default", "f", "b")]


def test_services_and_the_watcher_hear_of_ids_only(registry, probe):
    watcher = probe()
    ask(registry.ref, WatchFunctions(watcher.actor_ref))
    registry.register("a", "s::f")
    registry.register("a", "s::f", description="again")
    registry.register("b", "s::f")
    assert registry.services.take() == [Members("default", ["s::f"], True)]
    assert len(watcher.take()) == 1
    registry.unregister("a", "s::f")
    assert registry.services.take() == [Members("default", ["s::f"], False)]
    assert len(watcher.take()) == 1


# --- §7 ----------------------------------------------------------------------------------------------------------------


def invoke(registry, caller=None, function_id="f", namespace="default", data=wire.NULL, internal=False):
    call = wire.InvokeFunction(function_id, ID, data=data)
    message = Invoke(call, namespace, ID, caller.actor_ref if caller else None, None, internal)
    registry.ref.tell(message)
    return message


def test_a_call_goes_to_the_tracker_with_its_owner(registry):
    registry.register("a")
    message = invoke(registry)
    [forward] = registry.invocations.take()
    assert isinstance(forward, Forward)
    assert (forward.invoke, forward.target.worker_id) == (message, "a")


@pytest.mark.parametrize(
    ("held_in", "internal", "text"),
    [
        ([], False, "Function f not found in namespace here."),
        (["b", "a"], False, "Function f not found in namespace here. It is registered in namespace(s): a, b."),
        (["a"], True, "Function f not found in namespace here"),
    ],
)
def test_a_miss_is_answered_at_once(registry, probe, held_in, internal, text):
    caller = probe()
    for namespace in held_in:
        registry.register("w", namespace=namespace)
    message = invoke(registry, caller, namespace="here", internal=internal)
    assert caller.take() == [Completed(message, wire.ABSENT, wire.ErrorBody("function_not_found", text))]
    assert registry.invocations.take() == []


def test_a_miss_nobody_waits_for_is_silent(registry):
    invoke(registry)
    assert registry.invocations.take() == []


def test_there_is_no_fallback_to_another_namespace(registry, probe):
    caller = probe()
    registry.register("a", namespace="default")
    invoke(registry, caller, namespace="team")
    assert caller.take()[0].error.code == "function_not_found"


def test_a_call_that_cannot_be_routed_is_answered_all_the_same(registry, probe, monkeypatch, caplog):
    caller = probe()
    registry.join("a")
    monkeypatch.setattr(groups.Group, "choose", lambda *_: 1 / 0)
    message = invoke(registry, caller)
    error = wire.ErrorBody("invocation_error", "ZeroDivisionError in the engine")
    assert caller.take() == [Completed(message, wire.ABSENT, error)]
    assert "ZeroDivisionError" in caplog.text


def test_introspection_is_lenient(registry):
    registry.register("a", namespace="x")
    assert registry.find("f")[0].namespace == "x"
    registry.register("b", namespace="y")
    assert registry.find("f") == (None, ["x", "y"])
    assert registry.find("f", "y")[0].target.worker_id == "b"
    assert registry.find("f", "z") == (None, ["x", "y"])
    registry.register("c")
    assert registry.find("f")[0].target.worker_id == "c"
    assert registry.find("g") == (None, [])


# --- groups (issue 3, item 9) ------------------------------------------------------------------------------------------


def test_members_of_one_policy_share_a_function(registry):
    assert registry.join("a") is None
    assert registry.join("b") is None
    assert [registry.of(worker) for worker in "ab"] == [["f"], ["f"]]
    for _ in range(4):
        invoke(registry)
    assert [forward.target.worker_id for forward in registry.invocations.take()] == ["a", "b", "a", "b"]
    assert len(registry.services.of(Members)) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"policy": "round_robin"}, {"policy": "standby"}),
        ({"policy": "sticky", "group_key": "a"}, {"policy": "sticky", "group_key": "b"}),
        ({"policy": "sticky", "group_key": "a"}, {"policy": "sticky"}),
        ({"policy": "sticky"}, {"policy": "none such"}),
    ],
)
def test_another_policy_is_a_conflict(registry, first, second):
    registry.join("a", **first)
    assert registry.join("b", **second) == rejected("a")
    assert [member.target.worker_id for member in registry.find("f")[0].group.members] == ["a"]


def test_a_group_and_an_exclusive_function_exclude_each_other(registry):
    registry.join("a")
    assert registry.register("b") == rejected("a")
    registry.register("c", namespace="x")
    assert ask(
        registry.ref,
        RegisterFunction("x", wire.RegisterFunction("f", metadata=raw({"group": "standby"})), registry.target("d")),
    ) == rejected("c", "x")


def test_one_of_several_members_cannot_change_the_policy_alone(registry):
    registry.join("a")
    registry.join("b")
    assert registry.register("a") == rejected("b")
    assert registry.join("b", "standby") == rejected("a")
    assert registry.join("a") is None
    registry.unregister("b")
    assert registry.join("a", "standby") is None
    assert registry.register("a") is None
    assert registry.find("f")[0].group is None


def test_a_member_that_leaves_leaves_the_rest(registry):
    registry.join("a", v=1)
    registry.join("b", v=2)
    registry.remove("a")
    found, _ = registry.find("f")
    assert (found.target.worker_id, found.definition.metadata) == ("b", raw({"group": "round_robin", "v": 2}))
    assert registry.unregister("b")
    assert registry.ids() == []
    assert [message.present for message in registry.services.of(Members)] == [True, False]
