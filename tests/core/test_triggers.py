"""iii_actors.core.triggers: types with their providers, bindings live or parked (core.md §6)."""

import pytest

from iii_actors.actor import ask
from iii_actors.core import triggers as module
from iii_actors.core.messages import (
    AcknowledgeTrigger,
    Binding,
    BindTrigger,
    FindTrigger,
    ListTriggers,
    ListTriggerTypes,
    RegisterTrigger,
    RegisterTriggerType,
    RemoveTriggersOf,
    Send,
    TriggerAcknowledged,
    UnbindTrigger,
    UnregisterTrigger,
)
from iii_actors.core.triggers import Triggers
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.probe import caller_of, target_of

ERROR = wire.ErrorBody("no", "text")


class Registry:
    """The actor, with a probe per worker; what a worker was sent in short form."""

    def __init__(self, start, probe):
        self.ref = start(Triggers())
        self.workers = {}
        self._probe = probe

    def worker(self, name):
        if name not in self.workers:
            self.workers[name] = self._probe()
        return self.workers[name]

    def provide(self, name, type_id="hook", namespace="default", in_process=False):
        definition = wire.RegisterTriggerType(type_id, "d")
        provider = target_of(name, self.worker(name), in_process=in_process)
        ask(self.ref, RegisterTriggerType(namespace, definition, provider))

    def bind(self, owner, trigger_id="t", type_id="hook", home="default", accepted=False, ack_to=None, **members):
        definition = wire.RegisterTrigger(trigger_id, type_id, "f", **members)
        caller = caller_of(owner, self.worker(owner)) if owner else None
        return ask(self.ref, RegisterTrigger(definition, home, caller, accepted, ack_to))

    def unbind(self, trigger_id="t", released=False):
        return ask(self.ref, UnregisterTrigger(trigger_id, released))

    def ack(self, name, trigger_id="t", error=None):
        result = wire.TriggerRegistrationResult(trigger_id, "other", "other", error)
        self.ref.tell(AcknowledgeTrigger(name, result))

    def leave(self, name):
        ask(self.ref, RemoveTriggersOf(name))

    def live(self):
        return {one.id: one.provider_namespace for one in ask(self.ref, ListTriggers())}

    def sent(self, name):
        """``+id`` for a binding it is given, ``-id`` for one taken away, ``!id`` for a refusal."""
        marks = {wire.RegisterTrigger: "+", wire.UnregisterTrigger: "-", wire.TriggerRegistrationResult: "!"}
        short = []
        for message in self.worker(name).take():
            if isinstance(message, Send):
                short.append(marks[type(message.message)] + message.message.id)
            else:
                short.append({BindTrigger: "+", UnbindTrigger: "-"}[type(message)] + message.trigger.id)
        return sorted(short)


@pytest.fixture
def registry(start, probe):
    return Registry(start, probe)


# --- registering (§6.2) ------------------------------------------------------------------------------------------------


def test_a_binding_goes_to_its_provider_and_is_live(registry):
    registry.provide("p")
    assert registry.bind("a", config=raw({"x": 1}), metadata=raw([])) is None
    [send] = registry.worker("p").take()
    assert send.message == wire.RegisterTrigger("t", "hook", "f", raw({"x": 1}), raw([]))
    assert registry.live() == {"t": "default"}
    assert registry.sent("a") == []


def test_null_metadata_is_none(registry):
    registry.provide("p")
    registry.bind("a", metadata=wire.NULL)
    assert registry.worker("p").take()[0].message.metadata is wire.ABSENT


@pytest.mark.parametrize(
    ("target", "provider", "sent"),
    [(None, "default", (None, None)), ("x", "default", ("x", None)), ("x", "team", ("x", "team"))],
)
def test_namespaces_are_named_only_where_they_are_not_default(registry, target, provider, sent):
    registry.provide("p", namespace=provider)
    registry.bind("a", home="team", namespace=target)
    [send] = registry.worker("p").take()
    assert (send.message.namespace, send.message.trigger_namespace) == sent


def test_without_a_type_it_is_parked_and_invisible(registry):
    assert registry.bind("a") is None
    assert registry.live() == {}
    assert ask(registry.ref, FindTrigger("t")) is None
    registry.provide("p", "other")
    assert registry.sent("p") == []
    registry.provide("p")
    assert registry.sent("p") == ["+t"]
    assert registry.live() == {"t": "default"}


