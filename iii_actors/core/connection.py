"""A worker's connection as an actor: whatever is said to that worker goes through it, in order (core.md §13)."""

from __future__ import annotations

from typing import Final, Protocol

from msgspec import Raw

from iii_actors.actor import LightActor, handles
from iii_actors.core.functions import RESERVED_PREFIX
from iii_actors.core.messages import Completed, Drop, Forward, Ping, Pong, Send, Writable
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import Part, encode, encode_parts, splice_caller
from iii_actors.wire.trace import forwarded_baggage, valid_traceparent

__all__ = ["Connection", "Outlet", "Writer"]

_LARGE: Final = 16384
"""Payloads of this many bytes and more are not copied into the message but written beside it."""
_QUOTE: Final = ord('"')
_OPENING_BRACE: Final = ord("{")
_ZERO: Final = Raw(b"0")


class Outlet(Protocol):
    """The socket's side: takes whole messages, writes them in order, never blocks."""

    def write(self, payload: bytes) -> None:
        """Queue one text message."""

    def write_parts(self, parts: list[Part]) -> None:
        """Queue one text message given in parts."""

    def pong(self, payload: bytes) -> None:
        """Queue a pong."""

    def ping(self) -> None:
        """Queue a ping."""

    def flush(self) -> None:
        """Write what the socket takes now; the rest leaves when it has room again."""

    def drop(self, code: int | None, reason: str) -> None:
        """End the connection after what is queued: see :class:`~iii_actors.core.messages.Drop`."""


class Writer(LightActor):
    """Writes to one socket. It runs last in a round, so that a round's messages to one peer leave in one write."""

    last_in_round = True

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet
        # Straight to the outlet: this is called after every batch of every connection.
        self.actor_inbox.after_batch = outlet.flush

    @handles(Pong)
    def pong(self, pong: Pong) -> None:
        self._outlet.pong(pong.payload)

    @handles(Ping)
    def ping(self, _: Ping) -> None:
        self._outlet.ping()

    @handles(Writable)
    def writable(self, _: Writable) -> None:
        """Nothing to do: the flush comes after the batch."""

    @handles(Drop)
    def drop(self, drop: Drop) -> None:
        self._outlet.drop(drop.code, drop.reason)

    def on_handler_error(self, message: object, error: Exception) -> None:
        """A connection that cannot be served rightly is ended; its peer reconnects."""
        self._outlet.drop(None, "")


class Connection(Writer):
    """The writer to a worker: encodes what it is to know of calls."""

    @handles(Forward)
    def deliver(self, forward: Forward) -> None:
        """Send a call to the worker that executes it (core.md §7.2)."""
        invoke = forward.invoke
        call = invoke.call
        traceparent, baggage = call.traceparent, call.baggage
        if traceparent is not None or baggage is not None:
            if not call.function_id.startswith(RESERVED_PREFIX):
                baggage = forwarded_baggage(baggage, call.function_id)
            if not invoke.internal:
                traceparent = valid_traceparent(traceparent)
        metadata = call.metadata
        if metadata is not wire.ABSENT and not wire.present(metadata):
            metadata = wire.ABSENT
        data, caller = call.data, invoke.caller
        text = memoryview(data)
        member = caller.member if caller is not None and text[0] == _OPENING_BRACE else b""
        large = len(text) >= _LARGE
        if member and (not large or text[1] != _QUOTE):
            # Large and perhaps empty (white space between the braces): rare enough to be copied.
            data, member = splice_caller(data, member), b""
        message = wire.InvokeFunction(
            call.function_id,
            invoke.invocation_id,
            traceparent,
            baggage,
            None,
            None,
            metadata,
            _ZERO if large else data,
        )
        if large:
            self._outlet.write_parts(encode_parts(message, data, member))
        else:
            self._outlet.write(encode(message))

    @handles(Completed)
    def complete(self, completed: Completed) -> None:
        """Send a call's outcome to the worker that made it."""
        call = completed.invoke.call
        result = completed.result
        failed = completed.error is not None
        large = not failed and len(memoryview(result)) >= _LARGE
        message = wire.InvocationResult(
            completed.invoke.invocation_id,
            call.function_id,
            call.traceparent,
            call.baggage,
            completed.error,
            wire.ABSENT if failed else (_ZERO if large else result),
        )
        if large:
            self._outlet.write_parts(encode_parts(message, result))
        else:
            self._outlet.write(encode(message))

    @handles(Send)
    def send(self, send: Send) -> None:
        self._outlet.write(encode(send.message))
