"""The update operations of state and streams (spec state.md §4).

A path is one literal key when it is a string: ``"a.b"`` is the key named ``a.b``. Only ``append`` and ``merge`` reach
deeper, with a list of keys. ``""``, None and ``[]`` mean the whole document. List elements cannot be addressed.

::

    worker.state("users").update("7", Update.set("name", "Ada"), Update.increment("visits"))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from iii_worker.errors import Error

__all__ = [
    "Update",
    "UpdateAppend",
    "UpdateDecrement",
    "UpdateFailedError",
    "UpdateIncrement",
    "UpdateMerge",
    "UpdateOp",
    "UpdateOpError",
    "UpdateRemove",
    "UpdateResult",
    "UpdateSet",
    "wire_ops",
]

_I64: Final = 2**63

Key = Annotated[str, Field(description="one literal key; empty: the whole document")]
Path = Annotated[str | list[str] | None, Field(description="one literal key, or a list of nested ones; None: the root")]
By = Annotated[int, Field(ge=-_I64, lt=_I64, description="a signed 64-bit integer")]


class _Op(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UpdateSet(_Op):
    """Replace a value, or the whole document."""

    type: Literal["set"] = "set"
    path: Key = ""
    value: Any = None


class UpdateIncrement(_Op):
    """Add to a number; a key that is not there counts as 0."""

    type: Literal["increment"] = "increment"
    path: Key = ""
    by: By = 1


class UpdateDecrement(_Op):
    """Subtract from a number; a key that is not there counts as 0."""

    type: Literal["decrement"] = "decrement"
    path: Key = ""
    by: By = 1


class UpdateAppend(_Op):
    """Push one element to a list, or join a string to a string; makes the list (or string) if nothing is there."""

    type: Literal["append"] = "append"
    path: Path = None
    value: Any = None


class UpdateRemove(_Op):
    """Remove a key; the whole document becomes null."""

    type: Literal["remove"] = "remove"
    path: Key = ""


class UpdateMerge(_Op):
    """Lay the keys of an object over an object (not deeper); makes the objects on the path."""

    type: Literal["merge"] = "merge"
    path: Path = None
    value: dict[str, Any]


UpdateOp = Annotated[
    UpdateSet | UpdateIncrement | UpdateDecrement | UpdateAppend | UpdateRemove | UpdateMerge,
    Field(discriminator="type"),
]


class Update:
    """Short ways to write the operations: ``Update.set("name", "Ada")``."""

    @staticmethod
    def set(path: str, value: Any) -> UpdateSet:
        return UpdateSet(path=path, value=value)

    @staticmethod
    def increment(path: str = "", by: int = 1) -> UpdateIncrement:
        return UpdateIncrement(path=path, by=by)

    @staticmethod
    def decrement(path: str = "", by: int = 1) -> UpdateDecrement:
        return UpdateDecrement(path=path, by=by)

    @staticmethod
    def append(path: str | Sequence[str] | None, value: Any) -> UpdateAppend:
        return UpdateAppend(path=_path(path), value=value)

    @staticmethod
    def remove(path: str = "") -> UpdateRemove:
        return UpdateRemove(path=path)

    @staticmethod
    def merge(value: dict[str, Any], path: str | Sequence[str] | None = None) -> UpdateMerge:
        return UpdateMerge(path=_path(path), value=value)


def _path(path: str | Sequence[str] | None) -> str | list[str] | None:
    return path if path is None or isinstance(path, str) else list(path)


class UpdateOpError(BaseModel):
    """An operation that was not applied; those before and after it were."""

    op_index: int
    """Which one, counted from 0."""
    code: str
    """For example ``increment.not_number`` (spec state.md §4.3)."""
    message: str
    doc_url: str | None = None


class UpdateFailedError(Error):
    """Operations of an update were not applied; the others were, and the value was written.

    ``code`` is that of the first one, :attr:`errors` has all of them.
    """

    def __init__(self, errors: list[UpdateOpError]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"operation {first.op_index} was not applied: {first.message}{more}", first.code)
        self.args = (errors,)
        self.errors = errors

    def __str__(self) -> str:
        return self.message


class UpdateResult(BaseModel):
    """What an update did."""

    old_value: Any = None
    """None also if there was none."""
    new_value: Any = None
    errors: list[UpdateOpError] = Field(default_factory=list)

    def raise_for_errors(self) -> Self:
        """Raise :class:`UpdateFailedError` if an operation was not applied; return the result otherwise."""
        if self.errors:
            raise UpdateFailedError(self.errors)
        return self


def wire_ops(ops: Iterable[UpdateOp | dict[str, Any]]) -> list[Any]:
    """Return operations as they go on the wire. Raises ``TypeError`` for what is none."""
    wire: list[Any] = []
    for op in ops:
        if isinstance(op, _Op):
            fields = {name: getattr(op, name) for name in type(op).model_fields}
            wire.append({name: value for name, value in fields.items() if not (name == "path" and value is None)})
        elif isinstance(op, dict):
            wire.append(op)
        else:
            raise TypeError(f"{op!r} is no update operation: use Update.set(...), Update.increment(...), ... or a dict")
    return wire