@pytest.mark.parametrize(
    ("home", "wish", "provided", "served_by"),
    [
        ("team", None, ["default", "team"], "team"),
        ("team", None, ["default"], "default"),
        ("team", None, ["other"], None),
        ("team", "other", ["default", "team", "other"], "other"),
        ("team", "other", ["default", "team"], None),
        ("team", "default", ["default", "team"], "default"),
        ("default", None, ["team"], None),
    ],
)
def test_who_provides(registry, home, wish, provided, served_by):
    for namespace in provided:
        registry.provide(namespace, namespace=namespace)
    registry.bind("a", home=home, trigger_namespace=wish)
    assert registry.live() == ({"t": served_by} if served_by else {})
    assert [namespace for namespace in provided if registry.sent(namespace) == ["+t"]] == (
        [served_by] if served_by else []
    )


def test_an_id_registered_again_is_overwritten_and_sent_again(registry):
    registry.provide("p")
    registry.provide("q", "other")
    registry.bind("a")
    registry.bind("a", config=raw(2))
    assert registry.sent("p") == ["+t", "+t"]
    registry.bind("b", type_id="other")
    assert (registry.sent("p"), registry.sent("q")) == ([], ["+t"])
    registry.leave("a")
    assert registry.live() == {"t": "default"}
    registry.leave("b")
    assert registry.sent("q") == ["-t"]
    assert registry.live() == {}


def test_a_provider_that_is_going_leaves_it_parked(registry):
    registry.provide("p")
    registry.bind("a")
    registry.worker("p").actor_ref.stop()
    registry.bind("a", config=raw(2))
    assert registry.live() == {}
    registry.provide("q")
    [send] = registry.worker("q").take()
    assert send.message.config == raw(2)


def test_one_worker_cannot_fill_the_table(registry, monkeypatch):
    monkeypatch.setattr(module, "MAX_TRIGGERS_PER_WORKER", 2)
    for trigger_id in ("t", "u", "t"):
        registry.bind("a", trigger_id)
    with pytest.raises(TriggerRegistrationFailed):
        registry.bind("a", "v")
    registry.bind("b", "v")
    registry.unbind("t")
    registry.bind("a", "w")


# --- types (§6.1) ------------------------------------------------------------------------------------------------------


def test_a_new_provider_is_sent_all_and_the_old_one_nothing(registry):
    registry.provide("p")
    registry.bind("a", "t")
    registry.bind("b", "u")
    registry.sent("p")
    registry.provide("q")
    assert registry.sent("q") == ["+t", "+u"]
    assert registry.sent("p") == []
    registry.leave("p")
    assert [one.provider.worker_id for one in ask(registry.ref, ListTriggerTypes())] == ["q"]
    assert registry.live() == {"t": "default", "u": "default"}


def test_the_same_provider_again_is_sent_all_again(registry):
    registry.provide("p")
    registry.bind("a")
    registry.provide("p")
    assert registry.sent("p") == ["+t", "+t"]
    assert len(ask(registry.ref, ListTriggerTypes())) == 1


def test_bindings_come_home(registry):
    registry.provide("p")
    registry.bind("a", "mine", home="team")
    registry.bind("a", "strict", home="team", trigger_namespace="default")
    registry.bind("a", "others", home="default")
    registry.sent("p")
    registry.provide("q", namespace="team")
    assert registry.sent("p") == ["-mine"]
    [send] = registry.worker("q").take()
    assert (send.message.id, send.message.trigger_namespace) == ("mine", "team")
    assert registry.live() == {"mine": "team", "strict": "default", "others": "default"}


def test_a_home_that_cannot_be_reached_parks_them(registry):
    registry.provide("p")
    registry.bind("a", home="team")
    registry.worker("q").actor_ref.stop()
    registry.provide("q", namespace="team")
    assert registry.sent("p") == ["+t", "-t"]
    assert registry.live() == {}


# --- acknowledgements (§6.3) -------------------------------------------------------------------------------------------


def test_a_success_changes_nothing(registry):
    registry.provide("p")
    registry.bind("a")
    registry.ack("p")
    assert registry.live() == {"t": "default"}
    assert registry.sent("a") == []


def test_a_refusal_parks_and_tells_the_owner_what_is_stored(registry):
    registry.provide("p")
    registry.bind("a")
    registry.ack("p", error=ERROR)
    assert registry.live() == {}
    assert registry.worker("a").take() == [Send(wire.TriggerRegistrationResult("t", "hook", "f", ERROR))]
    registry.sent("p")
    registry.provide("p")
    assert registry.sent("p") == ["+t"]
    assert registry.live() == {"t": "default"}


@pytest.mark.parametrize("who", ["stranger", "a", "q"])
def test_only_the_provider_s_word_counts(registry, who):
    registry.provide("q")
    registry.provide("p")
    registry.bind("a")
    registry.ack(who, error=ERROR)
    assert registry.live() == {"t": "default"}


