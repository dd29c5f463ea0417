"""Where state, streams and queues keep what they are given (design.md §8): one contract, several backends.

- :mod:`.contract`: what a store promises;
- :mod:`.memory`: in this process, gone with it;
- :mod:`.sqlite`: in a file, :mod:`.redis_store`: in Redis; neither is imported before it is configured;
- :mod:`.opening`: from settings to a store;
- :mod:`.errors`: what can go wrong in one.
"""

from iii_actors.storage.contract import ABSENT, Change, Done, Entry, Scope, Store
from iii_actors.storage.errors import StorageError, VersionConflict
from iii_actors.storage.memory import MemoryStore
from iii_actors.storage.opening import open_store

__all__ = [
    "ABSENT",
    "Change",
    "Done",
    "Entry",
    "MemoryStore",
    "Scope",
    "StorageError",
    "Store",
    "VersionConflict",
    "open_store",
]
