"""What HTTP handlers get and give, as models (spec http.md §4, §8.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from iii_worker.errors import Error

__all__ = ["ApiRequest", "ApiResponse", "HttpError", "HttpRequest", "HttpResponse", "check_headers", "check_status"]

Body = TypeVar("Body")

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*\Z")
_STATUS: Final = range(100, 600)


def check_status(status_code: int) -> int:
    """Return the status; raise ``ValueError`` unless it is an integer from 100 to 599."""
    if isinstance(status_code, bool) or not isinstance(status_code, int) or status_code not in _STATUS:
        raise ValueError(f"the HTTP status is {status_code!r}: it must be an integer from 100 to 599")
    return status_code


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers; raise ``ValueError`` for what HTTP does not allow in a name or in a value."""
    for name, value in headers.items():
        _check_header(name, value)
    return dict(headers)


def _check_header(name: object, value: object) -> None:
    if not isinstance(name, str) or not _NAME.match(name):
        raise ValueError(f"{name!r} is no name of an HTTP header")
    if not isinstance(value, str) or not _VALUE.match(value):
        raise ValueError(f"the HTTP header {name!r} is {value!r}: it must be a str without line breaks")


class HttpRequest(BaseModel, Generic[Body]):
    """A request, for handlers that want its body checked: ``def create(req: HttpRequest[NewUser]) -> ...``.

    In other respects it says the same as :class:`iii_worker.http.StreamRequest`.
    """

    model_config = ConfigDict(extra="ignore")

    method: str = "GET"
    """Upper-case."""
    path: str = ""
    """The path the trigger was registered with, parameters unfilled."""
    path_params: dict[str, str] = Field(default_factory=dict)
    """Not percent-decoded."""
    query_params: dict[str, str | list[str]] = Field(default_factory=dict)
    """Decoded; of a repeated key the engine gives the last value."""
    headers: dict[str, str | list[str]] = Field(default_factory=dict)
    """Names in lower case."""
    body: Body | None = None
    """The decoded body of a request with content type ``application/json``; None for every other."""
    request_body: Any = None
    """The body's bytes: a :class:`iii_worker.channel.ChannelReader`."""


class HttpResponse(BaseModel, Generic[Body]):
    """A response, returned from a handler.

    ``body`` is sent as JSON; a ``str`` together with a ``content-type`` header as it is; ``bytes`` as they are (through
    the response's channel: only from handlers wrapped by :func:`iii_worker.http.http`). A status and headers that HTTP
    does not allow raise ``pydantic.ValidationError``, which is a ``ValueError``.
    """

    model_config = ConfigDict(ser_json_bytes="utf8")

    status_code: int = Field(default=200, validation_alias=AliasChoices("status_code", "statusCode"))
    headers: dict[str, str] | list[str] = Field(default_factory=dict)
    """Name to value, or lines ``"Name: value"``, which may repeat a name (``Set-Cookie``)."""
    body: Body | None = None

    @field_validator("status_code")
    @classmethod
    def _status_is_one(cls, value: int) -> int:
        return check_status(value)

    @field_validator("headers")
    @classmethod
    def _headers_are_some(cls, value: dict[str, str] | list[str]) -> dict[str, str] | list[str]:
        lines = value.items() if isinstance(value, dict) else (_split(line) for line in value)
        for name, text in lines:
            _check_header(name, text)
        return value


def _split(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(f"the header line {line!r} has no colon: write 'Name: value'")
    return name.strip(), value.strip()


ApiRequest = HttpRequest
"""The name in earlier published material."""
ApiResponse = HttpResponse
"""The name in earlier published material."""


class HttpError(Error):
    """Raised by an HTTP handler: the answer has this status and the body ``{"error": {"code", "message"}}``.

    ``raise HttpError(404, "there is no user 7", code="user_not_found")``. Any other exception is answered by the engine
    with 500. Only for handlers wrapped by :func:`iii_worker.http.http`, as ``@worker.http`` does.
    """

    def __init__(
        self, status_code: int, message: str, code: str = "http_error", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, code)
        self.status_code = check_status(status_code)
        self.headers = check_headers(headers or {})

    def to_response(self) -> dict[str, Any]:
        """Return the answer as a buffered response."""
        body = {"error": {"code": self.code, "message": self.message}}
        return {"status_code": self.status_code, "headers": self.headers, "body": body}
