"""Ports for WebSockets, and ``iii-worker-manager``: the listeners that workers connect to."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from iii_actors import limits
from iii_actors.config.settings import Port, Positive, Settings

__all__ = ["ListenerSettings", "SocketSettings"]


class SocketSettings(Settings):
    """What every port for WebSockets has."""

    port: Port
    """TCP port; 0 takes a free one."""
    host: Annotated[str, Field(min_length=1)] = limits.HOST
    """Address to listen on. Ours is loopback, on purpose; the protocol's own default is 0.0.0.0, every interface."""
    handshake_timeout_ms: Positive = limits.HANDSHAKE_TIMEOUT_MS
    """A connection whose request is not complete by then is closed without an answer."""
    max_connections: Positive = limits.MAX_CONNECTIONS
    """Connections open at once; further ones are closed as they come."""
    outbox_bytes: Positive = limits.OUTBOX_BYTES
    """Unsent bytes after which a peer counts as too slow and is closed."""
    ping_interval_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = limits.PING_INTERVAL_S
    """Engine pings, to find half-open peers; 0 = none: an idle peer is never disconnected."""
    ping_timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = limits.PING_TIMEOUT_S
    """With pings on: how long a peer may stay silent after one."""
    max_frame_bytes: Positive = limits.MAX_FRAME_BYTES
    """Largest payload of one frame."""
    max_message_bytes: Positive = limits.MAX_MESSAGE_BYTES
    """Largest message, put together from its frames."""

    @field_validator("host")
    @classmethod
    def _not_blank(cls, host: str) -> str:
        if host != host.strip() or not host:
            raise ValueError("not an address; write for example 127.0.0.1, ::1, 0.0.0.0 or localhost")
        return host

    @model_validator(mode="after")
    def _message_holds_a_frame(self) -> Self:
        if self.max_message_bytes < self.max_frame_bytes:
            raise ValueError(
                f"max_message_bytes ({self.max_message_bytes}) is less than max_frame_bytes ({self.max_frame_bytes}); "
                "a message must have room for one frame: raise the one or lower the other"
            )
        return self


class ListenerSettings(SocketSettings):
    """A listener for workers: an entry ``iii-worker-manager``; several entries open several (core.md §1.1)."""

    port: Port = limits.PORT
    """TCP port; 0 takes a free one."""
    middleware_function_id: str | None = None
    """In a later version; anything but null is refused."""
    rbac: dict[str, Any] | None = None
    """In a later version; anything but null is refused."""
    reader: Literal["shared", "own"] = "shared"
    """``shared``: one thread reads all sockets; ``own``: each connection's thread reads its own."""

    @field_validator("middleware_function_id", "rbac", mode="before")
    @classmethod
    def _not_yet(cls, value: object) -> None:
        if value is not None:
            raise ValueError(
                "not part of this version, and refused because ignoring it would leave the listener open to everyone; "
                "remove it, and keep the listener on 127.0.0.1 or behind a proxy that checks who connects"
            )
