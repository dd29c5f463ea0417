"""Next times: against the specification's table, and against a matcher that knows nothing but the fields."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iii_actors.builtin.cron.calendar import Schedule
from iii_actors.builtin.cron.expression import Expression, parse

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def seconds(moment):
    return int(moment.timestamp())


def following(text, after=START, count=1):
    """The next times, as texts."""
    schedule, at, found = Schedule(parse(text)), seconds(after), []
    for _ in range(count):
        at = schedule.next_after(at)
        if at is None:
            return [*found, None]
        found.append(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}")
    return found


@pytest.mark.parametrize(
    ("text", "next_time"),
    [
        ("0 */5 * * * *", "2026-01-01T00:05:00"),
        ("0 0 9 * * MON-FRI", "2026-01-01T09:00:00"),
        ("0 0 9 * * 2-6", "2026-01-01T09:00:00"),
        ("0 0 0 * * 1", "2026-01-04T00:00:00"),
        ("0 0 0 13 * FRI", "2026-02-13T00:00:00"),
        ("0 0 0 29 2 ? 2028", "2028-02-29T00:00:00"),
        ("* * * * * *", "2026-01-01T00:00:01"),
        ("59 59 23 31 12 SAT", "2033-12-31T23:59:59"),
        ("0 0 0 29 2 SUN", "2032-02-29T00:00:00"),
        ("0 0 0 1 1 ? 2100", "2100-01-01T00:00:00"),
        ("0 0 13 * 5", "2026-01-02T00:00:00"),
        ("0 0 31 2 1", "2026-02-02T00:00:00"),
    ],
)
def test_the_table(text, next_time):
    assert following(text) == [next_time]


@pytest.mark.parametrize(
    "text",
    ["0 0 0 31 2 *", "0 0 0 30 2 MON", "0 0 0 31 4,6,9,11 *", "* * * * * * 2025", "0 0 0 29 2 * 2027", "0 0 31 2 *"],
)
def test_what_can_never_be_is_never(text):
    assert following(text) == [None]


def test_the_last_year_is_2100():
    assert following("0 0 0 31 12 *", datetime(2099, 1, 1, tzinfo=UTC), 3) == [
        "2099-12-31T00:00:00",
        "2100-12-31T00:00:00",
        None,
    ]


def test_a_leap_day_in_the_century_that_has_none():
    assert following("0 0 0 29 2 *", datetime(2095, 1, 1, tzinfo=UTC), 2) == ["2096-02-29T00:00:00", None]


def test_strictly_after():
    assert following("0 0 0 1 1 *", START, 2) == ["2027-01-01T00:00:00", "2028-01-01T00:00:00"]
    assert following("0 0 0 1 1 *", START - timedelta(seconds=1)) == ["2026-01-01T00:00:00"]


def matches(expression: Expression, moment: datetime) -> bool:
    day, weekday = moment.day in expression.days, moment.isoweekday() % 7 in expression.weekdays
    return (
        moment.second in expression.seconds
        and moment.minute in expression.minutes
        and moment.hour in expression.hours
        and moment.month in expression.months
        and moment.year in expression.years
        and ((day or weekday) if expression.either_day else (day and weekday))
    )


def brute(expression: Expression, after: datetime) -> datetime | None:
    """Day by day to the last year; the time of day from the sets. Slow, and hard to get wrong."""
    times = [
        timedelta(hours=hour, minutes=minute, seconds=second)
        for hour in sorted(expression.hours)
        for minute in sorted(expression.minutes)
        for second in sorted(expression.seconds)
    ]
    day = after.replace(hour=0, minute=0, second=0)
    while day.year <= 2100:
        if matches(expression, day + times[0]):
            for time in times:
                if day + time > after:
                    return day + time
        day += DAY
    return None


def field(low, high):
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    stepped = st.tuples(st.just("*") | number.map(str) | span, st.integers(1, high)).map("{0[0]}/{0[1]}".format)
    item = st.just("*") | number.map(str) | span | stepped
    return st.lists(item, min_size=1, max_size=3).map(",".join)


few = {"seconds": st.sampled_from(["0", "*/20", "7,59"]), "minutes": st.sampled_from(["0", "59", "*/30", "5-7"])}
six = st.tuples(few["seconds"], few["minutes"], field(0, 23), field(1, 31), field(1, 12), field(1, 7)).map(" ".join)
seven = st.tuples(six, field(2020, 2060)).map(" ".join)
crontab = st.tuples(few["minutes"], field(0, 23), field(1, 31), field(1, 12), field(0, 7)).map(" ".join)
moment = st.datetimes(datetime(2019, 1, 1), datetime(2100, 12, 31)).map(  # noqa: DTZ001 - given its zone here
    lambda naive: naive.replace(microsecond=0, tzinfo=UTC)
)


@settings(deadline=None, max_examples=150)
@given(text=six | seven | crontab, after=moment)
def test_the_next_time_is_the_matcher_s(text, after):
    expression = parse(text)
    found = Schedule(expression).next_after(seconds(after))
    expected = brute(expression, after)
    assert found == (None if expected is None else seconds(expected)), text


@settings(deadline=None, max_examples=40)
@given(
    text=st.tuples(field(0, 59), field(0, 59), field(0, 23)).map(lambda parts: " ".join([*parts, "* * *"])),
    after=moment,
)
def test_every_second_of_half_an_hour_is_fired_or_not_as_the_matcher_says(text, after):
    expression, schedule = parse(text), Schedule(parse(text))
    end = after + timedelta(minutes=30)
    at, fired = seconds(after), set()
    while (tick := schedule.next_after(at)) is not None and tick <= seconds(end):
        fired.add(tick)
        at = tick
    every = (after + timedelta(seconds=step) for step in range(1, 1801))
    assert fired == {seconds(one) for one in every if matches(expression, one)}


def test_every_hour_tells_an_interval_from_a_time_of_day():
    assert Schedule(parse("0 30 * * * *")).every_hour
    assert not Schedule(parse("0 30 0-22 * * *")).every_hour
