"""What is no proper request, and clients that are too slow, too many or too much: bounded, and others are served."""

import contextlib
import re
import socket
import threading

import pytest

from iii_actors.limits import HTTP_HEADERS
from tests.support.http_engine import read_answer, site, status_of

HOST = b"Host: x\r\n"


@pytest.fixture(scope="module")
def shared():
    with site() as made:
        made.calls = []
        made.route("x", lambda data: made.calls.append(data["method"]) or {"body": "ok"})
        made.route("x", lambda data: made.calls.append(data["method"]) or {"body": "ok"}, "POST")
        yield made


def get(*lines, path=b"/x", version=b"HTTP/1.1"):
    return b"GET " + path + b" " + version + b"\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines, body=b""):
    return b"POST /x HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


ANSWERS = re.compile(rb"HTTP/1\.1 \d{3} ").findall
NEXT = b"GET /x HTTP/1.1\r\nHost: smuggled\r\n\r\n"
TE = b"Transfer-Encoding: chunked"

AMBIGUOUS = {
    "length and chunked": post(b"Content-Length: 4", TE, body=b"0\r\n\r\n" + NEXT),
    "chunked and length": post(TE, b"Content-Length: 4", body=b"0\r\n\r\n" + NEXT),
    "two lengths": post(b"Content-Length: 4", b"Content-Length: 44", body=b"abcd" + NEXT),
    "the same length twice": post(b"Content-Length: 4", b"Content-Length: 4", body=b"abcd" + NEXT),
    "a list of lengths": post(b"Content-Length: 4, 4", body=b"abcd" + NEXT),
    "a signed length": post(b"Content-Length: +4", body=b"abcd" + NEXT),
    "a negative length": post(b"Content-Length: -1", body=NEXT),
    "a length beyond all": post(b"Content-Length: 99999999999999999999", body=NEXT),
    "a length in hex": post(b"Content-Length: 0x4", body=b"abcd" + NEXT),
    "an empty length": post(b"Content-Length:", body=NEXT),
    "an unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + NEXT),
    "identity": post(b"Transfer-Encoding: identity", body=NEXT),
    "chunked not last": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + NEXT),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + NEXT),
    "chunked twice": post(TE, TE, body=b"0\r\n\r\n" + NEXT),
    "a space before the colon": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + NEXT),
    "a vertical tab": post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + NEXT),
    "a folded header": post(b"X: a", b" folded", TE, body=b"0\r\n\r\n" + NEXT),
    "a folded coding": post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n" + NEXT),
    "a header begun with space": b"POST /x HTTP/1.1\r\n Transfer-Encoding: chunked\r\n" + HOST + b"\r\n" + NEXT,
    "bare line feeds": b"GET /x HTTP/1.1\nHost: x\n\n" + NEXT,
    "a bare line feed in a header": get(b"X: a\nContent-Length: 50") + NEXT,
    "a bare carriage return": get(b"X: a\rContent-Length: 50") + NEXT,
    "a null byte": get(b"X: a\0b") + NEXT,
    "no host": b"GET /x HTTP/1.1\r\n\r\n" + NEXT,
    "two hosts": get(b"Host: y") + NEXT,
    "chunked in HTTP/1.0": b"POST /x HTTP/1.0\r\n" + HOST + TE + b"\r\n\r\n0\r\n\r\n" + NEXT,
    "HTTP/0.9": b"GET /x\r\n\r\n" + NEXT,
    "HTTP/2.0": get(version=b"HTTP/2.0") + NEXT,
    "HTTP/1.2": get(version=b"HTTP/1.2") + NEXT,
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a method nobody knows": b"FETCH /x HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT,
    "a method in lower case": b"get /x HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT,
    "a path with a byte beyond ASCII": get(path=b"/\xff") + NEXT,
    "a path with a space": get(path=b"/a b") + NEXT,
    "a tunnel": b"CONNECT x:443 HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT,
    "an upgrade with a body": post(b"Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 4", body=b"abcd" + NEXT),
    "a header without a colon": get(b"nonsense") + NEXT,
    "no path at all": get(path=b"http://x") + NEXT,
}


