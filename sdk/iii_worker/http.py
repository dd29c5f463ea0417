"""HTTP handlers: functions of a request and a response (spec sdk.md §6.5, §6.6).

::

    @worker.http("GET", "/reports/june")
    def download(req, res):
        res.status(200).headers({"content-type": "text/csv"})
        with open("june.csv", "rb") as file:
            shutil.copyfileobj(file, res.stream)

    @worker.http("POST", "/users")
    def create(req: HttpRequest[NewUser]):
        return HttpResponse(status_code=201, body=save(req.body))

``@worker.http`` wraps the function with :func:`http` and binds it to the route. By hand::

    worker.register_function("reports::download", iii_worker.http(download))
    config = {"api_path": "/reports/june", "http_method": "GET"}
    worker.register_trigger({"type": "http", "function_id": "reports::download", "config": config})
"""

from __future__ import annotations

import inspect
import logging
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from iii_worker.channel import ChannelClosedError, ChannelWriter
from iii_worker.http_models import (
    ApiRequest,
    ApiResponse,
    HttpError,
    HttpRequest,
    HttpResponse,
)
from iii_worker.http_sse import EventStream
from iii_worker.http_streams import StreamRequest, StreamResponse

__all__ = [
    "ApiRequest",
    "ApiResponse",
    "EventStream",
    "HttpError",
    "HttpRequest",
    "HttpResponse",
    "StreamRequest",
    "StreamResponse",
    "http",
]

logger = logging.getLogger(__name__)

_ENVELOPE: Final = frozenset({"status_code", "headers", "body"})
_BYTES: Final = (bytes, bytearray, memoryview)
_BAD_REQUEST: Final = 400


