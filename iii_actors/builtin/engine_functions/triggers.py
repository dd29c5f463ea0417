"""``engine::triggers::*`` (types) and ``engine::registered-triggers::*`` (instances): from records to rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from iii_actors.builtin.engine_functions.functions import FunctionDetail, given
from iii_actors.builtin.engine_functions.owners import Records, target_owner, type_owner
from iii_actors.core.functions import RESERVED_PREFIX, Function
from iii_actors.core.triggers import Trigger, TriggerType
from iii_actors.limits import CONFIG_SUMMARY_CHARS
from iii_actors.wire.codec import raw

__all__ = [
    "Functions",
    "RegisteredTriggerDetail",
    "RegisteredTriggerInfoQuery",
    "RegisteredTriggerQuery",
    "RegisteredTriggerSummary",
    "RegisteredTriggersFound",
    "TriggerTypeDetail",
    "TriggerTypeInfoQuery",
    "TriggerTypeQuery",
    "TriggerTypeSummary",
    "TriggerTypesFound",
    "registered_detail",
    "registered_summary",
    "target",
    "targets_of",
    "type_detail",
    "type_summary",
    "visible_triggers",
    "visible_types",
]

Functions = Mapping[tuple[str, str], Function]
"""Targets of triggers by ``(namespace, id)``, as far as they are registered."""

_RESPONSES: Final = {
    "http": raw(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "status_code": {"type": "integer"},
                "headers": {"type": "object"},
                "body": {},
            },
        }
    )
}
"""What the handler of a trigger may return, where the type has a say in it."""


class TriggerTypeQuery(Struct, frozen=True):
    """Input of ``engine::triggers::list``; all conditions must hold."""

    search: str | None = None
    """Part of the id or the description, in any case."""
    prefix: str | None = None
    """Beginning of the id, exactly."""
    worker: str | None = None
    """Name of the owner, exactly."""
    include_internal: bool | None = None
    """Types whose id begins with ``engine::``, too."""


class TriggerTypeInfoQuery(Struct, frozen=True):
    """Input of ``engine::triggers::info``."""

    id: str
    namespace: str | None = None
    """Absent: ``default``; no other is tried."""


class TriggerTypeSummary(Struct, frozen=True):
    """A row."""

    id: str
    namespace: str
    worker_name: str
    description: str


class TriggerTypesFound(Struct, frozen=True):
    """Output of ``engine::triggers::list``."""

    triggers: list[TriggerTypeSummary]


class TriggerTypeDetail(Struct, frozen=True, omit_defaults=True):
    """Everything about one trigger type."""

    id: str
    namespace: str
    worker_name: str
    description: str
    instance_count: int
    """Live instances of a type with this id, in all namespaces."""
    configuration_schema: Raw | UnsetType = UNSET
    request_schema: Raw | UnsetType = UNSET
    response_schema: Raw | UnsetType = UNSET


class RegisteredTriggerQuery(Struct, frozen=True):
    """Input of ``engine::registered-triggers::list``; all conditions must hold."""

    search: str | None = None
    """Part of the id, the trigger type or the function id, in any case."""
    trigger_type: str | None = None
    function_id: str | None = None
    worker: str | None = None
    """Name of the target function's owner, exactly."""
    include_internal: bool | None = None
    """Those that call a function whose id begins with ``engine::``, too."""


class RegisteredTriggerInfoQuery(Struct, frozen=True):
    """Input of ``engine::registered-triggers::info``."""

    id: str


class RegisteredTriggerSummary(Struct, frozen=True):
    """A row."""

    id: str
    trigger_type: str
    function_id: str
    worker_name: str
    """Of the target function's owner."""
    config: Raw
    config_summary: str


class RegisteredTriggersFound(Struct, frozen=True):
    """Output of ``engine::registered-triggers::list``."""

    registered_triggers: list[RegisteredTriggerSummary]


class RegisteredTriggerDetail(Struct, frozen=True, omit_defaults=True):
    """Everything about one instance."""

    id: str
    trigger_type: str
    function_id: str
    worker_name: str
    config: Raw
    trigger: TriggerTypeDetail | None
    function: FunctionDetail | None
    metadata: Raw | UnsetType = UNSET


