"""A connection to another engine, made again whenever it is lost: this engine is a worker there.

It is the project's own SDK that connects, through its public names only: the two share no code but the wire format.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from iii_actors.actor import MailboxFull, Ref, ThreadedActor, handles, launch
from iii_actors.errors import ConfigError
from iii_actors.limits import BRIDGE_TIMEOUT_S

if TYPE_CHECKING:
    from iii_worker import IIIClient

__all__ = ["Done", "Failed", "Link"]

logger = logging.getLogger(__name__)

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Failed(NamedTuple):
    """Why a call of the other engine has no result: its own error, or one of the way there."""

    code: str
    message: str


Done = Callable[[Any, Failed | None], None]
"""Gets the decoded result, or the failure, on a thread of the link: it must not block."""


class _Call(NamedTuple):
    """Told: make this call."""

    function_id: str
    payload: Raw
    timeout_s: float
    done: Done


class _Caller(ThreadedActor):
    """Makes the calls: sending may wait for the other engine to take what it is sent."""

    def __init__(self, client: IIIClient) -> None:
        super().__init__()
        self._client = client

    @handles(_Call)
    def call(self, call: _Call) -> None:
        try:
            payload = _decode(call.payload)
            future = self._client.call_async(call.function_id, payload, timeout=call.timeout_s)
        except Exception as error:
            call.done(None, _failure(error))
            return
        future.add_done_callback(lambda settled: _settle(settled, call.done))


class Link:
    """One connection. It is there at once; calls wait for it to be made, and end by their timeout.

    :param url: ``ws://`` or ``wss://``.
    :param name: what this engine is called there; a unique ending is added, for names are exclusive.
    :param place: what is being set up, for errors.
    """

    def __init__(self, url: str, name: str, place: str) -> None:
        from iii_worker import AddressError, register_worker  # noqa: PLC0415 - few engines have a bridge

        self.url = url
        try:
            self.client: IIIClient = register_worker(
                url,
                worker_name=f"{name}-{uuid.uuid4().hex[:8]}",
                namespace="default",
                wait=False,
                otel={"enabled": False},
            )
        except AddressError as error:
            raise ConfigError(place, str(error), "write for example ws://localhost:49134") from None
        self._caller = launch(_Caller(self.client))

    def call(self, function_id: str, payload: Raw, done: Done, timeout_s: float = BRIDGE_TIMEOUT_S) -> None:
        """Call a function there; ``done`` is called once. Any thread; does not wait."""
        try:
            self._caller.tell(_Call(function_id, payload, timeout_s, done))
        except MailboxFull:
            done(None, Failed("overloaded", "too many calls wait for the other engine"))

    def actors(self) -> list[Ref]:
        """Its actors, for the figures."""
        return [self._caller]

    def close(self) -> None:
        """End the connection; calls under way fail. Waits a moment."""
        self._caller.stop(block=False)
        self.client.shutdown()


def _settle(future: Future[Any], done: Done) -> None:
    error = future.exception()
    if error is not None:
        done(None, _failure(error))
    else:
        done(future.result(), None)


def _failure(error: BaseException) -> Failed:
    code = getattr(error, "code", None)
    message = getattr(error, "message", None)
    return Failed(code if isinstance(code, str) else type(error).__name__, str(message or error))
