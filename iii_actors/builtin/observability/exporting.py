"""Records on their way to a collector: bounded, on a thread of their own, with one complaint while it is away."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import pykka
from pykka import ActorDeadError

from iii_actors.actor import MailboxFull, ThreadedActor, handles, launch
from iii_actors.limits import CLOSE_WAIT_S, EXPORT_BATCH, EXPORT_WAITING

__all__ = ["Backend", "Complaint", "Exporter"]

logger = logging.getLogger(__name__)

_Record = TypeVar("_Record")


class Backend(Protocol):
    """One of OpenTelemetry's exporters."""

    def export(self, batch: Sequence[Any], /) -> Any:
        """Send; returns a member of an enumeration, ``SUCCESS`` or not."""

    def shutdown(self) -> None:
        """Give up what is under way."""


class Complaint:
    """Says once that the collector is away, and once that it is back. Any thread.

    :param what: ``spans``, ``logs`` or ``metrics``.
    """

    def __init__(self, what: str, endpoint: str) -> None:
        self._what = what
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self.away = False
        """Whether the last export failed."""

    def note(self, ok: bool, reason: str = "") -> None:
        """Tell how an export went."""
        with self._lock:
            changed, self.away = self.away == ok, not ok
        if not changed:
            return
        if ok:
            logger.info("The collector at %s takes %s again", self._endpoint, self._what)
        else:
            logger.warning(
                "The collector at %s does not take %s%s; they are dropped until it does, and this is not said again",
                self._endpoint,
                self._what,
                f" ({reason})" if reason else "",
            )


class _Go(NamedTuple):
    """To an exporter, from itself: there is something to send."""


class Exporter(ThreadedActor, Generic[_Record]):
    """Sends records of one kind, in batches.

    :param convert: makes OpenTelemetry's record of one of ours; None: it cannot be exported.
    """

    def __init__(self, backend: Backend, convert: Callable[[_Record], Any | None], complaint: Complaint) -> None:
        super().__init__()
        self._backend = backend
        self._convert = convert
        self._complaint = complaint
        self._lock = threading.Lock()
        self._waiting: deque[_Record] = deque()
        self._told = False
        self.dropped = 0
        """How many were not exported. Read from any thread."""

    def begin(self) -> None:
        launch(self)

    def offer(self, records: Sequence[_Record]) -> None:
        """Have records sent, as far as there is room. Any thread; does not wait."""
        with self._lock:
            room = max(0, EXPORT_WAITING - len(self._waiting))
            self._waiting.extend(records[:room])
            self.dropped += max(0, len(records) - room)
            if self._told or not self._waiting:
                return
            self._told = True
        try:
            self.actor_ref.tell(_Go())
        except (ActorDeadError, MailboxFull):
            logger.debug("The engine is stopping")

    def end(self) -> None:
        """Send what waits, for a moment; to a collector that is away nothing is sent. Waits at most about a second."""
        if self._complaint.away:
            self._clear()
            self._backend.shutdown()
        try:
            self.actor_ref.stop(timeout=CLOSE_WAIT_S)
        except pykka.Timeout:
            self._clear()
            self._backend.shutdown()

    @handles(_Go)
    def go(self, _: _Go) -> None:
        while batch := self._take():
            self._send(batch)

    def on_stop(self) -> None:
        self._backend.shutdown()

    def _take(self) -> list[_Record]:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(EXPORT_BATCH, len(self._waiting)))]
            self._told = bool(batch)
        return batch

    def _clear(self) -> None:
        with self._lock:
            self.dropped += len(self._waiting)
            self._waiting.clear()

    def _send(self, batch: list[_Record]) -> None:
        made = [one for one in map(self._converted, batch) if one is not None]
        lost = len(batch) - len(made)
        if made:
            try:
                ok, reason = self._backend.export(made).name == "SUCCESS", ""
            except Exception as error:
                ok, reason = False, str(error) or type(error).__name__
            self._complaint.note(ok, reason)
            lost += 0 if ok else len(made)
        with self._lock:
            self.dropped += lost

    def _converted(self, record: _Record) -> Any | None:
        try:
            return self._convert(record)
        except (ValueError, TypeError, OverflowError):
            return None
