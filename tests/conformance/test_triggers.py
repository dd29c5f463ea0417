"""Trigger types and bindings between workers (core.md §6.1-§6.6)."""

import pytest

from iii_actors.actor import ask
from iii_actors.core.messages import ListTriggers
from tests.support.quiet import leave, settle, unexpected

ERROR = {"code": "trigger_registration_failed", "message": "not this one"}


def provide(peer, type_id="hook", **members):
    peer.send(type="registertriggertype", id=type_id, description="d", **members)
    settle(peer)


def bind(peer, trigger_id="t", type_id="hook", function_id="f", **members):
    peer.send(type="registertrigger", id=trigger_id, trigger_type=type_id, function_id=function_id, **members)
    settle(peer)


def binding(trigger_id="t", type_id="hook", function_id="f", config=None, **members):
    frame = {"type": "registertrigger", "id": trigger_id, "trigger_type": type_id, "function_id": function_id}
    return frame | {"config": config} | members


def withdrawal(trigger_id="t", type_id="hook"):
    return {"type": "unregistertrigger", "id": trigger_id, "trigger_type": type_id}


def taken(peer):
    """Every frame there is, in order of the triggers' ids."""
    frames = unexpected(peer)
    peer.seen.clear()
    return sorted(frames, key=lambda frame: (frame["id"], frame["type"]))


def live(engine):
    return {
        one.id: one.provider_namespace for one in ask(engine.core.triggers, ListTriggers()) if one.owner is not None
    }


# --- §6.2 registering --------------------------------------------------------------------------------------------------


def test_success_is_silent_and_the_provider_gets_the_binding(join):
    provider, worker = join(), join()
    provide(provider)
    bind(worker, config={"p": [1, None]}, metadata={"o": "t"})
    assert taken(provider) == [binding(config={"p": [1, None]}, metadata={"o": "t"})]
    assert taken(worker) == []


@pytest.mark.parametrize("members", [{}, {"config": None, "metadata": None, "namespace": None}])
def test_what_is_absent_stays_absent_and_config_is_null(join, members):
    provider = join()
    provide(provider)
    bind(provider, **members)
    assert taken(provider) == [binding()]


@pytest.mark.parametrize(
    ("members", "added"),
    [
        ({"namespace": "default"}, {}),
        ({"namespace": "x"}, {"namespace": "x"}),
        ({"trigger_namespace": "default"}, {}),
        ({"trigger_namespace": "team"}, {"trigger_namespace": "team"}),
    ],
)
def test_namespaces_on_the_way_to_the_provider(join, members, added):
    provider, worker = join(), join()
    provide(provider)
    provide(provider, namespace="team")
    bind(worker, **members)
    assert taken(provider) == [binding(**added)]


@pytest.mark.parametrize(
    ("home", "wish", "provided", "served_by"),
    [
        ("team", None, ("default", "team"), "team"),
        ("team", None, ("default",), "default"),
        ("team", None, ("other",), None),
        ("team", "other", ("default", "team", "other"), "other"),
        ("team", "other", ("default", "team"), None),
        ("default", None, ("team",), None),
    ],
)
def test_who_provides(lasting_engine, join, home, wish, provided, served_by):
    providers = {namespace: join(namespace=namespace) for namespace in provided}
    for provider in providers.values():
        provide(provider)
    worker = join(namespace=home)
    bind(worker, trigger_namespace=wish)
    added = {} if served_by in (None, "default") else {"trigger_namespace": served_by}
    for namespace, provider in providers.items():
        assert taken(provider) == ([binding(**added)] if namespace == served_by else [])
    assert live(lasting_engine) == ({"t": served_by} if served_by else {})
    assert taken(worker) == []


@pytest.mark.parametrize("field", ["namespace", "trigger_namespace"])
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_namespace(join, field, blank):
    provider, worker = join(), join()
    provide(provider)
    bind(worker, **{field: blank})
    text = f"`{field}` is empty: it was named and left blank. Give it a name, or omit it to use `default`."
    assert taken(worker) == [
        {"type": "triggerregistrationresult", "id": "t", "trigger_type": "hook", "function_id": "f",
         "error": {"code": "INVALID_NAMESPACE", "message": text}}
    ]  # fmt: skip
    assert taken(provider) == []


