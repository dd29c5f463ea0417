"""``engine::functions::list`` and ``engine::functions::info``: from the registry's records to rows.

Pure: no actor is asked here. Every list is filtered before any row is made, so that a question about a few functions
costs little beside thousands of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from iii_actors.access.policy import Access
from iii_actors.builtin.engine_functions.owners import Records, function_owner, holders, member_name
from iii_actors.core.functions import RESERVED_PREFIX, Function
from iii_actors.core.messages import Target
from iii_actors.core.triggers import Trigger
from iii_actors.errors import InvalidArguments
from iii_actors.limits import BATCH_IDS
from iii_actors.wire import messages as wire

__all__ = [
    "BoundTrigger",
    "FunctionBatch",
    "FunctionDetail",
    "FunctionGroup",
    "FunctionInfoQuery",
    "FunctionQuery",
    "FunctionSummary",
    "FunctionsFound",
    "GroupMember",
    "UnknownFunction",
    "batch",
    "detail",
    "given",
    "is_internal",
    "owned_by",
    "permitted",
    "summary",
    "visible",
]

_SHOWN_PREFIX: Final = "engine::queue::"
"""The only ids of the engine's own that listings show without ``include_internal``."""


class FunctionQuery(Struct, frozen=True):
    """Input of ``engine::functions::list``; all conditions must hold."""

    search: str | None = None
    """Part of the id or the description, in any case; empty: everything."""
    prefix: str | None = None
    """Beginning of the id, exactly."""
    worker: str | None = None
    """Name of the owner, exactly."""
    workers: list[str] | None = None
    """Names of owners; one of these or `worker`."""
    include_internal: bool | None = None
    """The engine's own functions and those marked ``metadata.internal``, too."""


class FunctionInfoQuery(Struct, frozen=True):
    """Input of ``engine::functions::info``: one id or several."""

    function_id: str | None = None
    function_ids: list[str] | None = None
    namespace: str | None = None


class FunctionSummary(Struct, frozen=True, omit_defaults=True):
    """A row."""

    function_id: str
    namespace: str
    worker_name: str
    description: str | None = None
    metadata: Raw | UnsetType = UNSET


class FunctionsFound(Struct, frozen=True):
    """Output of ``engine::functions::list``."""

    functions: list[FunctionSummary]


class BoundTrigger(Struct, frozen=True):
    """A trigger that calls the function."""

    id: str
    trigger_type: str
    config: Raw


class GroupMember(Struct, frozen=True):
    """One of the workers that share a function."""

    worker_id: str
    worker_name: str
    active_invocations: int
    """Calls that it makes or executes now."""


class FunctionGroup(Struct, frozen=True, omit_defaults=True):
    """How several workers share a function (ours)."""

    policy: str
    members: list[GroupMember]
    key: str | None = None
    """``sticky``: the payload's field."""


class FunctionDetail(Struct, frozen=True, omit_defaults=True):
    """Everything about one function."""

    function_id: str
    namespace: str
    worker_name: str
    registered_triggers: list[BoundTrigger]
    description: str | None = None
    request_schema: Raw | UnsetType = UNSET
    response_schema: Raw | UnsetType = UNSET
    metadata: Raw | UnsetType = UNSET
    group: FunctionGroup | UnsetType = UNSET


class UnknownFunction(Struct, frozen=True):
    """In the place of a detail, for one id of a batch."""

    function_id: str
    error: str
    """``not_found``; or ``forbidden``: the session that asks may not call it."""


class FunctionBatch(Struct, frozen=True):
    """Output of ``engine::functions::info`` for several ids."""

    functions: Annotated[list[Any], msgspec.Meta(description="In the order asked; unknown: {function_id, error}.")]
    """Each a :class:`FunctionDetail` or an :class:`UnknownFunction`."""


class _Flags(Struct):
    internal: Any = None


_flags: Final = msgspec.json.Decoder(_Flags)


def given(value: Raw) -> Raw | UnsetType:
    """Return an optional any-JSON member for a row: left out where it is absent or null."""
    return value if wire.present(value) else UNSET


