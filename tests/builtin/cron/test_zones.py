"""Schedules in time zones: against the plain definition, second by second, over the days on which the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iii_actors.builtin.cron.calendar import Schedule
from iii_actors.builtin.cron.expression import parse
from iii_actors.builtin.cron.zones import next_after, zone_named
from iii_actors.errors import TriggerRegistrationFailed

CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, tzinfo=UTC), datetime(2026, 10, 3, tzinfo=UTC)],
    "Asia/Kolkata": [datetime(2026, 3, 1, tzinfo=UTC)],
    "Pacific/Apia": [datetime(2011, 12, 30, tzinfo=UTC)],
}
AROUND = timedelta(hours=30)
MINUTE = timedelta(minutes=1)


def moments(expression, zone, start, end):
    """All whole minutes at which a schedule of whole minutes fires, by the definition and nothing else."""

    def matches(shown):
        return (
            shown.minute in expression.minutes
            and shown.hour in expression.hours
            and shown.day in expression.days
            and shown.isoweekday() % 7 in expression.weekdays
        )

    if len(expression.hours) == 24:
        at, found = start, set()
        while at < end:
            if matches(at.astimezone(zone)):
                found.add(int(at.timestamp()))
            at += MINUTE
        return found
    shown, found = (start - timedelta(days=2)).replace(tzinfo=None), set()
    while shown < (end + timedelta(days=2)).replace(tzinfo=None):
        if matches(shown):
            found.add(int(shown.replace(tzinfo=zone, fold=0).timestamp()))
        shown += MINUTE
    return {at for at in found if start.timestamp() <= at < end.timestamp()}


@settings(deadline=None, max_examples=40)
@given(
    since=st.integers(0, int(2 * AROUND.total_seconds()) - 1),
    place=st.sampled_from([(name, day) for name, days in CHANGES.items() for day in days]),
    minutes=st.sampled_from(["0", "30", "*/7", "5,10,59", "*"]),
    hours=st.sampled_from(["*", "1", "2", "3", "1-3", "2,5", "0-22", "0", "23", "0-23"]),
    weekdays=st.sampled_from(["*", "SUN", "SAT,SUN", "MON-FRI"]),
)
def test_every_tick_of_the_days_around_a_change_is_the_definition_s(since, place, minutes, hours, weekdays):
    name, day = place
    zone, start, end = ZoneInfo(name), day - AROUND, day + AROUND
    expression = parse(f"0 {minutes} {hours} * * {weekdays}")
    schedule = Schedule(expression)
    at = int(start.timestamp()) + since
    expected = {tick for tick in moments(expression, zone, start, end) if tick > at}
    ticks = set()
    while (tick := next_after(schedule, zone, at)) is not None and tick < end.timestamp():
        assert tick > at
        ticks.add(tick)
        at = tick
    assert ticks == expected


def at(text, zone="Europe/Berlin", after="2026-03-29T00:00:00+00:00"):
    second = int(datetime.fromisoformat(after).timestamp())
    tick = next_after(Schedule(parse(text)), zone_named(zone), second)
    return datetime.fromtimestamp(tick, UTC).strftime("%m-%d %H:%M:%S")


def test_a_time_that_spring_leaves_out_comes_an_hour_later():
    assert at("0 30 2 * * *") == "03-29 01:30:00"
    assert at("0 30 2 * * *", after="2026-03-29T01:30:00+00:00") == "03-30 00:30:00"


def test_a_time_that_autumn_repeats_comes_once_and_an_interval_goes_on():
    assert at("0 30 2 * * *", after="2026-10-25T00:00:00+00:00") == "10-25 00:30:00"
    assert at("0 30 2 * * *", after="2026-10-25T00:30:00+00:00") == "10-26 01:30:00"
    assert at("0 30 * * * *", after="2026-10-25T00:30:00+00:00") == "10-25 01:30:00"


def test_a_schedule_with_an_end_ends():
    schedule = Schedule(parse("0 0 2 25 10 * 2026"))
    assert next_after(schedule, ZoneInfo("Europe/Berlin"), 2_000_000_000) is None
    assert next_after(Schedule(parse("0 0 * 25 10 * 2026")), ZoneInfo("Europe/Berlin"), 2_000_000_000) is None


def test_no_zone_is_utc():
    assert zone_named(None) is None
    assert at("0 30 2 * * *", None) == "03-29 02:30:00"


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", 5, True, {}, "a\0b"]
)
def test_an_unknown_zone_is_refused_and_the_error_names_one_that_is_known(name):
    with pytest.raises(
        TriggerRegistrationFailed, match=r"^Invalid timezone '.*': not in the .* Europe/Berlin"
    ) as refused:
        zone_named(name)
    assert len(str(refused.value)) < 200
