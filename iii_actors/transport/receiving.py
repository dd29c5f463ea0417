"""Reading a socket once, to wherever its framing wants the bytes."""

from __future__ import annotations

import socket

from iii_actors.limits import RECEIVE_BYTES
from iii_actors.transport.frames import FrameReader, Message
from iii_actors.transport.tls_socket import TlsSocket

__all__ = ["receive"]


def receive(
    sock: socket.socket, frames: FrameReader, flags: int = 0, at_most: int = RECEIVE_BYTES
) -> list[Message] | None:
    """Receive once and return the messages that are complete now; None: the peer has ended its side.

    ``at_most`` so many bytes, but for the rest of a large frame, which goes where it belongs in one piece.
    Any thread that owns the reading. Raises :class:`BlockingIOError` when nothing is there and ``flags`` say not to
    wait, another :class:`OSError` when the connection broke.
    """
    place = frames.place
    if place is None:
        data = sock.recv(at_most, flags)
        return frames.taken(data) if data else None
    count = sock.recv_into(place, 0, flags)
    if not count:
        return None
    messages = frames.filled(count)
    if frames.place is None and isinstance(sock, TlsSocket) and (rest := sock.rest()):
        messages += frames.taken(rest)
    return messages
