"""What all settings models share: frozen, strict, closed to unknown keys (config-and-cli.md §1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["IgnoredSettings", "NoSettings", "Port", "Positive", "Settings"]

Positive = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """Base of all settings: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def without_effect(self) -> Iterable[str]:
        """Return the keys that were set, are accepted, and do nothing in this version."""
        return ()

    @classmethod
    def with_environment(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return an entry's settings, completed by what variables of the environment say of keys left out."""
        return dict(given)


class NoSettings(Settings):
    """For a worker that has nothing to set (``iii-engine-functions``)."""


class IgnoredSettings(Settings):
    """For a worker that is accepted and does nothing: ``iii-telemetry``. This engine never phones home (§11)."""

    model_config = ConfigDict(extra="allow")
