"""Who asks to be let in, as auth functions are told (core.md §10.2), and which token a visitor shows."""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from urllib.parse import unquote

__all__ = ["Visitor"]

TOKEN_PARAMETER: Final = "token"  # noqa: S105 - a parameter's name
_SCHEME: Final = "bearer"


class Visitor(NamedTuple):
    """An upgrade request."""

    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in the order sent."""
    query: str
    """As sent, not percent-decoded."""
    ip_address: str

    def described(self) -> dict[str, Any]:
        """Return what an auth function is told: of repeated headers the last one, the query's text as it was sent."""
        return {"headers": dict(self.headers), "query_params": self.parameters(), "ip_address": self.ip_address}

    def parameters(self) -> dict[str, list[str]]:
        """Return the pairs of the query by name; what has no ``=`` has an empty value."""
        found: dict[str, list[str]] = {}
        for pair in self.query.split("&"):
            name, _, value = pair.partition("=")
            if pair:
                found.setdefault(name, []).append(value)
        return found

    def token(self) -> str | None:
        """Return the bearer token that the visitor shows: in its header, or, as browsers cannot set that, its query."""
        for name, value in self.headers:
            if name == "authorization":
                scheme, _, token = value.partition(" ")
                if scheme.lower() == _SCHEME and token.strip():
                    return token.strip()
        values = self.parameters().get(TOKEN_PARAMETER)
        return unquote(values[0]) if values and values[0] else None
