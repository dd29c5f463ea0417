"""``iii-http``: functions behind HTTP routes (http.md)."""

from __future__ import annotations

import logging
import socket
from typing import Final, cast

from iii_actors.actor import Ref, ask, launch
from iii_actors.builtin.base import Builtin, BuiltinContext, Opened
from iii_actors.builtin.http.front import Front
from iii_actors.builtin.http.pages import Pages
from iii_actors.builtin.http.routes import Routes
from iii_actors.builtin.http.schemas import CALL_REQUEST, CONFIG
from iii_actors.builtin.http.server import Server, listen
from iii_actors.builtin.http.table import Route
from iii_actors.config.http import HttpSettings
from iii_actors.config.settings import Settings
from iii_actors.core.ends import LendChannels
from iii_actors.errors import ListenError

__all__ = ["Http"]

logger = logging.getLogger(__name__)

TRIGGER_TYPE: Final = "http"


class Http(Builtin):
    """The HTTP front. If its address cannot be had, it alone does not start."""

    description = "Calls functions for HTTP requests."
    _socket: socket.socket | None = None
    _address: tuple[str, int]
    _server: Server
    _routes: Routes
    _pages: Pages | None = None
    _refs: tuple[Ref, ...] = ()

    def __init__(self, context: BuiltinContext) -> None:
        super().__init__(context)
        self.settings = cast("HttpSettings", context.instance.settings)
        """Those it goes by now."""

    def start(self) -> None:
        try:
            self._socket = listen(self.settings.host, self.settings.port)
        except ListenError as error:
            logger.warning("%s does not start: %s. The engine goes on without it.", self.id, error)
            return
        super().start()

    def stop_accepting(self) -> None:
        if self._pages is not None:  # else it has not started
            self._server.stop_accepting()

    def stop(self) -> None:
        if self._socket is not None:
            super().stop()

    def set_up(self) -> None:
        sock = cast("socket.socket", self._socket)
        self._address = sock.getsockname()[:2]
        self._routes = Routes(self.id)
        routes = launch(self._routes)
        self._refs = (routes,)
        self.register_trigger_type(routes, TRIGGER_TYPE, "HTTP API trigger", CONFIG, CALL_REQUEST)
        self._server = Server(self.core, self._routes, self.settings, sock)
        self._server.start()
        self._pages = Pages(self.core, self._routes, self.front.bell, self.front.loop, self.settings)
        self.front.extra = self._pages.answer
        self._refs = (routes, self.front.calls.outcomes, self._pages.actor)
        ask(self.core.channels, LendChannels(self.front.lending.find))
        logger.info("HTTP on address: %s:%d", *self._address)

    def drain(self) -> None:
        self.stop_accepting()

    def drained(self, timeout_s: float) -> bool:
        return self._pages is None or self._server.drained(timeout_s)

    def tear_down(self) -> None:
        if self._pages is not None:  # else it failed to start, and left nothing behind but actors
            self._pages.stop()
            self._server.stop()
            ask(self.core.channels, LendChannels(self.front.lending.find, on=False))
        for ref in self._refs:
            ref.stop(block=False)

    def actors(self) -> list[Ref]:
        return list(self._refs)

    def opened(self) -> list[Opened]:
        return [Opened("http", self._scheme, *self._address)] if self._socket is not None else []

    @property
    def _scheme(self) -> str:
        return "https" if self.settings.tls is not None else "http"

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: host and port."""
        return self._address

    @property
    def front(self) -> Front:
        """What all requests share."""
        return self._server.front

    def routes(self) -> list[Route]:
        """Return the routes there are now, by path and method. Any thread."""
        return self._routes.routes()

    def change(self, settings: Settings) -> bool:
        if not isinstance(settings, HttpSettings) or settings.tls != self.settings.tls:
            return False
        self.apply(settings)
        return True

    def apply(self, settings: HttpSettings) -> None:
        """Go by other settings from now on (http.md §11). Waits; any thread.

        Another address is bound first and the old one given up then: requests there have ten seconds. Raises
        :class:`ListenError` if it cannot be had, and everything stays as it was. Another ``tls`` needs a start.
        """
        sock = None
        if (settings.host, settings.port) != (self.settings.host, self.settings.port):
            sock = listen(settings.host, settings.port)
        self._server.apply(settings, sock)
        if self._pages is not None:
            self._pages.apply(settings)
        self.settings = settings
        if sock is not None:
            self._address = sock.getsockname()[:2]
