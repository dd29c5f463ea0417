"""From an address to a socket: proxies asked and bypassed."""

import contextlib
import socket
import threading

import pytest

from iii_worker.dial import dial, parse_address, proxy_for


class Proxy:
    """An HTTP proxy that notes what it is asked and answers as it is told."""

    def __init__(self, answer):
        self.requests = []
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            connection, _ = self._server.accept()
        except OSError:  # closed: nobody came
            return
        with connection, contextlib.suppress(OSError):  # the client may have left already
            self.requests.append(connection.recv(4096).decode())
            connection.sendall(self._answer)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._server.close()


@pytest.fixture
def proxy(monkeypatch):
    made = []

    def make(answer, user=""):
        proxy = Proxy(answer)
        made.append(proxy)
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ws_proxy", "wss_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", f"http://{user}"))
        return proxy

    yield make
    for proxy in made:
        proxy.close()


def test_a_proxy_is_asked_for_a_tunnel(proxy):
    its = proxy(b"HTTP/1.1 200 Connection established\r\n\r\nfirst bytes", user="me:se%20cret@")
    dialled = dial("ws://engine.example:4000/path", 5)
    with dialled.socket:
        assert its.requests[0].startswith("CONNECT engine.example:4000 HTTP/1.1\r\nHost: engine.example:4000\r\n")
        assert "Proxy-Authorization: Basic bWU6c2UgY3JldA==\r\n" in its.requests[0]
        assert dialled.socket.recv(100) == b"first bytes"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "refused CONNECT engine.example:4000: 407"),
        (b"", "no proper answer"),
        (b"x" * 20_000, "no proper answer"),
    ],
)
def test_a_proxy_that_refuses_is_named(proxy, answer, said):
    proxy(answer)
    with pytest.raises(OSError, match=said):
        dial("ws://engine.example:4000", 5)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "app.localhost"])
def test_this_machine_is_reached_directly(proxy, host):
    proxy(b"")
    assert proxy_for(parse_address(f"ws://{host}:4000")) is None


def test_the_environment_may_exempt_hosts(proxy, monkeypatch):
    proxy(b"")
    assert proxy_for(parse_address("ws://engine.example:4000")) is not None
    assert proxy_for(parse_address("wss://engine.example:4000")) is None
    monkeypatch.setenv("no_proxy", "engine.example")
    assert proxy_for(parse_address("ws://engine.example:4000")) is None


def test_a_proxy_of_another_kind_is_refused(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(OSError, match="only http:// proxies"):
        dial("ws://engine.example:4000", 5)


def test_small_frames_do_not_wait_for_others():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        dial(f"ws://127.0.0.1:{server.getsockname()[1]}", 5).socket as connected,
    ):
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
