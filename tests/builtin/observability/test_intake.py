"""What comes in: bounded, counted, and handed over in batches."""

import pytest

from iii_actors.actor import ask, launch
from iii_actors.builtin.observability import intake as module
from iii_actors.builtin.observability.intake import Happened, Intake, LineLogged, ReadIntake, Ready, Take
from iii_actors.clock import ManualClock
from iii_actors.core.observing import Noticed, TelemetryFrame
from iii_actors.core.tracing import EndedSpans, Span, SpansWait
from tests.support.probe import Probe

SPAN = Span(None, "n", "internal", "t", "s", None, None, None, True, 0.0)
LINE = LineLogged(1.0, 20, "t", "m", {})


@pytest.fixture
def stage():
    clock, archive = ManualClock(), Probe()
    launch(archive)
    intake = launch(Intake(clock, archive.actor_ref, EndedSpans(0), discovery=True))
    yield clock, archive, intake
    intake.stop()
    archive.actor_ref.stop()


def test_lines_wait_for_company(stage):
    clock, archive, intake = stage
    intake.tell(LINE)
    intake.tell(LINE)
    assert archive.told == []
    clock.advance(0.2)
    assert archive.told == [Ready()]
    assert ask(intake, Take()) == ([LINE, LINE], {}, 0)
    clock.advance(1)
    assert archive.told == [Ready()], "there is nothing more"


def test_spans_wait_where_they_have_ended(stage):
    clock, archive, _ = stage
    ended = EndedSpans(1)
    intake = launch(Intake(clock, archive.actor_ref, ended, discovery=True))
    assert ended.add(SPAN), "the first is said"
    assert not ended.add(SPAN), "there is no room for it"
    intake.tell(SpansWait())
    assert archive.told == []
    clock.advance(0.2)
    assert archive.told == [Ready()]
    assert ask(intake, Take()) == ([SPAN], {"spans": 1}, 0)
    clock.advance(1)
    assert archive.told == [Ready()], "there is nothing more"
    intake.stop()


def test_many_of_them_do_not_wait(stage, monkeypatch):
    monkeypatch.setattr(module, "INTAKE_BATCH", 3)
    _, archive, intake = stage
    for _ in range(5):
        intake.tell(LINE)
    assert archive.told == [Ready()], "said once"


def test_telemetry_does_not_wait(stage):
    item = TelemetryFrame(b"OTLP{}")
    _, archive, intake = stage
    intake.tell(item)
    intake.tell(item)
    assert archive.told == [Ready()]
    assert ask(intake, Take()).items == [item, item]
    intake.tell(item)
    assert archive.told == [Ready(), Ready()]


def test_what_does_not_fit_is_dropped_by_kind(stage, monkeypatch):
    monkeypatch.setattr(module, "INTAKE_ITEMS", 2)
    monkeypatch.setattr(module, "INTAKE_BYTES", 10)
    _, _, intake = stage
    intake.tell(TelemetryFrame(b"OTLP123456"))
    intake.tell(TelemetryFrame(b"OTLP1"))
    for item in (LINE, LINE, Noticed("connect worker", "w", "w")):
        intake.tell(item)
    assert ask(intake, ReadIntake()) == ([], {"telemetry": 1, "logs": 1, "discovery": 1}, 0)
    assert len(ask(intake, Take()).items) == 2
    intake.tell(TelemetryFrame(b"OTLP123456"))
    assert len(ask(intake, Take()).items) == 1, "there is room again"


def test_misses_are_counted_even_where_there_are_no_spans_of_discovery(stage):
    clock, archive, _ = stage
    intake = launch(Intake(clock, archive.actor_ref, EndedSpans(0), discovery=False))
    intake.tell(Noticed("look-up miss", "f", "w"))
    intake.tell(Noticed("connect worker", "w", "w"))
    assert ask(intake, Take()) == ([], {}, 1)
    intake.stop()


def test_what_was_noticed_gets_its_time(stage):
    clock, _, intake = stage
    noticed = Noticed("connect worker", "w", "w")
    intake.tell(noticed)
    assert ask(intake, Take()).items == [Happened(clock.now(), noticed)]


def test_it_goes_on_without_an_archive(stage):
    clock, archive, intake = stage
    archive.actor_ref.stop()
    intake.tell(LINE)
    clock.advance(1)
    assert ask(intake, Take()).items == [LINE]
