"""Who owns a function or a trigger type, by name (engine-functions.md §3, "Owner-name rule")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from iii_actors.core.functions import Function
from iii_actors.core.messages import Target
from iii_actors.core.triggers import TriggerType
from iii_actors.core.workers import WorkerRecord

__all__ = ["Records", "first_segment", "function_owner", "holders", "member_name", "target_owner", "type_owner"]

Records = Mapping[str, WorkerRecord]
"""Workers by id, as far as they are needed; one that is missing has left meanwhile."""

_KNOWN_TYPES: Final = {
    "http": "iii-http",
    "cron": "iii-cron",
    "subscribe": "iii-pubsub",
    "state": "iii-state",
    "durable:subscriber": "queue",
    "stream": "iii-stream",
    "stream:join": "iii-stream",
    "stream:leave": "iii-stream",
    "log": "iii-observability",
    "trace": "iii-observability",
    "configuration": "configuration",
}


def first_segment(name: str) -> str:
    """Return what stands before the first ``::``, or all of it: the owner when nobody better is known."""
    return name.partition("::")[0]


def holders(function: Function) -> list[Target]:
    """Return everyone who executes a function: one, or the members of its group in the order they joined."""
    if function.group is None:
        return [function.target]
    return [member.target for member in function.group.members]


def member_name(function: Function, target: Target, records: Records) -> str:
    """Return the name under which one holder of a function is shown."""
    record = records.get(target.worker_id)
    return record.name if record is not None and record.name else first_segment(function.function_id)


def function_owner(function: Function, records: Records) -> str:
    """Return a function's owner; of a group, its first member."""
    return member_name(function, function.target, records)


def target_owner(function: Function | None, function_id: str, records: Records) -> str:
    """Return the owner of a trigger's target, which need not be registered."""
    return function_owner(function, records) if function is not None else first_segment(function_id)


def type_owner(registered: TriggerType, records: Records) -> str:
    """Return a trigger type's owner.

    A built-in worker's own types that the table does not name go by that worker's name, as its functions do (§7 leaves
    that open; deployed engines show ``engine``).
    """
    record = records.get(registered.provider.worker_id)
    name = record.name if record is not None else None
    if name and not registered.provider.in_process:
        return name
    return _KNOWN_TYPES.get(registered.id) or name or first_segment(registered.id)
