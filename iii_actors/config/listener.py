"""Ports for WebSockets, and ``iii-worker-manager``: the listeners that workers connect to."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from iii_actors import limits
from iii_actors.config.access import QuotaSettings, RbacSettings, TokenSettings, distinct, origins
from iii_actors.config.settings import Port, Positive, Settings
from iii_actors.config.tls import TlsSettings

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
    tls: TlsSettings | None = None
    """Encrypt; null: plain, for this machine or behind a proxy that encrypts."""
    allowed_origins: list[str] | None = None
    """Web pages that may connect, by their origin, or ``*``; null: none is asked. What is no browser is never asked."""
    max_connections_per_ip: Positive | None = None
    """Connections open at once from one address; null: no bound but `max_connections`."""

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, listed: list[str] | None) -> list[str] | None:
        origins(listed or ())
        return listed

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
    rbac: RbacSettings | None = None
    """Who may connect and what a session may do (core.md §10); null: everybody, everything."""
    middleware_function_id: Annotated[str, Field(min_length=1)] | None = None
    """Called in the place of every permitted call; with `rbac` or without."""
    tokens: list[TokenSettings] | None = None
    """Bearer tokens that let a connection in; null: none is needed, nor looked at."""
    quotas: QuotaSettings | None = None
    """What each session may use."""
    reader: Literal["shared", "own"] = "shared"
    """``shared``: one thread reads all sockets; ``own``: each connection's thread reads its own."""
    busy_wait_us: Annotated[int, Field(ge=0, le=limits.BUSY_WAIT_MAX_US)] = limits.BUSY_WAIT_US
    """With the shared reader, microseconds: how long it looks for the next message before it sleeps, if one
    follows the other."""

    @field_validator("tokens")
    @classmethod
    def _are_distinct(cls, tokens: list[TokenSettings] | None) -> list[TokenSettings] | None:
        distinct(tokens or ())
        return tokens
