"""When a schedule is next, in wall-clock seconds: croniter behind a translation of our fields.

"Wall-clock seconds" are seconds since 1970-01-01 00:00:00 as a clock on the wall shows the time; what they mean on the
time line is :mod:`.zones`' business. Not thread-safe: a schedule belongs to one thread.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from croniter import CroniterBadDateError, croniter

from iii_actors.builtin.cron.expression import Expression

__all__ = ["Schedule"]

_DAY_S: Final = 86_400
_ALL_DAYS: Final = frozenset(range(1, 32))
_ALL_WEEKDAYS: Final = frozenset(range(7))
_LEAP_YEAR: Final = 2000


class Schedule:
    """The times of one expression.

    croniter finds second, minute, hour, month and the day by *one* of the two day fields (by both for a crontab line's
    "either"). Years it knows only up to 2099, and a day that has to satisfy both fields it searches day by day; so
    those two conditions are looked at here, and what does not satisfy them is jumped over, a day or some years at once.
    """

    def __init__(self, expression: Expression) -> None:
        days, weekdays = expression.days, expression.weekdays
        self.every_hour = len(expression.hours) == 24  # noqa: PLR2004 - of a day
        """Whether it fires in each hour of its days, so that it is an interval rather than a time of day."""
        self._years = expression.years
        self._weekdays = weekdays
        either = expression.either_day
        if either and (days == _ALL_DAYS or weekdays == _ALL_WEEKDAYS):
            either, days, weekdays = False, _ALL_DAYS, _ALL_WEEKDAYS
        possible = min(days) <= max(monthrange(_LEAP_YEAR, month)[1] for month in expression.months)
        if either and not possible:
            either, days, possible = False, _ALL_DAYS, True
        self._both = not either and days != _ALL_DAYS and weekdays != _ALL_WEEKDAYS
        self._search: croniter | None = None
        if possible:
            fields = [
                _written(expression.minutes, 60),
                _written(expression.hours, 24),
                _written(days, 31),
                _written(expression.months, 12),
                "*" if self._both else _written(weekdays, 7),
                _written(expression.seconds, 60),
            ]
            self._search = croniter(" ".join(fields), 0.0, day_or=either)

    def next_after(self, second: int) -> int | None:
        """Return the first time strictly after a wall-clock second; None if there is no more."""
        if self._search is None:
            return None
        while True:
            year = datetime.fromtimestamp(second + 1, UTC).year
            allowed = min((one for one in self._years if one >= year), default=None)
            if allowed is None:
                return None
            if allowed > year:
                second = _begin(allowed) - 1
            self._search.set_current(second, force=True)
            try:
                found = int(self._search.get_next(float))
            except CroniterBadDateError:
                return None
            moment = datetime.fromtimestamp(found, UTC)
            if moment.year not in self._years:
                second = found - 1
            elif self._both and moment.isoweekday() % 7 not in self._weekdays:
                second = found - found % _DAY_S + _DAY_S - 1
            else:
                return found


def _begin(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def _written(values: Iterable[int], of: int) -> str:
    """Write a field as a list of numbers; ``*`` if it is all there are, which is also much the quickest."""
    listed = sorted(values)
    return "*" if len(listed) == of else ",".join(map(str, listed))
