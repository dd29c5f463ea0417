"""The actor that carries everything to Redis: all that waits travels together, and so do its answers.

While one parcel is under way the next one gathers, so that a round trip is shared by as many operations as there are
callers at a time, and a single caller waits for nobody.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import pykka
from msgspec import Raw
from msgspec.msgpack import Decoder
from redis import RedisError

from iii_actors.actor import MailboxFull, Round, ThreadedActor, handles
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable, QueueFull, QueueNotFound
from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.redis_layout import no_text
from iii_actors.brokers.redis_line import NEVER, Line
from iii_actors.brokers.redis_link import Link
from iii_actors.brokers.redis_parcel import Parcel, answers_of
from iii_actors.brokers.redis_requests import Ask, Request, Settle
from iii_actors.brokers.redis_taking import Recover, Take, expire
from iii_actors.brokers.redis_tending import LATE, tending
from iii_actors.brokers.redis_time import CommonTime
from iii_actors.clock import Clock, Timer
from iii_actors.errors import EngineError
from iii_actors.limits import (
    QUEUE_LOOK_S,
    REDIS_PARCEL,
    REDIS_PARCEL_BYTES,
    REDIS_RETRY_MAX_S,
    REDIS_RETRY_S,
)

__all__ = ["Carrier", "Go"]

logger = logging.getLogger(__name__)

_MAP = 0x80  # an answer that is a map is an error; none of the script's results is one
_error_of = Decoder(dict[str, Any]).decode


class Go(NamedTuple):
    """Told: requests are waiting."""


class _Again(NamedTuple):
    """Told by the clock: try Redis again."""


class _Tick(NamedTuple):
    """Told by the clock: something is due."""


class _Tend(NamedTuple):
    """Told by the clock: renew the leases."""


class Carrier(ThreadedActor):
    """Owns the lines and the connection.

    :param engine: names this engine among all on that Redis.
    :param place: what errors and the log call the Redis.
    """

    def __init__(self, link: Link, engine: str, place: str, clock: Clock, lease_s: float, time: CommonTime) -> None:
        super().__init__()
        self.engine = engine
        self.clock = clock
        self.lease_s = lease_s
        self.asked: deque[Request] = deque()
        """Filled by any thread, which then tells :class:`Go` unless :attr:`called`."""
        self.called = False
        self.taken = 0
        """How many requests have been taken out. Written here, read by who fills it."""
        self.taken_bytes = 0
        self.lines: dict[str, Line] = {}
        self._link = link
        self._place = place
        self._time = time
        self._numbers = itertools.count(1)
        self._up = True
        self._why: object = ""
        """Of the last time when it was not."""
        self._closing = False
        self._kept: list[Settle] = []
        """To be told when Redis is back."""
        self._retry_s = REDIS_RETRY_S
        self._stirred: list[Line] = []
        self._alarms: list[tuple[float, int, Line]] = []
        self._timer: Timer | None = None
        self._timer_at = NEVER
        self._timers: list[Timer] = []
        self._tended_at = clock.monotonic()
        self._take_over_at = 0.0
        """By the monotonic clock: before it nobody's jobs are taken over, for all may just have lost Redis."""

    # --- what requests use -------------------------------------------------------------------------------------------

    def line(self, queue: str) -> Line:
        """Return a queue's line, a new one if there is none."""
        line = self.lines.get(queue)
        if line is None:
            line = self.lines[queue] = Line(queue)
        return line

    def stir(self, queue: str, *, always: bool = False) -> None:
        """Have this parcel look whether there is something to deliver, if anybody here wants it.

        :param always: this engine was told that there is; if it does not want it, others are told.
        """
        line = self.line(queue) if always else self.lines.get(queue)
        if line is not None and (always or line.sink is not None) and not line.stirred:
            line.stirred = True
            self._stirred.append(line)

    def common_ms(self, unix_ms: int) -> int:
        """Return a Unix time in ms by the clock of the engines."""
        return self._time.common_ms(unix_ms)

    def alarm(self, line: Line, at: float) -> None:
        """Look at a line at that time, on the monotonic clock."""
        if at < line.alarm:
            line.alarm = at
            heapq.heappush(self._alarms, (at, next(self._numbers), line))
            self._arm()

    def alarm_due(self, line: Line, due_ms: float) -> None:
        """Look at a line at that time, on the clock of the engines."""
        self.alarm(line, self.clock.monotonic() + max(due_ms - self._time.now_ms(), 0) / 1000)

    def first(self, request: Request) -> None:
        """Carry this out next: the following step of something. Only while :meth:`go` runs, or before it does."""
        self.asked.appendleft(request)
        self.taken -= 1

    def call(self) -> None:
        """See to it that :attr:`asked` is looked at. Any thread. Raises ``pykka.ActorDeadError``."""
        if not self.called:
            self.called = True
            self.actor_ref.tell(Go())

    # --- parcels -----------------------------------------------------------------------------------------------------

    @handles(Go)
    def go(self, _: Go) -> None:
        """Carry out a parcel of what waits. Whoever adds to it from now on calls again."""
        self.called = False
        if self.asked or self._stirred:
            self._carry_out(self._next())
        if self.asked or self._stirred:
            self.call()

    def _next(self) -> list[Request]:
        """Take out as much as travels together."""
        requests: list[Request] = []
        asked, left, bytes_left = self.asked, REDIS_PARCEL, REDIS_PARCEL_BYTES
        while asked and left > 0 and bytes_left > 0:
            request = asked.popleft()
            self.taken += 1
            self.taken_bytes += request.size
            left -= request.weight
            bytes_left -= request.size
            try:
                if request.prepare(self):
                    requests.append(request)
            except Exception:
                logger.exception("A request to Redis failed")
                self._fail(request, BrokerUnavailable("the broker failed at it; the engine's log says why"))
        stirred, self._stirred = self._stirred[:REDIS_PARCEL], self._stirred[REDIS_PARCEL:]
        for line in stirred:
            line.stirred = False
            requests.append(Take(line))
        return requests

    def _carry_out(self, requests: Sequence[Request]) -> None:
        if not self._up:
            self._keep_or_fail(requests, self._gone(self._why))
            return
        parcel = Parcel(self.engine, next(self._numbers), self._spec)
        sent: list[Request] = []
        for request in requests:
            try:
                request.write(parcel)
            except UnicodeEncodeError:
                self._fail(request, no_text())
            except Exception:
                logger.exception("A request to Redis cannot be written")
                self._fail(request, BrokerUnavailable("the broker failed at it; the engine's log says why"))
            else:
                sent.append(request)
        if not sent:
            return
        try:
            answers = self._exchange(parcel)
        except Exception as error:
            if not isinstance(error, (RedisError, OSError)):
                logger.exception("A parcel for Redis failed")
            for request in sent:
                if isinstance(request, Settle):
                    request.doubtful = True
            self._lose(error)
            self._keep_or_fail(sent, self._gone(error))
            return
        with Round():
            for request, answer in zip(sent, answers, strict=True):
                self._answer(request, answer, parcel)

    def _spec(self, queue: str) -> QueueSpec | None:
        line = self.lines.get(queue)
        return line.spec if line is not None else None

    def _exchange(self, parcel: Parcel) -> list[Raw]:
        """One round trip; if the connection breaks on the way, one more over a new one. Raises ``RedisError``."""
        keys, now_ms = parcel.keys(), self._time.now_ms()
        try:
            return answers_of(self._link.call(keys, parcel.arguments(now_ms, False)))
        except (RedisError, OSError) as error:
            logger.debug("%s: %s; the parcel is sent once more", self._place, error)
            self._connected(self._link.connect(), again=True)
            return answers_of(self._link.call(keys, parcel.arguments(now_ms, True)))

    def _answer(self, request: Request, answer: Raw, parcel: Parcel) -> None:
        try:
            if memoryview(answer)[0] & 0xF0 == _MAP:
                self._refuse(request, _error_of(answer), parcel)
            else:
                request.answered(answer, self)
        except Exception:
            logger.exception("The answer of Redis at %s to a request fails", self._place)
            self._fail(request, BrokerUnavailable("the broker failed at it; the engine's log says why"))

    def _refuse(self, request: Request, error: dict[str, Any], parcel: Parcel) -> None:
        match error:
            case {"error": "lost"} if not isinstance(request, Take):
                self.first(request)
            case {"error": "queue", "queue": number}:
                self._fail(request, QueueNotFound(parcel.queue_named(number)))
            case {"error": "full", "queue": number, "limit": limit}:
                self._fail(request, QueueFull(parcel.queue_named(number), int(limit)))
            case _:
                self._fail(request, BrokerUnavailable(f"Redis at {self._place}: {error.get('text', error['error'])}"))

    def _fail(self, request: Request, error: EngineError) -> None:
        try:
            request.failed(error, self)
        except Exception:
            logger.exception("The failure of a request to Redis cannot be told")

    # --- Redis away --------------------------------------------------------------------------------------------------

    def _gone(self, error: object) -> BrokerUnavailable:
        return BrokerUnavailable(f"Redis at {self._place}: {error}; nothing is known to be stored")

    def _keep_or_fail(self, requests: Sequence[Request], error: EngineError) -> None:
        with Round():
            for request in requests:
                if isinstance(request, Settle) and not self._closing:
                    self._kept.append(request)
                else:
                    self._fail(request, error)

    def _lose(self, error: Exception) -> None:
        self._link.close()
        self._up, self._why = False, error
        self._retry_s = REDIS_RETRY_S
        logger.warning("iii-queue: Redis at %s is gone, no jobs are taken or delivered until it is back: %s",
                       self._place, error)  # fmt: skip
        self._later(self._retry_s, _Again())

    @handles(_Again)
    def again(self, _: _Again) -> None:
        if self._up or self._closing:
            return
        try:
            uptime_s = self._link.connect()
        except (RedisError, OSError):
            self._retry_s = min(self._retry_s * 2, REDIS_RETRY_MAX_S)
            self._later(self._retry_s, _Again())
            return
        self._up = True
        logger.info("iii-queue: Redis at %s is back", self._place)
        self._connected(uptime_s, again=True)
        kept, self._kept = self._kept, []
        self.taken -= len(kept)
        self.asked.extendleft(reversed(kept))
        self.go(Go())

    def _connected(self, uptime_s: float, *, again: bool) -> None:
        """After a connection was made: what was given out and did not arrive goes back, everybody is looked after."""
        if again or uptime_s < self.lease_s:
            self._take_over_at = self.clock.monotonic() + self.lease_s
        for line in self.lines.values():
            if again and line.active:
                line.hungry = False
                self.first(Recover(line))

    # --- time --------------------------------------------------------------------------------------------------------

    def begin(self, uptime_s: float) -> None:
        """Called once, before the actor is launched, when the link is connected."""
        self._connected(uptime_s, again=False)
        self._later(self.lease_s / 3, _Tend())

    def _later(self, delay_s: float, message: Any) -> None:
        self._timers = [timer for timer in self._timers if not timer.cancelled and timer.due > self.clock.monotonic()]
        self._timers.append(self.clock.call_later(delay_s, partial(_tell, self.actor_ref, message)))

    def _arm(self) -> None:
        """See that the clock calls in time for the first alarm."""
        if not self._alarms or self._alarms[0][0] >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at = self._alarms[0][0]
        delay_s = min(max(at - self.clock.monotonic(), 0.0), QUEUE_LOOK_S)
        self._timer = self.clock.call_later(delay_s, partial(_tell, self.actor_ref, _Tick()))

    @handles(_Tick)
    def tick(self, _: _Tick) -> None:
        self._timer, self._timer_at = None, NEVER
        now = self.clock.monotonic() + _CLOSE_S
        while self._alarms and self._alarms[0][0] <= now:
            at, _number, line = heapq.heappop(self._alarms)
            if at == line.alarm:
                line.alarm = NEVER
                expire(self, line, now)
                self.alarm(line, line.deadline(now))
                self.stir(line.queue)
        self._arm()
        self.go(Go())

    @handles(_Tend)
    def tend(self, _: _Tend) -> None:
        """Renew the leases, take over what others have left, and look whether anything was missed."""
        self._later(self.lease_s / 3, _Tend())
        now = self.clock.monotonic()
        late_s, self._tended_at = now - self._tended_at, now
        if not self._up:
            return
        if late_s > self.lease_s and any(line.flying for line in self.lines.values()):
            logger.warning(LATE, late_s)
        for request in tending(self.lines.values(), self.lease_s, take_over=now >= self._take_over_at):
            self.taken -= 1
            self.asked.append(request)
        self.go(Go())

    # --- the end -----------------------------------------------------------------------------------------------------

    def on_stop(self) -> None:
        """Carry out what waits, give back what is in flight, and let go."""
        self._closing = True
        for line in self.lines.values():
            line.sink = None
        for timer in (*self._timers, *([self._timer] if self._timer is not None else [])):
            timer.cancel()
        self._carry_out_all()
        self._keep_or_fail(self._kept, BrokerClosed())
        if self._up:
            for line in self.lines.values():
                if line.joined:
                    self.asked.append(Ask(line.queue, "leave", (), None))
            self._carry_out_all()
        self._link.close()

    def _carry_out_all(self) -> None:
        while self.asked or self._stirred:
            self._carry_out(self._next())


_CLOSE_S = 0.0005  # what is due within half a millisecond is due: seconds as floats are not exact


def _tell(ref: Any, message: Any) -> None:
    try:
        ref.tell(message)
    except (pykka.ActorDeadError, MailboxFull):
        logger.debug("The engine is stopping")
