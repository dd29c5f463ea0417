"""What triggers, trigger types and services are registered with; each may also be given as a dict of the same keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, TypeVar, cast

from iii_worker.values import from_json, to_json

__all__ = [
    "RegisterServiceInput",
    "RegisterTriggerInput",
    "RegisterTriggerTypeInput",
    "UnregisterTriggerTypeInput",
    "as_json",
    "checked_id",
    "checked_namespace",
    "input_from",
]

_Input = TypeVar("_Input")


@dataclass
class RegisterTriggerInput:
    """A trigger: call ``function_id`` when what ``type`` and ``config`` describe happens."""

    type: str
    function_id: str
    """The function may be registered later, and by another worker."""
    config: Any = None
    """What the type wants to know: JSON, a model or a dataclass. None is sent as ``{}``."""
    metadata: Any = None
    """JSON that most types hand to the function with each call, as its ``metadata``."""
    namespace: str | None = None
    """Where the function is; None: the worker's own namespace."""
    trigger_namespace: str | None = None
    """Where the type is provided, and nowhere else; None: the worker's own namespace, then ``default``."""


@dataclass
class RegisterTriggerTypeInput:
    """A kind of trigger that this worker provides."""

    id: str
    description: str = ""
    trigger_request_format: Any = None
    """Of a trigger's ``config``: a type (a pydantic model, a dataclass, ...), which configs are then validated into, or
    a JSON Schema, which is only published."""
    call_request_format: Any = None
    """Of what functions are called with: a type or a JSON Schema; only published."""


@dataclass
class UnregisterTriggerTypeInput:
    """Which trigger type to take back."""

    id: str
    description: str = ""
    trigger_request_format: Any = None
    call_request_format: Any = None


@dataclass
class RegisterServiceInput:
    """A name under which functions are grouped; engines record it and it has no effect on calls (spec core.md §11)."""

    id: str
    name: str | None = None
    """None: as the id."""
    description: str | None = None
    parent_service_id: str | None = None


_OLDER_KEYS: Final = {RegisterTriggerInput: {"trigger_type": "type"}}


def input_from(kind: type[_Input], given: _Input | Mapping[str, Any], what: str) -> _Input:
    """Return an input that may be given as a mapping.

    :param what: the method's name, for errors.

    Raises ``TypeError`` for keys that are none, and for those that are missing.
    """
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} takes a {kind.__name__} or a dict, not {type(given).__name__}")
    older = _OLDER_KEYS.get(cast("Any", kind), {})
    members = {older.get(key, key): value for key, value in given.items()}
    known = fields(cast("Any", kind))
    names = [field.name for field in known]
    unknown = [str(key) for key in members if key not in names]
    if unknown:
        raise TypeError(f"{what}: there is no key {unknown[0]!r}; there are {', '.join(names)}")
    missing = [field.name for field in known if field.default is MISSING and field.name not in members]
    if missing:
        raise TypeError(f"{what}: {missing[0]} is missing")
    return kind(**members)


def checked_id(value: object, what: str) -> str:
    """Return an id; raise ``TypeError`` if it is no text, ``ValueError`` if it is blank."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is {value!r:.80}: it must be a text")
    if not value.strip():
        raise ValueError(f"{what} is blank: give it a name")
    return value


def checked_namespace(value: object, what: str) -> str | None:
    """Return a namespace or None; raise ``TypeError`` if it is no text, ``ValueError`` if it is blank."""
    return None if value is None else checked_id(value, what)


def as_json(value: Any, what: str) -> Any:
    """Return a value as plain JSON; models and dataclasses by field name. Raises :class:`iii_worker.NotJsonError`."""
    return None if value is None else from_json(to_json(value, what))