def http(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function handler of ``fn(req)`` or ``fn(req, res)``, which may be a coroutine function.

    ``req`` is a :class:`StreamRequest`; annotated as ``HttpRequest[Model]`` it is that, and a body that does not fit is
    answered with 400. ``res`` is a :class:`StreamResponse`. A keyword-only parameter ``metadata`` gets the trigger's.

    What ``fn`` returns:

    - a :class:`HttpResponse`, or a dict with some of ``status_code``, ``headers``, ``body``: the response. Status and
      headers that were set on ``res`` and are not in it are added; a body of bytes is sent as it is;
    - a generator or another iterator of ``bytes`` or ``str``: the response's body, piece by piece;
    - None: the response is what was written to ``res``; it is closed now, unless ``res.detach()`` was called;
    - anything else is not a response: the engine answers 200 with ``{}``, and the first time a warning is logged.

    What ``fn`` raises becomes the engine's 500, :class:`HttpError` what it says; if the body has begun already, the
    response breaks off. That the client has gone is no error of the handler.

    Raises ``TypeError`` if ``fn`` takes no request, or more than a request and a response.
    """
    call = _HttpCall(fn)
    if call.wants_metadata:

        def handler(payload: Any, *, metadata: Any = None) -> Any:
            return call.run(payload, {"metadata": metadata})

    else:

        def handler(payload: Any) -> Any:  # type: ignore[misc]  # the other shape has a parameter more
            return call.run(payload, {})

    # No `__wrapped__`: who inspects the handler shall see its own parameters, not those of `fn`.
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        if hasattr(fn, name):
            setattr(handler, name, getattr(fn, name))
    return handler


class _HttpCall:
    """One wrapped function."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn
        self._name = getattr(fn, "__qualname__", None) or repr(fn)
        parameters = list(inspect.signature(fn).parameters.values())
        positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
        takes_any = any(one.kind is one.VAR_POSITIONAL for one in parameters)
        self.wants_metadata = any(one.kind is one.KEYWORD_ONLY and one.name == "metadata" for one in parameters)
        needed = [one for one in positional if one.default is one.empty]
        if not takes_any and (not positional or len(needed) > 2):  # noqa: PLR2004
            raise TypeError(f"{self._name} must take a request, or a request and a response: def handler(req, res)")
        self._takes_response = takes_any or len(positional) > 1
        self._model = _request_model(fn, positional[0].name) if positional else None
        self._warned = False

    def run(self, payload: Any, keywords: dict[str, Any]) -> Any:
        request, response = _parts(payload)
        try:
            argument: Any = request if self._model is None else self._model.model_validate(payload)
        except ValidationError as error:
            return HttpError(_BAD_REQUEST, _readable(error), "invalid_request").to_response()
        arguments = (argument, response) if self._takes_response else (argument,)
        try:
            result = self._fn(*arguments, **keywords)
            if inspect.isawaitable(result) or isinstance(result, AsyncIterator):
                return self._wait(result, request, response)
            result = self._finish(result, response)
        except BaseException as error:
            return self._failed(error, request, response)
        _leave(request, response)
        return result

    async def _wait(
        self, result: Awaitable[Any] | AsyncIterator[Any], request: StreamRequest, response: StreamResponse
    ) -> Any:
        try:
            if isinstance(result, AsyncIterator):
                async for part in result:
                    response.write(part)
                finished = self._finish(None, response)
            else:
                finished = self._finish(await result, response)
        except BaseException as error:
            return self._failed(error, request, response)
        _leave(request, response)
        return finished

    def _failed(self, error: BaseException, request: StreamRequest, response: StreamResponse) -> Any:
        """Answer or re-raise what the function raised; runs inside of the `except` clause."""
        if request.request_body is not None and request.request_body.opened:
            request.request_body.close()
        if response.started:
            response.writer.abort()
            if isinstance(error, ChannelClosedError):
                logger.debug("%s: the client has gone: %s", self._name, error)
                return None
        elif isinstance(error, HttpError):
            return error.to_response()
        raise error

    # --- what was returned -------------------------------------------------------------------------------------------

    def _finish(self, result: Any, response: StreamResponse) -> Any:
        if result is None:
            if response.streamable and not response.detached:
                response.close()
            return None
        if isinstance(result, HttpResponse):
            # Only what was said: the rest may have been said to the response.
            said = {name: getattr(result, name) for name in result.model_fields_set - {"body"}}
            return self._buffered(said | {"body": result.body}, response)
        if isinstance(result, dict) and _ENVELOPE & result.keys():
            return self._buffered(result, response)
        if isinstance(result, Iterator):
            return self._stream(result, response)
        self._warn(
            f"it returned a {type(result).__name__} that is no response: the engine answers 200 with {{}}. "
            "Return HttpResponse(body=...), or a dict with status_code, headers or body",
        )
        return result

    def _buffered(self, result: dict[str, Any], response: StreamResponse) -> dict[str, Any] | None:
        """Complete a buffered response with what was said to ``response``."""
        if response.started:
            self._warn("it returned a response after it had begun to stream one: what it returned is lost")
            if not response.detached:
                response.close()
            return None
        if "status_code" in result:
            _check_buffered_status(result["status_code"])
        elif response.status_code is not None:
            result = {"status_code": response.status_code, **result}
        headers = _merged(response.pending_headers, result.get("headers"))
        if isinstance(result.get("body"), _BYTES):
            response.status(result.get("status_code", 200)).headers(_as_map(headers))
            response.writer.write(result["body"])
            response.close()
            return None
        return {**result, "headers": headers} if headers else result

    def _stream(self, parts: Iterator[bytes | str], response: StreamResponse) -> None:
        try:
            for part in parts:
                response.write(part)
        finally:
            if isinstance(parts, Generator):
                parts.close()
        response.close()

    def _warn(self, text: str) -> None:
        """Log a mistake of the handler's author, once per handler."""
        if not self._warned:
            self._warned = True
            logger.warning("HTTP handler %s: %s", self._name, text)


def _parts(payload: Any) -> tuple[StreamRequest, StreamResponse]:
    request = StreamRequest.from_payload(payload)
    writer = payload.get("response")
    return request, StreamResponse(writer if isinstance(writer, ChannelWriter) else None)


def _leave(request: StreamRequest, response: StreamResponse) -> None:
    """Give the body's socket back, if the handler opened it."""
    reader = request.request_body
    if reader is not None and reader.opened and not response.detached:
        reader.close()


def _check_buffered_status(status: Any) -> None:
    """Raise ``ValueError`` for what the engine would take for 200 (http.md §8.1)."""
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 999:  # noqa: PLR2004
        raise ValueError(f"status_code is {status!r}: it must be an integer from 100 to 999")


def _merged(pending: dict[str, str], said: Any) -> Any:
    """Return the headers of a buffered response, with those said to the response where it does not name them itself."""
    if not pending:
        return said
    if isinstance(said, list):
        named = {str(line).partition(":")[0].strip().lower() for line in said}
        return [f"{name}: {value}" for name, value in pending.items() if name.lower() not in named] + said
    own = dict(said or {})
    named = {str(name).lower() for name in own}
    return {name: value for name, value in pending.items() if name.lower() not in named} | own


def _as_map(headers: Any) -> dict[str, str]:
    """Return headers in the form a stream can send. Raises ``ValueError`` for a name that is there twice."""
    if not isinstance(headers, list):
        return dict(headers or {})
    result: dict[str, str] = {}
    for line in headers:
        name, _, value = line.partition(":")
        if name.strip() in result:
            raise ValueError(f"the header {name.strip()!r} is there twice: that cannot be sent with a body of bytes")
        result[name.strip()] = value.strip()
    return result


def _request_model(fn: Callable[..., Any], name: str) -> type[BaseModel] | None:
    """Return the model that the first parameter is annotated with, if it is a ``HttpRequest[...]``."""
    try:
        hint = typing.get_type_hints(fn).get(name)
    except Exception:  # a hint that cannot be resolved is no hint (spec sdk.md §3.13)
        return None
    return hint if inspect.isclass(hint) and issubclass(hint, HttpRequest) else None


def _readable(error: ValidationError) -> str:
    """Name the fields and what is wrong with each, without the values: they are the client's."""
    return "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
