"""The wall clock is set while the scheduler waits: forward, back, a little and a lot. freezegun freezes it."""

import time
from datetime import timedelta

from freezegun import freeze_time

from iii_actors.clock import ManualClock

START = "2026-01-01T00:00:00+00:00"
HOUR = timedelta(hours=1)


class FreezegunClock(ManualClock):
    """Its wall clock is freezegun's; only the timers are moved by hand."""

    def now(self):
        return time.time()


def under_freezegun(test):
    """Run a test as ``test(stage, frozen)``, the time frozen during its call alone: pytest has its own watch."""

    def run(make_stage, caplog):
        with freeze_time(START) as frozen:
            stage = make_stage(FreezegunClock())
            stage.caplog = caplog
            test(stage, frozen)

    run.__name__ = test.__name__
    return run


def tick(stage, frozen, seconds=1):
    """Let time pass, as it does: on the wall and for the timers."""
    for _ in range(seconds):
        frozen.tick(timedelta(seconds=1))
        stage.clock.advance(1)
        stage.sync()


def ended(stage):
    """The ticks fired since, whose runs end with this."""
    fired = []
    while stage.registry.calls:
        fired.append(stage.due(stage.answer()))
    return fired


@under_freezegun
def test_the_clock_is_set_forward_by_less_than_a_minute(stage, frozen):
    stage.bind("job", "*/10 * * * * *")
    frozen.tick(timedelta(seconds=34))
    tick(stage, frozen)
    assert ended(stage) == [10], "one tick, late, for the three that were missed"
    tick(stage, frozen, 5)
    assert ended(stage) == [40]


@under_freezegun
def test_the_clock_is_set_forward_by_an_hour(stage, frozen):
    stage.bind("job", "0 * * * * *")
    tick(stage, frozen, 59)
    frozen.tick(HOUR)
    tick(stage, frozen)
    assert ended(stage) == [], "it was due an hour ago"
    assert "1 jobs, of which job, were due 3600 s ago: passed over" in stage.caplog.text
    tick(stage, frozen, 60)
    assert ended(stage) == [3600 + 120]


@under_freezegun
def test_the_clock_is_set_back_by_an_hour(stage, frozen):
    stage.bind("job", "0 * * * * *")
    tick(stage, frozen, 90)
    assert ended(stage) == [60]
    frozen.tick(-HOUR)
    tick(stage, frozen)
    assert "the clock was set back by 3599 s" in stage.caplog.text
    tick(stage, frozen, 29)
    assert ended(stage) == [120 - 3600], "it goes by the clock on the wall"
    tick(stage, frozen, 60)
    assert ended(stage) == [180 - 3600]


@under_freezegun
def test_the_clock_is_corrected_by_half_a_minute_and_no_tick_is_fired_twice(stage, frozen):
    stage.bind("job", "0 * * * * *")
    tick(stage, frozen, 61)
    assert ended(stage) == [60]
    frozen.tick(timedelta(seconds=-30))
    tick(stage, frozen, 88)
    assert ended(stage) == []
    tick(stage, frozen)
    assert ended(stage) == [120]


@under_freezegun
def test_the_machine_sleeps_for_a_night(stage, frozen):
    """The timers sleep as well."""
    stage.bind("minutely", "0 * * * * *")
    stage.bind("nightly", "0 0 3 * * *")
    frozen.tick(8 * HOUR)
    tick(stage, frozen)
    assert ended(stage) == []
    tick(stage, frozen, 60)
    assert ended(stage) == [8 * 3600 + 60]


@under_freezegun
def test_a_job_registered_after_the_clock_was_set_back_goes_by_the_clock(stage, frozen):
    stage.bind("old", "0 * * * * *")
    frozen.tick(-HOUR)
    stage.bind("new", "0 * * * * *")
    tick(stage, frozen, 60)
    assert ended(stage) == [60 - 3600, 60 - 3600]
