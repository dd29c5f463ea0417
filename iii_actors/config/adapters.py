"""The form in which a worker's settings choose a backend: ``adapter: {name, config}`` (config-and-cli.md §4)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from iii_actors import limits
from iii_actors.config.problems import refused, spelled
from iii_actors.config.settings import Settings

__all__ = ["Adapter", "BridgeSettings", "RedisSettings", "engine_url"]

_SCHEMES = ("redis://", "rediss://", "unix://")


def _redis_url(url: str) -> str:
    if not url.startswith(_SCHEMES):
        raise ValueError(f"not the URL of a Redis; write for example {limits.REDIS_URL}")
    return url


class RedisSettings(Settings):
    """The adapter ``redis``."""

    redis_url: Annotated[str, AfterValidator(_redis_url)] = limits.REDIS_URL
    """``redis://[user:password@]host[:port][/database]``, ``rediss://`` over TLS, or ``unix://`` and a path."""


def engine_url(url: str) -> str:
    """Return the URL of another engine, or raise ``ValueError``."""
    if not url.startswith(("ws://", "wss://")):
        raise ValueError(f"not the URL of an engine; write for example {limits.BRIDGE_URL}")
    return url


class BridgeSettings(Settings):
    """The adapter ``bridge``: another engine does it."""

    bridge_url: Annotated[str, AfterValidator(engine_url)] = limits.BRIDGE_URL
    """``ws://`` or ``wss://``, host and port of the other engine's listener."""


class Adapter(Settings):
    """A backend by name, and its settings. Subclasses list the names."""

    choices: ClassVar[dict[str, type[Settings]]]
    """The adapters there are, and the model of each one's settings."""

    name: str
    """Which adapter."""
    config: Any = Field(default=None, validate_default=True)
    """Its settings: a mapping or null in the file, an instance of its model here."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in cls.choices:
            available = ", ".join(f'"{one}"' for one in sorted(cls.choices))
            raise ValueError(f"Adapter factory '{name}' not found. Available: [{available}]; choose one of them")
        return name

    @field_validator("config")
    @classmethod
    def _checked(cls, config: object, info: ValidationInfo) -> object:
        model = cls.choices.get(info.data.get("name", ""))
        if model is None or isinstance(config, model):
            return config
        try:
            return model.model_validate({} if config is None else config)
        except ValidationError as error:
            # The place of this validator is the adapter's `config`; the way on from there is told with the problem.
            wrong = refused(error, model)
            place = f"{spelled(wrong.path)}: " if len(wrong.path) and "unknown field" not in wrong.problem else ""
            raise ValueError(f"{place}{wrong.problem}; {wrong.mend}") from None
