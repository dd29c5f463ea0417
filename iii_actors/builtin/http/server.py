"""The front's thread: its event loop, its listening socket, its connections (design.md §7)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import uvicorn
import uvloop
from uvicorn.server import ServerState

from iii_actors.builtin.http.connection import Bounds, Connection
from iii_actors.builtin.http.front import Front
from iii_actors.builtin.http.routes import Routes
from iii_actors.config.http import HttpSettings
from iii_actors.core.refs import Core
from iii_actors.errors import ListenError
from iii_actors.limits import ASK_TIMEOUT_S, CLOSE_WAIT_S, HTTP_BACKLOG, HTTP_KEEP_ALIVE_S, HTTP_REBIND_S, HTTP_SWEEP_S

__all__ = ["Server", "listen", "uvicorn_config"]

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises :class:`ListenError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=HTTP_BACKLOG)
    except OSError as error:
        raise _refused(host, port, error) from None


def _refused(host: str, port: int, error: OSError) -> ListenError:
    """Say what the system or its resolver has against an address, and what helps."""
    if isinstance(error, socket.gaierror):
        return ListenError(host, port, error.strerror or str(error), _OTHER_HOST)
    number = error.errno or 0
    return ListenError(host, port, os.strerror(number) if number else str(error), _MENDS.get(number, ""))


_OTHER_HOST: Final = "set host to an address of this machine, for example 127.0.0.1, or 0.0.0.0 for all of them"
_MENDS: Final = {
    errno.EADDRNOTAVAIL: _OTHER_HOST,
    errno.EAFNOSUPPORT: _OTHER_HOST,
    errno.EACCES: "choose a port of 1024 or more, or let this user open lower ones",
}
"""By the system's number of an error; for all others what :class:`ListenError` says itself."""


class _Listening:
    """A listening socket and the connections that came through it."""

    def __init__(
        self, config: uvicorn.Config, bounds: Bounds, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext | None
    ) -> None:
        self._tls = tls
        self.state = ServerState()
        self._empty = asyncio.Event()
        self._config = config
        self._bounds = bounds
        self._loop = loop
        self._server: asyncio.Server | None = None

    async def open(self, sock: socket.socket) -> None:
        handshake_s = self._bounds.header_timeout_s if self._tls is not None else None
        server = await self._loop.create_server(
            self._connection, sock=sock, backlog=HTTP_BACKLOG, ssl=self._tls, ssl_handshake_timeout=handshake_s
        )
        self._server = server

    def _connection(self) -> Connection:
        return Connection(self._config, self.state, self._loop, self._bounds, self._one_ended)

    def _one_ended(self) -> None:
        if not self.state.connections:
            self._empty.set()

    def connections(self) -> list[Connection]:
        return [one for one in self.state.connections if isinstance(one, Connection)]

    def close(self) -> None:
        """Take no more connections; end those without a request now, the others behind their response."""
        if self._server is not None:
            self._server.close()
        for connection in self.connections():
            connection.shutdown()

    async def emptied(self) -> None:
        """Wait until the last connection has ended."""
        if self.state.connections:
            self._empty.clear()
            await self._empty.wait()

    def cut(self) -> None:
        for connection in self.connections():
            connection.abort()


class Server:
    """The thread and what runs on it. Its methods are called from other threads.

    :param sock: from :func:`listen`; the server owns it from now on.
    """

    def __init__(self, core: Core, routes: Routes, settings: HttpSettings, sock: socket.socket) -> None:
        self._core = core
        self._routes = routes
        self._settings = settings
        self._first = sock
        self._tls = settings.tls.context() if settings.tls is not None else None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._config: uvicorn.Config
        self._bounds: Bounds
        self._listening: _Listening
        self._former: set[_Listening] = set()
        self.front: Front
        """What all requests share; set once the server has started."""
        self._thread = threading.Thread(target=self._work, name="iii-http", daemon=True)

    def start(self) -> None:
        """Begin to answer. Returns when clients can connect."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop_accepting(self) -> None:
        """Close the port, and the connections behind the requests that they have. Any thread; does not wait."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        for listening in (self._listening, *self._former):
            listening.close()

    def drained(self, timeout_s: float) -> bool:
        """Wait until every connection has ended, after :meth:`stop_accepting`; returns whether that came in time."""
        if not self._thread.is_alive():
            return True
        waiting = asyncio.run_coroutine_threadsafe(self._emptied(), self._loop)
        try:
            waiting.result(timeout_s)
        except TimeoutError:
            waiting.cancel()
            return False
        return True

    async def _emptied(self) -> None:
        for listening in (self._listening, *self._former):
            await listening.emptied()

    def stop(self) -> None:
        """Answer what waits (``invocation_stopped``), write for a moment more, then cut. Waits for the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def apply(self, settings: HttpSettings, sock: socket.socket | None) -> None:
        """Go by other settings from now on; with a socket, listen there and no longer where it did."""
        self._on_loop(self._apply(settings, sock))

    def _on_loop(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ASK_TIMEOUT_S)

    # --- the front's own thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._ready.is_set():
                logger.exception("The HTTP front has failed; its port is closed")
            self._failure = error
        finally:
            self._first.close()
            self._ready.set()

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.front = Front(self._core, self._routes, loop, self._settings)
        self._config = uvicorn_config(self.front)
        self._bounds = Bounds(self._settings.max_connections, self._settings.header_timeout_ms / 1000)
        self._listening = _Listening(self._config, self._bounds, loop, self._tls)
        await self._listening.open(self._first)
        self._ready.set()
        sweep = loop.create_task(self._sweep())
        try:
            await self._stop.wait()
            await self._end()
        finally:
            sweep.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(HTTP_SWEEP_S)
            self.front.tick()
            now = self._loop.time()
            for listening in (self._listening, *self._former):
                for connection in listening.connections():
                    connection.look(now)

    async def _apply(self, settings: HttpSettings, sock: socket.socket | None) -> None:
        self._settings = settings
        self._bounds.max_connections = settings.max_connections
        self._bounds.header_timeout_s = settings.header_timeout_ms / 1000
        self.front.apply(settings)
        if sock is not None:
            former, self._listening = self._listening, _Listening(self._config, self._bounds, self._loop, self._tls)
            await self._listening.open(sock)
            self._former.add(former)
            former.close()
            self._loop.call_later(HTTP_REBIND_S, self._forget, former)

    def _forget(self, former: _Listening) -> None:
        former.cut()
        self._former.discard(former)

    async def _end(self) -> None:
        """Close what is idle, answer what waits, cut the rest."""
        self._close()
        every = (self._listening, *self._former)
        self.front.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WAIT_S):
                for listening in every:
                    await listening.emptied()
        for listening in every:
            listening.cut()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WAIT_S):
                for listening in every:
                    await listening.emptied()


def uvicorn_config(app: Callable[..., Any]) -> uvicorn.Config:
    """Return uvicorn's settings: an ASGI application, and nothing of uvicorn's own logging, headers and lifespan."""
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=HTTP_KEEP_ALIVE_S,
    )
    config.load()
    return config
