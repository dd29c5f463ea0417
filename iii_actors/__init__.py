"""A backend engine: workers in any language connect over WebSocket, discover each other and call each other.

``python -m iii_actors`` runs it as a process; :class:`Engine` runs it inside one::

    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as engine:
        print(engine.url)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iii_actors.config import EngineConfig as EngineConfig
    from iii_actors.engine import Engine as Engine
    from iii_actors.errors import ConfigError as ConfigError
    from iii_actors.errors import EngineError as EngineError
    from iii_actors.errors import ListenError as ListenError

__all__ = ["ConfigError", "Engine", "EngineConfig", "EngineError", "ListenError", "__version__"]

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "iii_actors.errors",
    "Engine": "iii_actors.engine",
    "EngineConfig": "iii_actors.config",
    "EngineError": "iii_actors.errors",
    "ListenError": "iii_actors.errors",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use: ``iii-actors call`` and ``--version`` need not load the engine."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
