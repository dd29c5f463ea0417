"""Type hints of handlers, read at run time: resolved, and in a form that pydantic understands on every Python."""

from __future__ import annotations

import inspect
import logging
import sys
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Union, cast, get_args, get_origin

import typing_extensions

__all__ = ["NO_HINT", "modern", "resolved_hints"]

logger = logging.getLogger(__name__)


class _NoHint:
    def __repr__(self) -> str:
        return "NO_HINT"


NO_HINT: Final = _NoHint()
"""In place of a hint where there is none, or none that can be resolved."""

_PACKAGE: Final = str(Path(__file__).parent)


def resolved_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a function's hints as types, by parameter name and ``"return"``.

    Names are looked up where the function was defined and, for classes that are local to another function, where it is
    being registered. What cannot be resolved is left out, with a warning (spec sdk.md §3.13).
    """
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: S110  any error of any expression in any hint; they are tried one by one below
        pass
    source = inspect.unwrap(function)
    source = getattr(source, "__func__", source)
    written: Mapping[str, Any] = getattr(source, "__annotations__", {})
    local = _names_around(source)
    names = getattr(source, "__globals__", {})
    hints: dict[str, Any] = {}
    for name, hint in written.items():
        holder = types.SimpleNamespace(__annotations__={name: hint})
        try:
            hints |= typing.get_type_hints(holder, names, local, include_extras=True)
        except Exception as error:
            logger.warning(
                "The hint %r of %r in handler %s cannot be resolved and is ignored: %s",
                hint,
                name,
                getattr(source, "__qualname__", source),
                error,
            )
    return hints


def _names_around(function: Any) -> dict[str, Any]:
    """Return the local names of whoever registers the function, and those the function itself closes over."""
    frame = sys._getframe(1)  # noqa: SLF001  the one way to the names a local class is known by
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    names = dict(frame.f_locals)
    with suppress(TypeError, ValueError):  # it is no Python function
        names |= inspect.getclosurevars(function).nonlocals
    return names


def modern(hint: Any) -> Any:
    """Return a hint with every ``typing.TypedDict`` in it made one of typing_extensions.

    Before Python 3.12 pydantic needs those: the standard ones do not say which keys are required. Raises ``TypeError``
    for a TypedDict that holds itself.
    """
    return hint if sys.version_info >= (3, 12) else _modern(hint, ())


def _modern(hint: Any, inside: tuple[Any, ...]) -> Any:
    if isinstance(hint, type) and typing.is_typeddict(hint):
        return _modern_typed_dict(hint, inside)
    origin, args = get_origin(hint), get_args(hint)
    if not args:
        return hint
    if origin is Annotated:
        return Annotated[(_modern(args[0], inside), *args[1:])]
    if origin is typing.Literal:
        return hint
    if origin in (Union, types.UnionType):
        return Union[tuple(_modern(arg, inside) for arg in args)]  # noqa: UP007
    if origin in (typing_extensions.Required, typing_extensions.NotRequired):
        return cast("Any", origin)[_modern(args[0], inside)]
    new = tuple(_modern(arg, inside) if not isinstance(arg, list) else arg for arg in args)
    return hint if new == args else hint.copy_with(new) if hasattr(hint, "copy_with") else cast("Any", origin)[new]


def _modern_typed_dict(hint: Any, inside: tuple[Any, ...]) -> Any:
    if hint in inside:
        raise TypeError(f"TypedDict {hint.__name__} holds itself: take typing_extensions.TypedDict for it")
    fields = {}
    for name, field in typing.get_type_hints(hint, include_extras=True).items():
        while get_origin(field) in (typing_extensions.Required, typing_extensions.NotRequired):
            field = get_args(field)[0]  # noqa: PLW2901  which keys are required, the class says
        inner = _modern(field, (*inside, hint))
        required = typing_extensions.Required if name in hint.__required_keys__ else typing_extensions.NotRequired
        fields[name] = required[inner]
    new = cast("Any", typing_extensions.TypedDict)(hint.__name__, fields)
    new.__doc__ = hint.__doc__
    return new
