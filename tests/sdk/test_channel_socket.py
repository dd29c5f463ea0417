"""The socket of an end: its URL, its opening, and servers that do not do as they should."""

import socket
import threading

import pytest

from iii_worker.channel_refs import StreamChannelRef
from iii_worker.channel_socket import (
    ChannelClosedError,
    ChannelError,
    ChannelNotFoundError,
    ChannelSocket,
    ChannelTimeoutError,
    channel_url,
)
from iii_worker.errors import AddressError, Error
from tests.support.channel_client import create
from tests.support.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.support.sdk_channels import WAIT_S, accepted, server, server_frame

READ = StreamChannelRef(channel_id="c1", access_key="k1", direction="read")
WRITE = StreamChannelRef(channel_id="c1", access_key="k1", direction="write")


# --- the URL ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("ws://h:1", "ws://h:1/ws/channels/c1?key=k1&dir=read"),
        ("ws://h:1/", "ws://h:1/ws/channels/c1?key=k1&dir=read"),
        ("wss://h/base/", "wss://h/base/ws/channels/c1?key=k1&dir=read"),
        ("ws://h:1/?token=t&dir=x&e=", "ws://h:1/ws/channels/c1?token=t&e=&key=k1&dir=read"),
        ("ws://me:pw@[::1]:1", "ws://me:pw@[::1]:1/ws/channels/c1?key=k1&dir=read"),
    ],
)
def test_the_url_is_put_together_from_its_parts(address, url):
    assert channel_url(address, READ) == url


def test_what_is_odd_in_a_reference_is_quoted():
    odd = StreamChannelRef(channel_id="a/b?c#d", access_key="k&dir=write", direction="read")
    assert channel_url("ws://h", odd) == "ws://h/ws/channels/a%2Fb%3Fc%23d?key=k%26dir%3Dwrite&dir=read"


@pytest.mark.parametrize("address", ["", "h:1", "http://h:1"])
def test_an_address_that_is_none_is_named(address):
    with pytest.raises(AddressError, match="address"):
        channel_url(address, READ)


# --- opening ---------------------------------------------------------------------------------------------------------


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ChannelError, match=rf"channel c1: cannot reach ws://127.0.0.1:{port}/ws/channels/c1: ") as info:
        ChannelSocket(f"ws://127.0.0.1:{port}", READ)
    assert "k1" not in str(info.value)


def test_somebody_there_who_never_answers():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ChannelTimeoutError) as info:
            ChannelSocket(address, READ, timeout=0.05)
    assert isinstance(info.value, TimeoutError)
    assert isinstance(info.value, Error)
    assert info.value.code == "TIMEOUT"


def test_an_unknown_channel_and_a_wrong_key(engine):
    key = create(engine)
    for channel_id, access_key in (("unknown", key.access_key), (key.channel_id, "wrong")):
        ref = StreamChannelRef(channel_id=channel_id, access_key=access_key, direction="read")
        with pytest.raises(ChannelNotFoundError, match="not found") as info:
            ChannelSocket(engine.url, ref)
        assert info.value.code == "channel_not_found"


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno", b"\x00\xff\x00\xff\r\n\r\n", b""]
)
def test_an_answer_that_is_no_upgrade(answer):
    with (
        server(lambda connection, _: connection.sendall(answer)) as address,
        pytest.raises(ChannelError, match="refused to open"),
    ):
        ChannelSocket(address, READ, timeout=WAIT_S)


def test_the_request_carries_the_clients_headers():
    requests = []

    def serve(connection, request):
        requests.append(request)
        connection.sendall(accepted(request))

    with server(serve) as address:
        ChannelSocket(address, READ, {"Authorization": "Bearer t"}, WAIT_S).close()
    assert requests[0].startswith(b"GET /ws/channels/c1?key=k1&dir=read HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer t\r\n" in requests[0]


# --- reading ---------------------------------------------------------------------------------------------------------


def read_from(*said, after=None):
    """Open a reading end on a server that says these bytes; returns the items up to the end."""

    def serve(connection, request):
        connection.sendall(accepted(request) + b"".join(said))
        if after is not None:
            after(connection)

    with server(serve) as address:
        sock = ChannelSocket(address, READ, timeout=WAIT_S)
        items = []
        try:
            while (item := sock.receive(WAIT_S)) is not None:
                items.append(item)
        except ChannelClosedError as error:
            items.append(error)
        finally:
            sock.close()
    return items


END = server_frame(CLOSE)


def test_fragments_are_put_together_and_kinds_kept():
    said = [
        server_frame(BINARY, b"a", fin=False),
        server_frame(PING, b"p"),
        server_frame(CONTINUATION, b"b", fin=False),
        server_frame(CONTINUATION, b"c"),
        server_frame(TEXT, "é".encode()[:1], fin=False),
        server_frame(CONTINUATION, "é".encode()[1:]),
        server_frame(BINARY, b""),
    ]
    assert read_from(*said, END) == [b"abc", "é", b""]


def test_pings_are_answered():
    heard = []

    def after(connection):
        heard.append(connection.recv(100))

    read_from(server_frame(PING, b"hello"), END, after=after)
    assert heard[0][0] == 0x80 | PONG


@pytest.mark.parametrize("code", [b"", (1000).to_bytes(2)])
def test_a_regular_close_is_the_end(code):
    assert read_from(server_frame(BINARY, b"x"), server_frame(CLOSE, code)) == [b"x"]


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (b"", "broke off"),
        (server_frame(BINARY, b"cut", fin=False), "broke off"),
        (server_frame(CLOSE, (1012).to_bytes(2) + b"restart"), "1012"),
        (server_frame(CLOSE, (1011).to_bytes(2)), "1011"),
        (b"\xff\xff\xff", "broke off"),
        (server_frame(TEXT, b"\xff"), "not UTF-8"),
    ],
)
def test_any_other_end_is_an_error_after_what_came(said, match):
    first, error = read_from(server_frame(BINARY, b"x"), said)
    assert first == b"x"
    assert isinstance(error, ChannelClosedError)
    assert match in str(error)
    assert error.code == "channel_closed"


def test_a_timeout_does_not_spoil_the_reading():
    go_on = threading.Event()

    def serve(connection, request):
        connection.sendall(accepted(request))
        assert go_on.wait(WAIT_S)
        connection.sendall(server_frame(BINARY, b"late") + END)

    with server(serve) as address:
        sock = ChannelSocket(address, READ, timeout=WAIT_S)
        with pytest.raises(ChannelTimeoutError, match=r"nothing came within 0\.01 s"):
            sock.receive(0.01)
        go_on.set()
        assert sock.receive(WAIT_S) == b"late"
        assert sock.receive(WAIT_S) is None
        sock.close()


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_writer_is_satisfied_with_a_server_that_does_not_answer_its_close():
    """Deployed engines drop the socket instead (core.md §1.4)."""

    def serve(connection, request):
        connection.sendall(accepted(request))
        while not connection.recv(100).startswith(bytes([0x80 | CLOSE])):
            pass

    with server(serve) as address:
        sock = ChannelSocket(address, WRITE, timeout=WAIT_S)
        assert sock.finish(WAIT_S) is False
        sock.close()
    assert sock.closed


def test_a_server_that_never_answers_a_close_is_not_waited_for_without_end():
    let_go = threading.Event()

    def serve(connection, request):
        connection.sendall(accepted(request))
        assert let_go.wait(WAIT_S)

    with server(serve) as address:
        sock = ChannelSocket(address, WRITE, timeout=WAIT_S)
        assert sock.finish(0.05) is False
        let_go.set()
        sock.close()
