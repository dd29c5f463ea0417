"""A client for one or a few calls: it connects as a worker, asks, and leaves.

It gives itself a name nobody else has (names are exclusive) and reports no pid, so that ``engine::workers::list``
leaves it out (config-and-cli.md §7). It knows the wire format and nothing else of the engine; one thread at a time.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import socket
import ssl
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import ClientConnection, connect

from iii_actors import __version__, limits
from iii_actors.clock import SystemClock
from iii_actors.errors import EngineError
from iii_actors.transport.tls_socket import TlsSocket, limit_receiving

__all__ = ["Client", "ClientError", "RemoteError", "dialled", "encryption"]

_CLOSE_TIMEOUT_S = 1.0

_silent = logging.getLogger(f"{__name__}.websockets")
"""What goes wrong is said once, by the command, and not by the library as well."""
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class ClientError(EngineError):
    """No answer was had: the engine is not there, went away, or took too long."""

    code = "client_error"


class RemoteError(EngineError):
    """The answer was an error; :attr:`details` is its ``{code, message, stacktrace}``."""

    code = "remote_error"

    def __init__(self, details: dict[str, Any]) -> None:
        self.details = {key: details.get(key) for key in ("code", "message", "stacktrace")}
        super().__init__(json.dumps(self.details, indent=2, ensure_ascii=False))


class Client:
    """A connection to an engine, open inside a ``with`` block.

    :param timeout_ms: how long :meth:`call` waits for each answer.
    :param token: shown to the listener.
    :param tls: how to encrypt; None: not at all.
    """

    def __init__(
        self,
        address: str,
        port: int,
        timeout_ms: int = limits.CALL_TIMEOUT_MS,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        place = f"{f'[{address}]' if ':' in address else address}:{port}/"
        self.url = f"{'ws' if tls is None else 'wss'}://{place}"
        self._plain_url = f"ws://{place}"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls = tls
        self._target = (address, port)
        self._timeout_ms = timeout_ms
        self._clock = SystemClock()
        self._socket: ClientConnection

    def __enter__(self) -> Self:
        """Connect and register.

        :raises ClientError: nobody listens there, or what listens is no engine.
        """
        timeout_s = limits.CONNECT_TIMEOUT_MS / 1000
        try:
            # Our own socket: an engine is on this network, so a proxy in the environment is none of its business.
            stream = socket.create_connection(self._target, timeout_s)
        except (OSError, UnicodeError) as error:  # the latter: no host name looks like that
            raise ClientError(
                f"cannot reach an engine at {self.url}: {_reason(error)}; start one with `iii-actors`, "
                "or say with --address and --port where it is"
            ) from None
        if self._tls is not None:
            stream = self._encrypted(stream, self._tls, timeout_s)
        try:
            # No limit on answers: the engine is trusted. No compression: it is never negotiated (core.md §1.1).
            self._socket = connect(
                self._plain_url,
                sock=stream,
                additional_headers=self._headers,
                compression=None,
                open_timeout=timeout_s,
                close_timeout=_CLOSE_TIMEOUT_S,
                max_size=None,
                logger=_silent,
            ).__enter__()
        except (InvalidHandshake, InvalidMessage, OSError, EOFError) as error:
            stream.close()
            raise ClientError(f"what listens at {self.url} is not an engine: {_reason(error)}") from None
        self._send("engine::workers::register", _self_description(), action={"type": "void"})
        return self

    def _encrypted(self, stream: socket.socket, tls: ssl.SSLContext, timeout_s: float) -> socket.socket:
        """Shake hands. (`websockets` uses a socket from two threads, which those of :mod:`ssl` do not stand.)"""
        sock = TlsSocket(stream, tls, self._target[0])
        try:
            sock.handshake(self._clock.monotonic() + timeout_s)
        except OSError as error:
            sock.close()
            reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or _reason(error)
            raise ClientError(f"no TLS with what listens at {self.url}: {reason}; see --tls and --ca") from None
        limit_receiving(sock, 0)
        return sock

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.__exit__(kind, error, trace)

    def call(self, function_id: str, data: Any, namespace: str | None = None) -> Any:
        """Invoke a function and return its result; None if it has none.

        :param namespace: where to look for the function; None means ``default``.
        :raises RemoteError: the function, or the engine in its place, answered with an error.
        :raises ClientError: no answer in time, or the engine went away.
        """
        invocation_id = str(uuid4())
        named = {} if namespace is None else {"namespace": namespace}
        self._send(function_id, data, invocation_id=invocation_id, **named)
        deadline = self._clock.monotonic() + self._timeout_ms / 1000
        while True:
            message = self._receive(deadline)
            if message.get("type") == "error":
                raise RemoteError(message.get("error") or {})
            if message.get("type") == "invocationresult" and message.get("invocation_id") == invocation_id:
                if (error := message.get("error")) is not None:
                    raise RemoteError(error)
                return message.get("result")

    def _send(self, function_id: str, data: Any, **fields: Any) -> None:
        message = {"type": "invokefunction", "function_id": function_id, "data": data, **fields}
        text = json.dumps(message, ensure_ascii=False, allow_nan=False)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ClientError("the arguments are not valid UTF-8, so they cannot be sent") from None
        try:
            self._socket.send(text)
        except (ConnectionClosed, OSError) as error:
            self._raise_what_came_first()
            raise self._gone(error) from None

    def _raise_what_came_first(self) -> None:
        """Raise the error with which the engine has turned this client away, if it said one before it closed."""
        while True:
            try:
                message = json.loads(self._socket.recv(timeout=0))
            except (ConnectionClosed, OSError, ValueError):  # OSError: TimeoutError too
                return
            if isinstance(message, dict) and message.get("type") == "error":
                raise RemoteError(message.get("error") or {})

    def _receive(self, deadline: float) -> dict[str, Any]:
        try:
            text = self._socket.recv(timeout=max(0.0, deadline - self._clock.monotonic()))
        except TimeoutError:
            raise ClientError(f"Timed out waiting for the engine to answer ({self._timeout_ms} ms)") from None
        except (ConnectionClosed, OSError) as error:
            raise self._gone(error) from None
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        return message if isinstance(message, dict) else {}

    def _gone(self, error: BaseException) -> ClientError:
        return ClientError(f"the engine at {self.url} closed the connection before it answered: {_reason(error)}")


def dialled(options: argparse.Namespace) -> Client:
    """Return a client as the command line's options want it."""
    tls = encryption(options.ca) if options.tls or options.ca else None
    return Client(options.address, options.port, options.timeout_ms, options.token, tls)


def encryption(ca: str | None) -> ssl.SSLContext:
    """Return how a client encrypts: it trusts those in a PEM file, or those that the system trusts.

    :raises ClientError: the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ClientError(f"--ca {ca}: {_reason(error)}; name a PEM file of certificates") from None


def _self_description() -> dict[str, Any]:
    return {
        "name": f"iii-actors-cli:{uuid4()}",
        "runtime": "python",
        "version": __version__,
        "os": f"{platform.system()} {platform.release()}",
    }


def _reason(error: BaseException) -> str:
    """Return an exception's words on one line."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return " ".join(str(error).split()) or type(error).__name__
