"""A cron trigger as the scheduler keeps it, and what its function is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from iii_actors.builtin.calls import condition_of
from iii_actors.builtin.cron.agenda import When
from iii_actors.builtin.cron.expression import parse
from iii_actors.builtin.cron.zones import zone_named
from iii_actors.core.tracing import Span
from iii_actors.core.triggers import Trigger
from iii_actors.errors import TriggerRegistrationFailed
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

__all__ = ["CALL_SCHEMA", "CONFIG_SCHEMA", "Job", "Run"]

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
CONFIG_SCHEMA: Final = raw(
    {
        "$schema": _DRAFT,
        "title": "CronTriggerConfig",
        "type": "object",
        "properties": {
            "expression": {
                "type": "string",
                "description": "second minute hour day-of-month month day-of-week [year], a shorthand such as @daily, "
                "or the five fields of a crontab line",
            },
            "condition_function_id": {
                "type": ["string", "null"],
                "description": "Called first with the same payload; exactly false skips the run",
            },
            "timezone": {
                "type": ["string", "null"],
                "description": "IANA name of the zone whose wall clock the expression speaks of; UTC if absent",
            },
        },
        "required": ["expression"],
    }
)
"""cron.md §1; ``timezone`` is ours."""
CALL_SCHEMA: Final = raw(
    {
        "$schema": _DRAFT,
        "title": "CronCallRequest",
        "type": "object",
        "properties": {
            "trigger": {"type": "string", "description": "Always cron"},
            "job_id": {"type": "string", "description": "The trigger's id"},
            "scheduled_time": {"type": "string", "format": "date-time", "description": "When the run was to begin"},
            "actual_time": {"type": "string", "format": "date-time", "description": "When it began"},
        },
        "required": ["trigger", "job_id", "scheduled_time", "actual_time"],
    }
)


class _Config(Struct):
    expression: Any = None
    timezone: Any = None


_config: Final = msgspec.json.Decoder(_Config)


class Run:
    """One run of a job, from taking its lock to its function's answer. Told apart by identity."""

    __slots__ = ("job", "payload", "second", "span")

    def __init__(self, job: Job, second: int) -> None:
        self.job = job
        self.second = second
        """The tick: seconds since the epoch."""
        self.payload = wire.NULL
        self.span: Span | None = None
        """Around the call of its function, if the engine traces."""


class Job:
    """One cron trigger. Making one raises :class:`TriggerRegistrationFailed` if its configuration is wrong (§2).

    :param trigger: the binding.
    """

    __slots__ = ("_head", "condition", "id", "run", "trigger", "when")

    def __init__(self, trigger: Trigger) -> None:
        try:
            config = _config.decode(trigger.config)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            config = _Config()
        if not isinstance(config.expression, str) or not config.expression:
            raise TriggerRegistrationFailed("Cron expression is required")
        self.trigger = trigger
        self.id = trigger.id
        self.when = When(parse(config.expression), zone_named(config.timezone))
        self.condition = condition_of(trigger.config)
        self.run: Run | None = None
        """The run that has not ended; ticks that pass meanwhile are dropped."""
        self._head = b'{"trigger":"cron","job_id":%b,"scheduled_time":"' % bytes(raw(trigger.id))

    @property
    def metadata(self) -> Raw:
        return self.trigger.metadata if wire.present(self.trigger.metadata) else wire.ABSENT

    def payload(self, second: int, now: float) -> Raw:
        """Return what function and condition get (cron.md §4).

        :param second: when the run was to begin.
        :param now: when it begins. Both in seconds since the epoch.
        """
        scheduled = datetime.fromtimestamp(second, UTC).isoformat()
        actual = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
        return Raw(b'%b%b","actual_time":"%b"}' % (self._head, scheduled.encode(), actual.encode()))