def is_internal(function: Function) -> bool:
    """Return whether default listings hide a function: the engine's own, or marked ``metadata.internal``."""
    function_id, metadata = function.function_id, function.definition.metadata
    if function_id.startswith(RESERVED_PREFIX) and not function_id.startswith(_SHOWN_PREFIX):
        return True
    if metadata is wire.ABSENT:
        return False
    try:
        return _flags.decode(metadata).internal is True
    except msgspec.MsgspecError:
        return False


def permitted(functions: Iterable[Function], access: Access | None) -> list[Function]:
    """Return those that a session may call (core.md §10.7); all of them if it may do everything."""
    if access is None:
        return list(functions)
    allows = access.permission.allows
    return [one for one in functions if allows(one.function_id, one.namespace, one.definition, one.definition.metadata)]


def visible(functions: Iterable[Function], query: FunctionQuery) -> list[Function]:
    """Return what a query lets through, in its order; owners are not looked at, see :func:`owned_by`."""
    prefix, needle = query.prefix, (query.search or "").lower()
    if prefix:
        functions = [one for one in functions if one.function_id.startswith(prefix)]
    if not query.include_internal:
        functions = [one for one in functions if not is_internal(one)]
    if not needle:
        return sorted(functions, key=_by_id)
    ranked = [(rank, one) for one in functions if (rank := _rank(one, needle)) is not None]
    ranked.sort(key=lambda pair: (pair[0], *_by_id(pair[1])))
    return [one for _, one in ranked]


def _by_id(function: Function) -> tuple[str, str]:
    return function.function_id, function.namespace


def _rank(function: Function, needle: str) -> int | None:
    """Return how well a function fits a search, 0 best; None: not at all."""
    function_id = function.function_id.lower()
    if needle in function_id:
        return 0 if function_id.startswith(needle) or needle in function_id.split("::") else 1
    return 2 if needle in (function.definition.description or "").lower() else None


def owned_by(functions: Iterable[Function], query: FunctionQuery, records: Records) -> list[Function]:
    """Return those whose owner (of a group: any member) has one of the names that the query gives, if it gives any."""
    wanted = set(query.workers or ())
    if query.worker is not None:
        wanted.add(query.worker)
    elif not wanted:
        return list(functions)
    return [one for one in functions if any(member_name(one, holder, records) in wanted for holder in holders(one))]


def summary(function: Function, records: Records, holder: Target | None = None) -> FunctionSummary:
    """Return a function's row.

    :param holder: whose name it goes by; of a group that would otherwise be the first member's.
    """
    definition = function.definition
    return FunctionSummary(
        function.function_id,
        function.namespace,
        member_name(function, holder or function.target, records),
        definition.description,
        given(definition.metadata),
    )


def batch(query: FunctionInfoQuery) -> list[str] | None:
    """Return the ids of a batch, each once, or None where one function is asked for. Raises ``InvalidArguments``."""
    if query.function_ids is None:
        if query.function_id is None:
            raise InvalidArguments.no_ids()
        return None
    if query.function_id is not None:
        raise InvalidArguments.both_ids()
    if not query.function_ids:
        raise InvalidArguments.empty_ids()
    ids = list(dict.fromkeys(query.function_ids))
    if len(ids) > BATCH_IDS:
        raise InvalidArguments.too_many_ids()
    return ids


def detail(
    function: Function, records: Records, triggers: Iterable[Trigger], calls: Mapping[str, int]
) -> FunctionDetail:
    """Return everything about a function.

    :param triggers: every live trigger; those that call it are picked.
    :param calls: calls in flight by worker id, for the members of a group.
    """
    definition = function.definition
    key = (function.namespace, function.function_id)
    bound = [
        BoundTrigger(one.id, one.trigger_type, one.config)
        for one in triggers
        if (one.namespace, one.function_id) == key
    ]
    bound.sort(key=lambda one: one.id)
    return FunctionDetail(
        function.function_id,
        function.namespace,
        function_owner(function, records),
        bound,
        definition.description,
        given(definition.request_format),
        given(definition.response_format),
        given(definition.metadata),
        _group(function, records, calls),
    )


def _group(function: Function, records: Records, calls: Mapping[str, int]) -> FunctionGroup | UnsetType:
    group = function.group
    if group is None:
        return UNSET
    members = [
        GroupMember(
            target.worker_id,
            member_name(function, target, records),
            calls.get(target.worker_id, 0),
        )
        for target in holders(function)
    ]
    return FunctionGroup(group.policy.name, members, group.policy.key)
