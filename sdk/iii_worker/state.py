"""Shared state: JSON values by scope and key, kept by the engine's ``iii-state`` (spec state.md).

::

    users = worker.state("users")
    users.set("7", {"name": "Ada"})
    users.update("7", Update.increment("visits"))
    users.get("7")   # {'name': 'Ada', 'visits': 1}
"""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel

from iii_worker._types import Caller
from iii_worker.typed_values import TypedValues, ValueMismatchError
from iii_worker.update_ops import (
    Update,
    UpdateAppend,
    UpdateDecrement,
    UpdateFailedError,
    UpdateIncrement,
    UpdateMerge,
    UpdateOp,
    UpdateOpError,
    UpdateRemove,
    UpdateResult,
    UpdateSet,
    wire_ops,
)

__all__ = [
    "IState",
    "StateDeleteInput",
    "StateDeleteResult",
    "StateEventData",
    "StateEventType",
    "StateGetInput",
    "StateListInput",
    "StateScope",
    "StateSetInput",
    "StateSetResult",
    "StateUpdateInput",
    "StateUpdateResult",
    "Update",
    "UpdateAppend",
    "UpdateDecrement",
    "UpdateFailedError",
    "UpdateIncrement",
    "UpdateMerge",
    "UpdateOp",
    "UpdateOpError",
    "UpdateRemove",
    "UpdateSet",
    "ValueMismatchError",
    "list_scopes",
]

Value = TypeVar("Value")

_HOME: Final = "default"
"""State is global to the engine: its functions live here, whatever the caller's namespace (spec state.md §1)."""


class StateGetInput(BaseModel):
    """Input of ``state::get``."""

    scope: str
    key: str


class StateSetInput(BaseModel):
    """Input of ``state::set``."""

    scope: str
    key: str
    value: Any = None


class StateDeleteInput(BaseModel):
    """Input of ``state::delete``."""

    scope: str
    key: str


class StateListInput(BaseModel):
    """Input of ``state::list``."""

    scope: str


class StateUpdateInput(BaseModel):
    """Input of ``state::update``."""

    scope: str
    key: str
    ops: list[UpdateOp]


class StateSetResult(BaseModel):
    """Result of ``state::set``."""

    old_value: Any = None
    """None also if there was none."""
    new_value: Any = None


StateUpdateResult = UpdateResult
"""Result of ``state::update``."""


class StateDeleteResult(BaseModel):
    """What a delete took away. The engine answers ``state::delete`` with the bare value; see
    :meth:`StateScope.delete`.
    """

    old_value: Any = None


class StateEventType(StrEnum):
    """What happened to a value."""

    CREATED = "state:created"
    UPDATED = "state:updated"
    DELETED = "state:deleted"


class StateEventData(BaseModel):
    """What a ``state`` trigger's handler gets (spec state.md §5)."""

    type: Literal["state"] = "state"
    event_type: StateEventType
    scope: str
    key: str
    old_value: Any = None
    new_value: Any = None


class IState(ABC, Generic[Value]):
    """A store of state, as an interface: for programs that bring their own."""

    @abstractmethod
    def get(self, input: StateGetInput, /) -> Value | None: ...  # noqa: A002

    @abstractmethod
    def set(self, input: StateSetInput, /) -> StateSetResult | None: ...  # noqa: A002

    @abstractmethod
    def delete(self, input: StateDeleteInput, /) -> StateDeleteResult: ...  # noqa: A002

    @abstractmethod
    def list(self, input: StateListInput, /) -> builtins.list[Value]: ...  # noqa: A002

    @abstractmethod
    def update(self, input: StateUpdateInput, /) -> StateUpdateResult | None: ...  # noqa: A002


class StateScope(Generic[Value]):
    """One scope of the state; made by ``worker.state(scope)``. Holds nothing: every method is one call. Any thread.

    :param client: calls the engine.
    :param scope: any string; it exists while it has keys.
    :param model: the type that values are checked into, for :meth:`get` and :meth:`list`; None: they stay plain JSON.
    :param timeout: seconds each call may take; None: the client's default.

    Every method raises :class:`iii_worker.InvocationError` as a call does; ``function_not_found`` means that the engine
    runs without its ``iii-state``.
    """

    def __init__(
        self, client: Caller, scope: str, model: type[Value] | None = None, *, timeout: float | None = None
    ) -> None:
        if not isinstance(scope, str):
            raise TypeError(f"the scope is {scope!r}: it must be a str")
        self.scope = scope
        self._client = client
        self._values = TypedValues(model)
        self._timeout = timeout

    def _call(self, operation: str, **members: Any) -> Any:
        payload = {"scope": self.scope, **members}
        return self._client.call(f"state::{operation}", payload, timeout=self._timeout, namespace=_HOME)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value, ``default`` if there is none (or it is null).

        Raises :class:`ValueMismatchError` if it does not fit the model.
        """
        value = self._call("get", key=key)
        return default if value is None else self._values.take(value, f"state {self.scope}/{key}")

    def set(self, key: str, value: Any) -> StateSetResult:
        """Store a value: anything that can be sent as a payload. Returns what it replaced and what was stored."""
        return StateSetResult.model_validate(self._call("set", key=key, value=value))

    def update(self, key: str, *ops: UpdateOp | dict[str, Any]) -> StateUpdateResult:
        """Apply operations in one step, in their order; a key that is not there begins as ``{}``.

        Operations that do not fit are left out and told in ``errors``; ``raise_for_errors()`` of the result raises
        them.
        """
        return StateUpdateResult.model_validate(self._call("update", key=key, ops=wire_ops(ops)))

    def delete(self, key: str) -> Any:
        """Remove a value and return it; None if there was none."""
        return self._call("delete", key=key)

    def list(self) -> builtins.list[Any]:
        """Return all values of the scope, without their keys. Raises :class:`ValueMismatchError` as :meth:`get`."""
        found = self._call("list") or []
        return [self._values.take(value, f"state {self.scope}[{index}]") for index, value in enumerate(found)]

    def __repr__(self) -> str:
        return f"<StateScope {self.scope!r}>"


def list_scopes(client: Caller, *, timeout: float | None = None) -> builtins.list[str]:
    """Return the names of all scopes, sorted (``state::list_groups``). Raises as a call does."""
    answer = client.call("state::list_groups", {}, timeout=timeout, namespace=_HOME)
    return builtins.list(answer["groups"] if isinstance(answer, dict) else answer or [])
