"""``iii-http``: the HTTP front (http.md §11)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from iii_actors import limits
from iii_actors.config.settings import Port, Positive, Settings
from iii_actors.config.tls import TlsSettings

__all__ = ["CorsSettings", "HttpMiddleware", "HttpSettings"]


class CorsSettings(Settings):
    """Which origins' scripts may read answers (http.md §10)."""

    allowed_origins: list[str] = Field(default_factory=list)
    """Exactly as browsers send them, for example ``https://app.example``; empty, or with ``*`` in it: any."""
    allowed_methods: list[str] = Field(default_factory=list)
    """Named in answers to preflights; empty: any."""


class HttpMiddleware(Settings):
    """A function that is asked before every matched request (http.md §6)."""

    function_id: Annotated[str, Field(min_length=1)]
    phase: str = "preHandler"
    """Entries of any other phase are ignored."""
    priority: int = 0
    """Lower ones are asked first; equal ones in the order of the list."""


def _at_least_one(value: int) -> int:
    return value or 1


class HttpSettings(Settings):
    """``iii-http`` (also written ``http``)."""

    port: Port = limits.HTTP_PORT
    """TCP port; 0 takes a free one."""
    host: Annotated[str, Field(min_length=1)] = limits.HTTP_HOST
    """Address to listen on. Ours is loopback, on purpose; the protocol's own default is 0.0.0.0, every interface."""
    default_timeout: Positive = limits.HTTP_TIMEOUT_MS
    """Milliseconds from a request's headers to its response's; then it is answered 504. The call goes on."""
    cors: CorsSettings | None = None
    """None: any origin may read any answer."""
    concurrency_request_limit: Annotated[int, Field(ge=0), AfterValidator(_at_least_one)] = limits.HTTP_CONCURRENCY
    """Requests that wait for workers at once; further ones queue. 0 counts as 1."""
    middleware: list[HttpMiddleware] = Field(default_factory=list)
    """Asked for every route, before what the route itself names."""
    openapi: bool = True
    """Describe the routes at ``/openapi.json``, unless a route is there. Not in the protocol."""
    docs: bool = True
    """Show them on a page at ``/docs``, unless a route is there; needs `openapi`. Not in the protocol."""
    max_connections: Positive = limits.HTTP_MAX_CONNECTIONS
    """Connections open at once; further ones are closed as they come. Not in the protocol."""
    header_timeout_ms: Positive = limits.HTTP_HEADER_TIMEOUT_MS
    """A request whose headers are not complete by then is answered 408. Not in the protocol."""
    tls: TlsSettings | None = None
    """Encrypt: ``https``; null: plain. Not in the protocol."""
    max_json_body_bytes: Positive = limits.HTTP_JSON_BODY_BYTES
    """Larger JSON bodies are streamed, and ``body`` is null. Not in the protocol."""
