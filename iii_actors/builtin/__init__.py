"""The built-in workers, one package each. :data:`BUILTINS` is the list that the engine starts from."""

from __future__ import annotations

from typing import Final

from iii_actors.builtin.base import Builtin
from iii_actors.builtin.engine_functions import EngineFunctions
from iii_actors.builtin.placeholders import Configuration, Listeners, Observability, Telemetry

__all__ = ["BUILTINS"]

BUILTINS: Final[dict[str, type[Builtin]]] = {
    "iii-telemetry": Telemetry,
    "iii-observability": Observability,
    "iii-worker-manager": Listeners,
    "configuration": Configuration,
    "iii-engine-functions": EngineFunctions,
}
"""By the name in the configuration (config-and-cli.md §4)."""
