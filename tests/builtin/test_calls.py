"""Calls that built-in workers make: outcomes, firing, and the rule for conditions (http.md §7)."""

import logging

import pytest
from msgspec import Raw

from iii_actors.actor import LightActor, handles, launch
from iii_actors.builtin.calls import Calls, condition_of, fire
from iii_actors.core.messages import Completed, Invoke
from iii_actors.core.refs import Core
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.records import trigger

PAYLOAD = raw({"n": 1})


class Registry(LightActor):
    """Stands for the function registry: keeps the calls, for the test to answer."""

    def __init__(self):
        super().__init__()
        self.calls = []

    @handles(Invoke)
    def invoke(self, invoke):
        self.calls.append(invoke)

    def answer(self, result=wire.ABSENT, error=None):
        invoke = self.calls.pop(0)
        invoke.reply_to.tell(Completed(invoke, result, error))


@pytest.fixture
def registry():
    actor = Registry()
    launch(actor)
    yield actor
    actor.actor_ref.stop()


@pytest.fixture
def calls(registry):
    ref = registry.actor_ref
    made = Calls(Core(None, ref, ref, ref, ref, ref, ref, ref, 5.0))
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("config", "condition"),
    [
        ({"condition_function_id": "may"}, "may"),
        ({"condition_function_id": ""}, ""),
        ({"condition_function_id": None}, None),
        ({"condition_function_id": 5}, None),
        ({}, None),
        (None, None),
        ([], None),
        ("text", None),
    ],
)
def test_the_condition_that_a_configuration_names(config, condition):
    assert condition_of(raw(config)) == condition


def test_a_configuration_that_is_no_json_names_no_condition():
    assert condition_of(Raw(b"{")) is None
    assert condition_of(Raw(b"[" * 100_000)) is None


def test_firing_is_a_call_of_the_engine_s_own_that_nobody_waits_for(registry):
    fire(registry.actor_ref, trigger("t", function_id="f", namespace="x", metadata={"m": 1}), PAYLOAD)
    (invoke,) = registry.calls
    assert (invoke.call.function_id, invoke.namespace, invoke.reply_to, invoke.caller) == ("f", "x", None, None)
    assert (bytes(invoke.call.data), bytes(invoke.call.metadata)) == (b'{"n":1}', b'{"m":1}')


def test_a_call_s_outcome_comes_to_whoever_made_it(calls, registry):
    outcomes = []
    own_id = calls.call(
        "f", PAYLOAD, lambda *outcome: outcomes.append(outcome), namespace="x", traceparent="00-ab-cd-01"
    )
    (invoke,) = registry.calls
    assert (invoke.invocation_id, invoke.call.invocation_id, invoke.namespace) == (own_id, own_id, "x")
    assert invoke.call.traceparent == "00-ab-cd-01"
    error = wire.ErrorBody("oops", "it broke")
    registry.answer(error=error)
    calls.call("g", PAYLOAD, lambda *outcome: outcomes.append(outcome))
    registry.answer(Raw(b"2"))
    assert [(bytes(memoryview(result)), failed) for result, failed in outcomes] == [(b"", error), (b"2", None)]


def test_without_a_condition_the_function_is_called_at_once(calls, registry):
    calls.fire(trigger("t", function_id="f"), PAYLOAD)
    assert [one.call.function_id for one in registry.calls] == ["f"]


def test_a_condition_is_asked_with_the_same_payload_and_without_metadata(calls, registry):
    calls.fire(trigger("t", function_id="f", namespace="x", metadata={"m": 1}), PAYLOAD, "may")
    (asked,) = registry.calls
    assert (asked.call.function_id, asked.namespace, bytes(asked.call.data)) == ("may", "x", b'{"n":1}')
    assert asked.call.metadata is wire.ABSENT


@pytest.mark.parametrize("answer", [b"true", b"null", b"", b"0", b'"false"', b"{}", b"[false]"])
def test_any_answer_but_false_calls_the_function(calls, registry, answer):
    calls.fire(trigger("t", function_id="f", metadata={"m": 1}), PAYLOAD, "may")
    registry.answer(Raw(answer) if answer else wire.ABSENT)
    (invoke,) = registry.calls
    assert (invoke.call.function_id, bytes(invoke.call.data), bytes(invoke.call.metadata)) == (
        "f",
        b'{"n":1}',
        b'{"m":1}',
    )


def test_exactly_false_does_not(calls, registry, caplog):
    calls.fire(trigger("t", function_id="f"), PAYLOAD, "may")
    registry.answer(Raw(b"false"))
    assert registry.calls == []
    assert caplog.records == []


@pytest.mark.parametrize("error", [("oops", "it broke"), ("function_not_found", "Function may not found")])
def test_a_condition_that_fails_or_is_unknown_does_not_either_and_is_logged(calls, registry, caplog, error):
    caplog.set_level(logging.WARNING)
    calls.fire(trigger("t", "cron", function_id="f"), PAYLOAD, "may")
    registry.answer(error=wire.ErrorBody(*error))
    assert registry.calls == []
    assert f"Trigger t (cron): its condition may failed, so f is not called: {error[0]}: {error[1]}" in caplog.text


def test_after_a_stop_outcomes_are_dropped(calls, registry):
    outcomes = []
    calls.call("f", PAYLOAD, lambda *outcome: outcomes.append(outcome))
    (invoke,) = registry.calls
    calls.stop()
    assert not invoke.reply_to.is_alive()
    assert outcomes == []
