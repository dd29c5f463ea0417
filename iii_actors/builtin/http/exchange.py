"""One request, from its route to the end of its response (http.md §6 to §8). All on the loop's thread."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Final

from msgspec import Raw

from iii_actors.builtin.http import tracing
from iii_actors.builtin.http.json_text import is_json
from iii_actors.builtin.http.lending import Pair
from iii_actors.builtin.http.replies import NOT_MET, Reply, from_handler, from_middleware
from iii_actors.builtin.http.request import Payloads, header_map
from iii_actors.builtin.http.sending import Sender
from iii_actors.builtin.http.stream import Stream
from iii_actors.builtin.http.table import Match, Route
from iii_actors.core.ends import Direction
from iii_actors.core.pipe import Pipe
from iii_actors.core.tracing import Span
from iii_actors.wire import messages as wire
from iii_actors.wire.trace import valid_traceparent

if TYPE_CHECKING:
    from iii_actors.builtin.http.front import Front

__all__ = ["Exchange"]

_JSON: Final = b"application/json"
_NULL: Final = b"null"
_NOTHING: Final = frozenset({b"", b"null"})
_STOPPED: Final = wire.ErrorBody("invocation_stopped", "Invocation stopped")


class _Over(Enum):
    """Why a request is over before it was answered."""

    TIME = 1
    CLIENT = 2
    STOP = 3


class _Ended(Exception):
    """The request is over before it was answered."""


class _Failed(Exception):
    """A call made for the request has failed."""

    def __init__(self, error: wire.ErrorBody) -> None:
        super().__init__(error.code)
        self.error = error


class Exchange:
    """What happens for one request.

    :param front: what all requests share.
    :param match: where its path leads.
    :param route: the one of its method.
    :param sender: to the client.
    """

    __slots__ = (
        "_admitted",
        "_front",
        "_headers",
        "_line",
        "_match",
        "_outcome",
        "_over",
        "_pair",
        "_route",
        "_sender",
        "_span",
        "_stream",
        "_upload",
        "_wake",
        "deadline",
    )

    def __init__(self, front: Front, match: Match, route: Route, sender: Sender) -> None:
        self._front = front
        self._match = match
        self._route = route
        self._sender = sender
        self._line = sender.turn.line
        self._upload = sender.turn.upload
        self.deadline = 0.0
        self._admitted = False
        self._over: _Over | None = None
        self._outcome: tuple[Raw, wire.ErrorBody | None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._pair: Pair | None = None
        self._stream: Stream | None = None
        self._span: Span | None = None
        self._headers: dict[str, str] = {}

    async def run(self) -> None:
        """Answer the request; returns when all of the response is written or the client has gone."""
        front, line = self._front, self._line
        line.answering = self
        front.exchanges.add(self)
        front.deadlines.add(self, front.settings.default_timeout / 1000)
        answer: Reply | Stream | None = None
        try:
            answer = await self._outcome_of_all()
            if isinstance(answer, Reply):
                await self._sender.reply(answer)
            elif answer is not None:
                await self._pass_on(answer)
        finally:
            line.answering = None
            front.exchanges.discard(self)
            if self._span is not None:
                status = answer.status if answer is not None else None
                tracing.end(self._span, self._route.traced, self._sender.scope, self._headers, status)

    async def _outcome_of_all(self) -> Reply | Stream | None:
        """Return what decides the response; None: nobody is there for it any more."""
        answer: Reply | Stream | None = None
        try:
            answer = await self._answer()
        except _Ended:
            if self._over is _Over.TIME:
                answer = self._sender.timed_out()
            elif self._over is _Over.STOP:
                answer = self._front.failed(self._route, _STOPPED)
        except _Failed as failure:
            answer = self._front.failed(self._route, failure.error)
        except Exception as error:
            answer = self._front.fault(self._route.title, error)
        finally:
            self._decided(answer)
        return answer

    # --- the steps ---------------------------------------------------------------------------------------------------

    async def _answer(self) -> Reply | Stream:
        front, route, scope = self._front, self._route, self._sender.scope
        headers = header_map(scope["headers"])
        tracer = front.observing.tracer
        if tracer is None:
            traceparent = valid_traceparent(headers.get("traceparent"))
        else:
            self._headers = headers
            self._span = tracing.begin(tracer, route.traced, headers)
            traceparent = self._span.traceparent
        if front.places.enter(self):
            self._admitted = True
        while not self._admitted:
            await self._pause()
        payloads = Payloads(route, self._match.values, scope["query_string"], headers)
        reply = await self._ask_middleware(front.middleware, payloads)
        if reply is not None:
            return reply
        pair = self._pair = Pair(self)
        front.lending.offer(pair)
        body = await self._body()
        if route.condition is not None:
            verdict = await self._ask(route.condition, payloads.condition(body))
            if bytes(verdict) == b"false":
                return NOT_MET
        reply = await self._ask_middleware(route.middleware, payloads)
        if reply is not None:
            return reply
        self._outcome = None
        front.calls.call(
            route.trigger.function_id,
            route.trigger.namespace,
            payloads.handler(body, pair.upload, pair.response),
            self._done,
            metadata=route.trigger.metadata,
            traceparent=traceparent,
            baggage=headers.get("baggage"),
        )
        del body, payloads
        return await self._handler_says()

    async def _handler_says(self) -> Reply | Stream:
        """Wait for the first that decides: the channel or the result; of both at once, the channel (http.md §8)."""
        while True:
            stream = self._stream
            if stream is not None and stream.read():
                return stream
            if self._outcome is not None:
                result, error = self._outcome
                if error is not None:
                    raise _Failed(error)
                if bytes(memoryview(result)[:5]) not in _NOTHING:
                    return from_handler(result)
                self._outcome = None
            await self._pause()

    async def _ask_middleware(self, function_ids: tuple[str, ...], payloads: Payloads) -> Reply | None:
        """Ask one after the other; the first that answers the request itself ends it."""
        for function_id in function_ids:
            reply = from_middleware(await self._ask(function_id, payloads.middleware()))
            if reply is not None:
                return reply
        return None

    async def _ask(self, function_id: str, payload: Raw) -> Raw:
        """Call and wait; raises :class:`_Failed`, :class:`_Ended`."""
        self._outcome = None
        self._front.calls.call(function_id, self._route.trigger.namespace, payload, self._done)
        result, error = await self._said()
        if error is not None:
            raise _Failed(error)
        return result

    async def _said(self) -> tuple[Raw, wire.ErrorBody | None]:
        while self._outcome is None:
            await self._pause()
        return self._outcome

    async def _body(self) -> bytes:
        """Return the payload's ``body`` as JSON text (http.md §5)."""
        if not any(name == b"content-type" for name, _ in self._sender.scope["headers"]):
            return _NULL
        given = next(value for name, value in self._sender.scope["headers"] if name == b"content-type")
        if _JSON not in given:
            return _NULL
        upload = self._upload
        upload.gather(self._front.settings.max_json_body_bytes, self._front.room, self._stir)
        while not upload.gathered:
            await self._pause()
        if not upload.whole:
            return _NULL
        content = upload.content()
        return content if is_json(content) else _NULL

    async def _pass_on(self, stream: Stream) -> None:
        """Send the channel's bytes as they come."""
        try:
            writer = await self._sender.begin(stream)
            while True:
                self._check()
                part = stream.body()
                if part is None:
                    await writer.end()
                    return
                if not part:
                    await self._pause()
                elif not await writer.write(part):
                    return
        except _Ended:
            if self._over is _Over.STOP:
                self._line.abort()
        finally:
            stream.leave()

    def _decided(self, answer: Reply | Stream | None) -> None:
        """Whatever is still to come has no say any more."""
        front = self._front
        front.deadlines.remove(self)
        if self._admitted:
            front.places.leave()
        if self._pair is not None:
            front.lending.withdraw(self._pair)
            self._pair = None
        if self._stream is not None and answer is not self._stream:
            self._stream.leave()
        self._upload.leave_room()
        if not self._upload.poured:
            self._upload.discard()

    # --- what may happen meanwhile -----------------------------------------------------------------------------------

    def time_is_up(self) -> None:
        self._end(_Over.TIME)

    def client_gone(self) -> None:
        self._end(_Over.CLIENT)

    def stop(self) -> None:
        """The engine stops."""
        self._end(_Over.STOP)

    def admit(self) -> bool:
        if self._over is not None:
            return False
        self._admitted = True
        self._stir()
        return True

    def opened(self, direction: Direction, pipe: Pipe) -> None:
        """A worker has opened its end of a channel; runs on that connection's thread."""
        bell = self._front.bell
        if direction == "read":
            bell.ring(lambda: self._upload_wanted(pipe))
        else:
            pipe.attach_reader(lambda: bell.ring(self._stir))
            bell.ring(lambda: self._stream_opened(pipe))

    def _upload_wanted(self, pipe: Pipe) -> None:
        if self._pair is None:
            pipe.finish()  # the response was decided meanwhile, and the body thrown away
        else:
            self._upload.pour_into(pipe, self._front.bell)

    def _stream_opened(self, pipe: Pipe) -> None:
        if self._pair is None:
            pipe.leave()  # the response was decided meanwhile
        else:
            self._stream = Stream(pipe)
            self._stir()

    def _end(self, why: _Over) -> None:
        if self._over is None:
            self._over = why
            self._stir()

    def _done(self, result: Raw, error: wire.ErrorBody | None) -> None:
        self._outcome = (result, error)
        self._stir()

    def _stir(self) -> None:
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    async def _pause(self) -> None:
        """Wait until something has happened; raises :class:`_Ended` if that is the end."""
        if self._over is None:
            self._wake = self._front.loop.create_future()
            await self._wake
            self._wake = None
        self._check()

    def _check(self) -> None:
        """Raise :class:`_Ended` if the request is over."""
        if self._over is not None:
            raise _Ended