@pytest.mark.parametrize("request_bytes", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_refused_once_and_nothing_behind_it_is_served(shared, request_bytes):
    shared.calls.clear()
    with shared.raw() as client:
        client.send(request_bytes)
        answer = client.rest()
    assert len(ANSWERS(answer)) == 1
    assert 400 <= status_of(answer) <= 505
    assert b"connection: close" in answer
    assert b"Host: smuggled" not in answer
    assert shared.calls == []


BROKEN_CHUNKS = {
    "no number": b"x\r\nabcd\r\n0\r\n\r\n",
    "a prefix": b"0x4\r\nabcd\r\n0\r\n\r\n",
    "negative": b"-4\r\nabcd\r\n0\r\n\r\n",
    "too large": b"ffffffffffffffffff\r\nabcd\r\n0\r\n\r\n",
    "longer than it says": b"2\r\nabcd\r\n0\r\n\r\n",
    "bare line feeds": b"4\nabcd\n0\n\n",
    "an extension with a line feed": b"4;\nabcd\r\n0\r\n\r\n",
    "a trailer that frames": b"0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("kind", [b"text/plain", b"application/json"])
@pytest.mark.parametrize("body", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
def test_a_body_that_breaks_the_rules_ends_the_connection(shared, body, kind):
    with shared.raw() as client:
        client.send(post(TE, b"Content-Type: " + kind, body=body + NEXT))
        answer = client.rest()
    assert len(ANSWERS(answer)) <= 1
    assert b"smuggled" not in answer
    assert status_of(answer) in (0, 200, 400)


def test_trailers_are_no_headers(shared):
    shared.route("trailers", lambda data: {"body": data["headers"]}, "POST")
    with shared.raw() as client:
        client.send(
            b"POST /trailers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + TE + b"\r\n\r\n"
            b"1\r\n5\r\n0\r\nX-Late: 1\r\nHost: other\r\n\r\n"
        )
        status, _, body = read_answer(client)
        assert (status, b"x-late" in body, b"other" in body) == (200, False, False)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get(*[b"X-%d: 1" % number for number in range(HTTP_HEADERS)]), 431),
        (get(*[b"X-%d: 1" % number for number in range(HTTP_HEADERS - 1)]), 200),
        (get(b"X: " + b"a" * 100_000), 431),
        (get(*[b"X-%d: %b" % (number, b"a" * 5_000) for number in range(20)]), 431),
        (get(b"X: " + b"a" * 60_000), 200),
        (get(path=b"/" + b"a" * 70_000), 414),
        (get(path=b"/" + b"a" * 65_000), 404),
        (b"GET /" + b"a" * 1_000_000, 414),
        (b"GET /x HTTP/1.1\r\nX: " + b"a" * 1_000_000, 431),
        (b"\r\n" * 200_000, 431),
        (b"GET /x HTTP/1.1\r\n" + b"X" * 1_000_000, 431),
    ],
    ids=lambda value: repr(value[:24]) + str(len(value)) if isinstance(value, bytes) else str(value),
)
def test_heads_that_are_too_large(shared, request_bytes, status):
    with shared.raw() as client:
        sending = threading.Thread(target=_send_quietly, args=(client.socket, request_bytes))
        sending.start()
        answer = b""
        while b"\r\n\r\n" not in answer:
            assert client.more(), "no answer"
            answer = client.received
        sending.join(10)
    assert status_of(answer) == status


def _send_quietly(sock, data):
    with contextlib.suppress(OSError):
        sock.sendall(data)


def test_an_endless_header_is_refused_however_slowly_it_comes(shared):
    with shared.raw() as client:
        client.send(b"GET /x HTTP/1.1\r\nX: ")
        for _ in range(150):
            _send_quietly(client.socket, b"a" * 1000)
        assert status_of(client.rest()) in (431, 0)


