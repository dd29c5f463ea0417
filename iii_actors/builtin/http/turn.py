"""One request's turn on its connection: clients may send several requests before the first is answered.

uvicorn answers them one after the other, each through an object of its own. All on the loop's thread.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from iii_actors.builtin.http.replies import MAX_STATUS
from iii_actors.builtin.http.request import Header
from iii_actors.builtin.http.upload import Upload

__all__ = ["Line", "Turn", "Waiting"]

# uvicorn knows the lines of 100 to 599 only; the protocol allows every number (http.md §8.1).
STATUS_LINE.update({code: b"HTTP/1.1 %d \r\n" % code for code in range(600, MAX_STATUS + 1)})


class Waiting(Protocol):
    """Whoever answers a request."""

    def client_gone(self) -> None:
        """The client has closed or broken its connection."""


class Line(Protocol):
    """The connection, as a turn needs it."""

    answering: Waiting | None
    """Set for as long as a request of this connection is being answered."""

    def end_gently(self) -> None:
        """Say no more; throw away what the client still says, for a moment, so that it can read our last word."""

    def abort(self) -> None:
        """End the connection now, in the middle of whatever is being said: the client must not take it for whole."""


class Turn:
    """What the application has of a request beside ASGI's scope.

    :param cycle: uvicorn's object for it.
    """

    __slots__ = ("_cycle", "line", "scope", "upload")

    def __init__(self, line: Line, cycle: RequestResponseCycle, scope: dict[str, Any], upload: Upload) -> None:
        self.line = line
        self.scope = scope
        self.upload = upload
        """The request's body."""
        self._cycle = cycle

    @property
    def keeps_alive(self) -> bool:
        """The connection is to be used again."""
        return self._cycle.keep_alive

    @property
    def unasked(self) -> bool:
        """The client waits to be told to send its body; it may as well send another request instead."""
        return self._cycle.waiting_for_100_continue

    def hold_open(self) -> None:
        """Do not close behind the response: :meth:`Line.end_gently` will."""
        self._cycle.keep_alive = True

    def until_closed(self) -> bool:
        """Have the end of a body of unknown length be the connection's, where the client knows no chunks (HTTP/1.0).

        Before the response begins; returns whether it is so, and :meth:`close` must end the body.
        """
        if self.scope["http_version"] != "1.0":
            return False
        self._cycle.chunked_encoding, self._cycle.expected_content_length = False, sys.maxsize
        return True

    def close(self) -> None:
        """End the connection when all is written."""
        self._cycle.response_complete = True
        self._cycle.transport.close()

    async def respond(self, status: int, headers: list[Header], body: bytes, *, last: bool) -> None:
        """Send a whole response; waits while the client is slow.

        This is uvicorn's ``send`` in one step and without a look at every header: most responses come this way.

        :param headers: legal, and with a ``content-length`` unless the status forbids it.
        :param last: ``connection: close`` is among them.
        """
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        lines = [STATUS_LINE[status]]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n")
        if self.scope["method"] != "HEAD":
            lines.append(body)
        cycle.transport.write(b"".join(lines))
        cycle.waiting_for_100_continue = False
        cycle.response_started = cycle.response_complete = True
        if last:
            cycle.keep_alive = False
            cycle.transport.close()
        cycle.on_response()
