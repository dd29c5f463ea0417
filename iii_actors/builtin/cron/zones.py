"""When a schedule is next, on the time line: in UTC, or (ours) in a time zone with its summer time.

In a zone, a schedule that fires in each hour of the day is an interval: it fires whenever the wall clock shows a
matching time, in the repeated hour of autumn twice. Any other is a time of day, which a user wants once a day: in the
repeated hour it fires the first time only, and a time that spring leaves out is that long after the last moment before
it (02:30 comes as 03:30), which is RFC 5545's rule (3.3.5) for local times that do not occur.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from iii_actors.errors import TriggerRegistrationFailed

if TYPE_CHECKING:
    from iii_actors.builtin.cron.calendar import Schedule

__all__ = ["next_after", "zone_named"]

_DAY_S: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WALL_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock's


def zone_named(name: object) -> ZoneInfo | None:
    """Return the zone that a trigger's ``timezone`` names; None, which is UTC, if it names none.

    Raises :class:`TriggerRegistrationFailed`.
    """
    if name is None:
        return None
    try:
        if isinstance(name, str):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise TriggerRegistrationFailed(
        f"Invalid timezone {str(name)[:60]!r}: not in the IANA time zone database. Write for example Europe/Berlin, "
        "or leave it out for UTC."
    )


def next_after(schedule: Schedule, zone: ZoneInfo | None, second: int) -> int | None:
    """Return the first second (since the epoch, UTC) strictly after ``second`` at which a schedule fires, or None."""
    if zone is None:
        return schedule.next_after(second)
    if schedule.every_hour:
        return _next_interval(schedule, zone, second)
    return _next_time_of_day(schedule, zone, second)


def _next_interval(schedule: Schedule, zone: ZoneInfo, second: int) -> int | None:
    """The next moment whose wall-clock time matches."""
    wall = second + _offset(zone, second)
    first, again = _instant(zone, wall, 0), _instant(zone, wall, 1)
    found = schedule.next_after(wall)
    if first == second < again:
        # The first pass of a repeated hour, which ends with a jump back.
        change = _change(zone, first, again)
        if found is None or found >= change + _offset(zone, first):
            found = schedule.next_after(change + _offset(zone, again) - 1)
            return None if found is None else _instant(zone, found, 1)
    if found is None:
        return None
    if second == again > first:
        return _instant(zone, found, 1)
    late, early = _instant(zone, found, 0), _instant(zone, found, 1)
    if early >= late:
        return late
    # Left out by a jump forward: go on behind it.
    found = schedule.next_after(_change(zone, early, late) + _offset(zone, late) - 1)
    return None if found is None else _instant(zone, found, 0)


def _next_time_of_day(schedule: Schedule, zone: ZoneInfo, second: int) -> int | None:
    """The next moment of a matching wall-clock time's first, or put off, occurrence."""
    offset, before = _offset(zone, second), _offset(zone, second - _DAY_S)
    wall = second + offset
    first = _instant(zone, wall, 0)
    if first < second:
        # The second pass of a repeated hour: its times have been, so go on behind it.
        wall = _change(zone, first, second) + _offset(zone, first) - 1
    moments = []
    found = schedule.next_after(wall)
    if found is not None:
        late, early = _instant(zone, found, 0), _instant(zone, found, 1)
        moments.append(late)
        if early < late:
            # Put off by a jump forward; what lies right behind the jump may come before it.
            behind = schedule.next_after(_change(zone, early, late) + _offset(zone, late) - 1)
            moments += [] if behind is None else [_instant(zone, behind, 0)]
    if before < offset:
        # A jump forward today: times that it left out may still be to come.
        end_of_gap = _change(zone, second - _DAY_S, second) + offset
        left_out = schedule.next_after(second + before)
        if left_out is not None and left_out < end_of_gap:
            moments.append(left_out - before)
    return min(moments, default=None)


def _offset(zone: ZoneInfo, second: int) -> int:
    """Return how far the wall clock is ahead of UTC at a moment, in seconds."""
    ahead = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    return int(ahead.total_seconds()) if ahead is not None else 0


def _instant(zone: ZoneInfo, wall: int, fold: int) -> int:
    """Return the moment at which the wall clock shows a time: the first (fold 0) or the last (1) of two.

    For a time left out, 0 gives the moment as long after the jump as the time is behind the gap's begin, 1 one before.
    """
    shown = (_WALL_EPOCH + timedelta(seconds=wall)).replace(tzinfo=zone, fold=fold)
    return int((shown - _EPOCH).total_seconds())


def _change(zone: ZoneInfo, early: int, late: int) -> int:
    """Return the first second of the later of two moments' offset, if it changes once between them."""
    offset = _offset(zone, late)
    while late - early > 1:
        middle = (early + late) // 2
        if _offset(zone, middle) == offset:
            late = middle
        else:
            early = middle
    return late
