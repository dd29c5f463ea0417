"""iii_actors.core.registrations: a frame becomes a question to its registry (core.md §4, §6, §11)."""

import pytest

from iii_actors.actor import handles
from iii_actors.clock import ManualClock
from iii_actors.core.external import FindExternal
from iii_actors.core.messages import (
    Binding,
    BindTrigger,
    RegisterFunction,
    RegisterService,
    RegisterTrigger,
    RegisterTriggerType,
    Send,
    UnbindTrigger,
    UnregisterFunction,
    UnregisterTrigger,
)
from iii_actors.core.refs import Core
from iii_actors.core.registrations import Registrations, bind, unbind
from iii_actors.errors import InvocationError, TriggerRegistrationFailed
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.probe import Probe, caller_of, target_of


class Registries:
    def __init__(self, probe):
        self.functions, self.triggers, self.services, self.other = probe(), probe(), probe(), probe()
        self.me, self.provider = probe(), probe()
        other = self.other.actor_ref
        self.core = Core(
            clock=ManualClock(), functions=self.functions.actor_ref, invocations=other,
            triggers=self.triggers.actor_ref, workers=other, services=self.services.actor_ref, channels=other,
            enqueue=other, namespace_grace_s=5.0,
        )  # fmt: skip
        self.target, self.caller = target_of("me", self.me), caller_of("me", self.me)
        self.registrations = Registrations(self.core, self.caller, self.target)

    def apply(self, message, namespace="home"):
        self.registrations.apply(message, namespace)


@pytest.fixture
def registries(probe):
    return Registries(probe)


def test_a_function_is_claimed_in_the_connection_s_namespace(registries):
    definition = wire.RegisterFunction("f", "text")
    registries.apply(definition)
    assert registries.functions.told == [RegisterFunction("home", definition, registries.target)]
    assert registries.me.told == []


def test_a_refusal_is_sent(registries):
    rejected = wire.RegistrationRejected("FUNCTION_NAMESPACE_CONFLICT", "home", "other", function_id="f")
    registries.functions.answers[RegisterFunction] = rejected
    registries.apply(wire.RegisterFunction("f"))
    assert registries.me.told == [Send(rejected)]


@pytest.mark.parametrize("invocation", [{"url": "https://example.org"}, {}, "broken"])
def test_functions_behind_http_are_not_registered_without_their_module(registries, invocation):
    registries.apply(wire.RegisterFunction("f", invocation=raw(invocation)))
    assert registries.functions.told == [FindExternal()]
    assert registries.me.told == []


def test_a_null_invocation_is_none(registries):
    registries.apply(wire.RegisterFunction("f", invocation=wire.NULL))
    assert len(registries.functions.told) == 1


def test_unregistering_names_the_worker(registries):
    registries.apply(wire.UnregisterFunction("f"))
    assert registries.functions.told == [UnregisterFunction("home", "f", "me")]


def test_a_service_is_told(registries):
    definition = wire.RegisterService("s")
    registries.apply(definition)
    assert registries.services.told == [RegisterService("home", definition, "me")]


@pytest.mark.parametrize(("given", "used"), [(None, "home"), ("x", "x")])
def test_a_trigger_type_s_namespace(registries, given, used):
    definition = wire.RegisterTriggerType("hook", "d", namespace=given)
    registries.apply(definition)
    assert registries.triggers.told == [RegisterTriggerType(used, definition, registries.target)]


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_trigger_type_in_a_blank_namespace_is_ignored(registries, blank):
    registries.apply(wire.RegisterTriggerType("hook", "d", namespace=blank))
    assert registries.triggers.told == []
    assert registries.me.told == []


def test_a_trigger_is_bound_for_its_owner(registries):
    definition = wire.RegisterTrigger("t", "hook", "f")
    registries.apply(definition)
    assert registries.triggers.told == [RegisterTrigger(definition, "home", registries.caller)]


@pytest.mark.parametrize("field", ["namespace", "trigger_namespace"])
@pytest.mark.parametrize("blank", ["", "  "])
def test_a_trigger_with_a_blank_namespace_is_refused(registries, field, blank):
    registries.apply(wire.RegisterTrigger("t", "hook", "f", **{field: blank}))
    assert registries.triggers.told == []
    message = f"`{field}` is empty: it was named and left blank. Give it a name, or omit it to use `default`."
    error = wire.ErrorBody("INVALID_NAMESPACE", message)
    assert registries.me.told == [Send(wire.TriggerRegistrationResult("t", "hook", "f", error))]


# --- providers in this process -----------------------------------------------------------------------------------------

REQUEST = RegisterTrigger(wire.RegisterTrigger("t", "hook", "f"), "home", None)


def a_binding(registries):
    provider = target_of("builtin", registries.provider, in_process=True)
    return Binding("the trigger", provider)


class OnceAsked(Probe):
    """Answers the first question with a binding, the following with None."""

    binding = None

    @handles(RegisterTrigger)
    def register(self, message):
        self.told.append(message)
        return None if message.accepted else self.binding

    @handles(UnregisterTrigger)
    def unregister(self, message):
        self.told.append(message)
        return True if message.released else self.binding


@pytest.fixture
def with_provider(registries, start):
    from dataclasses import replace

    registries.triggers = asked = OnceAsked()
    asked.binding = a_binding(registries)
    registries.core = replace(registries.core, triggers=start(asked))
    registries.registrations = Registrations(registries.core, registries.caller, registries.target)
    return registries


def test_it_is_asked_and_then_counted(with_provider):
    bind(with_provider.core, REQUEST)
    assert with_provider.provider.told == [BindTrigger("the trigger")]
    assert with_provider.triggers.told == [REQUEST, REQUEST._replace(accepted=True)]


def test_its_refusal_reaches_the_worker_and_changes_nothing(with_provider):
    with_provider.provider.answers[BindTrigger] = InvocationError("not like this")
    with_provider.apply(REQUEST.definition)
    error = wire.ErrorBody("trigger_registration_failed", "not like this")
    assert with_provider.me.told == [Send(wire.TriggerRegistrationResult("t", "hook", "f", error))]
    assert len(with_provider.triggers.told) == 1


def test_its_absence_is_a_refusal(with_provider):
    with_provider.provider.actor_ref.stop()
    with pytest.raises(TriggerRegistrationFailed):
        bind(with_provider.core, REQUEST)


def test_it_lets_go_first(with_provider):
    assert unbind(with_provider.core, "t") is True
    assert with_provider.provider.told == [UnbindTrigger("the trigger", final=True)]
    assert with_provider.triggers.told == [UnregisterTrigger("t"), UnregisterTrigger("t", released=True)]


def test_if_it_does_not_let_go_the_binding_stays(with_provider):
    with_provider.provider.answers[UnbindTrigger] = InvocationError("still needed")
    with pytest.raises(InvocationError):
        unbind(with_provider.core, "t")
    assert with_provider.triggers.told == [UnregisterTrigger("t")]


@pytest.mark.parametrize("there", [True, False])
def test_a_worker_s_binding_is_undone_at_once(registries, there):
    registries.triggers.answers[UnregisterTrigger] = there
    assert unbind(registries.core, "t") is there
