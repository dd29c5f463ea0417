"""The WebSocket of one end of a channel (spec core.md §9.2, §9.3): blocking, without a thread of its own.

The protocol itself is ``websockets``' Sans-I/O core; here is the socket around it. Without a reading thread there is
nothing between a slow program and the network: who does not read lets the operating system's buffers fill, and the
writer at the other end waits.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from iii_worker import limits
from iii_worker.blocking import blocking, current_place
from iii_worker.channel_refs import StreamChannelRef
from iii_worker.dial import dial, parse_address
from iii_worker.errors import TIMEOUT, Error

__all__ = [
    "ChannelClosedError",
    "ChannelError",
    "ChannelNotFoundError",
    "ChannelSocket",
    "ChannelTimeoutError",
    "channel_url",
]

_REGULAR: Final = (CloseCode.NORMAL_CLOSURE, CloseCode.NO_STATUS_RCVD)
_NOT_FOUND: Final = 404
_WOULD_WAIT: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ChannelError(Error):
    """Something is wrong with a channel; the root of what this module raises."""

    def __init__(self, message: str, code: str = "channel_error") -> None:
        super().__init__(message, code)


class ChannelNotFoundError(ChannelError):
    """The engine knows no such channel, or the key is not the channel's."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "channel_not_found")


class ChannelClosedError(ChannelError):
    """The channel broke off before its end, or this end cannot be used any more."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "channel_closed")


class ChannelTimeoutError(ChannelError, TimeoutError):
    """The timeout passed. A reader can go on reading; a writer cannot go on: a frame may have gone in part."""

    def __init__(self, message: str) -> None:
        super().__init__(message, TIMEOUT)


def channel_url(address: str, ref: StreamChannelRef) -> str:
    """Return the URL of the end that ``ref`` is for, on the engine at ``address`` (``ws://`` or ``wss://``).

    A path and a query of the address stay: ``ws://host/base?x=1`` gives
    ``ws://host/base/ws/channels/<id>?x=1&key=...``. Raises
    :class:`iii_worker.errors.AddressError` if the address is none.
    """
    parse_address(address)
    parts = urlsplit(address)
    path = f"{parts.path.rstrip('/')}/ws/channels/{quote(ref.channel_id, safe='')}"
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in ("key", "dir")]
    query = urlencode([*kept, ("key", ref.access_key), ("dir", ref.direction)])
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


class ChannelSocket:
    """One end, open. Its methods are for one thread at a time, but for :meth:`cut`.

    :param address: the engine's.
    :param headers: HTTP headers for the upgrade request, for a proxy in front of the engine.
    :param timeout: seconds for everything until the end is open.

    Raises :class:`ChannelNotFoundError`, :class:`ChannelTimeoutError`, :class:`ChannelError` when it cannot be opened.
    """

    def __init__(
        self,
        address: str,
        ref: StreamChannelRef,
        headers: Mapping[str, str] | None = None,
        timeout: float = limits.HANDSHAKE_TIMEOUT_S,
    ) -> None:
        url = channel_url(address, ref)
        self._what = f"channel {ref.channel_id}"
        self._messages: deque[Frame] = deque()
        self._parts: list[bytes] = []
        self._first: Opcode | None = None
        self._ended = False
        deadline = time.monotonic() + timeout
        try:
            with blocking():
                dialled = dial(url, timeout)
        except TimeoutError:
            raise ChannelTimeoutError(f"{self._what}: {_safe(url)} did not answer in {timeout:g} s") from None
        except OSError as error:
            raise ChannelError(f"{self._what}: cannot reach {_safe(url)}: {error}") from error
        self._socket = dialled.socket
        self._protocol = ClientProtocol(dialled.uri, max_size=limits.MAX_MESSAGE_BYTES)
        try:
            _keep_alive(self._socket)
            self._upgrade(headers or {}, deadline)
        except BaseException:
            self._socket.close()
            raise

    def _upgrade(self, headers: Mapping[str, str], deadline: float) -> None:
        protocol = self._protocol
        request = protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        protocol.send_request(request)
        self._flush(_left(deadline))
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            self._receive_some(_left(deadline))
        error = protocol.handshake_exc
        if error is None:
            self._sort()
            return
        if isinstance(error, InvalidStatus) and error.response.status_code == _NOT_FOUND:
            raise ChannelNotFoundError(
                f"{self._what}: not found. Its key is wrong, or it is over: both of its ends were closed, or one of "
                "them was not opened within some minutes"
            )
        raise ChannelError(f"{self._what}: the engine refused to open it: {error}") from error

    # --- writing -----------------------------------------------------------------------------------------------------

    def send(self, data: bytes | str, timeout: float | None) -> None:
        """Send one item, ``str`` as text; waits while there is no room, at most ``timeout`` seconds (None: without
        end).

        Raises :class:`ChannelClosedError` when the other end has left, :class:`ChannelTimeoutError`.
        """
        self._look()
        if self._ended:
            raise self.over()
        if isinstance(data, str):
            self._protocol.send_text(data.encode())
        else:
            self._protocol.send_binary(data)
        self._flush(timeout)

    def finish(self, timeout: float | None) -> bool:
        """Say that nothing more comes, and wait until the engine has taken it all; say whether it confirmed that.

        It waits without end (or ``timeout`` seconds) for room, then for the engine's answer: ``timeout`` seconds, or
        ``CHANNEL_CLOSE_WAIT_S``. Without an answer by then what is left stays with the operating system, which goes on
        delivering. That the other end has left is no error. Raises :class:`ChannelTimeoutError` when there was no room.
        """
        self._look()
        if self._ended:
            return False
        self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
        try:
            self._flush(timeout)
        except ChannelClosedError:
            return False
        deadline = time.monotonic() + (limits.CHANNEL_CLOSE_WAIT_S if timeout is None else timeout)
        with suppress(ChannelTimeoutError):
            while not self._ended:
                self._receive_some(_left(deadline))
                self._messages.clear()
        return self._regular()

    def _look(self) -> None:
        """Take in what the peer has sent, without waiting."""
        if self._ended:
            return
        self._socket.settimeout(0)
        try:
            data = self._socket.recv(limits.CHANNEL_READ_BYTES)
        except _WOULD_WAIT:
            return
        except OSError:
            data = b""
        self._take(data)
        self._messages.clear()

    # --- reading -----------------------------------------------------------------------------------------------------

    def receive(self, timeout: float | None) -> bytes | str | None:
        """Wait for the next item, text as ``str``; None at the regular end.

        Raises :class:`ChannelClosedError` if the channel broke off, :class:`ChannelTimeoutError` after ``timeout``
        seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._messages:
            if self._ended:
                if self._regular():
                    return None
                raise self.over()
            try:
                self._receive_some(None if deadline is None else _left(deadline))
            except ChannelTimeoutError:
                raise ChannelTimeoutError(f"{self._what}: nothing came within {timeout:g} s") from None
        frame = self._messages.popleft()
        if frame.opcode is Opcode.BINARY:
            return bytes(frame.data)
        try:
            return str(frame.data, "utf-8")
        except UnicodeDecodeError as error:
            self.leave()
            raise ChannelClosedError(f"{self._what} broke off: a text item was not UTF-8 ({error})") from None

    # --- the end -----------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Go without waiting for anything; the other end learns it. Idempotent."""
        with suppress(Exception):
            self._socket.settimeout(0)
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            for data in self._protocol.data_to_send():
                self._socket.send(data)
        self.close()

    def cut(self) -> None:
        """Wake whoever waits in another thread; it finds the channel broken. From any thread."""
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        self._ended = True
        self._socket.close()

    @property
    def closed(self) -> bool:
        """Whether the socket was given back."""
        return self._socket.fileno() < 0

    def over(self) -> ChannelClosedError:
        """Return the exception that says how the channel ended."""
        close = self._protocol.close_rcvd
        if close is None:
            return ChannelClosedError(f"{self._what} broke off: the other end or the engine has gone")
        if close.code in _REGULAR:
            return ChannelClosedError(
                f"{self._what}: the engine closed this end: it was opened before, or the other left"
            )
        return ChannelClosedError(f"{self._what} was closed by the engine: {close}")

    def _regular(self) -> bool:
        close = self._protocol.close_rcvd
        return close is not None and close.code in _REGULAR

    # --- the socket --------------------------------------------------------------------------------------------------

    def _flush(self, timeout: float | None) -> None:
        for data in self._protocol.data_to_send():
            if not data:
                continue
            try:
                self._send_all(data, timeout)
            except TimeoutError:
                self._ended = True
                raise ChannelTimeoutError(
                    f"{self._what}: no room for more within {timeout:g} s: nobody reads"
                ) from None
            except OSError:
                self._ended = True
                raise self.over() from None

    def _send_all(self, data: bytes, timeout: float | None) -> None:
        """Send, and leave the handler's place to others only if that has to wait."""
        sock = self._socket
        if current_place() is None:
            sock.settimeout(timeout)
            sock.sendall(data)
            return
        sock.settimeout(0)
        try:
            sent = sock.send(data)
        except _WOULD_WAIT:
            sent = 0
        if sent < len(data):
            with blocking():
                sock.settimeout(timeout)
                sock.sendall(memoryview(data)[sent:])

    def _receive(self, timeout: float | None) -> bytes:
        """Read once, and leave the handler's place to others only if that has to wait."""
        sock = self._socket
        if current_place() is None:
            sock.settimeout(timeout)
            return sock.recv(limits.CHANNEL_READ_BYTES)
        sock.settimeout(0)
        try:
            return sock.recv(limits.CHANNEL_READ_BYTES)
        except _WOULD_WAIT:
            with blocking():
                sock.settimeout(timeout)
                return sock.recv(limits.CHANNEL_READ_BYTES)

    def _receive_some(self, timeout: float | None) -> None:
        """Read once; a connection that was reset ends like any other."""
        try:
            data = self._receive(timeout)
        except TimeoutError:
            raise ChannelTimeoutError(f"{self._what}: nothing came within {timeout:g} s") from None
        except OSError:
            data = b""
        self._take(data)

    def _take(self, data: bytes) -> None:
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
            self._ended = True
        self._sort()
        if protocol.close_rcvd is not None or protocol.state is State.CLOSED:
            self._ended = True
        with suppress(ChannelError):
            self._flush(limits.CHANNEL_CLOSE_WAIT_S)

    def _sort(self) -> None:
        """Keep the items among what came, put together if they came in fragments."""
        for event in self._protocol.events_received():
            if not isinstance(event, Frame) or event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            if event.fin and self._first is None:
                self._messages.append(event)
                continue
            if self._first is None:
                self._first = event.opcode
            self._parts.append(bytes(event.data))
            if event.fin:
                self._messages.append(Frame(self._first, b"".join(self._parts)))
                self._parts, self._first = [], None


def _keep_alive(sock: socket.socket) -> None:
    """Have the operating system find out when the other machine has gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", limits.KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", limits.KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", limits.KEEPALIVE_PROBES),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _left(deadline: float) -> float:
    """Return the seconds left; never 0, which would mean not to wait at all."""
    return max(deadline - time.monotonic(), 0.001)


def _safe(url: str) -> str:
    """Return the URL without what is secret in it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
