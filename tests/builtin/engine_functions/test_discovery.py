"""The announcers alone: no sockets, no engine, time moved by hand, the desk's part played by the test."""

import json

import pytest
from msgspec import Raw
from msgspec.structs import replace

from iii_actors.actor import LightActor, ask, handles, launch
from iii_actors.builtin.engine_functions.discovery import FunctionEvents, FunctionTable, ReadFunctions, WorkerEvents
from iii_actors.clock import ManualClock
from iii_actors.core.messages import BindTrigger, FunctionsChanged, Invoke, UnbindTrigger, WorkerEvent
from iii_actors.core.observing import Observing
from iii_actors.wire import messages as wire
from tests.support.records import function, named, trigger


class Registry(LightActor):
    """Stands for the function registry: keeps the calls."""

    def __init__(self):
        super().__init__()
        self.calls = []

    @handles(Invoke)
    def invoke(self, invoke):
        self.calls.append(invoke)

    def take(self):
        calls, self.calls = self.calls, []
        return [(invoke.call.function_id, json.loads(bytes(invoke.call.data))) for invoke in calls]


class Desk(LightActor):
    """Stands for the desk: answers at once with what it has been given, or later."""

    def __init__(self):
        super().__init__()
        self.functions = []
        self.asked = []
        self.prompt = True

    @handles(ReadFunctions)
    def read(self, request):
        self.asked.append(request)
        if self.prompt:
            self.reply(request)

    def reply(self, request, functions=None):
        functions = list(self.functions) if functions is None else functions
        request.reply_to.tell(FunctionTable(functions, named(w="owner"), request))


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def registry():
    actor = Registry()
    yield actor if launch(actor) else None
    actor.actor_ref.stop()


@pytest.fixture
def desk():
    actor = Desk()
    yield actor if launch(actor) else None
    actor.actor_ref.stop()


@pytest.fixture
def workers(registry):
    ref = launch(WorkerEvents(registry.actor_ref, Observing()))
    yield ref
    ref.stop()


@pytest.fixture
def events(registry, desk, clock):
    ref = launch(FunctionEvents(registry.actor_ref, desk.actor_ref, clock))
    yield ref
    if ref.is_alive():
        ref.stop()


def bind(ref, trigger_id="t", **members):
    ask(ref, BindTrigger(trigger(trigger_id, **members)))


def unbind(ref, trigger_id="t"):
    ask(ref, UnbindTrigger(trigger(trigger_id)))


# --- workers ----------------------------------------------------------------------------------------------------------


def test_an_event_is_a_call_of_the_engine_s_own(workers, registry):
    bind(workers, function_id="watch", namespace="x", metadata={"m": 1})
    ask(workers, WorkerEvent("worker_connected", "w1"))
    (invoke,) = registry.calls
    assert (invoke.namespace, invoke.reply_to, invoke.caller) == ("x", None, None)
    assert invoke.call.invocation_id == invoke.invocation_id
    assert (invoke.call.traceparent, invoke.call.baggage) == (None, None)
    assert bytes(invoke.call.metadata) == b'{"m":1}'
    assert registry.take() == [("watch", {"event": "worker_connected", "worker_id": "w1"})]


def test_metadata_that_is_absent_or_null_is_left_out(workers, registry):
    bind(workers)
    ask(workers, BindTrigger(trigger("n")))
    ask(workers, WorkerEvent("worker_connected", "w1"))
    assert [invoke.call.metadata for invoke in registry.calls] == [wire.ABSENT, wire.ABSENT]


def test_every_binding_gets_every_event_in_order(workers, registry):
    bind(workers, "t1", function_id="a")
    bind(workers, "t2", function_id="b")
    for event in ("worker_connected", "worker_metadata_updated", "worker_disconnected"):
        ask(workers, WorkerEvent(event, "w1"))
    calls = registry.take()
    assert [payload["event"] for function_id, payload in calls if function_id == "b"] == [
        "worker_connected",
        "worker_metadata_updated",
        "worker_disconnected",
    ]
    assert len(calls) == 6


def test_a_binding_repeated_replaces_the_one_of_its_id(workers, registry):
    bind(workers, function_id="old")
    bind(workers, function_id="new")
    ask(workers, WorkerEvent("worker_connected", "w1"))
    assert [function_id for function_id, _ in registry.take()] == ["new"]


def test_nothing_after_a_binding_was_given_back(workers, registry):
    bind(workers)
    unbind(workers)
    unbind(workers, "never there")
    ask(workers, WorkerEvent("worker_connected", "w1"))
    assert registry.take() == []


# --- functions: the whole list ----------------------------------------------------------------------------------------


def delivered(registry):
    """Ids of each delivery, in order."""
    return [sorted(row["function_id"] for row in payload["functions"]) for _, payload in registry.take()]


def change(events, desk, *ids):
    desk.functions = [function(one) for one in ids]
    ask(events, FunctionsChanged())


def test_a_binding_gets_the_complete_list_at_once(events, registry, desk):
    desk.functions = [
        function("engine::x", description="d"),
        function("b", metadata={"internal": True}),
        function("a", namespace="x"),
    ]
    bind(events, function_id="watch")
    ((function_id, payload),) = registry.take()
    assert function_id == "watch"
    assert payload == {
        "event": "functions_changed",
        "functions": [
            {"function_id": "engine::x", "namespace": "default", "worker_name": "owner", "description": "d"},
            {"function_id": "b", "namespace": "default", "worker_name": "owner", "metadata": {"internal": True}},
            {"function_id": "a", "namespace": "x", "worker_name": "owner"},
        ],
    }


