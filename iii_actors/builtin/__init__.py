"""The built-in workers, one package each. :func:`builtin` finds the one that the engine is to start.

A worker's package is imported when that worker is to run: an engine without HTTP does not load an HTTP server. What
takes a while to load and only some users will need is imported by the function that needs it: croniter with the first
cron job, requests with the first webhook. ``tests/test_start.py`` has the list of what must not be there before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from iii_actors.builtin.base import Builtin

__all__ = ["BUILTINS", "builtin"]

BUILTINS: Final[dict[str, tuple[str, str]]] = {
    "iii-telemetry": ("placeholders", "Telemetry"),
    "iii-observability": ("observability", "Observability"),
    "iii-worker-manager": ("placeholders", "Listeners"),
    "configuration": ("configuration", "Configuration"),
    "iii-engine-functions": ("engine_functions", "EngineFunctions"),
    "iii-pubsub": ("pubsub", "PubSub"),
    "iii-cron": ("cron", "Cron"),
    "iii-http": ("http", "Http"),
    "iii-bridge": ("bridge", "Bridge"),
    "iii-exec": ("exec", "Exec"),
    "iii-http-functions": ("http_functions", "HttpFunctions"),
    "iii-state": ("state", "State"),
    "iii-stream": ("stream", "Stream"),
    "iii-queue": ("queue", "Queue"),
}
"""Module and class, by the name in the configuration (config-and-cli.md §4)."""


def builtin(kind: str) -> type[Builtin]:
    """Return the class of a built-in worker, by its name in the configuration."""
    module, name = BUILTINS[kind]
    return cast("type[Builtin]", getattr(import_module(f"{__name__}.{module}"), name))
