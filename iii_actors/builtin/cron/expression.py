"""The text of a schedule, parsed: six or seven fields or a shorthand (cron.md §3), or a five-field crontab line (ours).

Pure. What comes out says which values each field may have; when that is next, :mod:`.calendar` knows.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.limits import CRON_EXPRESSION_CHARS

__all__ = ["YEARS", "Expression", "parse"]

YEARS: Final = range(1970, 2101)
"""The years that a schedule may name; after the last one nothing fires."""

_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_ITEM: Final = re.compile(
    r"(?:(?P<any>[*?])|(?P<first>[0-9]+|[a-z]+)(?:-(?P<last>[0-9]+|[a-z]+))?)(?:/(?P<step>[0-9]+))?",
    re.IGNORECASE | re.ASCII,
)
_MONTHS: Final = [
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
]
_WEEKDAYS: Final = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
_SHORTHANDS: Final = {
    "@yearly": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 1",
    "@daily": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_CRONTAB_FIELDS: Final = 5


class Expression(NamedTuple):
    """The values that each part of a wall-clock time may have; months from 1, weekdays from 0 for Sunday."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]
    either_day: bool = False
    """Of a crontab line that restricts both: a day of the month *or* a day of the week is enough."""


class _Field(NamedTuple):
    """One field of the dialect."""

    title: str
    """As errors call it."""
    low: int
    high: int
    names: dict[str, int]
    any_mark: bool = False
    """Whether ``?`` may stand for ``*``."""


def _named(full: list[str], first: int, also: dict[str, int]) -> dict[str, int]:
    numbers = {name: at for at, name in enumerate(full, first)}
    return numbers | {name[:3]: at for name, at in numbers.items()} | also


_MONTH_NAMES: Final = _named(_MONTHS, 1, {})
_DAY_NAMES: Final = _named(_WEEKDAYS, 1, {"tues": 3, "thurs": 5})
_CRONTAB_DAY_NAMES: Final = {name: number - 1 for name, number in _DAY_NAMES.items()}

_FIELDS: Final = (
    _Field("Seconds", 0, 59, {}),
    _Field("Minutes", 0, 59, {}),
    _Field("Hours", 0, 23, {}),
    _Field("Days of Month", 1, 31, {}, any_mark=True),
    _Field("Months", 1, 12, _MONTH_NAMES),
    _Field("Days of Week", 1, 7, _DAY_NAMES, any_mark=True),
    _Field("Years", YEARS[0], YEARS[-1], {}),
)
_CRONTAB: Final = (
    *_FIELDS[1:3],
    _Field("Days of Month", 1, 31, {}),
    _FIELDS[4],
    _Field("Days of Week", 0, 7, _CRONTAB_DAY_NAMES),
)


class _Wrong(Exception):
    """A part that cannot be read: what is wrong with it."""


class _Part(NamedTuple):
    text: str
    at: int
    """Its place in the expression, for the caret."""


def parse(text: str) -> Expression:
    """Read an expression.

    Raises :class:`TriggerRegistrationFailed` with the wording of cron.md §2: the expression, a caret below the part
    that is wrong, and the reason.
    """
    if len(text) > CRON_EXPRESSION_CHARS:
        reason = f"It is {len(text)} characters long; {CRON_EXPRESSION_CHARS} is the limit."
        raise _refusal(text[:60] + "…", 0, reason)
    parts = _parts(text)
    if len(parts) == 1 and parts[0].text.startswith("@"):
        expanded = _SHORTHANDS.get(parts[0].text)
        if expanded is None:
            raise _refusal(text, parts[0].at, f"The shorthands are {', '.join(_SHORTHANDS)}.")
        parts = _parts(expanded)
    crontab = len(parts) == _CRONTAB_FIELDS
    fields = _CRONTAB if crontab else _FIELDS[: len(parts)]
    if len(parts) not in (_CRONTAB_FIELDS, len(_FIELDS) - 1, len(_FIELDS)):
        reason = (
            f"Six fields (second minute hour day-of-month month day-of-week), seven with a year, or the five of a "
            f"crontab line are expected. ({len(parts)} given.)"
        )
        raise _refusal(text, 0, reason)
    values: list[frozenset[int]] = []
    for part, field in zip(parts, fields, strict=True):
        at = part.at
        found: set[int] = set()
        for item in part.text.split(","):
            try:
                found.update(_values(item, field))
            except _Wrong as wrong:
                raise _refusal(text, at, str(wrong)) from None
            at += len(item) + 1
        values.append(frozenset(found))
    if crontab:
        return _from_crontab(values, parts)
    seconds, minutes, hours, days, months, weekdays = values[:6]
    years = values[6] if len(values) == len(_FIELDS) else frozenset(YEARS)
    return Expression(seconds, minutes, hours, days, months, frozenset(day - 1 for day in weekdays), years)


