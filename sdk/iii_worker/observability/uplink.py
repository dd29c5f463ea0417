"""The one way out for telemetry: bounded lanes, one thread, a socket that may be down (spec sdk.md §9.3).

Whoever has a record appends it to a lane and goes on. The thread opens the socket when there is something to send, puts
batches into frames, and after a failure waits ever longer. Nothing here can fail or hold a call.
"""

from __future__ import annotations

import contextlib
import logging
import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from iii_worker import limits
from iii_worker.observability.link import Link, LinkError, OpenLink, open_link

__all__ = ["Lane", "Uplink", "backoff_s"]

logger = logging.getLogger(__name__)

_FOR_EVER: Final = float("inf")
_WAKER: Final = "waker"
_LINK: Final = "link"

Encode = Callable[[Sequence[Any]], bytes]
"""Puts records into one frame; raises for a record that cannot be sent."""


def backoff_s(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row: 1, 2, 4 ... 30, each +-30 % by chance."""
    # The exponent is bounded: 2.0 ** 2000 overflows, and an engine may be down for days.
    delay = limits.INITIAL_DELAY_MS * limits.BACKOFF_MULTIPLIER ** min(failures - 1, 30)
    jitter = random.uniform(-limits.JITTER_FACTOR, limits.JITTER_FACTOR)  # noqa: S311 - it only spreads load
    return min(delay, limits.MAX_DELAY_MS) * (1 + jitter) / 1000


class Lane:
    """Records of one kind that wait to be sent: at most 1,000, the oldest goes first.

    :param interval_s: how long the first record waits for more.
    :param batch: so many leave at once, without waiting.
    """

    def __init__(self, encode: Encode, interval_s: float, batch: int) -> None:
        self.encode: Final = encode
        self.interval_s: Final = interval_s
        self.batch: Final = batch
        self.records: Final[deque[Any]] = deque(maxlen=limits.TELEMETRY_BUFFER)
        self.due: float | None = None
        """When its records are to leave, None while it is empty."""
        self.dropped = 0


class Uplink:
    """Sends what the lanes hold. All methods from any thread; none blocks but :meth:`flush` and :meth:`close`.

    The thread is a daemon, started by the first record. :meth:`close` ends it for good.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        connect: OpenLink = open_link,
        delay_s: Callable[[int], float] = backoff_s,
    ) -> None:
        self.url: Final = url
        self._headers = dict(headers)
        self._connect = connect
        self._delay_s = delay_s
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self._waker: socket.socket
        self._alarm: socket.socket
        self._selector: selectors.BaseSelector
        self._asleep = False
        self._hurry = False
        self._sending = False
        self._failures = 0
        self._attempts_failed = 0
        self._retry_at = 0.0
        self._link: Link | None = None
        self._link_since = 0.0
        self._unsent: bytes | None = None
        self._warn_at = 0.0
        self._tick: Callable[[], None] = _nothing
        self._tick_s = _FOR_EVER
        self._tick_at = _FOR_EVER

    def lane(self, encode: Encode, interval_s: float, batch: int = limits.TELEMETRY_BATCH) -> Lane:
        """Return a new lane."""
        lane = Lane(encode, interval_s, batch)
        with self._changed:
            self._lanes.append(lane)
        return lane

    def every(self, first_s: float, interval_s: float, tick: Callable[[], None]) -> None:
        """Call ``tick`` on the thread, after ``first_s`` and then every ``interval_s``; it offers what it finds out."""
        with self._changed:
            self._tick, self._tick_s, self._tick_at = tick, interval_s, time.monotonic() + first_s
            self._wake()

    def offer(self, lane: Lane, record: Any) -> None:
        """Take a record to be sent soon. Never blocks, never raises; after :meth:`close` the record is lost."""
        with self._changed:
            if self._closed:
                return
            records = lane.records
            if len(records) == limits.TELEMETRY_BUFFER:
                lane.dropped += 1
            records.append(record)
            if lane.due is None:
                lane.due = time.monotonic() + (lane.interval_s if lane.batch > 1 else 0.0)
                self._wake()
            elif len(records) == lane.batch:
                lane.due = 0.0
                self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._start()
        elif self._asleep:
            self._asleep = False
            self._alarm.send(b"!")

    def _start(self) -> None:
        try:
            self._waker, self._alarm = socket.socketpair()
        except OSError as error:
            self._give_up(error)
            return
        self._alarm.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker, selectors.EVENT_READ, _WAKER)
        thread = threading.Thread(target=self._run, name="iii-telemetry", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._close_sockets()
            self._give_up(error)
            return
        self._thread = thread

    def _give_up(self, error: Exception) -> None:
        """Take nothing any more: the process has no files or threads left, or is about to end."""
        self._closed = True
        logger.warning("Telemetry is off: its thread could not be started (%s). Calls are not affected", error)

    def _close_sockets(self) -> None:
        self._selector.close()
        self._waker.close()
        self._alarm.close()

    def flush(self, timeout: float) -> bool:
        """Send all there is now, whatever is due when; return whether it has left.

        Gives up after ``timeout`` seconds, or at the first attempt that fails.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            if self._thread is None or self._thread is threading.current_thread():
                return self._empty()
            failed = self._attempts_failed
            self._hurry = True
            self._wake()
            while not self._empty() and failed == self._attempts_failed and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0 or not self._thread.is_alive():
                    break
                self._changed.wait(left)
            return self._empty()

    def _empty(self) -> bool:
        return not self._sending and self._unsent is None and not any(lane.records for lane in self._lanes)

    def close(self, timeout: float) -> bool:
        """Flush, then end the thread and the socket; return whether all had left. Idempotent."""
        deadline = time.monotonic() + timeout
        sent = self.flush(timeout)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
            if thread is not None and thread.is_alive():
                self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()) + limits.CLOSE_WAIT_S)
        return sent

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:
            self._drop_link()
            with self._changed:
                self._closed = True
                self._asleep = False
                self._close_sockets()

    def _step(self) -> bool:
        with self._changed:
            if self._closed:
                return False
            wait = self._seconds_to_wait()
            self._asleep = wait > 0
            ticks = self._tick_at <= time.monotonic()
            if ticks:
                self._tick_at = time.monotonic() + self._tick_s
        if self._asleep:
            self._sleep(wait)
        elif ticks:
            self._call_tick()
        else:
            self._send_one()
        return True

    def _sleep(self, seconds: float) -> None:
        """Wait until woken, until the engine says something on the socket, or for so long."""
        ready = [key.data for key, _ in self._selector.select(None if seconds == _FOR_EVER else seconds)]
        if _WAKER in ready:
            self._waker.recv(limits.KIB)
        if _LINK in ready and self._link is not None:
            try:
                self._link.attend()
            except Exception as error:
                self._note_end(error)

    def _seconds_to_wait(self) -> float:
        """Return how long there is nothing to do; infinity: until notified."""
        now = time.monotonic()
        until = self._tick_at - now
        if self._empty():
            return until
        if self._hurry:
            return 0.0
        due = 0.0 if self._unsent is not None else min(lane.due for lane in self._lanes if lane.due is not None)
        return min(until, max(due, self._retry_at) - now)

    def _call_tick(self) -> None:
        try:
            self._tick()
        except Exception:
            logger.debug("The worker's own figures could not be read", exc_info=True)

    def _send_one(self) -> None:
        with self._changed:
            frame = self._unsent
            lane, records = self._take() if frame is None else (None, [])
            self._sending = True
        sent = True
        try:
            if lane is not None:
                frame = self._encoded(lane, records)
            if frame is not None:
                sent = self._sent(frame)
        finally:
            with self._changed:
                self._sending = False
                self._unsent = None if sent else frame
                self._attempts_failed += not sent
                # One attempt is what a flush gets; it must not have the thread try without a pause.
                self._hurry = self._hurry and sent and not self._empty()
                self._changed.notify_all()

    def _take(self) -> tuple[Lane, list[Any]]:
        lane = min((lane for lane in self._lanes if lane.due is not None), key=lambda lane: lane.due or 0.0)
        count = min(len(lane.records), limits.TELEMETRY_BATCH)
        records = [lane.records.popleft() for _ in range(count)]
        if not lane.records:
            lane.due = None
        if lane.dropped and time.monotonic() >= self._warn_at:
            self._warn_at = time.monotonic() + limits.TELEMETRY_WARNING_S
            logger.warning("%d telemetry records were dropped: more were made than were sent in time", lane.dropped)
            lane.dropped = 0
        return lane, records

    @staticmethod
    def _encoded(lane: Lane, records: list[Any]) -> bytes | None:
        """Return the frame of what can be sent, None if nothing can."""
        try:
            return lane.encode(records)
        except Exception:
            logger.debug("A telemetry record cannot be sent", exc_info=True)
        good = [record for record in records if _encodable(lane, record)]
        return lane.encode(good) if good else None

    def _sent(self, frame: bytes) -> bool:
        if self._link is not None:
            try:
                self._link.send(frame)
            except Exception as error:
                self._note_end(error)
                if self._failures:
                    return False
            else:
                return True
        try:
            self._link = self._connect(self.url, self._headers)
            self._link_since = time.monotonic()
            self._selector.register(self._link.fileno(), selectors.EVENT_READ, _LINK)
            self._link.send(frame)
        except Exception as error:
            self._note_failure(error)
            return False
        return True

    def _note_end(self, error: Exception) -> None:
        """Take note that the present socket has ended. After a good while that is no failure: the engine restarted."""
        if time.monotonic() - self._link_since >= limits.STABLE_AFTER_S:
            self._failures = 0
            self._drop_link()
        else:
            self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        self._drop_link()
        self._failures += 1
        delay = self._delay_s(self._failures)
        self._retry_at = time.monotonic() + delay
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        detail = None if isinstance(error, LinkError) else error
        text = "Telemetry cannot be sent: %s. Calls are not affected; next attempt in %.1f s"
        logger.log(level, text, error, delay, exc_info=detail)

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(link.fileno())
            link.close()


def _nothing() -> None:
    """What an uplink without :meth:`Uplink.every` never calls."""


def _encodable(lane: Lane, record: Any) -> bool:
    try:
        lane.encode([record])
    except Exception:
        return False
    return True
