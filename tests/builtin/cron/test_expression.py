"""The dialect of cron.md §3, its table of examples and its errors; and crontab lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iii_actors.builtin.cron.expression import parse
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.limits import CRON_EXPRESSION_CHARS

ALL_DAYS = set(range(7))


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("*/20 * * * * *", "seconds", {0, 20, 40}),
        ("50/4 * * * * *", "seconds", {50, 54, 58}),
        ("*,5 * * * * *", "seconds", set(range(60))),
        ("007 * * * * *", "seconds", {7}),
        ("5,5,5 * * * * *", "seconds", {5}),
        ("0 10-13 * * * *", "minutes", {10, 11, 12, 13}),
        ("0 10-20/5 * * * *", "minutes", {10, 15, 20}),
        ("0 9-9 * * * *", "minutes", {9}),
        ("0 0 23 * * *", "hours", {23}),
        ("0 0 0 */2 * *", "days", set(range(1, 32, 2))),
        ("0 0 0 ? * *", "days", set(range(1, 32))),
        ("0 0 0 1 jan,DECEMBER,3 *", "months", {1, 12, 3}),
        ("0 0 0 1 may-Jul *", "months", {5, 6, 7}),
        ("0 0 0 1 feb-november/3 *", "months", {2, 5, 8, 11}),
        ("0 0 0 * * 1", "weekdays", {0}),
        ("0 0 0 * * 7", "weekdays", {6}),
        ("0 0 0 * * 1-5", "weekdays", {0, 1, 2, 3, 4}),
        ("0 0 0 * * MON-FRI", "weekdays", {1, 2, 3, 4, 5}),
        ("0 0 0 * * 2-6", "weekdays", {1, 2, 3, 4, 5}),
        ("0 0 0 * * MON-FRI/2", "weekdays", {1, 3, 5}),
        ("0 0 0 * * */2", "weekdays", {0, 2, 4, 6}),
        ("0 0 0 * * sun,tues,thurs,Saturday", "weekdays", {0, 2, 4, 6}),
        ("0 0 0 * * ?/3", "weekdays", {0, 3, 6}),
        ("0 0 0 * * ? 2028", "years", {2028}),
        ("0 0 0 * * ? 1970-2100/65", "years", {1970, 2035, 2100}),
        ("0 0 0 * * ?", "years", set(range(1970, 2101))),
        (" \t0\n0   0 * *\r\n? ", "seconds", {0}),
    ],
)
def test_a_field_s_values(text, field, values):
    assert getattr(parse(text), field) == values


@pytest.mark.parametrize(
    ("shorthand", "same"),
    [
        ("@yearly", "0 0 0 1 1 *"),
        ("@monthly", "0 0 0 1 * *"),
        (" @weekly ", "0 0 0 * * SUN"),
        ("@daily", "0 0 0 * * *"),
        ("@hourly", "0 0 * * * *"),
    ],
)
def test_shorthands(shorthand, same):
    assert parse(shorthand) == parse(same)


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("0 0 25 * * *", 4, "Hours must be less than 23. ('25' specified.)"),
        ("0 0 0 * * 0", 10, "Days of Week must be greater than or equal to 1. ('0' specified.)"),
        ("*/60 * * * * *", 0, "Seconds must be between 1 and 59. ('60' specified.)"),
        ("0 */0 * * * *", 2, "range step cannot be zero"),
        ("0 22-2 * * * *", 2, "Invalid range for Minutes: 22-2"),
        ("0 0 0 * * FRI-MON", 10, "Invalid range for Days of Week: FRI-MON"),
        ("0 0 0 * * MON/2", 10, "Days of Week: a step needs a range, and 'MON' is one name."),
        ("0 0 0 * * 2-FRI", 10, "Days of Week: '2-FRI' mixes a name and a number."),
        ("0 0 0 1,32 * *", 8, "Days of Month must be less than 31. ('32' specified.)"),
        ("0 0 0 1 BLA *", 8, "Months: 'BLA' is no name here."),
        ("0 0 0 JAN * *", 6, "Days of Month: 'JAN' is no name here."),
        ("0 0 0 1 0 *", 8, "Months must be greater than or equal to 1. ('0' specified.)"),
        ("0 0 0 1 1 ? 1969", 12, "Years must be greater than or equal to 1970. ('1969' specified.)"),
        ("0 0 0 1 1 ? 2101", 12, "Years must be less than 2100. ('2101' specified.)"),
        ("0 ? 0 * * *", 2, "Minutes: '?' stands for '*' in the two day fields only."),
        ("0 0 0 L * *", 6, "Days of Month: 'L' is no name here."),
        ("0 0 0 1W * *", 6, "Days of Month: '1W' cannot be read."),
        ("0 0 0 * * 6#3", 10, "Days of Week: '6#3' cannot be read."),
        ("-1 0 0 * * *", 0, "Seconds: '-1' cannot be read."),
        ("+1 0 0 * * *", 0, "Seconds: '+1' cannot be read."),
        ("1.5 0 0 * * *", 0, "Seconds: '1.5' cannot be read."),
        ("1,,2 0 0 * * *", 2, "Seconds: '' cannot be read."),
        ("0 0 0 1, 2 * *", 8, "Days of Month: '' cannot be read."),
        ("*/2/3 0 0 * * *", 0, "Seconds: '*/2/3' cannot be read."),
        ("\u0661 0 0 * * *", 0, "Seconds: '\u0661' cannot be read."),
        ("@annually", 0, "The shorthands are @yearly, @monthly, @weekly, @daily, @hourly."),
        ("@DAILY", 0, "The shorthands are @yearly, @monthly, @weekly, @daily, @hourly."),
        ("@every 5s", 0, None),
        ("* * * *", 0, None),
        ("* * * * * * * *", 0, None),
        ("   ", 0, None),
    ],
)
def test_what_cannot_be_read_is_shown_with_a_caret_and_a_reason(text, column, reason):
    with pytest.raises(TriggerRegistrationFailed) as refused:
        parse(text)
    first, caret, said = refused.value.message.split("\n", 2)
    assert first.startswith(f"Invalid cron expression '{text}': ")
    assert caret == " " * column + "^"
    assert said == (reason or said)
    if reason is None:
        assert said.startswith("Six fields")


def test_the_caret_stays_below_a_part_behind_a_line_break():
    with pytest.raises(TriggerRegistrationFailed) as refused:
        parse("0\n0 25 * * *")
    assert refused.value.message.endswith(": 0 0 25 * * *\n    ^\nHours must be less than 23. ('25' specified.)")


def test_an_endless_expression_is_refused_in_few_words():
    with pytest.raises(TriggerRegistrationFailed, match=r"^Invalid cron expression '0,0") as refused:
        parse(",".join(["0"] * CRON_EXPRESSION_CHARS) + " * * * * *")
    assert len(refused.value.message) < 300


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("*/15 * * * *", "minutes", {0, 15, 30, 45}),
        ("0 2 * * *", "seconds", {0}),
        ("0 2 * * 0", "weekdays", {0}),
        ("0 2 * * 7", "weekdays", {0}),
        ("0 2 * * 1-5", "weekdays", {1, 2, 3, 4, 5}),
        ("0 2 * * mon-fri", "weekdays", {1, 2, 3, 4, 5}),
        ("0 2 * * 5-7", "weekdays", {5, 6, 0}),
        ("0 2 1 jan *", "months", {1}),
    ],
)
def test_five_fields_are_a_crontab_line(text, field, values):
    assert getattr(parse(text), field) == values


@pytest.mark.parametrize(
    ("text", "either"),
    [
        ("0 0 13 * 5", True),
        ("0 0 * * 5", False),
        ("0 0 13 * *", False),
        ("0 0 */2 * 5", False),
        ("0 0 13 * *,5", False),
    ],
)
def test_a_crontab_line_means_either_day_if_it_restricts_both(text, either):
    assert parse(text).either_day is either


def test_a_crontab_line_has_no_question_mark():
    with pytest.raises(TriggerRegistrationFailed, match="in the two day fields only"):
        parse("0 0 ? * 5")


@given(st.text(alphabet="0123456789*/,-? \t@abcdefgjlmnoprstuvwyADEFJMNORSTUW#L", max_size=40) | st.text(max_size=30))
def test_any_text_is_read_or_refused_by_one_kind_of_error(text):
    try:
        parse(text)
    except TriggerRegistrationFailed as refused:
        assert refused.message.startswith("Invalid cron expression '")
