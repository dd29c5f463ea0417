"""The connection's life: made, kept, lost and made again, until it is stopped or refused for good (spec sdk.md §7).

One daemon thread, the keeper, connects, replays, pings and reconnects; it is also the standby that reads whenever
nobody else does. A second one, the reader, is started by the first invocation: it reads, and runs short handlers
itself.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from iii_worker import errors, frames
from iii_worker.announce import announcement
from iii_worker.backoff import Backoff
from iii_worker.errors import FORBIDDEN, ConnectFailedError, InvocationError
from iii_worker.explain import explain, is_refusal
from iii_worker.limits import (
    CLOSE_WAIT_S,
    HANDSHAKE_TIMEOUT_S,
    LONGEST_TIMEOUT_S,
    PING_INTERVAL_S,
    SETTLE_S,
    SILENCE_LIMIT_S,
    STABLE_AFTER_S,
)
from iii_worker.link import Link
from iii_worker.options import InitOptions, ReconnectionConfig
from iii_worker.replay import ReplaySet
from iii_worker.sending import Unsendable
from iii_worker.states import States
from iii_worker.transport import Transport
from iii_worker.turns import Station

__all__ = ["Connection"]

logger = logging.getLogger(__name__)


class Connection:
    """Keeps one link to the engine.

    :param receive: given every message of whichever link; see :class:`~iii_worker.link.Link`.
    :param opened: called on the keeper with a link whose registrations are replayed; it sends what waits, and makes it
        the one for calls.
    :param ended: called on the keeper with a link that is over, or None after a failed attempt.
    :param chance: for the jitter; a test's own.
    """

    def __init__(
        self,
        address: str,
        options: InitOptions,
        replay: ReplaySet,
        states: States,
        *,
        receive: Callable[[Link, bytes | bytearray], None],
        opened: Callable[[Link], None],
        ended: Callable[[Link | None], None],
        chance: Callable[[], float] = random.random,
        ping_interval: float = PING_INTERVAL_S,
        silence_limit: float = SILENCE_LIMIT_S,
    ) -> None:
        self.address = address
        self._options = options
        self._replay = replay
        self._states = states
        self._receive = receive
        self._opened = opened
        self._ended = ended
        self._chance = chance
        self._ping_interval = ping_interval
        self._silence_limit = silence_limit
        self._changed = threading.Condition(threading.Lock())
        self._keeper: threading.Thread | None = None
        self._reader: threading.Thread | None = None
        self._serving = False
        """Whether the reader runs a handler."""
        self._stopping = False
        self._close_by = 0.0
        self._complained: str | None = None
        self._identity: tuple[str, str | None] | None = None
        self.link: Link | None = None
        """The present link, replayed or not."""
        self.open: Link | None = None
        """The present link if it is replayed."""
        self.fatal_error: Exception | None = None
        """Why the client is ``failed``; it does not reconnect by itself then."""
        self.refused: Exception | None = None
        """What the engine said when it last refused this worker's credentials; None once it lets it in."""
        self.last_error: Exception | None = None
        """Why the last attempt failed, or the last connection ended; None before any did."""

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect, unless that has begun; after a failure for good, begin anew."""
        with self._changed:
            if self._stopping or (self._keeper is not None and self._keeper.is_alive() and self.fatal_error is None):
                return
            self.fatal_error = self.refused = None
            self._keeper = threading.Thread(target=self._keep, name="iii-worker-keeper", daemon=True)
            self._keeper.start()

    def wait(self, timeout: float | None) -> bool:
        """Wait until the engine has let this worker in; False if it has not within ``timeout`` seconds.

        Raises the fatal error if the connection is refused for good.
        """
        until = None if timeout is None else time.monotonic() + min(timeout, LONGEST_TIMEOUT_S)
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self.open is not None or self.fatal_error is not None or self._stopping,
                    None if until is None else max(0.0, until - time.monotonic()),
                )
                link = self.open
            if link is not None:
                link.answered.wait(SETTLE_S)
            if self.fatal_error is not None:
                raise errors.again(self.fatal_error)
            if link is None or link.gone is None:
                return link is not None

    def stop(self, timeout: float) -> None:
        """Close the link, after what was sent has left, and end the threads; take at most so many seconds."""
        until = time.monotonic() + timeout
        with self._changed:
            self._stopping = True
            self._close_by = min(until, time.monotonic() + CLOSE_WAIT_S)
            self._changed.notify_all()
            link = self.link
            threads = [self._keeper, None if self._serving else self._reader]  # a handler takes as long as it takes
        if link is not None:
            link.turns.kick(Station.STANDBY)
        else:
            until = self._close_by  # an attempt to connect cannot be cut short; it comes to nothing when it ends
        for thread in threads:
            if thread is not None and thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        self._states.set("disconnected")

    def abandon(self) -> None:
        """In a forked child: give the parent's descriptors back, without any lock and without a word to the engine."""
        self._stopping = True
        if self.link is not None:
            self.link.release()

    def fail(self, error: Exception) -> None:
        """End for good: the engine does not want this worker, or no attempt is left."""
        with self._changed:
            if self._stopping or self.fatal_error is not None:
                return
            self.fatal_error = self.last_error = error
            link, self.open = self.link, None
            self._changed.notify_all()
        self._states.set("failed")
        if link is not None:
            link.fail(str(error))
            link.answered.set()

    def make_open(self, link: Link) -> None:
        """Make a link the one for calls."""
        with self._changed:
            if self.fatal_error is None:
                self.open = link
                self.refused = None
                self._changed.notify_all()

    def not_open(self, link: Link) -> None:
        """Take note that a link is over, before the keeper does."""
        with self._changed:
            if self.open is link:
                self.open = None

    def need_reader(self) -> None:
        """Invocations come in: have the reader, where it can take turns with the others. Cheap when it is there."""
        if self._reader is None:
            with self._changed:
                if self._reader is None and not self._stopping and self.link is not None and self.link.turns.shared:
                    self._reader = threading.Thread(target=self._read, name="iii-worker-reader", daemon=True)
                    self._reader.start()

    # --- the keeper ---------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        config = self._options.reconnection_config or ReconnectionConfig()
        backoff = Backoff(config, self._chance)
        self._states.set("connecting")
        try:
            while not self._over():
                link = self._connect()
                if link is not None:
                    began = time.monotonic()
                    self._serve(link)
                    if link.worker_id is not None or time.monotonic() - began >= STABLE_AFTER_S:
                        backoff.reset()
                    self._finish(link)
                self._ended(link)
                if self._over():
                    break
                if backoff.exhausted:
                    self.fail(ConnectFailedError(f"gave up after {config.max_retries} retries: {self.last_error}"))
                    break
                self._states.set("reconnecting")
                self._pause(backoff.next_delay())
        except Exception as error:
            logger.exception("The connection's thread failed")
            self.fail(ConnectFailedError(f"the connection's thread failed: {error!r}"))
        finally:
            self._ended(self.link)

    def _over(self) -> bool:
        return self._stopping or self.fatal_error is not None

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(self._over, seconds)

    def _connect(self) -> Link | None:
        options = self._options
        try:
            transport = Transport(self.address, options.headers or {}, HANDSHAKE_TIMEOUT_S, options.ssl_context)
        except Exception as error:
            text = explain(self.address, error)
            self._complain(text)
            if is_refusal(error):
                self._refuse(ConnectFailedError(text, FORBIDDEN))
            else:
                self.last_error = ConnectFailedError(text)
            return None
        link = Link(transport, self._receive)
        with self._changed:
            if not self._over():
                self.link = link
                self._changed.notify_all()
                return link
        link.fail("the client ended meanwhile")
        link.release()
        return None

    def _serve(self, link: Link) -> None:
        """Wait for the engine's greeting, replay, and keep the link until it is over."""
        link.read()
        until = time.monotonic() + STABLE_AFTER_S
        while link.worker_id is None and self._lasts(link) and (left := until - time.monotonic()) > 0:
            self._turn(link, left)
        if not self._lasts(link):
            return
        first: list[dict[str, Any]] = []
        if self._identity is not None:
            worker_id, token = self._identity
            first.append({"type": "reattach", "previous_worker_id": worker_id})
            if token is not None:
                first[0]["reattach_token"] = token
        first.append(announcement(self._options))
        self._replay.attach(partial(_send, link), first, partial(self._opened, link))
        if link.gone is None:
            _send(link, {"type": "ping"})
            self._complained = None
            self._states.set("connected")
            logger.info("Connected to %s as worker %s", self.address, link.worker_id)
        self._stay(link)

    def _stay(self, link: Link) -> None:
        next_ping = time.monotonic() + self._ping_interval
        while self._lasts(link):
            now = time.monotonic()
            silent_at = link.transport.last_heard + self._silence_limit
            if now >= silent_at:
                link.fail(f"nothing was heard from the engine for {self._silence_limit:g} s")
                return
            if now >= next_ping:
                next_ping = now + self._ping_interval
                link.ping()
            self._turn(link, min(next_ping, silent_at) - now)

    def _lasts(self, link: Link) -> bool:
        return link.gone is None and not self._over()

    def _turn(self, link: Link, timeout: float) -> None:
        if link.turns.wait(Station.STANDBY, timeout):
            link.read()

    def _finish(self, link: Link) -> None:
        """Take down a link that is over, or that this side ends."""
        if self._stopping and self.fatal_error is None:
            link.close(self._close_by)
        self._replay.detach()
        with self._changed:
            self.open = None
            self.link = None
        link.fail("the client ended it")
        link.answered.set()
        link.release()
        if link.worker_id is not None:
            self._identity = (link.worker_id, link.reattach_token)
        if self._over():
            return
        self._states.set("disconnected")
        if link.refusal is not None:
            self._complain(str(link.refusal))
            self._refuse(link.refusal)
            return
        self.last_error = InvocationError("CONNECTION_LOST", link.gone or "")
        logger.warning("The connection to %s is lost (%s); reconnecting", self.address, link.gone)

    def _refuse(self, error: Exception) -> None:
        """The engine does not accept this worker's credentials: final, unless it has before (it may be restarting)."""
        self.refused = self.last_error = error
        if self._identity is None:
            self.fail(error)

    def _complain(self, text: str) -> None:
        """Say why there is no connection: aloud when that is news."""
        if text != self._complained:
            self._complained = text
            again_or_not = "" if self._identity is None and self.refused else " Trying again until it works."
            logger.warning("%s.%s", text, again_or_not)
        else:
            logger.debug("%s", text)

    # --- the reader ---------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        last: Link | None = None
        while (link := self._link_after(last)) is not None:
            last = link
            more = False
            while link.gone is None:
                if not more and not link.turns.wait(Station.READER, self._silence_limit):
                    continue
                job, more = link.read(adopting=True)
                if job is not None:
                    self._serving = True
                    try:
                        job()
                    except Exception:
                        logger.exception("A job on the reading thread failed")
                    del job
                    self._serving = False

    def _link_after(self, last: Link | None) -> Link | None:
        """Wait for a link other than the last one; None: the client stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or (self.link is not None and self.link is not last))
            return None if self._stopping else self.link


def _send(link: Link, frame: dict[str, Any]) -> None:
    """Send a registration; if the link goes meanwhile, the next replay sends it."""
    try:
        link.send(frames.encode(frame))
    except Unsendable as error:
        logger.debug("A %s frame was not sent: %s", frame["type"], error)
