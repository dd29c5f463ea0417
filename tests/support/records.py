"""The registries' records as tests write them: short, with members that do not matter left out."""

from typing import Any

from msgspec import Raw

from iii_actors.actor import LightActor
from iii_actors.core import groups
from iii_actors.core.functions import Function
from iii_actors.core.messages import Target
from iii_actors.core.triggers import Trigger, TriggerType
from iii_actors.core.workers import WorkerRecord
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw

NOBODY: Any = LightActor.__new__(LightActor)
"""In the place of a reference that nobody uses."""


def optional(value: object) -> Raw:
    return wire.ABSENT if value is None else raw(value)


def function(
    function_id: str, worker_id: str = "w", namespace: str = "default", metadata: object = None, **members: Any
) -> Function:
    definition = wire.RegisterFunction(function_id, metadata=optional(metadata), **members)
    return Function(namespace, function_id, definition, Target(worker_id, NOBODY))


def shared(function_id: str, *worker_ids: str, policy: str = "round_robin", key: str | None = None) -> Function:
    """A function with a group."""
    definition = wire.RegisterFunction(function_id, metadata=raw({"group": policy, "group_key": key}))
    members = [groups.member(definition, Target(worker_id, NOBODY)) for worker_id in worker_ids]
    group = groups.found(members[0])
    for member in members[1:]:
        group = group.with_member(member)
    return Function("default", function_id, definition, members[0].target, group)


def worker(worker_id: str, name: str | None = None, **members: Any) -> WorkerRecord:
    return WorkerRecord(worker_id, 1_700_000_000.25, name=name, **members)


def named(**names: str | None) -> dict[str, WorkerRecord]:
    """Workers by id: ``named(w="users")``."""
    return {worker_id: worker(worker_id, name) for worker_id, name in names.items()}


def trigger_type(
    type_id: str, worker_id: str = "p", namespace: str = "default", in_process: bool = False, **members: Any
) -> TriggerType:
    definition = wire.RegisterTriggerType(type_id, members.pop("description", ""), **members)
    return TriggerType(namespace, type_id, definition, Target(worker_id, NOBODY, in_process))


def trigger(
    trigger_id: str, type_id: str = "t", function_id: str = "f", namespace: str = "default", **members: Any
) -> Trigger:
    config, metadata = raw(members.pop("config", None)), optional(members.pop("metadata", None))
    return Trigger(trigger_id, type_id, function_id, config, metadata, namespace, None, "default", None, **members)
