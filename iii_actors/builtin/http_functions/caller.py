"""The threads that make the calls: each waits for one endpoint at a time (core.md §5.3)."""

from __future__ import annotations

import logging
import ssl
from typing import Final, NamedTuple

import requests
import urllib3
from msgspec import Struct
from pykka import ActorDeadError

from iii_actors.actor import Ref, ThreadedActor, handles
from iii_actors.builtin.http_functions import request as requesting
from iii_actors.builtin.http_functions.errors import RequestFailed, ResponseFailed
from iii_actors.builtin.http_functions.invocation import Endpoint
from iii_actors.builtin.http_functions.line import Line
from iii_actors.builtin.http_functions.response import Outcome, failed, outcome
from iii_actors.builtin.http_functions.session import PinnedSession
from iii_actors.builtin.http_functions.urls import DEFAULT_PORTS, Resolver, check
from iii_actors.clock import Clock
from iii_actors.config.http_functions import SecuritySettings
from iii_actors.core.messages import Forward
from iii_actors.errors import EngineError, InvocationError
from iii_actors.limits import EXTERNAL_READ_BYTES

__all__ = ["Attempt", "Attempted", "Caller", "Rules"]

logger = logging.getLogger(__name__)

_BROKEN: Final = (urllib3.exceptions.HTTPError, requests.RequestException, OSError)
_NOT_CONNECTED: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
)
_TIMED_OUT: Final = "operation timed out"


class Rules(NamedTuple):
    """What the settings say about one attempt."""

    security: SecuritySettings
    max_response_bytes: int
    tls: ssl.SSLContext


class Attempt(NamedTuple):
    """To a caller: make this request."""

    number: int
    """The dispatcher's, to find the call again."""
    forward: Forward
    endpoint: Endpoint
    call_id: str
    due: float
    """When the whole call ends, on the clock's monotonic scale."""
    line: Line
    rules: Rules


class Attempted(Struct, frozen=True):
    """From a caller: it is free again, and this is how the attempt ended."""

    number: int
    caller: Ref
    outcome: Outcome


class Caller(ThreadedActor):
    """Makes one request after the other on a session of its own; tells ``dispatcher`` the end of each."""

    def __init__(self, dispatcher: Ref, clock: Clock, resolver: Resolver) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._clock = clock
        self._resolver = resolver

    def on_start(self) -> None:
        """Runs on the caller's own thread: making a session takes longer than the one who starts it may take."""
        self._session = PinnedSession()

    @handles(Attempt)
    def attempt(self, attempt: Attempt) -> None:
        """Make a request, wait for the response, say how it went; in any case, say that it is over."""
        try:
            with attempt.line.in_use():
                ended = self._outcome(attempt)
        except Exception:
            logger.exception("Calling %s failed", attempt.endpoint.url.text)
            ended = failed(InvocationError(f"{attempt.endpoint.function_id} failed; the engine's log says why"))
        try:
            self._dispatcher.tell(Attempted(attempt.number, self.actor_ref, ended))
        except ActorDeadError:
            logger.debug("The engine is stopping")

    def on_stop(self) -> None:
        self._session.close()

    def _outcome(self, attempt: Attempt) -> Outcome:
        try:
            with self._response(attempt) as response:
                content = _content(response, attempt.rules.max_response_bytes)
                return outcome(response.status_code, str(response.reason or ""), content)
        except RequestFailed as error:
            return failed(error, may_repeat=error.may_repeat)
        except EngineError as error:
            return failed(error)

    def _response(self, attempt: Attempt) -> requests.Response:
        """Check the URL, then try its addresses in turn until one can be connected to."""
        endpoint, url = attempt.endpoint, attempt.endpoint.url
        addresses = check(url, attempt.rules.security, self._resolver)
        if url.scheme not in DEFAULT_PORTS:
            raise RequestFailed(url.text, "builder error: URL scheme is not allowed")
        content = _sendable(attempt)
        made = requesting.request(endpoint, content, attempt.call_id, self._clock.now())
        while True:
            address = addresses.pop(0)
            left = attempt.due - self._clock.monotonic()
            if left <= 0:
                raise RequestFailed(url.text, _TIMED_OUT)
            timeouts = (left / (len(addresses) + 1), left)
            try:
                return self._session.begin(url, address, made, timeouts, attempt.rules.tls)
            except _BROKEN as error:
                unsent = _is_unsent(error)
                if not (unsent and addresses):
                    raise RequestFailed(url.text, _cause(error), may_repeat=unsent) from None


def _sendable(attempt: Attempt) -> bytes:
    invoke = attempt.forward.invoke
    caller = invoke.caller
    try:
        return requesting.body(invoke.call.data, caller.worker_id if caller is not None and caller.member else None)
    except (ValueError, RecursionError) as error:
        raise RequestFailed(attempt.endpoint.url.text, f"the data cannot be written: {error}") from None


def _content(response: requests.Response, most: int) -> bytes:
    """Read the body, of at most so many bytes; else :class:`ResponseFailed`, and the connection is not used again."""
    content = bytearray()
    try:
        while part := response.raw.read(min(EXTERNAL_READ_BYTES, most + 1 - len(content)), decode_content=False):
            content += part
            if len(content) > most:
                raise ResponseFailed(f"the response is longer than {most} bytes")
    except _BROKEN as error:
        raise ResponseFailed(f"error reading a body from connection: {_cause(error)}") from None
    return bytes(content)


def _is_unsent(error: Exception) -> bool:
    """Return whether an attempt failed before there was a connection to send anything on."""
    return any(isinstance(one, _NOT_CONNECTED) for one in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and what it was made from, the outermost first."""
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in chain:
        chain.append(found)
        wrapped = [one for one in (getattr(found, "reason", None), *found.args) if isinstance(one, BaseException)]
        found = wrapped[0] if wrapped else found.__cause__ or found.__context__
    return chain


def _cause(error: BaseException) -> str:
    """Word what went wrong, from the innermost error."""
    chain = _chain(error)
    if any(_is_timeout(one) for one in chain):
        return _TIMED_OUT
    inner = chain[-1]
    if isinstance(inner, OSError) and not isinstance(inner, ssl.SSLError) and inner.strerror:
        return f"{inner.strerror} (os error {inner.errno})"
    return str(inner) or type(inner).__name__


def _is_timeout(error: BaseException) -> bool:
    """Return whether an error says that time was up. (For urllib3 every failure to connect is a kind of it.)"""
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return False
    return isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError)
