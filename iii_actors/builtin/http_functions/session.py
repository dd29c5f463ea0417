"""A ``requests`` session that connects to addresses checked beforehand, and to nothing else (core.md §5.2, §5.3).

The name in the URL is resolved once, by :func:`~.urls.check`. The connection is made to one of the addresses found,
while the ``Host`` header, the name sent in TLS and the name in the certificate stay the URL's: a resolver that answers
differently the next time (DNS rebinding) is not asked a next time.
"""

from __future__ import annotations

import socket
import ssl
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from iii_actors.builtin.http_functions.line import current
from iii_actors.builtin.http_functions.request import Request
from iii_actors.builtin.http_functions.urls import HTTPS, Url
from iii_actors.limits import EXTERNAL_IDLE_ADDRESSES

__all__ = ["PinnedSession", "tls_context"]


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return the settings for TLS: certificates and names are verified. Raises ``OSError`` for an unreadable bundle.

    :param ca_bundle: a file of certificates to trust; None: the ones that ``requests`` comes with.
    """
    context = ssl.create_default_context(cafile=ca_bundle or DEFAULT_CA_BUNDLE_PATH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Pinned(requests.PreparedRequest):
    """A request with the address that it goes to."""

    address: str
    server_name: str


class _HeldHTTPConnection(HTTPConnection):
    """Tells the call's line which socket it uses."""

    def connect(self) -> None:
        super().connect()
        _hold(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _hold(self.sock)
        super().request(*args, **kwargs)


class _HeldHTTPSConnection(HTTPSConnection):
    """The same, with TLS."""

    def connect(self) -> None:
        super().connect()
        _hold(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _hold(self.sock)
        super().request(*args, **kwargs)


def _hold(used: socket.socket | None) -> None:
    line = current()
    if used is not None and line is not None:
        line.hold(used)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HeldHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HeldHTTPSConnection


class _Adapter(HTTPAdapter):
    """Connects to the request's address instead of its URL's host."""

    tls: ssl.SSLContext
    _POOLS: ClassVar[dict[str, Any]] = {"http": _HTTPPool, HTTPS: _HTTPSPool}

    def __init__(self) -> None:
        super().__init__(pool_connections=EXTERNAL_IDLE_ADDRESSES, pool_maxsize=1, max_retries=0)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        if not isinstance(request, _Pinned):
            raise TypeError("only requests with a checked address are sent")
        host_params, _ = self.build_connection_pool_key_attributes(request, verify, cert)
        host_params["host"] = request.address
        secured = {"ssl_context": self.tls, "server_hostname": request.server_name}
        wanted = secured if host_params["scheme"] == HTTPS else {}
        return self.poolmanager.connection_from_host(**host_params, pool_kwargs=wanted)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to set: the context, made once, verifies."""


class PinnedSession(requests.Session):
    """Idle connections, kept between requests. For one thread.

    It takes nothing from the environment (proxies, ``.netrc``), keeps no cookies and follows no redirects.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._adapter = _Adapter()
        for scheme in ("http://", "https://"):
            self.mount(scheme, self._adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """There is none. (``requests`` would read a redirect's body, however long, even without following it.)"""

    def begin(
        self, url: Url, address: str, request: Request, timeouts: tuple[float, float], tls: ssl.SSLContext
    ) -> requests.Response:
        """Send a request to one of the URL's addresses and return the response, of which only the head has been read.

        Waits. Raises what ``requests`` raises.

        :param timeouts: seconds for connecting (TCP, then TLS), and for each wait after that.
        """
        self._adapter.tls = tls
        prepared = _Pinned()
        prepared.prepare(method=request.method, url=url.normalised)
        # requests knows one value per header; the protocol wants the configured ones added, so a name may come twice.
        prepared.headers = HTTPHeaderDict(request.headers)  # type: ignore[assignment]
        prepared.body = request.body
        prepared.address = address
        prepared.server_name = url.host.removesuffix(".")
        return self.send(prepared, stream=True, timeout=timeouts, allow_redirects=False, verify=True, proxies={})
