"""What comes in: bounded, counted, and handed over in batches."""

import pytest

from iii_actors.actor import ask, launch
from iii_actors.builtin.observability import intake as module
from iii_actors.builtin.observability.intake import Intake, LineLogged, ReadIntake, Ready, Take
from iii_actors.clock import ManualClock
from iii_actors.core.observing import Happened, Lookout, Noticed, TelemetryFrame, Waiting
from iii_actors.core.tracing import Span
from tests.support.probe import Probe

SPAN = Span(None, "n", "internal", "t", "s", None, None, None, True, 0.0)
LINE = LineLogged(1.0, 20, "t", "m", {})


class Stage:
    def __init__(self):
        self.clock, self.archive = ManualClock(), Probe()
        launch(self.archive)
        self.spans, self.noticed = Waiting(2), Waiting(2)
        self.lookout = Lookout(self.clock, self.noticed, 3)
        self.intake = launch(Intake(self.clock, self.archive.actor_ref, self.spans, self.lookout))
        self.spans.sink = self.noticed.sink = self.intake


@pytest.fixture
def made():
    stage = Stage()
    yield stage
    stage.intake.stop()
    stage.archive.actor_ref.stop()


@pytest.fixture
def stage(made):
    return made.clock, made.archive, made.intake


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


def test_spans_and_what_was_noticed_wait_where_they_were_added(made):
    noticed = Noticed("connect worker", "w", "w")
    made.spans.add(SPAN)
    made.lookout.note(noticed)
    assert made.archive.told == []
    at = made.clock.now()
    made.clock.advance(0.2)
    assert made.archive.told == [Ready()]
    assert ask(made.intake, Take()) == ([SPAN, Happened(at, noticed)], {}, 0)
    made.clock.advance(1)
    assert made.archive.told == [Ready()], "there is nothing more"
    made.spans.add(SPAN)
    made.clock.advance(0.2)
    assert made.archive.told == [Ready(), Ready()]


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


def test_what_does_not_fit_is_dropped_by_kind(made, monkeypatch):
    monkeypatch.setattr(module, "INTAKE_ITEMS", 2)
    monkeypatch.setattr(module, "INTAKE_BYTES", 10)
    intake = made.intake
    intake.tell(TelemetryFrame(b"OTLP123456"))
    intake.tell(TelemetryFrame(b"OTLP1"))
    for item in (LINE, LINE):
        intake.tell(item)
    for _ in range(3):
        made.spans.add(SPAN)
    for _ in range(4):
        if made.lookout.wants():
            made.lookout.note(Noticed("connect worker", "w", "w"))
    made.lookout.misses += 1
    assert ask(intake, ReadIntake()) == ([], {"telemetry": 1, "logs": 1, "spans": 1, "discovery": 2}, 1)
    assert len(ask(intake, Take()).items) == 6
    intake.tell(TelemetryFrame(b"OTLP123456"))
    assert len(ask(intake, Take()).items) == 1, "there is room again"


def test_it_goes_on_without_an_archive(stage):
    clock, archive, intake = stage
    archive.actor_ref.stop()
    intake.tell(LINE)
    clock.advance(1)
    assert ask(intake, Take()).items == [LINE]
