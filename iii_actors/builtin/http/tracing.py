"""The span of one request (observability.md §4). All on the loop's thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from iii_actors.builtin.base import is_builtin
from iii_actors.core.spans import Attributes
from iii_actors.core.tracing import SERVER, Span, Tracer

__all__ = ["Traced", "begin", "end", "traced"]

_SERVER_ERROR: Final = 500


class Traced(NamedTuple):
    """What the spans of all requests of one route have in common."""

    name: str
    attributes: Attributes


def traced(method: str, path: str, function_id: str) -> Traced:
    """Return it for a route with this method and path, which calls this function."""
    route = f"/{path.removeprefix('/')}"
    attributes = (
        ("http.request.method", method),
        ("http.route", route),
        ("function_id", function_id),
        ("iii.function.kind", "internal" if is_builtin(function_id) else "user"),
    )
    return Traced(f"{method} {route}", attributes)


def begin(tracer: Tracer, traced: Traced, headers: Mapping[str, str]) -> Span:
    """Begin a request's span, within the trace that its headers name if they do."""
    return tracer.begin(
        traced.name,
        SERVER,
        traceparent=headers.get("traceparent"),
        tracestate=headers.get("tracestate"),
        baggage=headers.get("baggage"),
    )


def end(span: Span, traced: Traced, scope: Mapping[str, Any], headers: Mapping[str, str], status: int | None) -> None:
    """End it; ``status`` None: the client had gone, or was cut off, before there was an answer."""
    if not span.sampled:
        return
    told = (
        scope["scheme"],
        headers.get("host", ""),
        scope["raw_path"],
        scope["query_string"],
        headers.get("user-agent", ""),
        str(status or ""),
    )
    failed = status is None or status >= _SERVER_ERROR
    span.end(traced.attributes, failed=failed, told=told, describe=_describe)


def _describe(told: tuple[str, str, bytes, bytes, str, str]) -> Attributes:
    """Return the attributes that are one request's own."""
    scheme, host, raw_path, raw_query, agent, status = told
    path, query = raw_path.decode("latin-1"), raw_query.decode("latin-1")
    url = f"{scheme}://{host}{path}{'?' if query else ''}{query}"
    more = (("url.query", query), ("user_agent.original", agent), ("http.response.status_code", status))
    return (("url.path", path), ("url.full", url), *((key, value) for key, value in more if value))
