"""The WebSocket alone: upgrades that fail, what one round of reading brings, long messages, TLS."""

import select
import socket
import ssl
import threading

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.sync.server import serve

from iii_worker.transport import ConnectionEnded, Transport, UpgradeRefused, frames_of
from tests.support.certificates import server_context


@pytest.fixture
def answering():
    """A maker of servers that answer the first request with given bytes and leave the rest to the test."""
    servers = []

    def make(*answers):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run():
            connection, _ = server.accept()
            connection.recv(4096)
            for answer in answers:
                connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)
            connection.close()

        threading.Thread(target=run, daemon=True).start()
        return f"ws://127.0.0.1:{server.getsockname()[1]}"

    yield make
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", 404, "HTTP 404 Not Found: nope"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 401, "HTTP 401"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "HTTP 200"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", None, "no WebSocket server"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", None, "no WebSocket server|upgrade failed"),
        (b"", None, "dropped the connection|no WebSocket server|upgrade failed"),
    ],
)
def test_an_upgrade_that_fails_says_how(answering, answer, status, said):
    with pytest.raises(UpgradeRefused, match=said) as caught:
        Transport(answering(answer), {}, 5)
    assert caught.value.status == status


def test_an_upgrade_that_is_not_answered_times_out():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TimeoutError):
        Transport(f"ws://127.0.0.1:{server.getsockname()[1]}", {}, 0.05)


@pytest.fixture
def served():
    """A maker of transports to a server whose connection runs a function."""
    running = []

    def make(handler, **options):
        server = serve(handler, "127.0.0.1", 0, compression=None, max_size=None, ping_interval=None, close_timeout=0.2)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        transport = Transport(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", {}, 5, **options)
        running.append((transport.socket, None))
        transport.socket.settimeout(5)  # so that a round waits for data here
        return transport

    yield make
    for thing, thread in reversed(running):
        if thread is None:
            thing.close()
        else:
            thing.shutdown()
            thread.join(5)


def rounds(transport):
    """Return all messages until the end, and the end."""
    messages = []
    while True:
        try:
            messages += transport.take().messages
        except ConnectionEnded as end:
            return messages, end


def test_messages_come_whole_and_in_order(served):
    def say(connection):
        connection.send("one")
        connection.send(b"two")
        connection.send(["th", "r", "ee"])
        connection.send("x" * 200_000)

    messages, end = rounds(served(say))
    assert messages == [b"one", b"two", b"three", b"x" * 200_000]
    assert (end.code, len(end.replies)) == (1000, 1)


def test_seventeen_mebibytes_in_one_message_are_taken(served):
    text = "0123456789abcdef" * (17 * 65536)
    messages, _ = rounds(served(lambda connection: connection.send(text)))
    assert messages == [text.encode()]


def test_a_message_beyond_the_limit_ends_the_connection(served):
    messages, end = rounds(served(lambda connection: connection.send("x" * 2000), max_message=1000))
    assert (messages, end.code) == ([], 1009)


def test_what_is_no_frame_ends_the_connection(served):
    messages, end = rounds(served(lambda connection: connection.socket.sendall(b"\xf3\x00")))
    assert (messages, end.code) == ([], 1002)
    assert "could not be read" in str(end)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1013, 4000])
def test_a_close_brings_its_code_after_what_came_before(served, code):
    def say(connection):
        connection.send("last words")
        connection.socket.sendall(Frame(Opcode.CLOSE, Close(code, "bye").serialize()).serialize(mask=False))
        connection.socket.shutdown(socket.SHUT_WR)

    messages, end = rounds(served(say))
    assert (messages, end.code) == ([b"last words"], code)
    assert "bye" in str(end)


def test_a_drop_is_an_abnormal_end(served):
    messages, end = rounds(served(lambda connection: connection.socket.shutdown(socket.SHUT_RDWR)))
    assert (messages, end.code) == ([], 1006)


def test_pings_are_answered(served):
    heard = threading.Event()

    def say(connection):
        connection.ping("hi").wait(5)
        heard.set()

    transport = served(say)
    replies = []
    while not replies:
        replies += transport.take().replies
    transport.socket.sendall(replies[0])
    assert heard.wait(5)


def test_long_messages_leave_in_frames_an_engine_takes(served, monkeypatch):
    monkeypatch.setattr("iii_worker.transport.MAX_FRAME_BYTES", 1000)
    got = []
    done = threading.Event()

    def listen(connection):
        got.append(connection.recv())
        done.set()

    transport = served(listen)
    text = "0123456789" * 350
    framed = frames_of(text.encode())
    assert len(framed) == 3500 + 4 * 8
    transport.socket.sendall(framed)
    assert done.wait(5)
    assert got == [text]


def test_wss_addresses_are_spoken_to_over_tls(tmp_path):
    context, certificate = server_context(tmp_path, "localhost")
    received = []
    done = threading.Event()

    def echo(connection):
        for message in connection:
            received.append(len(message))
            connection.send(message)
            done.set()

    with serve(echo, "127.0.0.1", 0, ssl=context, compression=None, close_timeout=0.2, max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"wss://localhost:{server.socket.getsockname()[1]}"
        trust = ssl.create_default_context(cafile=certificate)
        transport = Transport(address, {}, 5, trust)
        with transport.socket:
            transport.socket.settimeout(5)
            transport.socket.sendall(frames_of(b"x" * 300_000))
            messages = []
            transport.socket.setblocking(False)
            while not messages:
                select.select([transport.socket], [], [], 5)
                messages += transport.take().messages
            assert messages == [b"x" * 300_000]
        with pytest.raises(ssl.SSLCertVerificationError):
            Transport(address, {}, 5)
        server.shutdown()