def test_ids_are_global_and_the_last_owner_counts(lasting_engine, join):
    provider, other_provider, one, two = join(), join(), join(), join(namespace="team")
    provide(provider)
    provide(other_provider, "other")
    bind(one, config=1)
    bind(one, config=2)
    assert [frame["config"] for frame in taken(provider)] == [1, 2]
    bind(two, config=3)
    assert taken(provider) == [binding(config=3)]
    bind(two, type_id="other", config=4)
    assert taken(provider) == []
    assert taken(other_provider) == [binding(type_id="other", config=4)]
    leave(lasting_engine, one)
    assert live(lasting_engine) == {"t": "default"}
    leave(lasting_engine, two)
    assert taken(other_provider) == [withdrawal(type_id="other")]
    assert taken(provider) == []


# --- parking and §6.1 types --------------------------------------------------------------------------------------------


def test_a_binding_waits_for_its_type(lasting_engine, join):
    worker, provider = join(), join()
    bind(worker, config=1)
    bind(worker, "u", "other")
    assert taken(worker) == []
    assert live(lasting_engine) == {}
    provide(provider)
    assert taken(provider) == [binding(config=1)]
    assert live(lasting_engine) == {"t": "default"}


def test_a_waiting_binding_goes_with_its_worker(lasting_engine, join):
    worker, provider = join(), join()
    bind(worker)
    leave(lasting_engine, worker)
    provide(provider)
    assert taken(provider) == []


def test_a_strict_binding_waits_for_its_namespace_alone(join):
    worker, elsewhere, there = join(), join(), join()
    bind(worker, trigger_namespace="team")
    provide(elsewhere)
    assert taken(elsewhere) == []
    provide(there, namespace="team")
    assert taken(there) == [binding(trigger_namespace="team")]


def test_a_type_registered_again_is_sent_everything_again(join):
    provider, worker = join(), join()
    provide(provider)
    bind(worker, "a")
    bind(worker, "b")
    taken(provider)
    provide(provider)
    assert taken(provider) == [binding("a"), binding("b")]


def test_another_worker_takes_over_a_type(lasting_engine, join):
    old, new, worker = join(), join(), join()
    provide(old)
    bind(worker, "a")
    bind(worker, "b")
    taken(old)
    provide(new)
    assert taken(new) == [binding("a"), binding("b")]
    assert taken(old) == []
    leave(lasting_engine, old)
    bind(worker, "c")
    assert taken(new) == [binding("c")]


def test_bindings_move_home(lasting_engine, join):
    fallback, home, worker, other = join(), join(namespace="team"), join(namespace="team"), join(namespace="x")
    provide(fallback)
    bind(worker, "mine")
    bind(worker, "strict", trigger_namespace="default")
    bind(other, "others")
    taken(fallback)
    provide(home)
    assert taken(fallback) == [withdrawal("mine")]
    assert taken(home) == [binding("mine", trigger_namespace="team")]
    assert live(lasting_engine) == {"mine": "team", "strict": "default", "others": "default"}


@pytest.mark.parametrize("blank", ["", " "])
def test_a_type_in_a_blank_namespace_is_ignored(join, blank):
    provider = join()
    provide(provider, namespace=blank)
    bind(provider)
    assert taken(provider) == []


# --- §6.3 acknowledgements ---------------------------------------------------------------------------------------------


def acknowledge(peer, error=None, trigger_id="t", **members):
    frame = {"trigger_type": "hook", "function_id": "f"} | members
    if error is not None:
        frame["error"] = error
    peer.send(type="triggerregistrationresult", id=trigger_id, **frame)
    settle(peer)


def test_a_success_is_not_passed_on(lasting_engine, join):
    provider, worker = join(), join()
    provide(provider)
    bind(worker)
    acknowledge(provider)
    assert taken(worker) == []
    assert live(lasting_engine) == {"t": "default"}


