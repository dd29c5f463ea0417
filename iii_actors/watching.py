"""Folders that somebody writes into: told when something has changed and it has been quiet for a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from iii_actors.limits import SETTINGS_LOOK_MS

__all__ = ["changes"]

logger = logging.getLogger(__name__)


def changes(
    folders: Sequence[str | Path], quiet_ms: int, stopping: threading.Event, *, deep: bool = False
) -> Iterator[set[str]]:
    """Yield the paths that have changed, until ``stopping`` is set or a folder is gone, which is logged.

    The system may tell nothing of some changes (network file systems): an empty set now and then says "look yourself".
    Blocks the caller's thread, which should have nothing else to do.

    :param quiet_ms: without a further change before they are told; after ten times as long they are told anyway.
    :param deep: the folders below, too.
    """
    from watchfiles import watch  # noqa: PLC0415 - few engines watch anything, and none while it starts

    try:
        for changed in watch(
            *folders,
            recursive=deep,
            step=quiet_ms,
            debounce=10 * quiet_ms,
            rust_timeout=SETTINGS_LOOK_MS,
            yield_on_timeout=True,
            stop_event=stopping,
        ):
            if not stopping.is_set():
                yield {path for _, path in changed}
    except OSError as error:
        logger.warning("%s: not watched any more: %s", ", ".join(map(str, folders)), error)
