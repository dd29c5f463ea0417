"""Sockets whose clients are no workers: what a built-in worker and the transport say to each other about them.

The transport accepts, shakes hands, reads and writes; the worker behind it, the *host*, knows what is said. Neither
imports the other: the composition root gives the worker a :class:`Sockets`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from iii_actors.actor import Ref, handles
from iii_actors.core.connection import Outlet, Writer

if TYPE_CHECKING:
    import ssl

__all__ = [
    "Admit",
    "Client",
    "ClientCame",
    "ClientLeft",
    "ClientSaid",
    "ClientWriter",
    "Deliver",
    "OpenSockets",
    "SocketOptions",
    "Sockets",
    "TlsOptions",
    "Visitor",
]


class Visitor(NamedTuple):
    """Who asks for an upgrade."""

    path: str
    """Without the query, as sent."""
    query: str
    """As sent, not percent-decoded."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, in the order sent; octets beyond ASCII as Latin-1."""
    address: str
    """``ip:port``; an IPv6 address in brackets."""


Admit = Callable[[Visitor], Any]
"""Decides about a visitor before its upgrade is answered, on that connection's own thread: it may wait.

Returns what the host is to know of the client. Raises ``EngineError``: it is turned away, with 503 and that text.
"""


class Client(Protocol):
    """One client, from its upgrade to its end. Any thread."""

    writer: Ref
    """Told :class:`Deliver`; dead once the client has gone."""
    address: str

    def dealt_with(self) -> None:
        """One of its messages is done with. While many are not, no more are read from its socket."""


class ClientCame(NamedTuple):
    """Told to the host: a client has been upgraded. Everything it says comes after this."""

    client: Client
    admitted: Any
    """What :data:`Admit` has returned."""


class ClientSaid(NamedTuple):
    """Told to the host: a text or binary message. The host says :meth:`Client.dealt_with` once for each."""

    client: Client
    payload: bytes


class ClientLeft(NamedTuple):
    """Told to the host: the client has gone. The last that is told of it."""

    client: Client


class Deliver(NamedTuple):
    """Told to a client's writer: write this frame, made by :meth:`Sockets.text_frame`. One serves many clients."""

    frame: bytes


class ClientOutlet(Outlet, Protocol):
    """The socket's side."""

    def write_frame(self, whole: bytes) -> None:
        """Queue one whole text frame."""


class ClientWriter(Writer):
    """Writes to one client."""

    _outlet: ClientOutlet

    def __init__(self, outlet: ClientOutlet) -> None:
        super().__init__(outlet)
        self._write_frame = outlet.write_frame

    @handles(Deliver)
    def deliver(self, deliver: Deliver) -> None:
        self._write_frame(deliver.frame)


class TlsOptions(Protocol):
    """How a port encrypts."""

    def context(self) -> ssl.SSLContext:
        """Return a server's side of TLS. Reads files; raises :class:`ValueError`, worded for an operator."""


class SocketOptions(Protocol):
    """The settings of a port for sockets."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def handshake_timeout_ms(self) -> int: ...

    @property
    def max_connections(self) -> int: ...

    @property
    def outbox_bytes(self) -> int: ...

    @property
    def ping_interval_s(self) -> float: ...

    @property
    def ping_timeout_s(self) -> float: ...

    @property
    def max_frame_bytes(self) -> int: ...

    @property
    def max_message_bytes(self) -> int: ...

    @property
    def tls(self) -> TlsOptions | None: ...

    @property
    def allowed_origins(self) -> list[str] | None: ...

    @property
    def max_connections_per_ip(self) -> int | None: ...


class OpenSockets(Protocol):
    """A bound port and its clients."""

    @property
    def address(self) -> tuple[str, int]:
        """Host as configured, and the port really bound."""

    def open(self) -> None:
        """Begin to accept."""

    def stop_accepting(self) -> None:
        """Close the port, and say good-bye to the clients: Close 1012, they may come again. Does not wait."""

    def close(self) -> None:
        """After :meth:`stop_accepting`: give the clients a moment to close, then cut them. Waits."""

    def writers(self) -> list[Ref]:
        """The clients' writers, for the figures."""


class Sockets(Protocol):
    """The transport, as a built-in worker sees it. Any thread."""

    def bind(self, options: SocketOptions, admit: Admit, host: Ref) -> OpenSockets:
        """Bind a port; raises ``ListenError``. ``host`` is told what the clients do."""

    def text_frame(self, text: bytes) -> bytes:
        """Return one whole text frame, to be delivered to any number of clients."""