def _from_crontab(values: list[frozenset[int]], parts: list[_Part]) -> Expression:
    minutes, hours, days, months, weekdays = values
    weekdays = frozenset(number % 7 for number in weekdays)
    either = not parts[2].text.startswith("*") and not parts[4].text.startswith("*")
    return Expression(frozenset((0,)), minutes, hours, days, months, weekdays, frozenset(YEARS), either)


def _parts(text: str) -> list[_Part]:
    parts, at = [], 0
    for blank in [*_BLANKS.finditer(text), None]:
        end = blank.start() if blank is not None else len(text)
        if end > at:
            parts.append(_Part(text[at:end], at))
        at = blank.end() if blank is not None else end
    return parts


def _values(item: str, field: _Field) -> range:
    """Return the values of one item of a list."""
    match = _ITEM.fullmatch(item)
    if match is None:
        raise _Wrong(f"{field.title}: '{item}' cannot be read.")
    step_text, first_text, last_text = match["step"], match["first"], match["last"]
    if match["any"] is not None:
        if match["any"] == "?" and not field.any_mark:
            raise _Wrong(f"{field.title}: '?' stands for '*' in the two day fields only.")
        first, last = field.low, field.high
    else:
        first = _value(first_text, field)
        last = first if last_text is None else _value(last_text, field)
        if last_text is not None and first_text.isdigit() != last_text.isdigit():
            raise _Wrong(f"{field.title}: '{item}' mixes a name and a number.")
        if last < first:
            raise _Wrong(f"Invalid range for {field.title}: {first_text}-{last_text}")
        if step_text is not None and last_text is None:
            if not first_text.isdigit():
                raise _Wrong(f"{field.title}: a step needs a range, and '{first_text}' is one name.")
            last = field.high
    return range(first, last + 1, _step(step_text, field))


def _value(text: str, field: _Field) -> int:
    if not text.isdigit():
        number = field.names.get(text.lower())
        if number is None:
            raise _Wrong(f"{field.title}: '{text}' is no name here.")
        return number
    number = int(text)
    if number < field.low:
        raise _Wrong(f"{field.title} must be greater than or equal to {field.low}. ('{text}' specified.)")
    if number > field.high:
        raise _Wrong(f"{field.title} must be less than {field.high}. ('{text}' specified.)")
    return number


def _step(text: str | None, field: _Field) -> int:
    if text is None:
        return 1
    step = int(text)
    if step == 0:
        raise _Wrong("range step cannot be zero")
    if step > field.high:
        raise _Wrong(f"{field.title} must be between 1 and {field.high}. ('{text}' specified.)")
    return step


def _refusal(text: str, at: int, reason: str) -> TriggerRegistrationFailed:
    shown = _BLANKS.sub(lambda blank: " " * len(blank[0]), text)
    return TriggerRegistrationFailed(f"Invalid cron expression '{text}': {shown}\n{' ' * at}^\n{reason}")
