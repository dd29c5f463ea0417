"""The telemetry socket ``/otel`` (core.md §1.5): accepted, pinged, read to its end; it is not a worker."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from iii_actors.transport.frames import BINARY, CLOSE, PING, PONG, FrameReader, close_frame, frame
from iii_actors.transport.receiving import receive

__all__ = ["TELEMETRY_PREFIXES", "TelemetrySink", "serve_telemetry"]

TelemetrySink = Callable[[bytes], None]
"""Takes one binary telemetry frame, prefix and all; must not raise."""

TELEMETRY_PREFIXES: Final = (b"OTLP", b"MTRC", b"LOGS")
"""What a telemetry frame begins with: traces, metrics, logs."""


def serve_telemetry(sock: socket.socket, frames: FrameReader, sink: TelemetrySink) -> None:
    """Serve one socket until it ends. Runs on the connection's own thread; text is ignored."""
    messages = frames.taken(b"")
    while True:
        for opcode, payload in messages:
            if opcode == PING:
                sock.sendall(frame(PONG, payload))
            elif opcode == CLOSE:
                sock.sendall(close_frame(int.from_bytes(payload[:2], "big")))
            elif opcode == BINARY and payload[:4] in TELEMETRY_PREFIXES:
                sink(payload)
        if frames.closed or frames.error is not None:
            return
        came = receive(sock, frames)
        if came is None:
            return
        messages = came
