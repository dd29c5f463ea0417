"""Values of a store as Python objects: plain JSON, or checked into a type the user names."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from iii_worker.errors import Error

__all__ = ["TypedValues", "ValueMismatchError"]

Value = TypeVar("Value")


class ValueMismatchError(Error):
    """A stored value does not fit the type that was asked for."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "value_mismatch")


class TypedValues(Generic[Value]):
    """Checks what comes out of a store.

    :param model: a pydantic model, a dataclass or any other type; None: values are passed on as they are.
    """

    def __init__(self, model: type[Value] | None) -> None:
        self._adapter: TypeAdapter[Any] | None = None if model is None else TypeAdapter(model)

    def take(self, value: Any, where: str) -> Any:
        """Return the value as the type; None stays None. Raises :class:`ValueMismatchError`, which names ``where``."""
        if self._adapter is None or value is None:
            return value
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            what = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'value'}: {one['msg']}" for one in error.errors())
            raise ValueMismatchError(f"{where} is not what was asked for: {what}") from error
