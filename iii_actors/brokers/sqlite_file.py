"""The file of queues: opened, refused and closed as every file of the engine is, and read in."""

from __future__ import annotations

from pathlib import Path

from iii_actors.brokers.journal import Loaded
from iii_actors.brokers.sqlite_table import APPLICATION_ID, LAYOUTS, Table
from iii_actors.storage.sqlite_file import Durability, Form, OwnFile

__all__ = ["QueueFile"]


class QueueFile(OwnFile):
    """An open file of queues. Opening it waits for the disk.

    :raises ConfigError: it cannot be opened, is not ours, is damaged, or another engine has it; it is as it was.
    """

    table: Table
    loaded: Loaded
    """What there was."""
    queues: dict[str, int]
    """The queues' numbers in the file."""

    def __init__(self, path: Path, durability: Durability) -> None:
        super().__init__(path, durability, Form(APPLICATION_ID, LAYOUTS))

    def _read_in(self) -> None:
        self.table = Table(self.connection)
        self.loaded, self.queues = self.table.load()
