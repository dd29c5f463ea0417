"""``iii-bridge``: functions of another engine here, and of this one there (config-and-cli.md §9)."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import AfterValidator, Field

from iii_actors import limits
from iii_actors.config.adapters import engine_url
from iii_actors.config.settings import Settings

__all__ = ["BridgeWorkerSettings", "ExposeSettings", "ForwardSettings"]

_Id = Annotated[str, Field(min_length=1)]


class ExposeSettings(Settings):
    """A function of this engine that the other one has too."""

    local_function: _Id
    """Its id here, in the namespace `default`."""
    remote_function: _Id | None = None
    """Its id there; null: the same."""


class ForwardSettings(Settings):
    """A function of the other engine that this one has too."""

    local_function: _Id
    """Its id here."""
    remote_function: _Id
    """Its id there."""
    timeout_ms: Annotated[int, Field(ge=1, le=int(limits.BRIDGE_LONGEST_S * 1000))] = int(
        limits.BRIDGE_TIMEOUT_S * 1000
    )
    """How long a call may take."""


class BridgeWorkerSettings(Settings):
    """Settings of ``iii-bridge``."""

    url: Annotated[str, AfterValidator(engine_url)] = Field(
        default_factory=lambda: os.environ.get("III_URL") or limits.BRIDGE_URL
    )
    """The other engine; left out: the environment variable ``III_URL``, else this machine's."""
    expose: list[ExposeSettings] = Field(default_factory=list)
    """Functions of this engine for the other one."""
    forward: list[ForwardSettings] = Field(default_factory=list)
    """Functions of the other engine for this one."""
    service_id: str | None = None
    """Accepted for older files."""
    service_name: str | None = None
    """Accepted for older files."""
