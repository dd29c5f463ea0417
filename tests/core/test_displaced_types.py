"""A built-in trigger type that a worker takes over, and gets no worse by it (core.md §6.1)."""

import pytest

from iii_actors.actor import LightActor, ask, handles
from iii_actors.core.messages import (
    AcknowledgeTrigger,
    BindTrigger,
    ListTriggers,
    ListTriggerTypes,
    RegisterTrigger,
    RegisterTriggerType,
    RemoveTriggersOf,
    Send,
    Target,
    UnbindTrigger,
)
from iii_actors.core.triggers import Triggers
from iii_actors.wire import messages as wire

DEFINITION = wire.RegisterTriggerType("type", "")


class Provider(LightActor):
    def __init__(self):
        super().__init__()
        self.told = []

    @handles(BindTrigger)
    def bind(self, request):
        self.told.append(request.trigger.id)

    @handles(UnbindTrigger)
    def unbind(self, request):
        self.told.append(f"-{request.trigger.id}")

    @handles(Send)
    def send(self, send):
        self.told.append(send.message)


@pytest.mark.parametrize("refused", [False, True])
def test_it_comes_back_when_that_worker_leaves(start, refused):
    """So do other workers' bindings, also one that the worker had refused."""
    triggers, builtin = start(Triggers()), Provider()
    home = Target("builtin", start(builtin), True)
    ask(triggers, RegisterTriggerType("default", DEFINITION, home))
    ask(triggers, RegisterTrigger(wire.RegisterTrigger("t", "type", "f"), "default", None, accepted=True))
    ask(triggers, RegisterTriggerType("default", DEFINITION, Target("worker", start(Provider()))))
    if refused:
        refusal = wire.TriggerRegistrationResult("t", "type", "f", wire.ErrorBody("no", "no"))
        triggers.tell(AcknowledgeTrigger("worker", refusal))
        assert ask(triggers, ListTriggers()) == []
    ask(triggers, RemoveTriggersOf("worker"))
    assert builtin.told == ["-t", "t"]
    assert [one.provider for one in ask(triggers, ListTriggerTypes())] == [home]
    assert [one.id for one in ask(triggers, ListTriggers())] == ["t"]


def test_two_workers_one_after_the_other(start):
    triggers, builtin = start(Triggers()), Provider()
    home = Target("builtin", start(builtin), True)
    ask(triggers, RegisterTriggerType("default", DEFINITION, home))
    for name in ("first", "second"):
        ask(triggers, RegisterTriggerType("default", DEFINITION, Target(name, start(Provider()))))
    ask(triggers, RemoveTriggersOf("first"))
    assert [one.provider.worker_id for one in ask(triggers, ListTriggerTypes())] == ["second"]
    ask(triggers, RemoveTriggersOf("second"))
    assert [one.provider for one in ask(triggers, ListTriggerTypes())] == [home]
