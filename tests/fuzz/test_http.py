"""Any bytes on the HTTP port, in any pieces: answered or closed, and a proper request is served all the same."""

import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.examples import examples
from tests.support.http_engine import Site, read_answer, site, status_of
from tests.support.raw import cut

PROPER = b"GET /fuzz?a=1 HTTP/1.1\r\nHost: x\r\n\r\n"

lines = st.sampled_from(
    [
        b"GET /fuzz HTTP/1.1", b"POST /fuzz HTTP/1.1", b"POST /fuzz HTTP/1.0", b"OPTIONS * HTTP/1.1", b"HEAD /fuzz HTTP/1.1",
        b"Host: x", b"Host:", b"Content-Length: 3", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"X: y",
        b"Content-Type: application/json", b"Expect: 100-continue", b"Connection: close", b"Connection: Upgrade",
        b"Upgrade: h2c", b"", b"", b"3", b"abc", b"0", b"{}", b"5;x=y", b"hello",
    ]
)  # fmt: skip
ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b""])
almost_http = st.lists(st.tuples(lines, ends).map(b"".join), max_size=14).map(b"".join)
said = st.one_of(st.binary(max_size=300), almost_http, st.tuples(almost_http, st.binary(max_size=20)).map(b"".join))
sizes = st.lists(st.integers(1, 80), max_size=4)


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with site() as made:
        made.route("fuzz", lambda data: {"body": data["query_params"]})
        made.route("fuzz", lambda data: {"body": data["body"]}, "POST")
        yield made


@examples(150)
@given(said, sizes)
def test_any_bytes_are_answered_or_closed(shared, data, pieces):
    with shared.raw() as client:
        try:
            for piece in cut(data, pieces):
                client.send(piece)
            client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was closed meanwhile
        answers = client.rest()
    statuses = [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
    assert all(100 <= status <= 505 and status != 500 for status in statuses), answers
    assert not answers or status_of(answers)


@examples(50)
@given(sizes)
def test_a_proper_request_in_any_pieces_is_served(shared, pieces):
    with shared.raw() as client:
        for piece in cut(PROPER, pieces):
            client.send(piece)
        status, _, body = read_answer(client)
        assert (status, body) == (200, b'{"a":"1"}')
