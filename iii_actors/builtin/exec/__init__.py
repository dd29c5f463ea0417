"""``iii-exec``: commands that run beside the engine, begun anew when files change (config-and-cli.md §8)."""

from iii_actors.builtin.exec.worker import Exec

__all__ = ["Exec"]
