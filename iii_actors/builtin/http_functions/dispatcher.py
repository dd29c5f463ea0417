"""Who makes which call when: bounded, fair among hosts, and answered in time (core.md §5.3).

Calls to one host wait for each other, not for other hosts' calls: a host has at most its share of the threads, and
those that wait get their turn host by host.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

import pykka
from msgspec import Raw

from iii_actors.actor import LightActor, Ref, handles, launch
from iii_actors.builtin.http_functions.caller import Attempt, Attempted, Rules
from iii_actors.builtin.http_functions.errors import RequestFailed
from iii_actors.builtin.http_functions.invocation import Endpoint
from iii_actors.builtin.http_functions.line import Line
from iii_actors.builtin.http_functions.response import Outcome, failed
from iii_actors.clock import Clock, Timer
from iii_actors.config.http_functions import HttpFunctionsSettings
from iii_actors.core.ids import new_id
from iii_actors.core.messages import Answer, Forward
from iii_actors.core.outcome import wire_error
from iii_actors.errors import InvocationError, InvocationStopped
from iii_actors.limits import EXTERNAL_WAITING, EXTERNAL_WAITING_PER_HOST
from iii_actors.wire import messages as wire

__all__ = ["Apply", "CloseDown", "Dispatcher"]

logger = logging.getLogger(__name__)

Host = tuple[str, int]


class Apply(NamedTuple):
    """Asked of the dispatcher: these settings hold for every attempt from now on."""

    settings: HttpFunctionsSettings
    rules: Rules


class CloseDown(NamedTuple):
    """Asked of the dispatcher: end every call; returns the callers, which are to be stopped, as a list."""


class _Expired(NamedTuple):
    """A call's time is up."""

    number: int


class _Due(NamedTuple):
    """A call's pause before its next attempt is over."""

    number: int


class _Job:
    """One call, until it is answered and its thread has let go of it."""

    __slots__ = ("attempts", "call_id", "due", "endpoint", "forward", "line", "number", "pause", "timer")

    def __init__(self, number: int, forward: Forward, due: float) -> None:
        self.number = number
        self.forward = forward
        self.endpoint: Endpoint = forward.target.endpoint
        self.call_id = new_id()
        self.due = due
        self.attempts = 0
        self.line = Line()
        self.timer: Timer | None = None
        self.pause: Timer | None = None

    @property
    def host(self) -> Host:
        return self.endpoint.url.host, self.endpoint.url.port


