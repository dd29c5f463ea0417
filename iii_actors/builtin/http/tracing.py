"""The span of one request (observability.md §4). All on the loop's thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iii_actors.builtin.base import is_builtin
from iii_actors.builtin.http.table import Route
from iii_actors.core.tracing import SERVER, Span, Tracer

__all__ = ["begin", "end"]

_SERVER_ERROR: Final = 500


def begin(tracer: Tracer, route: Route, headers: Mapping[str, str]) -> Span:
    """Begin a request's span, within the trace that its headers name if they do."""
    return tracer.begin(
        f"{route.method} /{route.path.removeprefix('/')}",
        SERVER,
        traceparent=headers.get("traceparent"),
        tracestate=headers.get("tracestate"),
        baggage=headers.get("baggage"),
    )


def end(span: Span, route: Route, scope: Mapping[str, Any], headers: Mapping[str, str], status: int | None) -> None:
    """End it; ``status`` None: the client had gone, or was cut off, before there was an answer."""
    if not span.sampled:
        return
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    function_id = route.trigger.function_id
    attributes = [
        ("http.request.method", route.method),
        ("http.route", f"/{route.path.removeprefix('/')}"),
        ("url.path", path),
        ("url.full", f"{scope['scheme']}://{headers.get('host', '')}{path}{'?' + query if query else ''}"),
        ("function_id", function_id),
        ("iii.function.kind", "internal" if is_builtin(function_id) else "user"),
    ]
    if query:
        attributes.append(("url.query", query))
    if "user-agent" in headers:
        attributes.append(("user_agent.original", headers["user-agent"]))
    if status is not None:
        attributes.append(("http.response.status_code", str(status)))
    span.end(tuple(attributes), failed=status is None or status >= _SERVER_ERROR)
