"""The thread on which everything happens that is sent to and comes from RabbitMQ, and its connections that come back.

pika's connections belong to one thread. This one runs pika's loop for both of a broker's connections, one for
publishing and one for consuming, as RabbitMQ makes publishers wait on their own connections only. What other threads
want done they hand over, many at a time; they never wait for it.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from pika import SelectConnection
from pika.adapters.select_connection import IOLoop

from iii_actors.brokers.rabbit_client import Parameters, explained
from iii_actors.limits import AMQP_AGAIN_MAX_S, AMQP_AGAIN_MIN_S

__all__ = ["Again", "Link", "RabbitLoop"]

logger = logging.getLogger(__name__)

_random = random.Random()  # noqa: S311 - to spread attempts


class RabbitLoop:
    """pika's loop on a thread of its own. :meth:`call` from any thread; everything else on its own."""

    def __init__(self) -> None:
        self._loop: Any = IOLoop()
        self._handed: deque[Callable[[], object]] = deque()
        self._gathered: dict[_Connection, list[bytes]] = {}
        self._later: dict[int, Callable[[], object]] = {}
        self._numbers = 0
        self._awake = self._stopping = self._ended = False
        self._thread = threading.Thread(target=self._run, name="iii-rabbitmq", daemon=True)

    @property
    def ioloop(self) -> Any:
        """The one that pika has."""
        return self._loop

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End the thread, once everything is closed. Returns whether it has ended; then what is or was handed over is
        done at once, on the thread that does so.
        """
        self._stopping = True
        self._loop.add_callback_threadsafe(self._loop.stop)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        # Who waits for an answer gets one: what is left finds that everything is closed.
        self._ended = True
        while self._handed:
            self._work()
        while self._later:
            self._do(self._later.popitem()[1])
        self._loop.close()
        return True

    def call(self, what: Callable[[], object]) -> None:
        """Have something done on the loop's thread, in the order of the calls; a failure is logged."""
        if self._ended:
            self._do(what)
            return
        self._handed.append(what)
        if not self._awake:
            self._awake = True
            self._loop.add_callback_threadsafe(self._work)

    def call_later(self, delay_s: float, what: Callable[[], object]) -> None:
        """Call after some time. For waits on the network; what jobs wait for goes by the engine's clock."""
        self._numbers += 1
        number = self._numbers
        self._later[number] = what

        def due() -> None:
            if self._later.pop(number, None) is not None:
                self._do(what)

        self._loop.call_later(delay_s, due)

    def gather(self, connection: _Connection, frames: Sequence[bytes]) -> None:
        """Take what a connection is to send; all of it leaves together when what was handed over is done."""
        self._gathered.setdefault(connection, []).extend(frames)
        self.call(_nothing)

    def _flush(self) -> None:
        gathered, self._gathered = self._gathered, {}
        for connection, frames in gathered.items():
            connection.send_now(frames)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._loop.start()
            except Exception:
                logger.exception("A step of the RabbitMQ broker failed")

    def _work(self) -> None:
        # Told to be awake again before looking: what is handed over from now on wakes it, or is found below.
        self._awake = False
        handed = self._handed
        for _ in range(len(handed)):
            self._do(handed.popleft())
        self._flush()
        if handed and not self._awake and not self._ended:
            # No longer at a time than it takes to do what was there: the sockets want to be read too.
            self._awake = True
            self._loop.add_callback_threadsafe(self._work)

    @staticmethod
    def _do(what: Callable[[], object]) -> None:
        try:
            what()
        except Exception:
            logger.exception("A step of the RabbitMQ broker failed")


def _nothing() -> None:
    """Make the loop get to the end of what was handed over."""


class _Connection(SelectConnection):  # type: ignore[misc] # pika has no types
    """One that does not write each frame for itself: a message has three, and each write gives the interpreter away."""

    def __init__(self, loop: RabbitLoop, *args: Any, **kwargs: Any) -> None:
        self._gathering = loop
        super().__init__(*args, **kwargs)

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        self._gathering.gather(self, marshaled_frames)

    def send_now(self, frames: Sequence[bytes]) -> None:
        """Write frames together."""
        if not self.is_closed and self._transport is not None:
            super()._output_marshaled_frames((b"".join(frames),))


class Again:
    """How long to wait before the next try: doubled each time, a part of it left to chance."""

    def __init__(self) -> None:
        self._pause_s = AMQP_AGAIN_MIN_S

    def next(self) -> float:
        pause = self._pause_s
        self._pause_s = min(pause * 2, AMQP_AGAIN_MAX_S)
        return pause * (0.5 + _random.random() / 2)

    def reset(self) -> None:
        """It has worked."""
        self._pause_s = AMQP_AGAIN_MIN_S


class Link:
    """A connection that is opened again whenever it is lost. Used on the loop's thread.

    :param what: what it is for, in the log.
    :param place: where it leads, without the password.
    :param up: called with pika's connection when it is open.
    :param down: called with the reason when it is lost, once for each ``up``.
    """

    def __init__(
        self,
        loop: RabbitLoop,
        parameters: Parameters,
        what: str,
        place: str,
        up: Callable[[Any], None],
        down: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._parameters = parameters
        self._what = what
        self._place = place
        self._up = up
        self._down = down
        self._again = Again()
        self._reported = False
        self._closing = False
        self.connection: Any = None
        """pika's, while it is open."""

    def open(self) -> None:
        """Begin to connect."""
        if not self._closing:
            _Connection(
                self._loop,
                self._parameters,
                on_open_callback=self._opened,
                on_open_error_callback=self._refused,
                on_close_callback=self._lost,
                custom_ioloop=self._loop.ioloop,
            )

    def close(self) -> None:
        """Disconnect, for good."""
        self._closing = True
        if self.connection is not None and self.connection.is_open:
            self.connection.close()

    def _opened(self, connection: Any) -> None:
        self.connection = connection
        if self._closing:
            connection.close()
            return
        self._again.reset()
        if self._reported:
            self._reported = False
            logger.warning("RabbitMQ at %s is there again for %s", self._place, self._what)
        self._up(connection)

    def _refused(self, _: Any, error: BaseException) -> None:
        self._report(explained(error))
        self._later()

    def _lost(self, _: Any, error: BaseException) -> None:
        self.connection = None
        reason = explained(error)
        if not self._closing:
            self._report(reason)
        self._down(reason)
        self._later()

    def _report(self, reason: str) -> None:
        if not self._reported and not self._closing:
            self._reported = True
            logger.warning("RabbitMQ at %s is lost for %s: %s; trying again", self._place, self._what, reason)

    def _later(self) -> None:
        if not self._closing:
            self._loop.call_later(self._again.next(), self.open)
