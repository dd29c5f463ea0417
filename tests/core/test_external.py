"""The core's side of functions that are invoked over HTTP; the provider is a stand-in."""

import pytest

from iii_actors.actor import ask
from iii_actors.core.external import FindExternal, ServeExternal, WithdrawExternal
from iii_actors.core.functions import Functions
from iii_actors.core.messages import (
    FindFunction,
    Forward,
    FunctionsOf,
    Invoke,
    ListFunctions,
    RegisterFunction,
    RemoveFunctionsOf,
    Target,
    UnregisterFunction,
)
from iii_actors.core.registrations import Registrations
from iii_actors.errors import ConfigError, InvocationError
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.probe import Watcher, caller_of, target_of


class Provider:
    """Takes every function, or refuses with an error."""

    def __init__(self, probe):
        self.actor = probe()
        self.refusal = None
        self.prepared = []

    @property
    def ref(self):
        return self.actor.actor_ref

    def prepare(self, definition):
        self.prepared.append(definition)
        if self.refusal is not None:
            raise self.refusal
        return f"endpoint of {definition.id}"


class House:
    """A function registry, and two workers that register through the core's own code."""

    def __init__(self, probe, start):
        self.invocations, self.services = probe(), probe()
        self.functions = start(Functions(self.invocations.actor_ref, self.services.actor_ref))
        self.core = type("Core", (), {"functions": self.functions})
        self.connections = {name: probe() for name in ("me", "you")}
        self.registrations = {
            name: Registrations(self.core, caller_of(name, actor), target_of(name, actor))
            for name, actor in self.connections.items()
        }

    def register(self, function_id, who="me", invocation=None, metadata=None):
        definition = wire.RegisterFunction(
            function_id,
            metadata=wire.ABSENT if metadata is None else raw(metadata),
            invocation=wire.ABSENT if invocation is None else raw(invocation),
        )
        self.registrations[who].apply(definition, "default")

    def target(self, function_id):
        found, _ = ask(self.functions, FindFunction(function_id, "default"))
        return found.target if found is not None else None


@pytest.fixture
def house(probe, start):
    return House(probe, start)


@pytest.fixture
def provider(probe, house):
    made = Provider(probe)
    ask(house.functions, ServeExternal(made))
    return made


def test_a_function_is_its_worker_s_and_its_calls_go_to_the_provider(house, provider):
    house.register("f", invocation={"url": 1})
    assert house.target("f") == Target("me", provider.ref, False, "endpoint of f")
    call = Invoke(wire.InvokeFunction("f"), "default", "i", None, None)
    house.functions.tell(call)
    (forward,) = house.invocations.of(Forward)
    assert forward.target == house.target("f")


def test_without_an_invocation_the_provider_is_not_asked(house, provider):
    house.register("f")
    assert house.target("f").endpoint is None
    assert provider.prepared == []


def test_what_the_provider_refuses_is_logged_only(house, provider, caplog):
    provider.refusal = InvocationError("not like this")
    house.register("f", invocation={})
    assert house.target("f") is None
    assert house.connections["me"].told == []
    assert "not registered: not like this" in caplog.text


def test_without_a_provider_it_is_logged_only(house, caplog):
    house.register("f", invocation={})
    assert house.target("f") is None
    assert "needs iii-http-functions" in caplog.text


def test_a_conflict_is_told(house, provider):
    house.register("f", "you")
    house.register("f", invocation={})
    assert house.connections["me"].told[0].message.owner_worker_id == "you"
    assert house.target("f").worker_id == "you"


def test_unregistering_and_leaving(house, provider):
    house.register("f", invocation={})
    assert ask(house.functions, UnregisterFunction("default", "f", "you")) is False
    assert ask(house.functions, UnregisterFunction("default", "f", "me")) is True
    house.register("f", invocation={})
    ask(house.functions, RemoveFunctionsOf("me"))
    assert ask(house.functions, ListFunctions()) == []


def test_a_leaving_worker_s_own_functions_go_first(house, provider):
    for n in range(20):
        house.register(f"s::{n}", invocation={} if n % 2 else None)
    house.services.take()
    ask(house.functions, RemoveFunctionsOf("me"))
    gone = [int(change.function_ids[0].removeprefix("s::")) % 2 for change in house.services.told]
    assert gone == [0] * 10 + [1] * 10


def test_a_group_of_both_kinds(house, provider):
    house.register("f", "you", metadata={"group": "round_robin"})
    house.register("f", metadata={"group": "round_robin"}, invocation={})
    for _ in range(2):
        house.functions.tell(Invoke(wire.InvokeFunction("f"), "default", "i", None, None))
    assert {forward.target.worker_id: forward.target.endpoint for forward in house.invocations.of(Forward)} == {
        "you": None, "me": "endpoint of f",
    }  # fmt: skip
    ask(house.functions, WithdrawExternal(provider))
    assert house.target("f").worker_id == "you"
    assert ask(house.functions, FunctionsOf("me")) == []


def test_the_provider_leaves_with_what_it_serves(house, provider):
    house.register("f", invocation={})
    house.register("g")
    ask(house.functions, WithdrawExternal(Provider(Watcher)))
    assert house.target("f") is not None
    ask(house.functions, WithdrawExternal(provider))
    assert ask(house.functions, FindExternal()) is None
    assert [one.function_id for one in ask(house.functions, ListFunctions())] == ["g"]
    assert ask(house.functions, UnregisterFunction("default", "f", "me")) is False


def test_who_leaves_while_it_prepares_gets_nothing(house, provider):
    prepared = Target("me", provider.ref, False, "endpoint")
    ask(house.functions, WithdrawExternal(provider))
    assert ask(house.functions, RegisterFunction("default", wire.RegisterFunction("f"), prepared)) is None
    assert house.target("f") is None


def test_there_is_one_provider(house, provider, probe):
    with pytest.raises(ConfigError, match="keep one entry"):
        ask(house.functions, ServeExternal(Provider(probe)))
    assert ask(house.functions, FindExternal()) is provider
