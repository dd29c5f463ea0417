"""The description of the HTTP front's routes."""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, limit

__all__ = ["HTTP_OPENAPI_FRESH_S", "HTTP_OPENAPI_SCHEMAS_BYTES", "HTTP_OPENAPI_SCHEMA_BYTES"]

HTTP_OPENAPI_SCHEMA_BYTES: Final = limit(
    "HTTP_OPENAPI_SCHEMA_BYTES",
    256 * KIB,
    "bytes",
    "of one function's format in /openapi.json; a longer one is left out, as nobody would read it",
)
HTTP_OPENAPI_SCHEMAS_BYTES: Final = limit(
    "HTTP_OPENAPI_SCHEMAS_BYTES",
    16 * MIB,
    "bytes",
    "of all formats in /openapi.json together; what comes after is left out",
)
HTTP_OPENAPI_FRESH_S: Final = limit(
    "HTTP_OPENAPI_FRESH_S",
    0.1,
    "s",
    "how long /openapi.json is answered without looking at the functions again; another route is seen at once",
)
