"""Bindings by function call on a type that an actor of this process serves; socket providers: see the conformance tests."""

import pytest

from iii_actors.actor import LightActor, ask, handles, launch
from iii_actors.core.messages import BindTrigger, RegisterTriggerType, Target, UnbindTrigger
from iii_actors.errors import InvocationError
from iii_actors.wire import messages as wire
from tests.support.asking import ids, refusal


class Provider(LightActor):
    def __init__(self):
        super().__init__()
        self.refuses = set()

    @handles(BindTrigger)
    def bind(self, request):
        if "bind" in self.refuses:
            raise InvocationError("bad path")

    @handles(UnbindTrigger)
    def unbind(self, request):
        if "unbind" in self.refuses:
            raise InvocationError("in use")


@pytest.fixture
def provider(engine):
    actor = Provider()
    ref = launch(actor)
    definition = wire.RegisterTriggerType("route", "d")
    ask(engine.core.triggers, RegisterTriggerType("default", definition, Target("built-in", ref, in_process=True)))
    yield actor
    if ref.is_alive():
        ref.stop()


WISH = {"trigger_type": "route", "function_id": "f"}


def test_made_and_removed(worker, provider):
    peer = worker()
    trigger_id = peer.call("engine::register_trigger", WISH)["id"]
    assert ids(peer, "registered-triggers") == [trigger_id]
    assert peer.call("engine::unregister_trigger", {"id": trigger_id}) == {"removed": True}
    assert ids(peer, "registered-triggers") == []


def test_refused_it_does_not_stay(worker, provider):
    provider.refuses.add("bind")
    peer = worker()
    assert refusal(peer, "engine::register_trigger", WISH) == {
        "code": "trigger_registration_failed",
        "message": "bad path",
    }
    assert ids(peer, "registered-triggers") == []


def test_a_provider_that_is_gone_refuses(worker, provider):
    provider.actor_ref.stop()
    error = refusal(worker(), "engine::register_trigger", WISH)
    assert error == {"code": "trigger_registration_failed", "message": "built-in does not answer"}


def test_what_the_provider_does_not_let_go_stays(worker, provider):
    provider.refuses.add("unbind")
    peer = worker()
    trigger_id = peer.call("engine::register_trigger", WISH)["id"]
    assert refusal(peer, "engine::unregister_trigger", {"id": trigger_id}) == {
        "code": "unregister_failed",
        "message": "in use",
    }
    assert ids(peer, "registered-triggers") == [trigger_id]


def test_a_provider_that_is_gone_lets_nothing_go(worker, provider):
    peer = worker()
    trigger_id = peer.call("engine::register_trigger", WISH)["id"]
    provider.actor_ref.stop()
    error = refusal(peer, "engine::unregister_trigger", {"id": trigger_id})
    assert error == {"code": "unregister_failed", "message": "the provider of its type does not answer"}
