"""iii_actors.core.invocations: every call in flight, from filing to its one outcome (core.md §7.3, §7.4, §3.6-4)."""

import itertools

import pytest
from msgspec import Raw

from iii_actors.actor import ask
from iii_actors.core import groups
from iii_actors.core import invocations as module
from iii_actors.core.functions import Function
from iii_actors.core.invocations import Invocations
from iii_actors.core.messages import Answer, CountCalls, Forward, Halt, Invoke, ListCalls
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.probe import caller_of, target_of

STOPPED = wire.ErrorBody("invocation_stopped", "Invocation stopped")


class Tracker:
    def __init__(self, start, probe):
        self.ref = start(Invocations())
        self.workers = {name: probe() for name in ("caller", "other", "callee", "second")}
        self._numbers = itertools.count(1)

    def call(self, caller="caller", callee="callee", call_id=None, reply=True, group=None):
        call_id = call_id or f"00000000-0000-4000-8000-{next(self._numbers):012x}"
        who = caller_of(caller, self.workers[caller]) if caller else None
        invoke = Invoke(wire.InvokeFunction("f", call_id), "default", call_id, who.ref if who and reply else None, who)
        target = target_of(callee, self.workers[callee])
        self.ref.tell(Forward(invoke, Function("default", "f", wire.RegisterFunction("f"), target, group), target))
        return call_id

    def answer(self, call_id, result=wire.NULL, error=None):
        self.ref.tell(wire.InvocationResult(call_id, "anything", error=error, result=result))

    def outcomes(self, name="caller"):
        return [(one.invoke.invocation_id, bytes(one.result), one.error) for one in self.workers[name].take()]

    def counts(self):
        return ask(self.ref, CountCalls())


@pytest.fixture
def tracker(start, probe):
    return Tracker(start, probe)


def test_a_call_is_filed_and_forwarded(tracker):
    call_id = tracker.call()
    [forward] = tracker.workers["callee"].take()
    assert forward.invoke.invocation_id == call_id
    assert tracker.counts() == {"caller": 1, "callee": 1}
    assert ask(tracker.ref, ListCalls("callee")) == [call_id]
    assert ask(tracker.ref, ListCalls("nobody")) == []


def test_an_answer_ends_the_call_once(tracker):
    call_id = tracker.call()
    tracker.answer(call_id, raw({"a": 1}))
    tracker.answer(call_id, raw(2))
    assert tracker.outcomes() == [(call_id, b'{"a":1}', None)]
    assert tracker.counts() == {}


def test_a_call_is_filed_before_it_is_forwarded(tracker, start):
    """The callee answers while it is being told: the answer finds the call."""

    class Quick(type(tracker.workers["callee"])):
        def on_receive(self, message):
            tracker.answer(message.invoke.invocation_id, raw("at once"))

    tracker.workers["callee"] = quick = Quick()
    start(quick)
    call_id = tracker.call()
    assert tracker.outcomes() == [(call_id, b'"at once"', None)]


@pytest.mark.parametrize(("result", "sent"), [(b"null", b""), (b"", b""), (b"0", b"0"), (b'"null"', b'"null"')])
def test_a_worker_s_null_travels_on_as_absence(tracker, result, sent):
    call_id = tracker.call()
    tracker.answer(call_id, Raw(result) if result else wire.ABSENT)
    assert tracker.outcomes() == [(call_id, sent, None)]


def test_an_in_process_null_stays(tracker):
    call_id = tracker.call()
    tracker.ref.tell(Answer(call_id, wire.NULL))
    assert tracker.outcomes() == [(call_id, b"null", None)]


def test_errors_reach_the_caller_whole(tracker):
    error = wire.ErrorBody("custom", "text", "trace")
    first, second, third = tracker.call(), tracker.call(), tracker.call()
    tracker.answer(first, error=error)
    tracker.ref.tell(Answer(second, wire.ABSENT, error))
    tracker.ref.tell(Answer(third, wire.ABSENT, error))
    assert [(call_id, one) for call_id, _, one in tracker.outcomes()] == [
        (first, error), (second, error), (third, error),
    ]  # fmt: skip


def test_unknown_and_late_answers_are_ignored(tracker):
    unknown = "00000000-0000-4000-8000-00000000ffff"
    tracker.answer(unknown)
    tracker.ref.tell(Answer(unknown, wire.NULL))
    tracker.ref.tell(Answer(unknown, wire.ABSENT, STOPPED))
    assert ask(tracker.ref, CountCalls()) == {}