# --- types -----------------------------------------------------------------------------------------------------------


def visible_types(types: Iterable[TriggerType], query: TriggerTypeQuery, records: Records) -> list[TriggerType]:
    """Return what a query lets through, by id."""
    prefix, needle = query.prefix or "", (query.search or "").lower()
    shown = [
        one
        for one in types
        if one.id.startswith(prefix)
        and (query.include_internal or not one.id.startswith(RESERVED_PREFIX))
        and (needle in one.id.lower() or needle in one.definition.description.lower())
        and (query.worker is None or type_owner(one, records) == query.worker)
    ]
    return sorted(shown, key=lambda one: (one.id, one.namespace))


def type_summary(registered: TriggerType, records: Records) -> TriggerTypeSummary:
    """Return a trigger type's row."""
    return TriggerTypeSummary(
        registered.id, registered.namespace, type_owner(registered, records), registered.definition.description
    )


def type_detail(registered: TriggerType, records: Records, triggers: Iterable[Trigger]) -> TriggerTypeDetail:
    """Return everything about a trigger type.

    :param triggers: every live trigger; those of the type are counted.
    """
    definition = registered.definition
    return TriggerTypeDetail(
        registered.id,
        registered.namespace,
        type_owner(registered, records),
        definition.description,
        sum(one.trigger_type == registered.id for one in triggers),
        given(definition.trigger_request_format),
        given(definition.call_request_format),
        _RESPONSES.get(registered.id, UNSET),
    )


# --- instances -------------------------------------------------------------------------------------------------------


def visible_triggers(triggers: Iterable[Trigger], query: RegisteredTriggerQuery) -> list[Trigger]:
    """Return what a query lets through, by id; owners are not looked at, see :func:`targets_of`."""
    needle = (query.search or "").lower()
    shown = [
        one
        for one in triggers
        if (query.trigger_type is None or one.trigger_type == query.trigger_type)
        and (query.function_id is None or one.function_id == query.function_id)
        and (query.include_internal or not one.function_id.startswith(RESERVED_PREFIX))
        and (
            not needle
            or needle in one.id.lower()
            or needle in one.function_id.lower()
            or needle in one.trigger_type.lower()
        )
    ]
    return sorted(shown, key=lambda one: one.id)


def target(trigger: Trigger) -> tuple[str, str]:
    """Return which function a trigger calls: ``(namespace, id)``."""
    return trigger.namespace, trigger.function_id


def targets_of(
    triggers: Iterable[Trigger], worker: str | None, functions: Functions, records: Records
) -> list[Trigger]:
    """Return those whose target belongs to the worker of this name; all of them if no name is given."""
    if worker is None:
        return list(triggers)
    return [one for one in triggers if target_owner(functions.get(target(one)), one.function_id, records) == worker]


def registered_summary(trigger: Trigger, functions: Functions, records: Records) -> RegisteredTriggerSummary:
    """Return an instance's row."""
    return RegisteredTriggerSummary(
        trigger.id,
        trigger.trigger_type,
        trigger.function_id,
        target_owner(functions.get(target(trigger)), trigger.function_id, records),
        trigger.config,
        config_summary(trigger.config),
    )


def config_summary(config: Raw) -> str:
    """Return a configuration on one line, cut with ``…`` after 80 characters."""
    try:
        text = msgspec.json.encode(msgspec.json.decode(config)).decode()
    except ValueError:  # a number beyond a double: legal as text, and forwarded as such
        text = msgspec.json.format(bytes(config), indent=-1).decode(errors="replace")
    return text if len(text) <= CONFIG_SUMMARY_CHARS else text[:CONFIG_SUMMARY_CHARS] + "…"


def registered_detail(
    trigger: Trigger,
    served_by: TriggerTypeDetail | None,
    function: FunctionDetail | None,
) -> RegisteredTriggerDetail:
    """Return everything about one instance, given its type and its target as far as they are there."""
    return RegisteredTriggerDetail(
        trigger.id,
        trigger.trigger_type,
        trigger.function_id,
        function.worker_name if function is not None else target_owner(None, trigger.function_id, {}),
        trigger.config,
        served_by,
        function,
        given(trigger.metadata),
    )
