"""Built-in workers that appear in the worker list and have no functions yet (config-and-cli.md §2, §4)."""

from __future__ import annotations

from iii_actors.builtin.base import Builtin

__all__ = ["Listeners", "Telemetry"]


class _Quiet(Builtin):
    """Listed, and nothing else."""

    always_on = True

    def set_up(self) -> None:
        pass

    def tear_down(self) -> None:
        pass


class Telemetry(_Quiet):
    """``iii-telemetry``: accepted, does nothing."""

    description = "Usage reports of other engines: accepted in the configuration, and nothing is ever sent."


class Listeners(_Quiet):
    """``iii-worker-manager``: the row for the listeners, which the engine itself opens."""

    description = "The listeners that workers connect to."
