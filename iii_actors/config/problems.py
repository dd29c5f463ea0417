"""From what pydantic found to one line an operator can act on.

A mistake is first known by its *path* in the settings (``workers[1].config.port``); whoever read a file adds the file
and the line (:func:`iii_actors.config.loading.parse`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from iii_actors.errors import ConfigError

__all__ = ["Path", "SettingsError", "refused"]

Path = tuple[str | int, ...]
"""Where a value stands in the settings: keys and list positions, outermost first."""

_SHOWN_CHARS = 60

_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_too_short": "some text",
    "string_type": "text",
}
"""What pydantic asks for, in the words of a YAML file rather than of Python."""


class SettingsError(ConfigError):
    """A mistake known by its path only.

    :param path: the value's place in the settings; empty for the settings as a whole.
    :param more: how many further mistakes there are.
    """

    def __init__(self, path: Path, problem: str, mend: str = "", *, more: int = 0) -> None:
        if more:
            mend = f"{mend} (and {more} more)" if mend else f"there {'is' if more == 1 else 'are'} {more} more"
        self.path = path
        super().__init__(spelled(path), problem, mend)

    def located(self, place: str) -> ConfigError:
        """Return the same mistake with the file (and line) in front."""
        return ConfigError(f"{place}: {spelled(self.path)}" if self.path else place, self.problem, self.mend)


def spelled(path: Path) -> str:
    """Return ``workers[1].config.port`` for ``("workers", 1, "config", "port")``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "settings"


def refused(error: ValidationError, model: type[BaseModel], prefix: Path = ()) -> SettingsError:
    """Return the first mistake pydantic found while building `model`, which stands at `prefix` in the settings."""
    details = error.errors(include_url=False)
    first = details[0]
    problem, mend = _explained(first, model)
    return SettingsError(prefix + first["loc"], problem, mend, more=len(details) - 1)


def _explained(detail: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """Return the problem and the mend."""
    *parents, last = detail["loc"] or ("",)
    owner = _model_at(model, parents)
    match detail["type"]:
        case "extra_forbidden":
            expected = ", ".join(f"`{name}`" for name in owner.model_fields) if owner else ""
            if not expected:
                return f"unknown field `{last}`", "remove it: there is nothing to set here"
            return f"unknown field `{last}`, expected one of {expected}", "correct or remove it"
        case "missing":
            return f"missing field `{last}`", "add it"
        case "value_error" | "assertion_error":
            problem, _, mend = str(detail["ctx"]["error"]).partition("; ")
            return problem, mend
        case _:
            expected = _EXPECTED.get(detail["type"]) or detail["msg"].removeprefix("Input should be ")
            return f"should be {expected}, not {_shown(detail['input'])}", _default_of(owner, str(last))


def _shown(value: object) -> str:
    """Write a refused value: as YAML would name its kind if it is a structure, cut if it is long."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _default_of(owner: type[BaseModel] | None, name: str) -> str:
    """Return the mend "leave it out", where leaving it out is possible."""
    field = owner.model_fields.get(name) if owner else None
    if field is None or field.is_required():
        return ""
    default = field.get_default(call_default_factory=True, validated_data={})
    return f"leave it out for the default, {_shown(default)}" if isinstance(default, str | int | float) else ""


def _model_at(model: type[BaseModel], path: list[str | int]) -> type[BaseModel] | None:
    """Follow `path` through the annotations; None where it leaves the models."""
    owner: type[BaseModel] | None = model
    named = False
    for step in path:
        if isinstance(step, int) or named:
            named = False
            continue  # a position in a list, or a name in a mapping: the annotation has told the model already
        field = owner.model_fields.get(step) if owner else None
        named = field is not None and get_origin(field.annotation) is dict
        owner = next(_models_in(field.annotation), None) if field else None
    return owner


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
