"""What ``engine::triggers::info`` tells about the type ``http``: draft-07 schemas (http.md §12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Raw

from iii_actors.builtin.http.table import METHODS
from iii_actors.wire.codec import raw

__all__ = ["CALL_REQUEST", "CONFIG"]

_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}


def _schema(title: str, description: str, required: list[str], properties: Mapping[str, Any]) -> Raw:
    return raw(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": title,
            "description": description,
            "type": "object",
            "properties": properties,
            "required": required,
        }
    )


CONFIG: Final = _schema(
    "HttpTriggerConfig",
    "A route of the HTTP front.",
    ["api_path"],
    {
        "api_path": {"type": "string", "description": "Path; a segment that begins with ':' is a parameter."},
        "http_method": {"type": ["string", "null"], "enum": [*METHODS, None], "default": "GET"},
        "condition_function_id": {
            "type": ["string", "null"],
            "description": "Function that is asked first; exactly false refuses the request.",
        },
        "middleware_function_ids": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "Functions that are asked before the handler, in order.",
        },
    },
)
CALL_REQUEST: Final = _schema(
    "HttpCallRequest",
    "What the function of a route is called with.",
    ["query_params", "path_params", "headers", "path", "method", "body"],
    {
        "query_params": _TEXTS,
        "path_params": _TEXTS,
        "headers": _TEXTS,
        "path": {"type": "string", "description": "The route's path as registered."},
        "method": {"type": "string"},
        "body": {"description": "The JSON body; null for any other."},
    },
)
