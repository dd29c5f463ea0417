"""A request and its response with their streams (spec sdk.md §6.5, http.md §5, §8.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl

from iii_worker import limits
from iii_worker.channel import ChannelReader, ChannelWriter
from iii_worker.errors import Error
from iii_worker.http_models import HttpError, check_headers, check_status
from iii_worker.http_sse import EventStream

__all__ = ["StreamRequest", "StreamResponse"]


@dataclass
class StreamRequest:
    """A request as the engine's HTTP worker passes it on. The body's bytes come while the handler runs already."""

    path_params: dict[str, str] = field(default_factory=dict)
    """Not percent-decoded."""
    query_params: dict[str, str] = field(default_factory=dict)
    """Decoded; of a repeated key the last value."""
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case."""
    method: str = "GET"
    """Upper-case."""
    body: Any = None
    """The decoded body of a request with content type ``application/json``; None for every other, and for bad JSON."""
    request_body: ChannelReader | None = field(default=None, repr=False)
    """The body's bytes, whatever their type. None if the function was not called over HTTP."""
    path: str = ""
    """The path the trigger was registered with, parameters unfilled."""
    trigger: dict[str, Any] = field(default_factory=dict)
    """``{"type": "http", "path", "method"}``."""

    @classmethod
    def from_payload(cls, payload: Any) -> StreamRequest:
        """Take the request out of an invocation's payload; what is not there keeps its default.

        Raises :class:`Error` (``invalid_request``) if the payload is not an object.
        """
        if not isinstance(payload, Mapping):
            raise Error(f"an HTTP handler takes a request object, not {type(payload).__name__}", "invalid_request")
        reader = payload.get("request_body")
        return cls(
            path_params=dict(payload.get("path_params") or {}),
            query_params=dict(payload.get("query_params") or {}),
            headers=dict(payload.get("headers") or {}),
            method=payload.get("method") or "GET",
            body=payload.get("body"),
            request_body=reader if isinstance(reader, ChannelReader) else None,
            path=payload.get("path") or "",
            trigger=dict(payload.get("trigger") or {}),
        )

    def header(self, name: str, default: str | None = None) -> str | None:
        """Return a header's value, whatever the case of ``name``."""
        return self.headers.get(name.lower(), default)

    def read(self, max_bytes: int | None = limits.HTTP_BODY_BYTES) -> bytes:
        """Read the whole body. Raises :class:`HttpError` 413 if it is longer than ``max_bytes`` (None: no limit)."""
        if self.request_body is None:
            return b""
        parts: list[bytes] = []
        size = 0
        for part in self.request_body:
            size += len(part)
            if max_bytes is not None and size > max_bytes:
                raise HttpError(413, f"the body is longer than {max_bytes} bytes", "payload_too_large")
            parts.append(part)
        return b"".join(parts)

    def text(self, max_bytes: int | None = limits.HTTP_BODY_BYTES) -> str:
        """Read the whole body as text, in the charset of the content type or UTF-8; :class:`HttpError` 400 if it is
        none.
        """
        charset = "utf-8"
        for parameter in (self.header("content-type") or "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                charset = value.strip().strip('"')
        try:
            return self.read(max_bytes).decode(charset)
        except (UnicodeDecodeError, LookupError) as error:
            raise HttpError(400, f"the body is not text: {error}", "invalid_request") from error

    def json(self, max_bytes: int | None = limits.HTTP_BODY_BYTES) -> Any:
        """Return the body as JSON, whatever its content type says; :class:`HttpError` 400 if it is none."""
        if self.body is not None:
            return self.body
        try:
            return json.loads(self.read(max_bytes))
        except ValueError as error:
            raise HttpError(400, f"the body is not JSON: {error}", "invalid_request") from error

    def form(self, max_bytes: int | None = limits.HTTP_BODY_BYTES) -> dict[str, str]:
        """Read a form (``application/x-www-form-urlencoded``); of a repeated field the last value."""
        return dict(parse_qsl(self.text(max_bytes), keep_blank_values=True))


class StreamResponse:
    """The response of a request that is being handled, to be streamed.

    Status and headers are sent with the first byte of the body, or when the response is closed. A handler need not
    close it: that comes with its return, unless :meth:`detach` was called.

    :param writer: the response's channel; None if the function was not called over HTTP.
    """

    def __init__(self, writer: ChannelWriter | None = None) -> None:
        self._writer = writer
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._started = False
        self.detached = False
        """Whether the response outlives the handler."""
        if writer is not None:
            writer.set_preface(self._head)

    @property
    def started(self) -> bool:
        """Whether status and headers are out, so that they cannot be changed any more."""
        return self._started

    @property
    def status_code(self) -> int | None:
        """The status that was set; None: none was."""
        return self._status

    @property
    def pending_headers(self) -> dict[str, str]:
        """A copy of the headers that were set."""
        return dict(self._headers)

    def status(self, status_code: int) -> Self:
        """Set the status, 100 to 599; 200 without. Raises ``ValueError``, or :class:`Error` once the body has begun."""
        self._must_not_have_started()
        self._status = check_status(status_code)
        return self

    def headers(self, headers: Mapping[str, str]) -> Self:
        """Add headers. Raises ``ValueError`` for what HTTP does not allow, :class:`Error` once the body has begun."""
        self._must_not_have_started()
        self._headers.update(check_headers(headers))
        return self

    def _must_not_have_started(self) -> None:
        if self._started:
            raise Error("the response has begun: set status and headers before the first byte of the body")

    def _head(self) -> list[str]:
        """Return the control messages (http.md §8.2); the writer sends them first."""
        self._started = True
        messages: list[dict[str, Any]] = []
        if self._status is not None:
            messages.append({"type": "set_status", "status_code": self._status})
        if self._headers:
            messages.append({"type": "set_headers", "headers": self._headers})
        return [json.dumps(message) for message in messages]

    @property
    def writer(self) -> ChannelWriter:
        """The body's bytes go here: a file-like object that blocks while the client is behind.

        Raises :class:`Error` if there is none.
        """
        if self._writer is None:
            raise Error(
                "there is no response to stream to: the function was called directly and not by an HTTP trigger. "
                "Return a HttpResponse instead."
            )
        return self._writer

    @property
    def stream(self) -> ChannelWriter:
        """The same as :attr:`writer`."""
        return self.writer

    @property
    def streamable(self) -> bool:
        """Whether there is a :attr:`writer`."""
        return self._writer is not None

    def start(self) -> None:
        """Send status and headers now, before there is any body."""
        self.writer.send_bytes(b"")

    def write(self, data: bytes | str) -> None:
        """Send a part of the body now; text as UTF-8."""
        self.writer.write(data.encode() if isinstance(data, str) else data)

    def sse(self) -> EventStream:
        """Begin a stream of server-sent events: sets their headers, unless set already, and sends the head."""
        known = {name.lower() for name in self._headers}
        usual = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        self.headers({name: value for name, value in usual.items() if name not in known})
        self.start()
        return EventStream(self.writer)

    def close(self) -> None:
        """End the response; one without a body if nothing was written. Idempotent."""
        self.writer.close()

    def detach(self) -> Self:
        """Keep the response open when the handler returns; it is yours to :meth:`close`, from whatever thread."""
        self.detached = True
        return self