class Dispatcher(LightActor):
    """Takes the calls, gives each to a caller, answers it. Never waits.

    :param make_caller: makes a caller that tells its outcomes to the reference given; not started yet.
    """

    def __init__(self, invocations: Ref, clock: Clock, apply: Apply, make_caller: Callable[[Ref], pykka.Actor]) -> None:
        super().__init__()
        self._invocations = invocations
        self._clock = clock
        self._settings, self._rules = apply
        self._make_caller = make_caller
        self._numbers = 0
        self._jobs: dict[int, _Job] = {}
        """Not answered yet, by number."""
        self._waiting: dict[Host, dict[int, _Job]] = {}
        """Waiting for a caller; no empty rows. The host whose turn is next comes first."""
        self._queued = 0
        """How many are waiting, of all hosts together."""
        self._running: dict[Host, int] = {}
        """Callers at work per host; no zeros."""
        self._working: dict[int, Host] = {}
        """Attempts under way, answered or not."""
        self._idle: list[tuple[Ref, Host]] = []
        """Callers without work and the host whose connection they may still have; the one used last at the end."""
        self.callers: list[Ref] = []
        """Every caller; only ever grows."""

    # --- calls -------------------------------------------------------------------------------------------------------

    @handles(Forward)
    def take(self, forward: Forward) -> None:
        """Begin a call, queue it, or refuse it."""
        self._numbers += 1
        endpoint: Endpoint = forward.target.endpoint
        job = _Job(self._numbers, forward, self._clock.monotonic() + endpoint.timeout_s)
        self._jobs[job.number] = job
        if len(self._waiting.get(job.host, ())) >= EXTERNAL_WAITING_PER_HOST or self._queued >= EXTERNAL_WAITING:
            self._settle(job, failed(RequestFailed(endpoint.url.text, "too many calls are waiting already")))
            return
        job.timer = self._clock.call_later(endpoint.timeout_s, self._teller(_Expired(job.number)))
        self._enqueue(job)

    @handles(Attempted)
    def attempted(self, message: Attempted) -> None:
        """A caller is free again; its call is answered, or rests before it is tried once more."""
        host = self._working.pop(message.number)
        self._running[host] -= 1
        if not self._running[host]:
            del self._running[host]
        self._idle.append((message.caller, host))
        job = self._jobs.get(message.number)
        if job is not None and not self._rest(job, message.outcome):
            self._settle(job, message.outcome)
        self._go_on()

    def _rest(self, job: _Job, outcome: Outcome) -> bool:
        """Plan another attempt, if the settings want one and its time comes before the call's end."""
        retries = self._settings.retries
        if not outcome.may_repeat or job.attempts > retries.count:
            return False
        pause_s = retries.backoff_ms / 1000 * 2 ** (job.attempts - 1)
        if self._clock.monotonic() + pause_s >= job.due:
            return False
        job.pause = self._clock.call_later(pause_s, self._teller(_Due(job.number)))
        return True

    @handles(_Due)
    def due(self, message: _Due) -> None:
        job = self._jobs.get(message.number)
        if job is not None:
            self._enqueue(job)

    @handles(_Expired)
    def expired(self, message: _Expired) -> None:
        """Answer a call whose time is up, wherever it is; its thread, if it has one, is set free."""
        job = self._jobs.get(message.number)
        if job is not None:
            self._settle(job, failed(RequestFailed(job.endpoint.url.text, "operation timed out")))

    def _settle(self, job: _Job, outcome: Outcome) -> None:
        """Answer a call, once."""
        del self._jobs[job.number]
        for timer in (job.timer, job.pause):
            if timer is not None:
                timer.cancel()
        row = self._waiting.get(job.host)
        if row is not None and row.pop(job.number, None) is not None:
            self._queued -= 1
            if not row:
                del self._waiting[job.host]
        if job.number in self._working:
            job.line.cut()
        self._end_call(job.forward, outcome.result, outcome.error)

    def _end_call(self, forward: Forward, result: Raw, error: wire.ErrorBody | None) -> None:
        try:
            self._invocations.tell(Answer(forward.invoke.invocation_id, result, error))
        except pykka.ActorDeadError:
            logger.debug("The engine is stopping")

    def on_handler_error(self, message: object, error: Exception) -> None:
        """A call that could not be begun is answered all the same."""
        if isinstance(message, Forward):
            failure = InvocationError(f"{type(error).__name__} in the engine")
            self._end_call(message, wire.ABSENT, wire_error(failure))

    def _teller(self, message: object) -> Callable[[], None]:
        """Return what the clock is to call; on its thread."""

        def tell() -> None:
            try:
                self.actor_ref.tell(message)
            except pykka.ActorDeadError:
                logger.debug("The engine is stopping")

        return tell

    # --- callers -----------------------------------------------------------------------------------------------------

    def _enqueue(self, job: _Job) -> None:
        self._waiting.setdefault(job.host, {})[job.number] = job
        self._queued += 1
        self._go_on()

    def _go_on(self) -> None:
        """Give waiting calls to callers as long as there are both."""
        while len(self._working) < self._settings.max_calls:
            host = next((one for one in self._waiting if self._has_room(one)), None)
            if host is None:
                return
            row = self._waiting.pop(host)
            job = row.pop(next(iter(row)))
            self._queued -= 1
            if row:
                self._waiting[host] = row  # to the end: the next turn is another host's
            try:
                caller = self._caller_for(host)
            except RuntimeError as error:  # the system has no thread left
                logger.warning("A call over HTTP cannot be made: %s", error)
                self._settle(job, failed(RequestFailed(job.endpoint.url.text, str(error))))
                continue
            job.attempts += 1
            self._working[job.number] = host
            self._running[host] = self._running.get(host, 0) + 1
            caller.tell(Attempt(job.number, job.forward, job.endpoint, job.call_id, job.due, job.line, self._rules))

    def _has_room(self, host: Host) -> bool:
        return self._running.get(host, 0) < min(self._settings.max_calls_per_host, self._settings.max_calls)

    def _caller_for(self, host: Host) -> Ref:
        """Return a caller without work: best one with a connection to this host, else any, else a new one."""
        for position in range(len(self._idle) - 1, -1, -1):
            if self._idle[position][1] == host:
                return self._idle.pop(position)[0]
        if self._idle:
            return self._idle.pop()[0]
        caller = launch(self._make_caller(self.actor_ref))
        self.callers.append(caller)
        return caller

    # --- settings and the end ----------------------------------------------------------------------------------------

    @handles(Apply)
    def apply(self, apply: Apply) -> None:
        self._settings, self._rules = apply
        self._go_on()

    @handles(CloseDown)
    def close_down(self, _: CloseDown) -> list[Ref]:
        for job in list(self._jobs.values()):
            self._settle(job, failed(InvocationStopped()))
        return list(self.callers)
