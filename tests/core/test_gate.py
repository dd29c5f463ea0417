"""iii_actors.core.gate: which way a call goes once its function is known; the registries are probes."""

import pytest

from iii_actors.access.policy import Policy
from iii_actors.clock import ManualClock
from iii_actors.config import EngineConfig
from iii_actors.core.functions import Function
from iii_actors.core.gate import Gate, Mediate, Word
from iii_actors.core.messages import Caller, Completed, Enqueue, Invoke, Target
from iii_actors.core.queries import LookedUp
from iii_actors.core.refs import Core
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

ID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def world(probe, start):
    class World:
        functions, connection, enqueue, other = probe(), probe(), probe(), probe()
        core = Core(
            ManualClock(), functions.actor_ref, *[other.actor_ref] * 5, enqueue.actor_ref, namespace_grace_s=5.0
        )
        gate = start(Gate(core))

    return World


def access(middleware=None, **rbac):
    [settings] = EngineConfig.listening(middleware_function_id=middleware, rbac=rbac or None).listeners()
    return Policy(settings).unrestricted()


def mediate(world, rights, function_id="f", *, awaited=True, action=None):
    caller = Caller("w", world.connection.actor_ref, b"member", rights)
    call = wire.InvokeFunction(function_id, ID, "t", "b", action, metadata=raw([1]), data=raw({"a": 1}))
    return Mediate(Invoke(call, "ns", ID, caller.ref if awaited else None, caller), rights)


def registered(world, function_id="f", metadata=None, *, in_process=False):
    definition = wire.RegisterFunction(function_id, metadata=raw(metadata))
    return Function("ns", function_id, definition, Target("owner", world.other.actor_ref, in_process))


GOLD = {"expose_functions": [{"metadata": {"gold": True}, "namespace": "ns"}]}


@pytest.mark.parametrize(("metadata", "passes"), [({"gold": True}, True), ({"gold": 1}, False), (None, False)])
@pytest.mark.parametrize("awaited", [True, False])
def test_metadata_decides(world, metadata, passes, awaited):
    request = mediate(world, access(**GOLD), awaited=awaited)
    world.gate.tell(LookedUp(registered(world, metadata=metadata), request))
    if passes:
        assert world.functions.take() == [request.invoke]
        assert world.connection.take() == []
    else:
        [refusal] = world.connection.take()
        assert (refusal.error.code, refusal.invoke.invocation_id) == ("FORBIDDEN", ID)
        assert (refusal.invoke.caller is not None) is awaited, "counted exactly if it is awaited"
        assert world.functions.take() == []


def test_a_function_that_is_not_there_has_no_metadata(world):
    world.gate.tell(LookedUp(None, mediate(world, access(**GOLD))))
    assert world.connection.take()[0].error.code == "FORBIDDEN"


@pytest.mark.parametrize(
    ("function_id", "found", "mediated"),
    [
        ("f", "socket", True),
        ("f", "in process", True),
        ("f", None, True),
        ("engine::x", "socket", True),
        ("engine::x", "in process", False),
        ("engine::x", None, False),
    ],
)
def test_the_middleware_takes_what_is_not_the_engines_own(world, function_id, found, mediated):
    rights = access("mw")
    function = registered(world, function_id, in_process=found == "in process") if found else None
    request = mediate(world, rights, function_id)
    world.gate.tell(LookedUp(function, request))
    [invoke] = world.functions.take()
    assert (invoke.call.function_id == "mw") is mediated
    assert (invoke is request.invoke) is not mediated


def test_what_the_middleware_is_told(world):
    world.gate.tell(mediate(world, access("mw"), action=wire.Enqueue("q")))
    [invoke] = world.functions.take()
    assert (invoke.namespace, invoke.internal, invoke.reply_to) == ("ns", True, world.gate)
    assert invoke.caller.member == b"", "nothing is spliced into its payload"
    assert invoke.invocation_id != ID
    call = invoke.call
    assert (call.traceparent, call.baggage, bytes(call.metadata)) == ("t", "b", b"[1]")
    assert bytes(call.data) == (
        b'{"function_id":"f","payload":{"a":1},"action":{"type":"enqueue","queue":"q"},"context":{},"namespace":"ns"}'
    )


@pytest.mark.parametrize("awaited", [True, False])
def test_its_answer_is_the_calls(world, awaited):
    request = mediate(world, access("mw"), awaited=awaited)
    world.gate.tell(request)
    [invoke] = world.functions.take()
    world.gate.tell(Completed(invoke, raw("answer"), None))
    [completed] = world.connection.take()
    assert (completed.invoke.call, completed.invoke.invocation_id) == (request.invoke.call, ID)
    assert bytes(completed.result) == b'"answer"'
    assert (completed.invoke.caller is not None) is awaited


def test_a_permitted_call_goes_by_its_action(world):
    request = mediate(world, access(**GOLD), action=wire.Enqueue("q"))
    world.gate.tell(LookedUp(registered(world, metadata={"gold": True}), request))
    assert world.enqueue.take() == [Enqueue(request.invoke, request.invoke.call.action)]
    assert world.functions.take() == []


def test_who_waits_is_woken_and_a_late_outcome_harms_nobody(world):
    word = Word()
    invoke = Invoke(wire.InvokeFunction("hook", ID), "default", ID, world.gate, None, context=word)
    word.expire()
    assert word.spoken.is_set()
    assert word.completed is None
    world.gate.tell(Completed(invoke, raw({}), None))
    assert bytes(word.completed.result) == b"{}"


def test_a_connection_that_has_gone_is_not_told(world):
    request = mediate(world, access(**GOLD))
    world.connection.actor_ref.stop()
    world.gate.tell(LookedUp(None, request))
    assert world.gate.is_alive()
