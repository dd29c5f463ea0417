"""Request bodies, through real sockets: JSON, and everything else over a channel (http.md §5)."""

import json
import threading
from collections.abc import Iterator

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus

from iii_actors.limits import HTTP_UPLOAD_ITEM_BYTES
from tests.support.channel_client import fill
from tests.support.http_channels import open_ref, read_all, reader
from tests.support.http_engine import Site, read_answer, site

CHUNKED = b"POST /%b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with site(max_json_body_bytes=2_000_000) as made:
        yield made


def chunk(part):
    return b"%x\r\n%b\r\n" % (len(part), part)


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b'{"a": [1, "\xc3\xbc"]}', {"a": [1, "ü"]}),
        (b"5", 5),
        (b'"x"', "x"),
        (b"null", None),
        (b"", None),
        (b"{", None),
        (b"{} x", None),
        (b"NaN", None),
        (b"1e400", None),
        (b'"\xff"', None),
    ],
)
def test_json_or_null_and_the_bytes_all_the_same(shared, sent, body):
    seen = []

    def handle(data):
        with reader(shared.engine, {"data": data}) as end:
            seen.append(read_all(end))
        return {"body": data["body"]}

    shared.route("json", handle, "POST")
    response = shared.post("/json", data=sent, headers={"content-type": "application/json; charset=utf-8"})
    assert (response.json(), seen) == (body, [sent])


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "Application/JSON",
        "application/x+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)
def test_any_other_body_is_null_and_streamed(shared, content_type):
    seen = []

    def handle(data):
        with reader(shared.engine, {"data": data}) as end:
            seen.append(read_all(end))
        return {"body": data["body"]}

    shared.route("raw", handle, "POST")
    headers = {"content-type": content_type} if content_type else {}
    assert shared.post("/raw", data=b'{"a":1}', headers=headers).json() is None
    assert seen == [b'{"a":1}']


def test_the_first_of_two_content_types_counts(shared):
    shared.route("types", lambda data: {"body": data["body"]}, "POST")
    request = b"POST /types HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n%b\r\n5"
    first, second = b"Content-Type: application/json\r\n", b"Content-Type: text/plain\r\n"
    with shared.raw() as client:
        client.send(request % (first + second))
        assert read_answer(client)[2] == b"5"
        client.send(request % (second + first))
        assert read_answer(client)[2] == b"null"


def test_a_get_may_have_a_body_too(shared):
    shared.route("get-body", lambda data: {"body": data["body"]})
    assert shared.get("/get-body", json={"a": 1}).json() == {"a": 1}


def test_without_a_body_the_channel_ends_at_once(shared):
    function_id = shared.route("empty")
    with shared.raw() as client:
        client.send(b"GET /empty HTTP/1.1\r\nHost: x\r\n\r\n")
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        with reader(shared.engine, frame) as end:
            assert read_all(end) == b""
            assert end.close_code == 1005
        shared.worker.answer(frame, {"body": 1})
        assert read_answer(client)[0] == 200


def test_bytes_come_as_they_are_sent_while_the_handler_runs(shared):
    function_id = shared.route("live-body", method="POST")
    with shared.raw() as client:
        client.send(CHUNKED % b"live-body" + chunk(b"one"))
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        assert frame["data"]["body"] is None
        with reader(shared.engine, frame) as end:
            assert end.recv(timeout=10) == b"one"
            client.send(chunk(b"two"))
            assert end.recv(timeout=10) == b"two"
            client.send(b"0\r\n\r\n")
            with pytest.raises(ConnectionClosed):
                end.recv(timeout=10)
        shared.worker.answer(frame, {"body": 1})
        assert read_answer(client)[0] == 200


def test_each_end_is_taken_once_and_unknown_ones_are_404(shared):
    function_id = shared.route("once")
    with shared.raw() as client:
        client.send(b"GET /once HTTP/1.1\r\nHost: x\r\n\r\n")
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        ref = frame["data"]["request_body"]
        with reader(shared.engine, frame) as end:
            assert read_all(end) == b""
        with reader(shared.engine, frame) as second:
            assert read_all(second) == b""
            assert second.close_code == 1005
        for wrong in ({"access_key": "x"}, {"channel_id": "x"}):
            with pytest.raises(InvalidStatus) as refused:
                open_ref(shared.engine, {**ref, **wrong})
            assert (refused.value.response.status_code, refused.value.response.body) == (404, b"Channel not found")
        shared.worker.answer(frame, {"body": 1})
        assert read_answer(client)[0] == 200
        with pytest.raises(InvalidStatus) as refused:
            open_ref(shared.engine, ref)
        assert refused.value.response.status_code == 404, "the response is decided"


def test_a_large_json_body_is_read_in_pieces_that_sdks_take(shared):
    sizes = []

    def handle(data):
        with reader(shared.engine, {"data": data}) as end:
            try:
                while True:
                    sizes.append(len(end.recv(timeout=10)))
            except ConnectionClosed:
                pass
        return {"body": len(data["body"])}

    shared.route("large", handle, "POST")
    text = "x" * 1_000_000
    assert shared.post("/large", json=text).json() == len(text)
    assert max(sizes) <= HTTP_UPLOAD_ITEM_BYTES
    assert sum(sizes) == len(json.dumps(text))


