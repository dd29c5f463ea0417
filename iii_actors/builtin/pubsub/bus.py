"""What carries messages between engines: the contract of an adapter (pubsub.md §5)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from msgspec import Raw

from iii_actors.actor import Ref

__all__ = ["Bus"]


class Bus(ABC):
    """Brings every message published on it to all engines that follow its topic, this one included.

    What it brings it tells topics, an :class:`~iii_actors.builtin.pubsub.messages.Arrived` each.
    """

    @abstractmethod
    def publish(self, topic: str, data: Raw) -> None:
        """Send a message on its way. Any thread; never waits, never raises: what cannot be sent is logged and lost."""

    @abstractmethod
    def follow(self, topics: Sequence[str]) -> None:
        """Begin to bring the messages of topics; those followed already are passed over.

        May wait until they are followed, but not for a bus that is gone: it follows them when it is back. One thread.
        """

    @abstractmethod
    def leave(self, topics: Sequence[str]) -> None:
        """Stop bringing their messages. The thread of :meth:`follow`; does not wait."""

    @abstractmethod
    def close(self) -> None:
        """End the connections; nothing is brought any more. May wait a moment."""

    @abstractmethod
    def actors(self) -> list[Ref]:
        """Its actors, for the figures."""
