"""Functions that are HTTP endpoints: the engine calls them, no worker does (spec sdk.md §3.12, core.md §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final

__all__ = [
    "HttpAuth",
    "HttpAuthApiKey",
    "HttpAuthBearer",
    "HttpAuthHmac",
    "HttpInvocationConfig",
    "invocation_from",
]

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class HttpAuthHmac:
    """Sign each request: ``x-iii-Signature: sha256=<HMAC of "timestamp:base64(body)">``."""

    type: ClassVar[str] = "hmac"
    secret_key: str
    """Name of the environment variable, of the *engine's* process, that holds the secret."""


@dataclass(frozen=True)
class HttpAuthBearer:
    """Send ``Authorization: Bearer <token>``."""

    type: ClassVar[str] = "bearer"
    token_key: str
    """Name of the environment variable, of the *engine's* process, that holds the token."""


@dataclass(frozen=True)
class HttpAuthApiKey:
    """Send a header with a key."""

    type: ClassVar[str] = "api_key"
    header: str
    """Name of the header."""
    value_key: str
    """Name of the environment variable, of the *engine's* process, that holds the header's value."""


HttpAuth = HttpAuthHmac | HttpAuthBearer | HttpAuthApiKey

_AUTH: Final = {kind.type: kind for kind in (HttpAuthHmac, HttpAuthBearer, HttpAuthApiKey)}


@dataclass(frozen=True)
class HttpInvocationConfig:
    """Give this to ``register_function`` in place of a handler, and the engine calls the URL instead of this worker.

    The engine must have ``iii-http-functions`` in its configuration; there it says which URLs are allowed. If it
    refuses one it logs that and registers nothing.
    """

    url: str
    method: str = "POST"
    """``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``; the payload is the body with each."""
    timeout_ms: int | None = None
    """Milliseconds; None: the engine's 30,000."""
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: HttpAuth | Mapping[str, str] | None = None
    """A mapping is as on the wire: ``{"type": "bearer", "token_key": "API_TOKEN"}``."""

    def __post_init__(self) -> None:
        if not isinstance(self.url, str) or not self.url.strip():
            raise ValueError(f"url is {self.url!r}: give the endpoint's address, https://...")
        if not isinstance(self.method, str) or self.method.upper() not in METHODS:
            raise ValueError(f"method is {self.method!r}: it must be one of {', '.join(METHODS)}")
        if self.timeout_ms is not None and (type(self.timeout_ms) is not int or self.timeout_ms <= 0):
            raise ValueError(f"timeout_ms is {self.timeout_ms!r}: it must be a whole number above 0")
        for name, value in self.headers.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise TypeError(f"headers: {name!r}: {value!r} must be texts")
        if self.auth is not None:
            object.__setattr__(self, "auth", _auth_from(self.auth))

    def to_wire(self) -> dict[str, Any]:
        """Return the ``invocation`` of a ``registerfunction``; the method is always there."""
        wire: dict[str, Any] = {"url": self.url, "method": self.method.upper()}
        if self.timeout_ms is not None:
            wire["timeout_ms"] = self.timeout_ms
        if self.headers:
            wire["headers"] = dict(self.headers)
        if isinstance(self.auth, (HttpAuthHmac, HttpAuthBearer, HttpAuthApiKey)):
            values = {part.name: getattr(self.auth, part.name) for part in fields(self.auth)}
            wire["auth"] = {"type": self.auth.type, **values}
        return wire


def invocation_from(given: object) -> HttpInvocationConfig | None:
    """Return the invocation that was given in place of a handler, None if it is something else.

    A mapping is taken for one, with the same names. Raises ``TypeError`` and ``ValueError`` for one that is wrong.
    """
    if isinstance(given, HttpInvocationConfig):
        return given
    if not isinstance(given, Mapping):
        return None
    known = [part.name for part in fields(HttpInvocationConfig)]
    unknown = [str(name) for name in given if name not in known]
    if unknown or "url" not in given:
        raise TypeError(
            f"an HTTP invocation has {', '.join(known)}, and must have url; given were {', '.join(map(str, given))}"
        )
    return HttpInvocationConfig(**{name: value for name, value in given.items() if value is not None})


def _auth_from(given: object) -> HttpAuth:
    if isinstance(given, (HttpAuthHmac, HttpAuthBearer, HttpAuthApiKey)):
        return given
    if isinstance(given, Mapping) and given.get("type") in _AUTH:
        kind = _AUTH[given["type"]]
        try:
            return kind(**{name: value for name, value in given.items() if name != "type"})
        except TypeError:
            needed = ", ".join(part.name for part in fields(kind))
            raise ValueError(f"auth of type {kind.type!r} has {needed}, and nothing else") from None
    raise ValueError(
        f"auth must be one of {', '.join(kind.__name__ for kind in _AUTH.values())}, or a dict like theirs"
    )
