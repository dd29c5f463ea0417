"""What an operator may set, and how it is read (config-and-cli.md §1, §2, §4).

- :mod:`.models`: the settings of an engine, and the registry of built-in workers;
- :mod:`.listener`, :mod:`.observability` ...: the settings of one built-in worker each;
- :mod:`.loading`: a YAML file with ``${VAR:default}`` in it, to an :class:`EngineConfig`;
- :mod:`.problems`: one line for every mistake, naming the place, the problem and the mend.

Everything here is read once, before the engine starts, on the thread that starts it; the models are frozen.
"""

from iii_actors.config.listener import ListenerSettings
from iii_actors.config.loading import default, load, parse
from iii_actors.config.models import BUILT_IN, EngineConfig, WorkerEntry, WorkerInstance
from iii_actors.config.observability import ObservabilitySettings

__all__ = [
    "BUILT_IN",
    "EngineConfig",
    "ListenerSettings",
    "ObservabilitySettings",
    "WorkerEntry",
    "WorkerInstance",
    "default",
    "load",
    "parse",
]
