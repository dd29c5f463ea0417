"""``iii-bridge``: functions of another engine here, and of this one there (config-and-cli.md §9)."""

from iii_actors.builtin.bridge.worker import Bridge

__all__ = ["Bridge"]
