"""``iii-observability``: the engine's own log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field

from iii_actors.config.settings import LaterSettings

__all__ = ["ObservabilitySettings"]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class ObservabilitySettings(LaterSettings):
    """``iii-observability``: so far the engine's own log; all other keys take effect in a later version."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    level: Annotated[Literal["trace", "debug", "info", "warn", "error"], BeforeValidator(_lower)] = Field(
        default="info", validation_alias=AliasChoices("level", "log_level")
    )
    """Least severe level logged."""
    format: Annotated[Literal["default", "json"], BeforeValidator(_lower)] = "default"
    """``default``: for people; ``json``: one object per line."""
