"""Pages of the engine's own, for paths that no route has: ``/openapi.json`` and ``/docs``. On the loop's thread."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import pykka

from iii_actors.actor import Ref, launch
from iii_actors.builtin.http.bell import Bell
from iii_actors.builtin.http.describer import Describe, Describer, Written
from iii_actors.builtin.http.docs_page import PAGE, POLICY
from iii_actors.builtin.http.replies import Reply, method_not_allowed, refused
from iii_actors.builtin.http.request import Header
from iii_actors.builtin.http.routes import Routes
from iii_actors.config.http import HttpSettings
from iii_actors.core.refs import Core
from iii_actors.limits import HTTP_OPENAPI_FRESH_S

__all__ = ["DOCS", "OPENAPI", "Pages"]

logger = logging.getLogger(__name__)

OPENAPI: Final = "/openapi.json"
DOCS: Final = "/docs"
_READ: Final = frozenset({"GET", "HEAD"})
_SAFE: Final[list[Header]] = [
    (b"cache-control", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_DOCS_REPLY: Final = Reply(
    200, [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", POLICY.encode()), *_SAFE], PAGE
)
_NOT_NOW: Final = refused(503, "UNAVAILABLE", "The routes cannot be described now")


class Pages:
    """Answers for them. Made on any thread, used on the loop's."""

    def __init__(
        self, core: Core, routes: Routes, bell: Bell, loop: asyncio.AbstractEventLoop, settings: HttpSettings
    ) -> None:
        self._clock = core.clock
        self._routes = routes
        self._bell = bell
        self._loop = loop
        self._settings = settings
        self._describer = launch(Describer(core, routes))
        self._written: Written | None = None
        self._looked = 0.0
        self._waiting: list[asyncio.Future[Written | None]] = []
        self._asked: list[asyncio.Future[Written | None]] = []
        """Those for whom the describer is at work: it looked after they had come."""

    @property
    def actor(self) -> Ref:
        """The actor that writes the document, for the figures."""
        return self._describer

    def apply(self, settings: HttpSettings) -> None:
        """Show or hide the pages. Any thread."""
        self._settings = settings

    def stop(self) -> None:
        """Answer those who wait, and stop the actor. Any thread."""
        self._describer.stop(block=False)
        self._bell.ring(self._give_up)

    async def answer(self, method: str, path: str) -> Reply | None:
        """Return the page at a path; None: there is none, or it is switched off."""
        settings = self._settings
        if path not in (OPENAPI, DOCS) or not settings.openapi or (path == DOCS and not settings.docs):
            return None
        if method not in _READ:
            return method_not_allowed(b"GET,HEAD")
        if path == DOCS:
            return _DOCS_REPLY
        written = await self._document()
        if written is None:
            return _NOT_NOW
        return Reply(200, [(b"content-type", b"application/json"), *_SAFE], written.text)

    async def _document(self) -> Written | None:
        written = self._written
        if (
            written is not None
            and written.table is self._routes.table
            and self._clock.monotonic() - self._looked < HTTP_OPENAPI_FRESH_S
        ):
            return written
        wanted: asyncio.Future[Written | None] = self._loop.create_future()
        self._waiting.append(wanted)
        self._ask()
        return await wanted

    def _ask(self) -> None:
        """Have the describer look for all who wait, unless it is at work for others."""
        if self._asked or not self._waiting:
            return
        self._asked, self._waiting = self._waiting, []
        looked = self._clock.monotonic()
        try:
            self._describer.tell(Describe(lambda written: self._bell.ring(lambda: self._done(written, looked))))
        except pykka.ActorDeadError:
            self._done(None, looked)

    def _done(self, written: Written | None, looked: float) -> None:
        self._written, self._looked = written, looked
        asked, self._asked = self._asked, []
        _tell(asked, written)
        self._ask()

    def _give_up(self) -> None:
        _tell([*self._asked, *self._waiting], None)
        self._asked, self._waiting = [], []


def _tell(futures: list[asyncio.Future[Written | None]], written: Written | None) -> None:
    for future in futures:
        if not future.done():
            future.set_result(written)
