"""Cross-origin headers (http.md §10). Pure."""

from __future__ import annotations

from typing import Final

from iii_actors.builtin.http.request import Header
from iii_actors.config.http import CorsSettings

__all__ = ["VARY", "Cors"]

VARY: Final[Header] = (
    b"vary",
    b"origin, access-control-request-method, access-control-request-headers",
)
_ALLOW_ORIGIN: Final = b"access-control-allow-origin"
_EXPOSE: Final = b"access-control-expose-headers"
_ANY: Final = b"*"


class Cors:
    """What answers say of other origins.

    :param settings: None: everybody may read everything.
    """

    def __init__(self, settings: CorsSettings | None) -> None:
        origins = settings.allowed_origins if settings is not None else []
        self._allowed = None if not origins or "*" in origins else frozenset(one.encode() for one in origins)
        methods = ",".join(settings.allowed_methods).encode() if settings is not None else b""
        self._preflight: list[Header] = [
            (b"access-control-allow-methods", methods or _ANY),
            (b"access-control-allow-headers", _ANY),
            VARY,
        ]
        self._common: list[Header] = [VARY]
        if settings is None:
            self._common.append((_EXPOSE, _ANY))
        if self._allowed is None:
            self._common.append((_ALLOW_ORIGIN, _ANY))
            self._preflight.append((_ALLOW_ORIGIN, _ANY))
        self.overridden = frozenset(name for name, _ in [*self._common, (_ALLOW_ORIGIN, _ANY)]) - {VARY[0]}
        """Names of headers in which a handler has no say."""

    @property
    def asks_origin(self) -> bool:
        """Whether answers depend on the request's ``Origin``."""
        return self._allowed is not None

    def answer(self, origin: bytes | None) -> list[Header]:
        """Return what an answer carries beside its own headers; a list of the caller's own."""
        return self._common + self._echoed(origin)

    def preflight(self, origin: bytes | None) -> list[Header]:
        """Return the headers of an answer to ``OPTIONS``."""
        return self._preflight + self._echoed(origin)

    def _echoed(self, origin: bytes | None) -> list[Header]:
        if self._allowed is None or origin not in self._allowed or origin is None:
            return []
        return [(_ALLOW_ORIGIN, origin)]
