import errno
import os
import socket

import pytest

from iii_actors.builtin.http.server import listen, uvicorn_config
from iii_actors.errors import ListenError
from tests.support.http_engine import site


def test_listening_anywhere_that_can_be_had():
    with listen("127.0.0.1", 0) as sock:
        host, port = sock.getsockname()
        assert (host, port > 0) == ("127.0.0.1", True)
        with pytest.raises(ListenError) as refused:
            listen("127.0.0.1", port)
        assert str(refused.value) == (
            f"cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}; "
            "stop what holds the address or choose another port"
        )
    with listen("localhost", 0) as sock:
        assert sock.getsockname()[1] > 0


def test_version_6_where_there_is_one():
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        sock = listen("::1", 0)
    except ListenError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with sock:
        assert sock.family == socket.AF_INET6


@pytest.mark.parametrize("host", ["no such host", "256.256.256.256", "192.0.2.1"])
def test_what_is_no_address_of_this_machine(host):
    with pytest.raises(ListenError, match=r"cannot listen on .*; set host to an address of this machine"):
        listen(host, 0)


@pytest.mark.parametrize(
    ("error", "reason", "mend"),
    [
        (PermissionError(errno.EACCES, "x"), os.strerror(errno.EACCES), "choose a port of 1024 or more"),
        (OSError("odd"), "odd", "stop what holds the address"),
    ],
)
def test_why_it_cannot_listen_and_the_mend(monkeypatch, error, reason, mend):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(ListenError, match=f"^cannot listen on 127.0.0.1:0: {reason}; {mend}"):
        listen("127.0.0.1", 0)


def test_uvicorn_says_and_adds_nothing_of_its_own(caplog):
    async def app(scope, receive, send):
        raise AssertionError

    config = uvicorn_config(app)
    assert config.loaded_app is app
    assert config.encoded_headers == []
    assert caplog.records == []


def test_its_thread_ends_with_it():
    with site() as own:
        thread = own.front._server._thread
        assert (thread.name, thread.is_alive()) == ("iii-http", True)
    assert not thread.is_alive()
    own.front._server.stop()


def test_a_server_that_cannot_start_says_why_and_leaves_no_thread(monkeypatch):
    def broken(*_):
        raise LookupError("wrong")

    monkeypatch.setattr("iii_actors.builtin.http.server.Front", broken)
    with pytest.raises(LookupError), site():
        pass