def test_a_refusal_reaches_the_worker_and_parks(lasting_engine, join):
    provider, worker = join(), join()
    provide(provider)
    bind(worker, config=1)
    taken(provider)
    acknowledge(provider, ERROR | {"stacktrace": "s", "more": 1}, trigger_type="forged", function_id="forged")
    assert taken(worker) == [
        {"type": "triggerregistrationresult", "id": "t", "trigger_type": "hook", "function_id": "f",
         "error": ERROR | {"stacktrace": "s"}}
    ]  # fmt: skip
    assert live(lasting_engine) == {}
    provide(provider)
    assert taken(provider) == [binding(config=1)]
    assert live(lasting_engine) == {"t": "default"}


def test_only_the_provider_may_refuse(lasting_engine, join):
    former, provider, worker, stranger = join(), join(), join(), join()
    provide(former)
    bind(worker)
    provide(provider)
    for peer in (former, stranger, worker):
        acknowledge(peer, ERROR)
    acknowledge(provider, ERROR, "unknown")
    assert taken(worker) == []
    assert live(lasting_engine) == {"t": "default"}


def test_an_explicit_unregister_beats_a_late_refusal(lasting_engine, join):
    provider, worker = join(), join()
    provide(provider)
    bind(worker)
    worker.send(type="unregistertrigger", id="t", trigger_type="hook")
    settle(worker)
    acknowledge(provider, ERROR)
    assert taken(worker) == []
    taken(provider)
    provide(provider)
    assert taken(provider) == []
    assert live(lasting_engine) == {}


# --- §6.4 a provider leaves --------------------------------------------------------------------------------------------


def test_orphans_fail_over_to_default(lasting_engine, join):
    fallback, home, worker = join(), join(namespace="team"), join(namespace="team")
    provide(fallback)
    provide(home)
    bind(worker, config=1)
    bind(worker, "strict", trigger_namespace="team")
    assert taken(fallback) == []
    leave(lasting_engine, home, "cut")
    assert taken(fallback) == [binding(config=1)]
    assert taken(worker) == []
    successor = join(namespace="team")
    provide(successor)
    assert taken(successor) == [
        binding("strict", trigger_namespace="team"), binding(config=1, trigger_namespace="team"),
    ]  # fmt: skip
    assert taken(fallback) == [withdrawal()]


def test_orphans_without_a_provider_are_parked(lasting_engine, join, caplog):
    provider, worker = join(), join()
    provide(provider)
    bind(worker, config=1)
    leave(lasting_engine, provider, "cut")
    assert live(lasting_engine) == {}
    assert taken(worker) == []
    assert "parked" in caplog.text
    successor = join()
    provide(successor)
    assert taken(successor) == [binding(config=1)]


def test_what_a_successor_provides_stays_when_the_predecessor_leaves(lasting_engine, join):
    old, new, worker = join(), join(), join()
    provide(old)
    provide(new)
    leave(lasting_engine, old)
    bind(worker)
    assert taken(new) == [binding()]
    assert live(lasting_engine) == {"t": "default"}


# --- §6.5 unregistering ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [{}, {"trigger_type": "hook"}, {"trigger_type": "forged"}, {"trigger_type": None}])
def test_any_worker_may_unregister_any_trigger(lasting_engine, join, members):
    provider, worker, other = join(), join(), join()
    provide(provider)
    bind(worker)
    taken(provider)
    for _ in range(2):
        other.send(type="unregistertrigger", id="t", **members)
    assert taken(other) == []
    assert taken(provider) == [withdrawal()]
    assert live(lasting_engine) == {}


def test_a_parked_trigger_is_dropped(join):
    provider, worker = join(), join()
    bind(worker)
    worker.send(type="unregistertrigger", id="t")
    settle(worker)
    provide(provider)
    assert taken(provider) == []


# --- §6.6 firing -------------------------------------------------------------------------------------------------------


def test_a_provider_fires_by_calling(join):
    provider, worker = join(namespace="providers"), join(namespace="team")
    provide(provider)
    worker.register("f", lambda data: data["event"])
    bind(worker, namespace="team", trigger_namespace="providers", metadata={"m": 1})
    bound = provider.expect(type="registertrigger")
    assert bound == binding(namespace="team", trigger_namespace="providers", metadata={"m": 1})
    assert provider.call(bound["function_id"], {"event": 7}, namespace=bound["namespace"]) == 7
