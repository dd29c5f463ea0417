"""One connection from its upgrade to its end: reading in turns, sending, and who is told when it is over."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from iii_worker.sending import SendQueue, Unsendable
from iii_worker.transport import ConnectionEnded, Transport, frames_of
from iii_worker.turns import Station, Turns, turns_for

if TYPE_CHECKING:
    from iii_worker.pending import Pending

__all__ = ["Link"]

logger = logging.getLogger(__name__)

Job = Callable[[], None]


class Link:
    """An open connection.

    :param receive: given every message, on whichever thread read it and on one at a time; it must not block.
    """

    def __init__(self, transport: Transport, receive: Callable[[Link, bytes | bytearray], None]) -> None:
        self.transport = transport
        self._receive = receive
        self.turns: Turns = turns_for(transport.socket)
        self._out = SendQueue(transport.socket, transport.guard, self.fail)
        self._end = threading.Lock()
        self._parse = threading.Lock()
        self._leading = threading.Lock()
        self._leader: int | None = None
        self._reading: int | None = None
        self._adoptable = False
        self._job: Job | None = None
        self.gone: str | None = None
        """Why it is over; None while it is not."""
        self.code: int | None = None
        """The close code it ended with, if it was closed."""
        self.worker_id: str | None = None
        self.reattach_token: str | None = None
        self.refusal: Exception | None = None
        """What the engine said before it closed a connection it does not want."""
        self.answered = threading.Event()
        """Set by the engine's first ``pong``: it has looked at everything sent before."""

    # --- sending ------------------------------------------------------------------------------------------------------

    def send(self, payload: bytes, deadline: float | None = None) -> None:
        """Send one message. Any thread; the thread that reads never waits here.

        Raises ``TimeoutError`` at the deadline (monotonic seconds) and :class:`~iii_worker.sending.Unsendable`.
        """
        self._out.send(frames_of(payload), deadline, urgent=self._reading == threading.get_ident())

    def ping(self) -> None:
        """Send a ping, without waiting for anything."""
        with contextlib.suppress(Unsendable):
            self._out.send(self.transport.ping(), urgent=True)

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, *, adopting: bool = False) -> tuple[Job | None, bool]:
        """Read what is there and hand it on. One thread at a time reads; another waits for it here, briefly.

        :param adopting: the thread will run a job itself, if the last message brings one that is offered to it.
        :returns: that job, and whether the socket may hold more.
        """
        with self._parse:
            self._reading = threading.get_ident()
            try:
                taken = self.transport.take()
                for reply in taken.replies:
                    self._out.send(reply, urgent=True)
                last = len(taken.messages) - 1
                for index, message in enumerate(taken.messages):
                    self._adoptable = adopting and index == last and not taken.more
                    self._receive(self, message)
            except ConnectionEnded as end:
                with contextlib.suppress(Unsendable):
                    for reply in end.replies:
                        self._out.send(reply, urgent=True)
                self.fail(str(end), end.code)
                return None, False
            except BaseException as error:
                # What was read may be lost, or handed on in part: only a new connection is certain to be whole.
                self.fail(f"reading was interrupted by {error!r}")
                if isinstance(error, Exception):
                    logger.debug("Reading from the engine failed", exc_info=True)
                    return None, False
                raise
            finally:
                self._reading = None
                self._adoptable = False
            job, self._job = self._job, None
            return job, taken.more

    def adopt(self, job: Job) -> bool:
        """Take a job for the thread that is reading just now; see ``ClientPort.adopt``."""
        if not self._adoptable or self._reading != threading.get_ident():
            return False
        self._adoptable = False
        self._job = job
        return True

    def lead(self, pending: Pending, deadline: float) -> bool:
        """Read until a call of the calling thread is settled, its deadline has passed or the connection is over.

        False, at once, if another caller does that or the platform cannot: then wait to be signalled.
        """
        if not self.turns.shared or self.gone is not None or not self._leading.acquire(blocking=False):
            return False
        more = False
        try:
            self._leader = threading.get_ident()
            pending.leading = True
            while not pending.done and self.gone is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                if more or self.turns.wait(Station.CALLER, left):
                    more = self.read()[1]
        except BaseException:
            more = True  # a wake-up may have been taken that nobody acts on now
            raise
        finally:
            pending.leading = False
            self._leading.release()
            if more:
                self.turns.kick(Station.READER)
                self.turns.kick(Station.STANDBY)
        return True

    def kick_leader(self) -> None:
        """The call of the thread that leads was settled by another thread."""
        if self._leader != threading.get_ident():
            self.turns.kick(Station.CALLER)

    def greeted(self, worker_id: str | None, reattach_token: str | None) -> None:
        """Take note of who this worker is; the keeper, who waits for that, need not be the one that read it."""
        self.worker_id, self.reattach_token = worker_id, reattach_token
        self.turns.kick(Station.STANDBY)

    # --- the end ------------------------------------------------------------------------------------------------------

    def fail(self, reason: str, code: int | None = None) -> None:
        """End it: nothing is read or sent any more, who waits returns. Any thread; again changes nothing."""
        with self._end:
            if self.gone is not None:
                return
            self.code = code
            self.gone = reason
        self._out.close()
        with contextlib.suppress(OSError):
            self.transport.socket.shutdown(socket.SHUT_RDWR)
        self.turns.close()

    def close(self, deadline: float) -> None:
        """Say good-bye: wait until what was sent has left, send a Close, wait for the engine's; until the deadline."""
        if self.gone is None and self._out.drained(deadline):
            with contextlib.suppress(Unsendable, TimeoutError):
                self._out.send(self.transport.close_frame(), deadline)
            while self.gone is None and (left := deadline - time.monotonic()) > 0:
                if self.turns.wait(Station.STANDBY, left):
                    self.read()
        self.fail("this side closed the connection")

    def release(self) -> None:
        """Give the socket back, after :meth:`fail`."""
        self.transport.socket.close()
