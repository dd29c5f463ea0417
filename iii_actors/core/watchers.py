"""Who is told of a registry's changes."""

from __future__ import annotations

import logging

from pykka import ActorDeadError

from iii_actors.actor import MailboxFull, Ref

__all__ = ["Watchers"]

logger = logging.getLogger(__name__)


class Watchers:
    """A registry's own list of watchers. One that is gone is forgotten: its registry goes on without it."""

    def __init__(self) -> None:
        self._refs: tuple[Ref, ...] = ()

    def add(self, ref: Ref) -> None:
        if ref not in self._refs:
            self._refs = (*self._refs, ref)

    def tell(self, message: object) -> None:
        for ref in self._refs:
            try:
                ref.tell(message)
            except ActorDeadError:
                self._refs = tuple(other for other in self._refs if other is not ref)
            except MailboxFull:
                logger.warning("%s is too slow a watcher: it misses %r", ref, message)