def test_late_refusals_are_ignored(registry):
    registry.provide("p")
    registry.bind("a")
    registry.unbind()
    registry.ack("p", error=ERROR)
    registry.ack("p", "unknown", ERROR)
    assert registry.sent("a") == []
    registry.provide("p")
    assert registry.live() == {}


def test_whoever_asked_hears_the_socket_provider(registry, probe):
    waiting = probe()
    registry.provide("p")
    registry.bind(None, ack_to=waiting.actor_ref)
    registry.ack("p", error=ERROR)
    registry.ack("p", error=ERROR)
    assert waiting.take() == [TriggerAcknowledged("t", ERROR)]
    assert registry.live() == {}


# --- providers in this process -----------------------------------------------------------------------------------------


def test_an_in_process_provider_is_asked_first(registry):
    registry.provide("p", in_process=True)
    binding = registry.bind("a")
    assert isinstance(binding, Binding)
    assert (binding.trigger.id, binding.provider.worker_id) == ("t", "p")
    assert registry.live() == {}
    assert registry.bind("a", accepted=True) is None
    assert registry.live() == {"t": "default"}
    assert registry.sent("p") == []


def test_while_it_is_asked_the_old_binding_stays(registry):
    registry.provide("p", in_process=True)
    registry.bind("a", accepted=True)
    registry.bind("a", config=raw(2))
    assert ask(registry.ref, FindTrigger("t")).config == wire.NULL


def test_an_in_process_provider_lets_go_first(registry):
    registry.provide("p", in_process=True)
    registry.bind("a", accepted=True)
    assert isinstance(registry.unbind(), Binding)
    assert registry.live() == {"t": "default"}
    assert registry.unbind(released=True) is True
    assert registry.live() == {}


def test_an_in_process_provider_is_told_what_waited(registry):
    registry.bind("a")
    registry.provide("p", in_process=True)
    assert registry.sent("p") == ["+t"]
    registry.ack("p", error=ERROR)
    assert registry.live() == {}
    assert registry.sent("a") == ["!t"]


def test_an_in_process_provider_s_bindings_end_with_their_owner(registry):
    registry.provide("p", in_process=True)
    registry.bind("a", accepted=True)
    registry.leave("a")
    assert registry.sent("p") == ["-t"]


# --- leaving (§6.4) and unregistering (§6.5) ---------------------------------------------------------------------------


def test_unregistering_is_everybody_s_right(registry):
    registry.provide("p")
    registry.bind("a")
    assert registry.unbind() is True
    assert registry.unbind() is False
    [_, send] = registry.worker("p").take()
    assert send.message == wire.UnregisterTrigger("t", "hook")


def test_a_parked_one_is_dropped(registry):
    registry.bind("a")
    assert registry.unbind() is True
    registry.provide("p")
    assert registry.sent("p") == []


def test_an_owner_s_bindings_leave_with_it_parked_ones_too(registry):
    registry.provide("p")
    for n in range(200):
        registry.bind("a", f"a{n}")
        registry.bind("b", f"b{n}")
    registry.bind("a", "parked", "other")
    registry.sent("p")
    registry.leave("a")
    assert registry.sent("p") == sorted(f"-a{n}" for n in range(200))
    assert set(registry.live()) == {f"b{n}" for n in range(200)}
    registry.provide("q", "other")
    assert registry.sent("q") == []


def test_bindings_made_by_function_call_outlive_their_maker(registry):
    registry.provide("p")
    registry.bind(None)
    registry.leave("a")
    assert registry.live() == {"t": "default"}


@pytest.mark.parametrize("fallback", [True, False])
def test_a_provider_s_orphans_fail_over_or_park(registry, fallback):
    if fallback:
        registry.provide("q")
    registry.provide("p", namespace="team")
    registry.bind("a", "t", home="team")
    registry.bind("a", "strict", home="team", trigger_namespace="team")
    registry.leave("p")
    assert registry.live() == ({"t": "default"} if fallback else {})
    assert registry.sent("q") == (["+t"] if fallback else [])
    assert registry.sent("a") == []
    registry.provide("r", namespace="team")
    assert registry.sent("r") == ["+strict", "+t"]
    assert registry.sent("q") == (["-t"] if fallback else [])


def test_a_leaver_is_no_successor_of_itself(registry):
    for namespace in ("default", "team"):
        registry.provide("p", namespace=namespace)
    registry.bind("a", home="team")
    registry.sent("p")
    registry.leave("p")
    assert registry.live() == {}
    assert registry.sent("p") == []


def test_what_a_successor_provides_stays(registry):
    registry.provide("p")
    registry.provide("q")
    registry.leave("p")
    registry.bind("a")
    assert registry.sent("q") == ["+t"]
