"""The scheduler alone: firing, overlapping, conditions, locks; time moved by hand (cron.md §4)."""

import json
import logging

import pytest

from iii_actors.actor import ask, stats
from iii_actors.builtin.cron import scheduler as module
from iii_actors.builtin.cron.scheduler import UseLocks
from iii_actors.core.messages import AcknowledgeTrigger
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.limits import CRON_FAILURES_LOGGED_PER_S
from iii_actors.wire import messages as wire
from tests.support.probe import Probe

FAILED = ("oops", "it broke")


# --- firing -----------------------------------------------------------------------------------------------------------


def test_a_tick_is_a_call_with_the_trigger_s_metadata_in_its_namespace(stage):
    stage.bind("job", "*/2 * * * * *", "work", namespace="x", metadata={"m": 1})
    stage.pass_time(1)
    assert stage.registry.calls == []
    stage.pass_time(1)
    (invoke,) = stage.registry.calls
    assert (invoke.call.function_id, invoke.namespace, invoke.caller) == ("work", "x", None)
    assert bytes(invoke.call.metadata) == b'{"m":1}'
    assert json.loads(bytes(invoke.call.data)) == {
        "trigger": "cron",
        "job_id": "job",
        "scheduled_time": "2026-01-01T00:00:02+00:00",
        "actual_time": "2026-01-01T00:00:02.000000+00:00",
    }


def test_a_tick_between_two_looks_is_fired_to_the_moment(stage):
    stage.clock.set(stage.clock.now() + 0.25)
    stage.bind()
    stage.clock.advance(0.74)
    stage.sync()
    assert stage.registry.calls == []
    stage.clock.advance(0.02)
    stage.sync()
    assert stage.take() == [("f", 1)]


def test_jobs_are_independent_even_on_one_function(stage):
    stage.bind("a")
    stage.bind("b")
    stage.bind("c", "*/2 * * * * *")
    stage.pass_time(1)
    assert stage.take() == [("f", 1), ("f", 1)]
    stage.pass_time(1)
    assert stage.take() == [("f", 2)], "a and b have not ended"


def test_the_next_tick_comes_when_the_run_has_ended(stage):
    stage.bind()
    for second in (1, 2, 3):
        stage.pass_time(1)
        stage.answer("whatever")
        assert stage.locks.log == [("take", "job", second), ("release", "job")]
        stage.locks.log.clear()


def test_ticks_that_pass_during_a_run_are_dropped(stage):
    stage.bind()
    stage.pass_time(1)
    stage.pass_time(2.4, by=0.2)
    assert stage.due(stage.answer()) == 1
    assert stage.take() == []
    stage.pass_time(0.6, by=0.2)
    assert stage.take() == [("f", 4)]


@pytest.mark.parametrize("error", [FAILED, ("function_not_found", "no"), ("invocation_stopped", "gone")])
def test_a_run_that_fails_is_logged_and_the_schedule_goes_on(stage, caplog, error):
    stage.bind()
    stage.pass_time(1)
    stage.answer(error=error)
    assert f"Cron job job: f failed: {error[0]}: {error[1]}" in caplog.text
    stage.pass_time(1)
    assert stage.take() == [("f", 2)]


def test_failures_beyond_a_number_a_second_are_counted_and_not_logged(stage, caplog):
    for at in range(CRON_FAILURES_LOGGED_PER_S + 3):
        stage.bind(f"job{at}")
    stage.pass_time(1)
    for _ in range(CRON_FAILURES_LOGGED_PER_S + 3):
        stage.answer(error=FAILED)
    assert caplog.text.count(" failed: ") == CRON_FAILURES_LOGGED_PER_S
    assert "more runs failed" not in caplog.text
    caplog.clear()
    stage.pass_time(1)
    stage.answer(error=FAILED)
    assert "iii-cron: 3 more runs failed" in caplog.text
    assert caplog.text.count(" failed: ") == 1


# --- conditions -------------------------------------------------------------------------------------------------------


def conditioned(stage):
    stage.bind(config={"condition_function_id": "may"}, namespace="x", metadata={"m": 1})
    stage.pass_time(1)
    (asked,) = stage.registry.calls
    assert (asked.call.function_id, asked.namespace) == ("may", "x")
    assert asked.call.metadata is wire.ABSENT
    return asked


@pytest.mark.parametrize("answer", [b"true", b"null", b"0", b'"false"', b"{}", b""])
def test_any_answer_of_a_condition_but_false_lets_the_run_go_on(stage, answer):
    asked = conditioned(stage)
    stage.answer_raw(answer)
    (called,) = stage.registry.calls
    assert called.call.function_id == "f"
    assert bytes(called.call.data) == bytes(asked.call.data)
    assert stage.locks.log == [("take", "job", 1)]
    stage.answer()
    assert stage.locks.log[-1] == ("release", "job")


def test_a_condition_that_says_false_skips_the_tick(stage):
    conditioned(stage)
    stage.answer(False)
    assert stage.take() == []
    assert stage.locks.log == [("take", "job", 1), ("release", "job")]
    stage.pass_time(1)
    assert stage.take() == [("may", 2)]


def test_a_condition_that_fails_skips_the_tick_and_is_logged(stage, caplog):
    conditioned(stage)
    stage.answer(error=("function_not_found", "Function may not found"))
    assert stage.take() == []
    assert "its condition may failed, so f is not called: function_not_found: Function may not found" in caplog.text


# --- registering and unregistering ------------------------------------------------------------------------------------