def test_even_an_empty_list_is_delivered_on_binding(events, registry):
    bind(events)
    assert delivered(registry) == [[]]


def test_a_burst_is_delivered_once_two_tenths_of_a_second_after_its_last_change(events, registry, desk, clock):
    bind(events)
    registry.take()
    change(events, desk, "a")
    clock.advance(0.15)
    change(events, desk, "a", "b")
    clock.advance(0.15)
    assert delivered(registry) == []
    clock.advance(0.0501)
    assert delivered(registry) == [["a", "b"]]
    clock.advance(60.0)
    assert delivered(registry) == []


def test_while_changes_never_pause_there_is_a_delivery_every_five_seconds(events, registry, desk, clock):
    bind(events)
    registry.take()
    moments = []
    for n in range(110):
        change(events, desk, f"f{n}")
        clock.advance(0.1)
        moments += [clock.monotonic()] * len(delivered(registry))
    assert [round(moment, 1) for moment in moments] == [pytest.approx(5.0, abs=0.11), pytest.approx(10.1, abs=0.21)]


def test_the_same_set_is_not_delivered_again(events, registry, desk, clock):
    desk.functions = [function("a")]
    bind(events)
    registry.take()
    desk.functions = []
    ask(events, FunctionsChanged())
    desk.functions = [function("a", description="another")]
    ask(events, FunctionsChanged())
    clock.advance(1.0)
    assert len(desk.asked) == 2
    assert delivered(registry) == []


def test_a_namespace_makes_another_function(events, registry, desk, clock):
    desk.functions = [function("a")]
    bind(events)
    registry.take()
    desk.functions = [function("a", namespace="x")]
    ask(events, FunctionsChanged())
    clock.advance(1.0)
    assert delivered(registry) == [["a"]]


def test_without_subscribers_nobody_is_asked(events, desk, clock):
    change(events, desk, "a")
    clock.advance(10.0)
    assert desk.asked == []


def test_nothing_is_delivered_after_unbinding_even_if_it_was_due(events, registry, desk, clock):
    bind(events)
    registry.take()
    change(events, desk, "a")
    unbind(events)
    clock.advance(1.0)
    assert delivered(registry) == []


def test_nothing_is_delivered_after_unbinding_even_if_the_list_was_being_read(events, registry, desk):
    desk.prompt = False
    bind(events)
    unbind(events)
    desk.reply(desk.asked[0])
    assert delivered(registry) == []


def test_a_new_binding_s_snapshot_is_for_it_alone(events, registry, desk, clock):
    bind(events, "t1", function_id="first")
    change(events, desk, "a")
    registry.take()
    bind(events, "t2", function_id="second")
    assert [function_id for function_id, _ in registry.take()] == ["second"]
    clock.advance(0.2001)
    assert [function_id for function_id, _ in registry.take()] == ["first"], "the second has been told of it"


def test_a_list_read_before_the_binding_was_made_is_not_its_snapshot(events, registry, desk):
    desk.prompt = False
    bind(events, "t1")
    unbind(events, "t1")
    bind(events, "t2")
    older, newer = desk.asked
    desk.reply(older, [])
    assert delivered(registry) == []
    desk.reply(newer, [function("a")])
    assert delivered(registry) == [["a"]]


def test_binding_again_delivers_again(events, registry):
    bind(events)
    bind(events)
    assert delivered(registry) == [[], []]


def test_after_a_stop_the_clock_calls_nobody(events, desk, clock, caplog):
    bind(events)
    change(events, desk, "a")
    events.stop()
    clock.advance(10.0)
    assert len(desk.asked) == 1
    assert caplog.records == []


# --- functions: what came and went ------------------------------------------------------------------------------------


def test_a_binding_may_ask_for_differences(events, registry, desk, clock):
    desk.functions = [function("b"), function("a", namespace="x")]
    bind(events, config={"delta": True})
    ((_, first),) = registry.take()
    assert first == {
        "event": "functions_changed",
        "added": [
            {"function_id": "b", "namespace": "default", "worker_name": "owner"},
            {"function_id": "a", "namespace": "x", "worker_name": "owner"},
        ],
        "removed": [],
    }
    desk.functions = [function("b"), function("c", description="new")]
    ask(events, FunctionsChanged())
    clock.advance(0.2001)
    ((_, second),) = registry.take()
    assert second == {
        "event": "functions_changed",
        "added": [{"function_id": "c", "namespace": "default", "worker_name": "owner", "description": "new"}],
        "removed": [{"function_id": "a", "namespace": "x"}],
    }


def test_both_kinds_side_by_side(events, registry, desk, clock):
    bind(events, "whole", function_id="whole")
    bind(events, "delta", function_id="delta", config={"delta": True})
    registry.take()
    change(events, desk, "a")
    clock.advance(0.2001)
    payloads = dict(registry.take())
    assert [row["function_id"] for row in payloads["whole"]["functions"]] == ["a"]
    assert [row["function_id"] for row in payloads["delta"]["added"]] == ["a"]


@pytest.mark.parametrize("config", [None, {}, {"delta": False}, {"delta": 1}, {"delta": "true"}, [True], "delta", 7])
def test_any_other_configuration_is_ignored(events, registry, config):
    bind(events, config=config)
    ((_, payload),) = registry.take()
    assert "functions" in payload


def test_a_configuration_that_cannot_be_read_is_ignored(events, registry):
    ask(events, BindTrigger(replace(trigger("t"), config=Raw(b'{"delta":1e400}'))))
    assert delivered(registry) == [[]]
