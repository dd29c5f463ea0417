"""The telemetry socket ``<address>/otel`` (spec core.md §1.5): binary frames out, nothing in but the end.

``websockets``' Sans-I/O core on a socket of its own, without a thread: it can still be opened while the interpreter
ends, when threads cannot be started any more, and the last spans of a short script are sent.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from iii_worker.limits import CLOSE_WAIT_S, HANDSHAKE_TIMEOUT_S, KIB, SEND_TIMEOUT_S

__all__ = ["Link", "LinkError", "OpenLink", "open_link"]

_READ_BYTES: Final = 4 * KIB
_PORTS: Final = {"ws": 80, "wss": 443}


class LinkError(Exception):
    """The socket could not be opened, or is gone. The text says why."""


class Link(Protocol):
    """An open telemetry socket. Used by one thread."""

    def send(self, frame: bytes) -> None:
        """Send one binary frame; raise :class:`LinkError` if the socket is gone."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when :meth:`attend` is due."""

    def attend(self) -> None:
        """Take in what the engine has sent: answer pings and a close; raise :class:`LinkError` if it has closed."""

    def close(self) -> None:
        """Close it. Never raises."""


OpenLink = Callable[[str, Mapping[str, str]], Link]
"""Opens a socket at a URL with HTTP headers, or raises :class:`LinkError`."""


def open_link(url: str, headers: Mapping[str, str], ssl_context: ssl.SSLContext | None = None) -> Link:
    """Open a telemetry socket; takes at most ten seconds.

    :param ssl_context: for ``wss://``; None: the system's certificates are trusted.
    """
    if urlsplit(url).scheme not in _PORTS:
        raise LinkError(f"{url}: the address must begin with ws:// or wss://")
    try:
        return _WebSocket(url, headers, ssl_context)
    except (OSError, WebSocketException, ValueError) as error:
        raise LinkError(f"{url}: {error}") from error


class _WebSocket:
    def __init__(self, url: str, headers: Mapping[str, str], ssl_context: ssl.SSLContext | None) -> None:
        deadline = time.monotonic() + HANDSHAKE_TIMEOUT_S
        self._last_words = ""
        self._protocol = ClientProtocol(parse_uri(url))
        self._socket = _dial(url, ssl_context)
        try:
            request = self._protocol.connect()
            for name, value in headers.items():
                request.headers[name] = value
            self._protocol.send_request(request)
            self._flush()
            while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                self._take(self._socket.recv(_READ_BYTES))
        except BaseException:
            self._socket.close()
            raise
        if self._protocol.handshake_exc is not None:
            self._socket.close()
            raise self._protocol.handshake_exc

    def send(self, frame: bytes) -> None:
        try:
            self.attend()
            self._protocol.send_binary(frame)
            self._flush()
        except (OSError, WebSocketException) as error:
            raise LinkError(f"{error}{self._last_words}") from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def attend(self) -> None:
        try:
            while self._protocol.state is State.OPEN:
                self._socket.settimeout(0)
                try:
                    data = self._socket.recv(_READ_BYTES)
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    return
                self._take(data)
        except (OSError, WebSocketException) as error:
            raise LinkError(f"{error}{self._last_words}") from error
        raise LinkError(f"the engine closed the telemetry socket{self._last_words}")

    def _take(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                # The engine refuses credentials with a text after the upgrade (spec core.md §10.2).
                self._last_words = f": {bytes(event.data).decode('utf-8', 'replace')}"
        self._flush()

    def _flush(self) -> None:
        self._socket.settimeout(SEND_TIMEOUT_S)
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)
            else:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError, WebSocketException):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
                self._flush()
                # Closing with unread data would have the system throw away what is still on its way out.
                deadline = time.monotonic() + CLOSE_WAIT_S
                while (left := deadline - time.monotonic()) > 0:
                    self._socket.settimeout(left)
                    if not self._socket.recv(_READ_BYTES):
                        break
        self._socket.close()


def _dial(url: str, ssl_context: ssl.SSLContext | None) -> socket.socket:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
    dialled = socket.create_connection(address, HANDSHAKE_TIMEOUT_S)
    try:
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "wss":
            context = ssl_context or ssl.create_default_context()
            return context.wrap_socket(dialled, server_hostname=parts.hostname)
    except BaseException:
        dialled.close()
        raise
    return dialled
