"""An outgoing HTTP request as a span, with the trace context in its headers (spec sdk.md §9.6)."""

from __future__ import annotations

from http.client import HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from iii_worker import tracing
from iii_worker.limits import TRACED_REQUEST_TIMEOUT_S
from iii_worker.observability.spans import set_current_span_error, with_span

__all__ = ["execute_traced_request"]

_FIRST_ERROR_STATUS = 400


def execute_traced_request(
    request: str | Request | Any, *, session: Any = None, timeout: float = TRACED_REQUEST_TIMEOUT_S
) -> Any:
    """Send an HTTP request inside a span ``HTTP <METHOD>``; ``traceparent`` and ``baggage`` go along in its headers.

    :param request: a URL (a GET) or a ``urllib.request.Request``: the answer is an ``http.client.HTTPResponse``, also
        for status 400 and above. With ``session``, what that session's ``send`` takes.
    :param session: something with ``send(request)``, as ``requests.Session`` (which takes a prepared request) and
        ``httpx.Client`` are. The answer is what it returns; the timeouts are the session's own.
    :param timeout: seconds for each step on the socket, without ``session``.

    Raises what ``urlopen``, or the session, raises if there is no answer; ``ValueError`` for a URL that is not http.
    """
    if isinstance(request, str) and session is not None:
        raise TypeError("execute_traced_request: with a session, give what its send() takes instead of a URL")
    outgoing: Any = Request(request) if isinstance(request, str) else request  # noqa: S310 - checked below
    plain = isinstance(outgoing, Request)
    method = outgoing.get_method() if plain else str(outgoing.method)
    scheme, host, path, query, _ = urlsplit(outgoing.full_url if plain else str(outgoing.url))
    if scheme not in ("http", "https"):
        raise ValueError(f"execute_traced_request: {scheme!r} is no scheme for it; use an http or https URL")
    with with_span(f"HTTP {method}", kind="client") as span:
        where = host.rpartition("@")[2]
        span.set_attributes({"http.request.method": method, "server.address": where, "url.path": path})
        # Neither credentials nor the query, which often holds a key, are shown.
        span.set_attribute("url.full", urlunsplit((scheme, where, path, "", "")) + ("?..." if query else ""))
        for name, value in zip(("traceparent", "baggage"), tracing.current(), strict=True):
            if value is not None:
                _set_header(outgoing, name, value)
        response = _urlopen(outgoing, timeout) if session is None else session.send(outgoing)
        status = int(response.status_code if hasattr(response, "status_code") else response.status)
        span.set_attribute("http.response.status_code", status)
        if status >= _FIRST_ERROR_STATUS:
            set_current_span_error(f"HTTP {status}")
        return response


def _set_header(request: Any, name: str, value: str) -> None:
    if isinstance(request, Request):
        request.add_header(name, value)
    else:
        request.headers[name] = value


def _urlopen(request: Request, timeout: float) -> HTTPResponse | HTTPError:
    try:
        response: HTTPResponse = urlopen(request, timeout=timeout)  # noqa: S310 - http and https only, checked above
    except HTTPError as error:
        return error
    return response