def test_requests_behind_each_other_are_answered_in_order(shared):
    with shared.raw() as client:
        client.send(get(path=b"/nowhere") + get() + post(b"Content-Length: 2", body=b"ab") + get(path=b"/nowhere"))
        assert [read_answer(client)[0] for _ in range(4)] == [404, 200, 200, 404]


def test_what_a_later_request_says_of_the_connection_is_not_said_of_an_earlier_one(shared):
    function_id = shared.route("pipelined")
    with shared.raw() as client:
        client.send(get(path=b"/pipelined") + get(path=b"/nowhere") + get(b"Connection: close", version=b"HTTP/1.0"))
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        shared.worker.answer(frame, {"body": 1})
        statuses = []
        for last in (False, False, True):
            status, headers, _ = read_answer(client)
            statuses.append(status)
            assert (headers.get("connection") == "close") is last
        assert statuses == [200, 404, 200]
        assert client.rest() == b""


def test_garbage_behind_a_request_does_not_hide_its_answer(shared):
    function_id = shared.route("slow")
    with shared.raw() as client:
        client.send(get(path=b"/slow"))
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        client.send(b"garbage\r\n\r\n")
        shared.worker.answer(frame, {"body": "mine"})
        status, headers, body = read_answer(client)
        assert (status, headers["connection"], body) == (200, "close", b'"mine"')
        assert client.rest() == b""


def test_an_upgrade_is_not_taken_up(shared):
    with shared.raw() as client:
        client.send(get(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x") + NEXT)
        answer = client.rest()
        assert status_of(answer) == 200
        assert len(ANSWERS(answer)) == 1
        assert b"connection: close" in answer


def test_old_clients(shared):
    with shared.raw() as client:
        client.send(get(version=b"HTTP/1.0"))
        answer = client.rest()
        assert status_of(answer) == 200
        assert b"connection: close" in answer


# --- slow, many, endless ---------------------------------------------------------------------------------------------


def test_half_requests_do_not_stay_and_others_are_served():
    with site(header_timeout_ms=300) as own:
        own.route("x", lambda _: {"body": "ok"})
        silent, half, full = [own.raw() for _ in range(20)], [own.raw() for _ in range(20)], own.raw()
        try:
            for client in half:
                client.send(b"GET /x HTTP/1.1\r\nHost: x\r\nX: ")
            assert own.get("/x").status_code == 200
            for client in half:
                _send_quietly(client.socket, b"more")
            assert {status_of(client.rest()) for client in half} == {408}
            assert {client.rest() for client in silent} == {b""}
            with own.raw() as again:
                again.send(get())
                assert read_answer(again)[0] == 200
        finally:
            for client in (*silent, *half, full):
                client.socket.close()


def test_too_many_connections_are_closed_as_they_come():
    with site(max_connections=3) as own:
        own.route("x", lambda _: {"body": "ok"})
        kept = [own.raw() for _ in range(3)]
        try:
            for client in kept:
                client.send(get())
                assert read_answer(client)[0] == 200
            with own.raw() as extra:
                assert extra.rest() == b""
            for client in kept:
                client.send(get())
                assert read_answer(client)[0] == 200
            kept.pop().socket.close()
            for _ in range(200):
                with own.raw() as client:
                    _send_quietly(client.socket, get())
                    if client.more():
                        assert status_of(client.received) == 200
                        break
            else:
                pytest.fail("a place that became free was not given")
        finally:
            for client in kept:
                client.socket.close()


def send_for_ever(client, data):
    while True:
        client.send(data)


def test_an_endless_body_that_nobody_reads(shared):
    with shared.raw() as client:
        client.send(post(TE, body=b"5\r\nhello\r\n"))
        assert read_answer(client)[0] == 200
        with pytest.raises(OSError):
            send_for_ever(client, b"10000\r\n" + b"x" * 65536 + b"\r\n")


def test_a_reset_in_the_middle_is_no_fault(shared, caplog):
    function_id = shared.route("reset")
    with shared.raw() as client:
        client.send(get(path=b"/reset"))
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    shared.worker.answer(frame, {"body": "nobody"})
    assert shared.get("/x").status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
