"""An entry, and the table of them. Pure: no files, no triggers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from iii_actors.builtin.configuration.errors import ExpandFailed, InvalidId
from iii_actors.config.placeholders import Unset, expanded_value

__all__ = ["UNKNOWN", "Entry", "checked_id", "expanded"]

_ID: Final = re.compile(r"[a-z0-9_-]{1,64}")

UNKNOWN: Final = object()
"""The schema of an entry that was read from its file and has not been registered since."""


def checked_id(entry_id: str) -> str:
    """Return an id that an entry can have. Raises :class:`InvalidId`."""
    if not _ID.fullmatch(entry_id):
        raise InvalidId(entry_id)
    return entry_id


@dataclass(slots=True)
class Entry:
    """One entry, as it is now."""

    id: str
    name: str
    description: str
    value: Any
    """Raw: with its placeholders."""
    metadata: Any = None
    get_schema: Callable[[], Any] = field(default=lambda: UNKNOWN)
    """Made when somebody asks: those of the engine's own workers take time."""
    seed: str | None = None
    """Of one of the engine's own workers: what the settings file said (:mod:`iii_actors.config.persisted`)."""

    @property
    def registered(self) -> bool:
        """Whether its schema is known."""
        return self.get_schema is not None and self.get_schema() is not UNKNOWN

    def described(self) -> dict[str, Any]:
        """Return it without its value."""
        shown: dict[str, Any] = {"id": self.id, "name": self.name, "description": self.description}
        schema = self.get_schema()
        shown["schema"] = None if schema is UNKNOWN else schema
        if self.metadata is not None:
            shown["metadata"] = self.metadata
        return shown


def expanded(value: Any, environ: Mapping[str, str] = os.environ) -> Any:
    """Return a value with its placeholders replaced. Raises :class:`ExpandFailed`."""
    try:
        return expanded_value(value, environ)
    except Unset as unset:
        raise ExpandFailed(str(unset)) from None
    except RecursionError:
        raise ExpandFailed("nested too deeply") from None
