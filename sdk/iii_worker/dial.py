"""From an address to a connected socket: the address's parts, the proxy if there is one, TCP and TLS, under one
deadline.
"""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from iii_worker.errors import AddressError
from iii_worker.limits import PROXY_ANSWER_BYTES

__all__ = ["Dialled", "dial", "parse_address", "proxy_for"]

_PROXY_PORT: Final = 80


@dataclass(frozen=True)
class Dialled:
    """A connected socket, and what the upgrade request is to be made of."""

    socket: socket.socket
    uri: WebSocketURI


def parse_address(address: str) -> WebSocketURI:
    """Return the parts of an engine's address. Raises :class:`AddressError`, which says what it should look like."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        raise AddressError(f"the engine's address {address!r} has no scheme: write ws://{address}")
    if scheme.lower() in ("http", "https"):
        raise AddressError(
            f"the engine's address {address!r} is a WebSocket's: write {'wss' if scheme.lower() == 'https' else 'ws'}://{rest}"
        )
    if scheme.lower() not in ("ws", "wss"):
        raise AddressError(f"the engine's address {address!r} must start with ws:// or wss://")
    try:
        return parse_uri(address)
    except (InvalidURI, ValueError) as error:
        raise AddressError(
            f"the engine's address {address!r} is not an address like ws://127.0.0.1:49134: {error}"
        ) from None


def dial(address: str, timeout: float, ssl_context: ssl.SSLContext | None = None) -> Dialled:
    """Connect to an address within ``timeout`` seconds. Raises ``OSError`` (``TimeoutError``, ``ssl.SSLError``, ...).

    A proxy named by the environment (``https_proxy``, ``http_proxy``, ``no_proxy``) is asked to ``CONNECT``, except to
    this machine itself.
    """
    until = time.monotonic() + timeout
    uri = parse_address(address)
    proxy = proxy_for(uri)
    target = (uri.host, uri.port) if proxy is None else _place_of(proxy)
    connected = socket.create_connection(target, timeout)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(_left(until))
        if proxy is not None:
            _ask_proxy(connected, uri, proxy)
        if uri.secure:
            connected.settimeout(_left(until))
            context = ssl_context or ssl.create_default_context()
            connected = context.wrap_socket(connected, server_hostname=uri.host)
        connected.settimeout(_left(until))
    except BaseException:
        connected.close()
        raise
    return Dialled(connected, uri)


def proxy_for(uri: WebSocketURI) -> str | None:
    """Return the URL of the proxy for an address, None if it is reached directly; this machine always is."""
    if uri.host == "localhost" or uri.host.endswith(".localhost") or _is_loopback(uri.host):
        return None
    proxies = getproxies()
    proxy = proxies.get("wss" if uri.secure else "ws") or proxies.get("https" if uri.secure else "http")
    if not proxy or proxy_bypass(f"{uri.host}:{uri.port}"):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _place_of(proxy: str) -> tuple[str, int]:
    parts = urlsplit(proxy)
    if parts.scheme != "http" or not parts.hostname:
        raise OSError(
            f"the proxy {parts.scheme}://{parts.hostname} is of no kind this SDK can use: only http:// proxies"
        )
    return parts.hostname, parts.port or _PROXY_PORT


def _ask_proxy(connected: socket.socket, uri: WebSocketURI, proxy: str) -> None:
    """Ask an HTTP proxy for a tunnel (RFC 9110 §9.3.6)."""
    host = f"[{uri.host}]" if ":" in uri.host else uri.host
    place = f"{host}:{uri.port}"
    request = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n"
    parts = urlsplit(proxy)
    if parts.username is not None:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request += f"Proxy-Authorization: Basic {base64.b64encode(credentials.encode()).decode()}\r\n"
    connected.sendall(f"{request}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connected.recv(1)  # no byte of what follows may be taken
        if not data or len(answer) > PROXY_ANSWER_BYTES:
            raise OSError(f"the proxy {parts.hostname} gave no proper answer to CONNECT {place}")
        answer += data
    status = answer.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    if len(status) < 2 or not status[1].startswith("2"):  # noqa: PLR2004  "HTTP/1.1 200 Connection established"
        raise OSError(f"the proxy {parts.hostname} refused CONNECT {place}: {' '.join(status[1:])}")
