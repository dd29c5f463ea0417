"""A socket that speaks TLS and is read and written like any other: with ``MSG_DONTWAIT``, by the shared reader too.

``ssl.SSLSocket`` knows no flags, and may hold back what it has decrypted where no poller sees it. Here TLS works on
memory (``ssl.MemoryBIO``), and all that one reading of the socket brings is decrypted and handed over at once.

One thread at a time reads; any thread may write meanwhile.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from iii_actors.limits import TLS_READ_BYTES, TLS_WRITE_BYTES

__all__ = ["TlsSocket", "limit_receiving"]

_TIMEVAL: Final = struct.Struct("@ll").pack
_DONTWAIT: Final = socket.MSG_DONTWAIT


class TlsSocket(socket.socket):
    """One side of a connection.

    :param raw: the accepted socket; this object owns its descriptor from now on.
    :param server_hostname: whom a client expects to meet; None: this is the server's side.
    """

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        super().__init__(raw.family, raw.type, raw.proto, fileno=raw.detach())
        self.setblocking(True)
        self.began = time.monotonic()
        """When it was accepted."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname is None, server_hostname)
        self._using = threading.Lock()
        """Held while the TLS object is used, which is never long."""
        self._writing = threading.Lock()
        """Held by the one that writes, who may wait: what is encrypted must leave in its order."""
        self._unsent: memoryview = memoryview(b"")
        """Encrypted, and not taken by the system yet."""
        self._promised = 0
        """Bytes that the caller of :meth:`send` believes unsent, and that are encrypted: the first of its next call."""
        self._untouched = True
        """What came together with the handshake has not been looked for yet."""
        self._ended = False
        """The peer has said that it sends no more."""

    def handshake(self, deadline: float) -> None:
        """Shake hands. Waits until ``deadline`` (monotonic).

        Raises :class:`TimeoutError`, :class:`ssl.SSLError` (which has been said to the peer) or another ``OSError``.
        """
        while True:
            if self._has_shaken():
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            limit_receiving(self, left)
            try:
                data = super().recv(TLS_READ_BYTES)
            except BlockingIOError:
                continue
            if not data:
                raise ConnectionResetError("it left during the handshake")
            self._incoming.write(data)

    def _has_shaken(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        else:
            return True
        finally:
            super().sendall(self._outgoing.read())

    # --- reading -----------------------------------------------------------------------------------------------------

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Read the socket once and return all that can be decrypted, which may be a little more than ``bufsize``."""
        if self._untouched:
            self._untouched = False
            if data := self.rest():
                return data
        while not self._ended:
            data = super().recv(bufsize, flags)
            if not data:
                return b""
            with self._using:
                self._incoming.write(data)
                plain = self._decrypted()
            self._push_own()
            if plain:
                return plain
        return b""

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0, /) -> int:
        """Read the socket once into ``buffer``; what has no room there is to be fetched with :meth:`rest`."""
        place = memoryview(buffer)
        while not self._ended:
            data = super().recv(max(len(place), TLS_READ_BYTES), flags)
            if not data:
                return 0
            with self._using:
                self._incoming.write(data)
                count = 0
                try:
                    while count < len(place) and (got := self._tls.read(len(place) - count, place[count:])):
                        count += int(got)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    self._ended = True
            self._push_own()
            if count:
                return count
        return 0

    def rest(self) -> bytes:
        """Return what has come and not been read; nothing is received."""
        with self._using:
            return self._decrypted()

    def _decrypted(self) -> bytes:
        parts: list[bytes] = []
        try:
            while part := self._tls.read(TLS_READ_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._ended = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    # --- writing -----------------------------------------------------------------------------------------------------

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Encrypt and write; returns how much of ``data`` has left.

        After :class:`BlockingIOError` the next call must begin with the same bytes, as an outbox's does: some of them
        may have been encrypted already, and cannot be taken back.
        """
        return self._send([data], flags)

    def sendmsg(self, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0, address: Any = None, /) -> int:
        """As :meth:`send`, of several pieces."""
        return self._send(buffers, flags)

    def _send(self, buffers: Iterable[Any], flags: int) -> int:
        with self._writing:
            if not self._push(flags):
                raise BlockingIOError
            if self._promised:
                done, self._promised = self._promised, 0
                return done
            count = 0
            with self._using:
                for buffer in buffers:
                    part = memoryview(buffer)[: TLS_WRITE_BYTES - count]
                    if part:
                        count += self._tls.write(part)
                    if count >= TLS_WRITE_BYTES:
                        break
            if not self._push(flags):
                self._promised = count
                raise BlockingIOError
            return count

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Encrypt and write everything; waits."""
        left = memoryview(data)
        with self._writing:
            self._promised = 0
            while left:
                with self._using:
                    count = self._tls.write(left[:TLS_WRITE_BYTES])
                left = left[count:]
                self._push(flags)

    def _push(self, flags: int) -> bool:
        """Write what is encrypted; returns whether the system has taken it all. For the one that writes."""
        with self._using:
            if self._outgoing.pending:
                self._unsent = memoryview(bytes(self._unsent) + self._outgoing.read())
        while self._unsent:
            try:
                sent = super().send(self._unsent, flags)
            except BlockingIOError:
                return False
            self._unsent = self._unsent[sent:]
        return True

    def _push_own(self) -> None:
        """Write what TLS itself has to say; if that cannot leave now, it leaves with whatever is written next."""
        if self._outgoing.pending and self._writing.acquire(blocking=False):
            try:
                self._push(_DONTWAIT)
            finally:
                self._writing.release()

    # --- the end -----------------------------------------------------------------------------------------------------

    def shutdown(self, how: int, /) -> None:
        """End one direction or both; before the writing one alone, the peer is told that this is no cut."""
        if how == socket.SHUT_WR and self._writing.acquire(blocking=False):
            try:
                with self._using, suppress(ssl.SSLError, ValueError):  # nobody needs the peer's own word for it
                    self._tls.unwrap()
                with suppress(OSError):
                    self._push(_DONTWAIT)
            finally:
                self._writing.release()
        super().shutdown(how)


def limit_receiving(sock: socket.socket, seconds: float) -> None:
    """Let the kernel end a blocking receive; 0 means never. (``settimeout`` would cost two more calls each time.)"""
    whole = int(seconds)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL(whole, int((seconds - whole) * 1_000_000)))
