"""What can go wrong with a store. The functions built on it add their own code and prefix (state.md §2)."""

from __future__ import annotations

from iii_actors.errors import EngineError

__all__ = ["StorageError", "VersionConflict"]


class StorageError(EngineError):
    """The store could not do it: nothing was changed, and it lives on. The message says why, and names the place."""

    code = "storage_error"


class VersionConflict(EngineError):
    """A compare-and-set met another version than the expected one; nothing was changed."""

    code = "VERSION_CONFLICT"

    def __init__(self, expected: int, found: int) -> None:
        was = f"version {found}" if found else "no value"
        super().__init__(f"expected {f'version {expected}' if expected else 'no value'}, found {was}")
        self.expected = expected
        self.found = found
