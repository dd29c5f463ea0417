"""iii_actors.transport.tls_socket: plain bytes in and out, whatever the pieces in which the encrypted ones travel."""

import os
import random
import socket
import ssl
import threading
import time

import pytest

from iii_actors.limits import TLS_WRITE_BYTES
from iii_actors.transport.tls_socket import TlsSocket, limit_receiving
from tests.support.tls import Authority

DONTWAIT = socket.MSG_DONTWAIT


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server_context(authority):
    files = authority.server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["cert"], files["key"])
    return context


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def pair(request, authority, server_context):
    """Our end and a client's, through the handshake."""
    ours, theirs = socket.socketpair()
    sock = TlsSocket(ours, server_context)
    context = authority.trusting(maximum_version=request.param)
    ends = []

    def connect():
        ends.append(context.wrap_socket(theirs, server_hostname="localhost"))

    thread = threading.Thread(target=connect)
    thread.start()
    sock.handshake(time.monotonic() + 10)
    thread.join(10)
    [client] = ends
    client.settimeout(10)
    with sock, client:
        yield sock, client


def exactly(sock, count):
    got = b""
    while len(got) < count:
        part = sock.recv(65536)
        assert part, "it ended"
        got += part
    return got


def test_both_ways(pair):
    sock, client = pair
    client.sendall(b"question")
    assert exactly(sock, 8) == b"question"
    assert sock.send(b"answer", DONTWAIT) == 6
    assert client.recv(100) == b"answer"


def test_one_reading_hands_over_all_that_came(pair):
    """Nothing is left behind where a poller would not see it."""
    sock, client = pair
    sent = os.urandom(100_000)
    client.sendall(sent)
    got = b""
    while len(got) < len(sent):
        got += sock.recv(7000)
    assert got == sent
    with pytest.raises(BlockingIOError):
        sock.recv(65536, DONTWAIT)
    assert sock.rest() == b""


def test_a_part_of_a_record_is_nothing_yet(authority, server_context):
    ours, middle_in = socket.socketpair()
    middle_out, theirs = socket.socketpair()
    sock = TlsSocket(ours, server_context)
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.trusting().wrap_bio(client_in, client_out, server_hostname="localhost")
    thread = threading.Thread(target=sock.handshake, args=(time.monotonic() + 10,))
    thread.start()
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            middle_in.sendall(client_out.read())
            client_in.write(middle_in.recv(65536))
    middle_in.sendall(client_out.read())
    thread.join(10)
    with sock, middle_in, middle_out, theirs:
        client.write(b"whole")
        record = client_out.read()
        for byte in record[:-1]:
            middle_in.sendall(bytes([byte]))
            with pytest.raises(BlockingIOError):
                sock.recv(65536, DONTWAIT)
        middle_in.sendall(record[-1:])
        assert sock.recv(65536, DONTWAIT) == b"whole"
        client.write(b"with the rest of")
        client.write(b" two records")
        place = bytearray(4)
        middle_in.sendall(client_out.read())
        assert sock.recv_into(place, 0, DONTWAIT) == 4
        assert bytes(place) + sock.rest() == b"with the rest of two records"


def test_what_comes_with_the_handshake_is_read_first(authority, server_context):
    ours, theirs = socket.socketpair()
    sock = TlsSocket(ours, server_context)
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.trusting().wrap_bio(client_in, client_out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    thread = threading.Thread(target=sock.handshake, args=(time.monotonic() + 10,))
    thread.start()
    theirs.sendall(client_out.read())
    client_in.write(theirs.recv(65536))
    client.do_handshake()
    client.write(b"at once")
    theirs.sendall(client_out.read())
    thread.join(10)
    with sock, theirs:
        assert sock.recv(100, DONTWAIT) == b"at once"


class Outbox:
    """Writes as :class:`iii_actors.transport.outbox.Outbox` does: what was not taken is offered again, with more."""

    def __init__(self, sock, pieces):
        self.sock, self.left, self.blocked = sock, list(pieces), 0

    def flush(self):
        while self.left:
            try:
                sent = self.sock.sendmsg(self.left[:3], (), DONTWAIT)
            except BlockingIOError:
                self.blocked += 1
                return
            whole = b"".join(self.left)[sent:]
            self.left = [whole] if whole else []


def test_a_slow_reader_gets_every_byte_once_and_in_order(pair):
    sock, client = pair
    rng = random.Random(7)
    pieces = [rng.randbytes(rng.choice([0, 1, 100, 5_000, 300_000])) for _ in range(40)]
    expected = b"".join(pieces)
    outbox = Outbox(sock, [])
    got = b""
    while pieces or outbox.left or len(got) < len(expected):
        outbox.left += [pieces.pop(0)] if pieces else []
        outbox.flush()
        if outbox.blocked or not pieces:
            got += client.recv(60_000)
    assert got == expected
    assert outbox.blocked > 0


def test_one_call_takes_a_bounded_amount(pair):
    sock, client = pair
    reader = threading.Thread(target=exactly, args=(client, TLS_WRITE_BYTES))
    reader.start()
    assert sock.send(bytes(10 * TLS_WRITE_BYTES)) == TLS_WRITE_BYTES
    reader.join(10)


def test_reading_and_writing_at_once(authority, server_context):
    """Two threads at either end: what ``ssl.SSLSocket`` does not stand."""
    ours, theirs = socket.socketpair()
    sock, client = TlsSocket(ours, server_context), TlsSocket(theirs, authority.trusting(), "localhost")
    shaking = threading.Thread(target=sock.handshake, args=(time.monotonic() + 10,))
    shaking.start()
    client.handshake(time.monotonic() + 10)
    shaking.join(10)
    limit_receiving(sock, 0)
    limit_receiving(client, 0)
    sent = os.urandom(2_000_000)
    got = []

    def write(end):
        for at in range(0, len(sent), 5_000):
            end.sendall(sent[at : at + 5_000])

    threads = [threading.Thread(target=write, args=(end,)) for end in (sock, client)]
    threads += [threading.Thread(target=lambda end=end: got.append(exactly(end, len(sent)))) for end in (sock, client)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert got == [sent, sent]
    sock.close()
    client.close()


def test_the_end_is_said(pair):
    sock, client = pair
    sock.shutdown(socket.SHUT_WR)
    assert client.recv(10) == b""
    client.sendall(b"still here")
    assert exactly(sock, 10) == b"still here"
    client.close()
    assert sock.recv(10) == b""
    sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", os.urandom(400)])
def test_what_is_no_tls_fails(server_context, garbage):
    ours, theirs = socket.socketpair()
    with TlsSocket(ours, server_context) as sock, theirs:
        theirs.sendall(garbage)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError):
            sock.handshake(time.monotonic() + 10)


def test_a_silent_client_has_its_time(server_context):
    ours, theirs = socket.socketpair()
    with TlsSocket(ours, server_context) as sock, theirs, pytest.raises(TimeoutError):
        sock.handshake(time.monotonic() + 0.05)