def test_a_json_body_that_is_too_large_is_streamed(shared):
    seen = []

    def handle(data):
        with reader(shared.engine, {"data": data}) as end:
            seen.append(read_all(end))
        return {"body": data["body"]}

    shared.route("huge", handle, "POST")
    body = json.dumps("x" * 3_000_000).encode()
    for data in (body, iter([body[:2_100_000], body[2_100_000:]])):
        response = shared.post("/huge", data=data, headers={"content-type": "application/json"})
        assert response.json() is None
        assert seen.pop() == body


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_a_client_that_asks_first_is_told_to_go_on(shared, kind):
    def handle(data):
        with reader(shared.engine, {"data": data}) as end:
            return {"body": read_all(end).decode()}

    shared.route("expect", handle, "POST")
    head = (
        f"POST /expect HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    )
    with shared.raw() as client:
        for _ in range(2):
            client.send(head.encode())
            assert client.head() == "HTTP/1.1 100 Continue"
            client.send(b'"abc"')
            assert read_answer(client)[::2] == (200, b'"\\"abc\\""')


def test_a_client_that_asks_first_and_is_refused_need_not_send(shared):
    shared.route("unwanted", lambda _: {"body": "no"}, "POST")
    head = b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    for path, status in ((b"unwanted", 200), (b"nowhere", 404)):
        with shared.raw() as client:
            client.send(head % path)
            got, headers, _ = read_answer(client)
            assert (got, headers["connection"]) == (status, "close"), "what comes next could be a body or a request"
            assert client.rest() == b""


def test_an_unread_upload_does_not_delay_the_response(shared):
    shared.route("unread", lambda _: {"body": "done"}, "POST")
    with shared.raw() as client:
        client.send(b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert read_answer(client)[0] == 200
        client.send(b"x" * 1_000_000)
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client)[0] == 404, "the connection is used again behind what was thrown away"


def test_an_unread_upload_on_a_connection_that_is_to_close_does_not_hide_the_response(shared):
    shared.route("unread2", lambda _: {"body": "done"}, "POST")
    shared.route("unread3", lambda _: {"headers": {"Connection": "close"}, "body": "done"}, "POST")
    for path, headers in {"/unread2": {"connection": "close"}, "/unread3": {}}.items():
        response = shared.post(path, data=iter([b"x" * 65536] * 64), headers=headers)
        assert (response.status_code, response.headers["connection"]) == (200, "close")


def test_an_upload_goes_on_behind_the_response(shared):
    function_id = shared.route("behind", method="POST")
    with shared.raw() as client:
        client.send(CHUNKED % b"behind" + chunk(b"one"))
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        with reader(shared.engine, frame) as end:
            assert end.recv(timeout=10) == b"one"
            shared.worker.answer(frame, {"body": "early"})
            assert read_answer(client)[2] == b'"early"'
            client.send(chunk(b"two"))
            assert end.recv(timeout=10) == b"two"
            client.send(b"0\r\n\r\n")
            assert read_all(end) == b""
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client)[0] == 404


def test_a_slow_reader_makes_the_client_wait(shared):
    function_id = shared.route("slow-reader", method="POST")
    size = 40_000_000
    with shared.raw() as client:
        client.send(b"POST /slow-reader HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        with reader(shared.engine, frame) as end:
            sent = fill(client, b"x" * 1_000_000, size)
            assert sent < size
            rest = threading.Thread(target=client.send, args=(b"x" * (size - sent),))
            rest.start()
            assert len(read_all(end)) == size
            rest.join(10)
        shared.worker.answer(frame, {"body": 1})
        assert read_answer(client)[0] == 200


def test_a_reader_that_leaves_lets_the_rest_go(shared):
    function_id = shared.route("leaves-early", method="POST")
    with shared.raw() as client:
        client.send(CHUNKED % b"leaves-early" + chunk(b"one"))
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        with reader(shared.engine, frame) as end:
            assert end.recv(timeout=10) == b"one"
        for _ in range(100):
            client.send(chunk(b"x" * 65536))
        client.send(b"0\r\n\r\n")
        shared.worker.answer(frame, {"body": 1})
        assert read_answer(client)[0] == 200


def test_a_client_that_breaks_off_ends_the_channel(shared):
    function_id = shared.route("breaks", method="POST")
    with shared.raw() as client:
        client.send(CHUNKED % b"breaks" + chunk(b"one"))
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        with reader(shared.engine, frame) as end:
            assert end.recv(timeout=10) == b"one"
            client.socket.close()
            assert read_all(end) == b""


def test_a_file_up_with_requests(shared):
    total = 8_000_000
    shared.route("file", lambda data: _count(shared, data), "PUT")
    response = requests.put(shared.url + "/file", data=b"x" * total, timeout=20)
    assert response.json() == total


def _count(shared, data):
    with reader(shared.engine, {"data": data}) as end:
        return {"body": len(read_all(end))}