def test_an_id_that_is_scheduled_is_refused_and_the_old_job_keeps_running(stage):
    stage.bind("job", function_id="old")
    with pytest.raises(TriggerRegistrationFailed) as refused:
        stage.bind("job", "*/2 * * * * *", function_id="new")
    assert refused.value.message == "Cron job 'job' is already registered"
    stage.pass_time(1)
    assert stage.take() == [("old", 1)]


def test_a_binding_handed_over_again_replaces_itself(stage):
    probe = Probe()
    stage.bind("job", function_id="old")
    stage.bind("job", function_id="new", answer_to=probe.actor_ref)
    stage.pass_time(1)
    assert stage.take() == [("new", 1)]
    assert probe.take() == []


def test_a_binding_handed_over_that_cannot_be_read_is_refused_by_message(stage):
    probe = Probe()
    stage.bind("job", "nonsense", answer_to=probe.actor_ref)
    (refusal,) = probe.take()
    assert isinstance(refusal, AcknowledgeTrigger)
    assert refusal.worker_id == "iii-cron"
    assert refusal.result.id == "job"
    assert refusal.result.error.message.startswith("Invalid cron expression 'nonsense'")


def test_there_is_an_end_to_the_number_of_jobs(stage, monkeypatch):
    monkeypatch.setattr(module, "CRON_MAX_JOBS", 2)
    stage.bind("a")
    stage.bind("b")
    with pytest.raises(TriggerRegistrationFailed, match=r"^there are 2 cron jobs already, which is the limit$"):
        stage.bind("c")


def test_a_job_registered_while_a_tick_is_late_does_not_get_that_tick(stage):
    stage.bind("old")
    stage.clock.set(stage.clock.now() + 1)
    stage.bind("new")
    assert stage.take() == [("f", 1)]
    stage.pass_time(1)
    assert stage.take() == [("f", 2)]


def test_an_unregistered_job_does_not_fire_and_unregistering_is_idempotent(stage):
    stage.bind()
    stage.unbind()
    stage.unbind()
    stage.pass_time(2)
    assert stage.take() == []


def test_unregistering_frees_the_lock_of_a_run_which_goes_on_unheeded(stage):
    stage.bind()
    stage.pass_time(1)
    stage.unbind()
    assert stage.locks.log == [("take", "job", 1), ("release", "job")]
    stage.bind(function_id="again")
    stage.answer(error=FAILED)
    stage.pass_time(1)
    assert stage.take() == [("again", 2)]
    assert stage.locks.log[2:] == [("take", "job", 2)], "the old run's end has freed nothing"


def test_a_condition_that_answers_after_its_job_has_gone_starts_nothing(stage):
    conditioned(stage)
    stage.unbind()
    stage.answer(True)
    assert stage.take() == []


# --- locks ------------------------------------------------------------------------------------------------------------


def test_a_tick_without_its_lock_is_skipped(stage):
    stage.locks.refused.add("a")
    stage.bind("a", function_id="a")
    stage.bind("b", function_id="b")
    stage.pass_time(1)
    assert stage.take() == [("b", 1)]
    stage.locks.refused.clear()
    stage.pass_time(1)
    assert stage.take() == [("a", 2)]


def test_locks_are_looked_after_while_a_run_lasts_even_if_nothing_is_to_come(stage):
    stage.bind("job", "1 0 0 1 1 ? 2026")
    stage.pass_time(1)
    kept = stage.locks.kept
    stage.pass_time(3)
    assert stage.locks.kept == kept + 3


def test_other_locks_start_all_jobs_anew(stage):
    old = stage.locks
    stage.bind("a", function_id="a")
    stage.bind("b", "*/2 * * * * *", "b")
    stage.pass_time(1)
    new = type(old)()
    ask(stage.scheduler, UseLocks(new))
    assert old.log[1:] == [("release", "a"), "close"]
    stage.answer(error=FAILED)
    stage.pass_time(1)
    assert sorted(stage.take()) == [("a", 2), ("b", 2)]
    assert sorted(new.log) == [("take", "a", 2), ("take", "b", 2)]


def test_stopping_gives_the_locks_back_and_fires_no_more(stage):
    stage.bind()
    stage.pass_time(1)
    stage.scheduler.stop()
    assert stage.locks.log[-1] == "close"
    stage.clock.advance(10)
    assert stage.take() == [("f", 1)]


# --- the timer --------------------------------------------------------------------------------------------------------


def test_without_jobs_the_clock_is_left_alone(stage):
    stage.bind()
    stage.unbind()
    stage.pass_time(2)
    handled = stats(stage.scheduler).handled
    stage.clock.advance(100)
    stage.sync()
    assert stats(stage.scheduler).handled == handled + 2


def test_an_earlier_job_is_not_waited_for_in_vain_and_there_is_one_timer(stage):
    stage.clock.set(stage.clock.now() + 0.5)
    stage.bind("rare", "0 0 0 * * *")
    for number in range(20):
        stage.bind(f"often-{number}")
    stage.clock.advance(0.5)
    stage.sync()
    assert len(stage.take()) == 20
    live = [timer for _, _, timer in stage.clock._heap if not timer.cancelled]
    assert len(live) == 1


def test_a_job_that_cannot_be_fired_holds_no_other_up(stage, monkeypatch, caplog):
    caplog.set_level(logging.ERROR)
    stage.bind("a", function_id="a")
    monkeypatch.setattr(stage.locks, "take", lambda _: 1 // 0)
    stage.pass_time(1)
    monkeypatch.undo()
    stage.pass_time(1)
    assert stage.take() == [("a", 2)]
    assert "ZeroDivisionError" in caplog.text
