"""What the two ends of a channel have in common (spec sdk.md §6.4)."""

from __future__ import annotations

import io
import threading
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from iii_worker import limits
from iii_worker.channel_refs import ChannelDirection, StreamChannelRef
from iii_worker.channel_socket import ChannelSocket

__all__ = ["ChannelEnd"]


class ChannelEnd(io.BufferedIOBase):
    """What both ends have in common."""

    _direction: ClassVar[ChannelDirection]

    def __init__(
        self,
        address: str,
        ref: StreamChannelRef | Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        received: bool = False,
    ) -> None:
        self._closed = True
        self._socket: ChannelSocket | None = None
        self._lock = threading.Lock()
        self.ref = ref if isinstance(ref, StreamChannelRef) else StreamChannelRef.model_validate(ref)
        """The reference to this end."""
        if self.ref.direction != self._direction:
            raise ValueError(f"a {type(self).__name__} needs a reference with direction {str(self._direction)!r}")
        if timeout is not None and timeout <= 0:
            raise ValueError(f"timeout is {timeout}: it must be above 0 seconds, or None to wait without end")
        self.timeout = timeout
        """Seconds that one wait may last: for the next item, or for room for the next frame. None: without end.

        A dead machine at the other side of the socket is noticed within a minute all the same.
        """
        self._address = address
        self._headers = dict(headers or {})
        self._received = received
        self._closed = False

    def to_ref(self) -> dict[str, str]:
        """Return the reference as plain JSON: what the end becomes in a payload."""
        return self.ref.to_ref()

    @property
    def opened(self) -> bool:
        """Whether the socket has been opened; that happens with the first use."""
        return self._socket is not None

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def stream(self) -> Self:
        """The end itself: in other SDKs the file-like part is an object of its own."""
        return self

    def _open(self) -> ChannelSocket:
        """Return the socket, opening it if need be. The lock is held."""
        if self._closed:
            raise ValueError(f"I/O operation on a closed {type(self).__name__}")
        if self._socket is None:
            patience = limits.HANDSHAKE_TIMEOUT_S if self.timeout is None else self.timeout
            self._socket = ChannelSocket(
                self._address, self.ref, self._headers, min(patience, limits.HANDSHAKE_TIMEOUT_S)
            )
            self._opened(self._socket)
        return self._socket

    def _opened(self, sock: ChannelSocket) -> None:
        """Do what is to be done first on the new socket."""

    def abort(self) -> None:
        """Go at once: nothing is flushed, who waits in another thread gets an error, the other end finds this one gone.

        Idempotent, from any thread, and never raises.
        """
        self._closed = True
        sock = self._socket
        if sock is not None:
            sock.cut()
            with self._lock:
                sock.close()

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        if not self._closed and self._socket is not None and not self._socket.closed:
            unclosed = f"unclosed {self!r}"
            self.abort()
            warnings.warn(unclosed, ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._socket is not None else "not opened yet"
        return f"<{type(self).__name__} {self.ref.channel_id}, {state}>"

    # --- in models: a field may be annotated with an end's class -----------------------------------------------------

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(
            cls, serialization=core_schema.plain_serializer_function_ser_schema(cls.to_ref)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        text = {"type": "string"}
        return {
            "title": "ChannelRef",
            "type": "object",
            "properties": {"channel_id": text, "access_key": text, "direction": {"const": str(cls._direction)}},
            "required": ["channel_id", "access_key", "direction"],
        }