def test_an_id_still_pending_is_taken_over(tracker):
    call_id = tracker.call()
    tracker.call("other", call_id=call_id)
    assert tracker.outcomes() == [(call_id, b"", wire.ErrorBody("invocation_error", "channel closed"))]
    tracker.answer(call_id, raw(1))
    tracker.answer(call_id, raw(2))
    assert tracker.outcomes("other") == [(call_id, b"1", None)]
    assert tracker.outcomes() == []
    assert tracker.counts() == {}


def test_a_leaving_callee_stops_its_calls_and_no_others(tracker):
    mine, others = tracker.call(), tracker.call(callee="second")
    ask(tracker.ref, Halt("callee"))
    assert tracker.outcomes() == [(mine, b"", STOPPED)]
    assert tracker.counts() == {"caller": 1, "second": 1}
    tracker.answer(mine)
    tracker.answer(others, raw(1))
    assert tracker.outcomes() == [(others, b"1", None)]


def test_a_leaving_caller_s_callees_are_told_nothing(tracker):
    call_id = tracker.call()
    tracker.workers["callee"].take()
    ask(tracker.ref, Halt("caller"))
    assert tracker.workers["callee"].take() == []
    tracker.answer(call_id)
    assert tracker.counts() == {}


def test_a_worker_that_calls_itself(tracker):
    call_id = tracker.call("callee", "callee")
    assert tracker.counts() == {"callee": 1}
    ask(tracker.ref, Halt("callee"))
    [_, completed] = tracker.workers["callee"].take()
    assert (completed.invoke.invocation_id, completed.error) == (call_id, STOPPED)
    assert tracker.counts() == {}


def test_a_void_call_ends_silently(tracker):
    call_id = tracker.call(reply=False)
    assert tracker.counts() == {"caller": 1, "callee": 1}
    tracker.answer(call_id)
    assert tracker.outcomes() == []
    assert tracker.counts() == {}


def test_a_callee_that_has_stopped_cannot_be_sent_to(tracker):
    tracker.workers["callee"].actor_ref.stop()
    call_id = tracker.call()
    assert tracker.outcomes() == [(call_id, b"", wire.ErrorBody("channel_send_failed", "channel closed"))]
    assert tracker.counts() == {}


def test_one_caller_cannot_fill_the_table(tracker, monkeypatch):
    monkeypatch.setattr(module, "MAX_CALLS_PENDING_PER_WORKER", 2)
    first, _ = tracker.call(), tracker.call()
    third = tracker.call()
    [(call_id, _, error)] = tracker.outcomes()
    assert (call_id, error.code) == (third, "invocation_error")
    assert len(tracker.workers["callee"].take()) == 2
    tracker.answer(first)
    tracker.call()
    assert len(tracker.workers["callee"].take()) == 1
    tracker.call("other")
    assert len(tracker.workers["callee"].take()) == 1


def test_least_busy_goes_to_whoever_has_least_to_do(tracker):
    definition = wire.RegisterFunction("f", metadata=raw({"group": "least_busy"}))
    members = [groups.member(definition, target_of(name, tracker.workers[name])) for name in ("callee", "second")]
    group = groups.found(members[0]).with_member(members[1])
    calls = [tracker.call(group=group) for _ in range(4)]
    assert [len(tracker.workers[name].take()) for name in ("callee", "second")] == [2, 2]
    tracker.answer(calls[1])
    tracker.answer(calls[3])
    tracker.call(group=group)
    tracker.call(group=group)
    assert [len(tracker.workers[name].take()) for name in ("callee", "second")] == [0, 2]


def test_a_worker_that_never_answers_is_not_sent_without_end(tracker, monkeypatch):
    monkeypatch.setattr(module, "MAX_CALLS_AT_WORKER", 2)
    answered, _ = tracker.call(), tracker.call("other")
    refused = tracker.call("other")
    assert len(tracker.workers["callee"].take()) == 2
    assert [(call_id, error.code) for call_id, _, error in tracker.outcomes("other")] == [(refused, "invocation_error")]
    tracker.answer(answered)
    tracker.call("other")
    assert len(tracker.workers["callee"].take()) == 1
