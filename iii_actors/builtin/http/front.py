"""The ASGI application: which request is answered how (http.md §3, §9), and what all requests share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, Final

from iii_actors.builtin.http.bell import Bell
from iii_actors.builtin.http.calls import Calls
from iii_actors.builtin.http.connection import EXTENSION
from iii_actors.builtin.http.cors import Cors
from iii_actors.builtin.http.exchange import Exchange
from iii_actors.builtin.http.lending import Lending
from iii_actors.builtin.http.pending import Deadlines, Places
from iii_actors.builtin.http.replies import NOT_FOUND, Reply, failed, method_not_allowed
from iii_actors.builtin.http.request import Header
from iii_actors.builtin.http.routes import Routes
from iii_actors.builtin.http.sending import Send, Sender
from iii_actors.builtin.http.table import Route
from iii_actors.builtin.http.turn import Turn
from iii_actors.builtin.http.upload import Room
from iii_actors.config.http import HttpSettings
from iii_actors.core.refs import Core
from iii_actors.limits import HTTP_FAILURES_LOGGED_PER_S, HTTP_JSON_TOTAL_BYTES
from iii_actors.wire.messages import ErrorBody

__all__ = ["Extra", "Front"]

logger = logging.getLogger(__name__)

Extra = Callable[[str, str], Awaitable[Reply | None]]
"""Gets method and path, percent-encoded and with its slash; runs on the loop's thread."""

_FAULT: Final = ErrorBody("INTERNAL_ERROR", "internal server error")


class Front:
    """Answers requests. Made and used on the loop's thread.

    :param extra: asked for paths that no route has.
    """

    def __init__(self, core: Core, routes: Routes, loop: asyncio.AbstractEventLoop, settings: HttpSettings) -> None:
        self.loop = loop
        self.bell = Bell(loop)
        self.calls = Calls(core.functions, loop, self.bell)
        self.lending = Lending()
        self.deadlines = Deadlines(core.clock, self.bell)
        self.places = Places(settings.concurrency_request_limit)
        self.room = Room(HTTP_JSON_TOTAL_BYTES)
        self.exchanges: set[Exchange] = set()
        """Those not over yet."""
        self.extra: Extra = _nothing
        self.settings = settings
        self.observing = core.observing
        self.middleware: tuple[str, ...] = ()
        """Ids of the functions asked before any route's own."""
        self._cors = Cors(None)
        self._clock = core.clock
        self._routes = routes
        self._date: Header = (b"date", b"")
        self._logged_second = 0
        self._logged = 0
        self.apply(settings)
        self.tick()

    def apply(self, settings: HttpSettings) -> None:
        """Answer further requests by other settings."""
        self.settings = settings
        first_to_last = sorted(settings.middleware, key=lambda one: one.priority)
        self.middleware = tuple(one.function_id for one in first_to_last if one.phase == "preHandler")
        self._cors = Cors(settings.cors)
        self.places.resize(settings.concurrency_request_limit)

    def stop(self) -> None:
        """Answer what waits; nothing is called any more."""
        for exchange in list(self.exchanges):
            exchange.stop()
        self.deadlines.stop()
        self.calls.stop()

    def tick(self) -> None:
        """Look at the clock; called each second."""
        self._date = (b"date", formatdate(self._clock.now(), usegmt=True).encode())

    async def __call__(self, scope: dict[str, Any], _: object, send: Send) -> None:
        """Answer one request (ASGI 3). The body does not come through ``receive``, see :data:`EXTENSION`."""
        turn: Turn = scope["extensions"][EXTENSION]
        sender = Sender(turn, send, self._cors, self._date)
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        match = self._routes.table.match(path.removeprefix("/"))
        if method == "OPTIONS":
            allow = [(b"allow", match.place.allow)] if match is not None else []
            reply = Reply(200, allow, b"")
        elif match is None:
            reply = await self._page(method, path)
        else:
            route = match.place.methods.get(method)
            if route is not None:
                await Exchange(self, match, route, sender).run()
                return
            if method == "HEAD" and "GET" in match.place.methods:
                reply = NOT_FOUND
            else:
                reply = method_not_allowed(match.place.allow)
        turn.upload.discard()
        await sender.reply(reply, preflight=method == "OPTIONS")

    async def _page(self, method: str, path: str) -> Reply:
        try:
            return await self.extra(method, path) or NOT_FOUND  # noqa: S610 - not Django's
        except Exception as error:
            return self.fault(f"{method} {path}", error)

    # --- failures ----------------------------------------------------------------------------------------------------

    def failed(self, route: Route, error: ErrorBody) -> Reply:
        """Answer a request for which a call has failed; the log has the id that the client gets."""
        reply, error_id = failed(error)
        if self._may_log():
            logger.warning("%s: 500 (%s): %s: %s", route.title, error_id, error.code, error.message)
        return reply

    def fault(self, title: str, error: Exception) -> Reply:
        """Answer a request on which the front itself has failed; ``title`` is what the log calls it."""
        reply, error_id = failed(_FAULT)
        logger.error("%s: 500 (%s)", title, error_id, exc_info=error)
        return reply

    def _may_log(self) -> bool:
        second = int(self._clock.monotonic())
        if second != self._logged_second:
            if self._logged > HTTP_FAILURES_LOGGED_PER_S:
                logger.warning("%d more requests failed", self._logged - HTTP_FAILURES_LOGGED_PER_S)
            self._logged_second, self._logged = second, 0
        self._logged += 1
        return self._logged <= HTTP_FAILURES_LOGGED_PER_S


async def _nothing(method: str, path: str) -> None:
    """There are no pages of the engine's own."""
