"""``${NAME}`` and ``${NAME:default}`` in settings and in stored values (config-and-cli.md §1, §5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from iii_actors import __version__

__all__ = ["Unset", "expanded_text", "expanded_value"]

PLACEHOLDER: Final = re.compile(r"\$\{([^:}]+)(?::([^}]*))?\}")
_ENGINE_VERSION: Final = "__III_ENGINE_VERSION__"


class Unset(Exception):
    """A variable is not set, and its placeholder names no default. ``name`` is the variable's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Environment variable '{name}' not set and no default provided")
        self.name = name


def expanded_text(text: str, environ: Mapping[str, str]) -> str:
    """Replace the placeholders of a text. What the environment holds wins, even if it is empty. Raises `Unset`."""

    def value(match: re.Match[str]) -> str:
        name, otherwise = match.groups()
        if name in environ:
            return environ[name]
        if otherwise is None:
            raise Unset(name)
        return __version__ if otherwise == _ENGINE_VERSION else str(otherwise)

    return PLACEHOLDER.sub(value, text)


def expanded_value(value: Any, environ: Mapping[str, str]) -> Any:
    """Replace the placeholders in all strings of a JSON value; keys are left alone. Raises `Unset`.

    A string that is exactly one placeholder becomes what YAML makes of its text: ``"${PORT:8080}"`` is a number.
    """
    if isinstance(value, str):
        text = expanded_text(value, environ)
        return _scalar(text) if text != value and PLACEHOLDER.fullmatch(value) else text
    if isinstance(value, list):
        return [expanded_value(one, environ) for one in value]
    if isinstance(value, dict):
        return {key: expanded_value(one, environ) for key, one in value.items()}
    return value


def _scalar(text: str) -> Any:
    import yaml  # noqa: PLC0415 - few values have placeholders

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    return value if isinstance(value, bool | int | float) or value is None else text
