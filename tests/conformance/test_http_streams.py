"""Responses over the channel, through real sockets, and its races with the result (http.md §8)."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from iii_actors.core.messages import ChannelKey
from tests.support.channel_client import raw_end
from tests.support.http_channels import control, is_dropped, reader, writer
from tests.support.http_engine import Site, read_answer, site
from tests.support.peer import CallFailed
from tests.support.raw import BINARY, CLOSE, TEXT, client_frame


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with site() as made:
        yield made


@contextmanager
def request_at(shared, path, method="GET"):
    """Make a request whose handler the test plays; yields the client and the call."""
    function_id = shared.route(path, method=method)
    with shared.raw() as client:
        client.send(f"{method} /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        yield client, shared.worker.expect(type="invokefunction", function_id=function_id)


def headers_of(head):
    first, *lines = head.split("\r\n")
    return int(first.split(" ")[1]), {line.partition(":")[0]: line.partition(": ")[2] for line in lines}


def read_chunk(client):
    while b"\r\n" not in client.received:
        assert client.more()
    size, _, client.received = client.received.partition(b"\r\n")
    size = int(size, 16)
    while len(client.received) < size + 2:
        assert client.more()
    part, client.received = client.received[:size], client.received[size + 2 :]
    return part


def write_for_ever(end):
    while True:
        end.send(b"x" * 65536)


def test_each_message_is_sent_as_it_comes(shared):
    with request_at(shared, "sse") as (client, frame), writer(shared.engine, frame) as end:
        control(end, type="set_status", status_code=206)
        control(end, type="set_headers", headers={"content-type": "text/event-stream", "connection": "keep-alive"})
        shared.worker.answer(frame)
        end.send(b"data: 1\n\n")
        status, headers = headers_of(client.head())
        assert (status, headers["content-type"], headers["transfer-encoding"]) == (206, "text/event-stream", "chunked")
        assert headers["connection"] == "keep-alive"
        assert headers["access-control-allow-origin"] == "*"
        assert read_chunk(client) == b"data: 1\n\n"
        end.send(b"data: 2\n\n")
        assert read_chunk(client) == b"data: 2\n\n"
        end.close()
        assert read_chunk(client) == b""
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client)[0] == 404


def test_an_empty_message_sends_the_headers_now(shared):
    with request_at(shared, "now") as (client, frame), writer(shared.engine, frame) as end:
        end.send(b"")
        status, headers = headers_of(client.head())
        assert (status, "content-type" in headers) == (200, False)
        end.send(b"x")
        assert read_chunk(client) == b"x"
        end.close()
        assert read_chunk(client) == b""


def test_a_null_result_keeps_waiting_and_a_late_one_changes_nothing(shared):
    with request_at(shared, "null") as (client, frame):
        shared.worker.answer(frame, None)
        with writer(shared.engine, frame) as end:
            end.send(b"x")
            client.head()
            shared.worker.answer(frame, {"status_code": 500, "body": "late"})
            assert read_chunk(client) == b"x"
            end.close()
            assert read_chunk(client) == b""


def test_closing_without_a_body_answers_with_what_was_set(shared):
    with request_at(shared, "bodiless") as (client, frame), writer(shared.engine, frame) as end:
        control(end, type="set_status", status_code=404)
        control(end, type="set_headers", headers={"x-a": "b"})
        shared.worker.answer(frame)
        end.close()
        status, headers, body = read_answer(client)
        assert (status, headers["x-a"], headers["content-length"], body) == (404, "b", "0", b"")


def test_a_result_wins_over_control_messages_and_drops_the_writer(shared):
    with request_at(shared, "result-wins") as (client, frame), writer(shared.engine, frame) as end:
        control(end, type="set_status", status_code=404)
        control(end, type="set_headers", headers={"x-a": "b"})
        end.ping().wait(10)
        shared.worker.answer(frame, {"status_code": 201, "body": "result"})
        status, headers, body = read_answer(client)
        assert (status, "x-a" in headers, body) == (201, False, b'"result"')
        assert is_dropped(end)
        with pytest.raises(InvalidStatus), writer(shared.engine, frame):
            pass


def test_of_both_at_once_the_channel_wins(shared):
    """The writer has finished before the result is sent: whatever thread is quicker, the channel's word counts."""

    def handle(data):
        with writer(shared.engine, {"data": data}) as end:
            end.send(b"channel")
        return {"status_code": 500, "body": "result"}

    shared.route("both", handle)
    for _ in range(30):
        response = shared.get("/both")
        assert (response.status_code, response.content) == (200, b"channel")


def test_an_error_before_the_body_is_a_500(shared):
    with request_at(shared, "error") as (client, frame), writer(shared.engine, frame) as end:
        control(end, type="set_status", status_code=201)
        end.ping().wait(10)
        shared.worker.answer(frame, error={"code": "x", "message": "y"})
        status, _, body = read_answer(client)
        assert (status, json.loads(body)["error"]["code"]) == (500, "x")


def test_an_error_in_the_middle_changes_nothing(shared):
    with request_at(shared, "error-mid") as (client, frame), writer(shared.engine, frame) as end:
        end.send(b"a")
        client.head()
        shared.worker.answer(frame, error={"code": "x", "message": "y"})
        assert read_chunk(client) == b"a"
        end.send(b"b")
        assert read_chunk(client) == b"b"
        end.close()
        assert read_chunk(client) == b""


def test_a_content_length_of_the_handlers_is_used(shared):
    with request_at(shared, "length") as (client, frame), writer(shared.engine, frame) as end:
        control(
            end, type="set_headers", headers={"Content-Length": "1", "content-length": "6", "transfer-encoding": "x"}
        )
        end.send(b"abc")
        end.send(b"def")
        end.close()
        status, headers, body = read_answer(client)
        assert (status, headers["content-length"], body) == (200, "6", b"abcdef")
        assert "transfer-encoding" not in headers
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client)[0] == 404


def test_more_than_its_content_length_is_cut_off(shared):
    with request_at(shared, "long") as (client, frame), writer(shared.engine, frame) as end:
        control(end, type="set_headers", headers={"content-length": "2"})
        end.send(b"abc")
        assert read_answer(client)[2] == b"ab"
        assert is_dropped(end)
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client)[0] == 404, "and is no part of the next answer"


def test_less_than_its_content_length_is_no_whole_answer(shared):
    with request_at(shared, "short") as (client, frame), writer(shared.engine, frame) as end:
        control(end, type="set_headers", headers={"content-length": "5"})
        end.send(b"abc")
        end.close()
        client.head()
        assert client.rest() == b"abc"


@pytest.mark.parametrize("status", [204, 304])
def test_no_bytes_where_there_may_be_none(shared, status):
    with request_at(shared, f"none{status}") as (client, frame), writer(shared.engine, frame) as end:
        control(end, type="set_status", status_code=status)
        control(end, type="set_headers", headers={"content-length": "3"})
        end.send(b"abc")
        end.close()
        got, headers, body = read_answer(client)
        assert (got, body, "content-length" in headers, "transfer-encoding" in headers) == (status, b"", False, False)
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client)[0] == 404


def test_an_answer_to_head_may_say_how_long_it_would_be(shared):
    with request_at(shared, "head", "HEAD") as (client, frame), writer(shared.engine, frame) as end:
        control(end, type="set_headers", headers={"content-length": "3000"})
        end.send(b"abc")
        end.close()
        assert headers_of(client.head())[1]["content-length"] == "3000"
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(client)[0] == 404


def test_a_writer_that_is_cut_just_ends_the_body(shared):
    with request_at(shared, "cut") as (client, frame), writer(shared.engine, frame) as end:
        end.send(b"abc")
        client.head()
        assert read_chunk(client) == b"abc"
        end.socket.shutdown(socket.SHUT_RDWR)
        assert read_chunk(client) == b""


def test_a_client_that_leaves_drops_the_writer_and_never_the_call(shared):
    with request_at(shared, "leaves") as (client, frame), writer(shared.engine, frame) as end:
        end.send(b"abc")
        client.head()
        client.socket.close()
        with pytest.raises(ConnectionClosed):
            write_for_ever(end)
        shared.worker.answer(frame, {"body": "nobody is there"})
    assert shared.worker.call("engine::workers::list", {})["workers"]


def test_a_client_that_leaves_while_it_waits_frees_its_place(shared):
    with request_at(shared, "waits") as (client, frame):
        with writer(shared.engine, frame) as end:
            client.socket.close()
            assert is_dropped(end)
        with pytest.raises(InvalidStatus), writer(shared.engine, frame):
            pass
        assert shared.front.front.places.taken == 0
        shared.worker.answer(frame, {"body": 1})


def test_a_slow_client_makes_the_writer_wait(shared):
    with request_at(shared, "slow") as (client, frame):
        size = 60_000_000
        sending = threading.Event()
        taken = []

        def write():
            with writer(shared.engine, frame) as end:
                for _ in range(size // 1_000_000):
                    end.send(b"x" * 1_000_000)
                    taken.append(1)
                    sending.set()

        thread = threading.Thread(target=write)
        thread.start()
        assert sending.wait(10)
        count = -1
        while count != len(taken):
            count = len(taken)
            thread.join(0.3)
        assert count < size // 500_000, "what nobody reads is not all in memory"
        client.head()
        total = 0
        while part := read_chunk(client):
            total += len(part)
        assert total == size
        thread.join(10)


def test_many_small_messages_of_one_writer_keep_their_order(shared):
    def handle(data):
        with writer(shared.engine, {"data": data}) as end:
            for number in range(2000):
                end.send(f"{number},".encode())

    shared.route("order", handle)
    assert shared.get("/order").text == "".join(f"{number}," for number in range(2000))


def test_writing_in_one_go_and_leaving(shared):
    """Everything a worker says, and its Close, in one segment."""
    with request_at(shared, "one-go") as (client, frame):
        ref = frame["data"]["response"]
        status = client_frame(TEXT, json.dumps({"type": "set_status", "status_code": 202}).encode())
        said = status + client_frame(BINARY, b"a") + client_frame(BINARY, b"b") + client_frame(CLOSE)
        with raw_end(shared.engine, ChannelKey(ref["channel_id"], ref["access_key"]), "write", said):
            assert headers_of(client.head())[0] == 202
            body = b""
            while part := read_chunk(client):
                body += part
            assert body == b"ab"


def test_a_handler_that_fails_after_opening_the_channel(shared):
    def handle(data):
        with writer(shared.engine, {"data": data}) as end:
            control(end, type="set_status", status_code=201)
            raise CallFailed({"code": "x", "message": "y"})

    shared.route("fails", handle)
    assert shared.get("/fails").status_code in (201, 500), "closed without a body, or failed: whichever came first"


def test_up_and_down_at_once(shared):
    """What comes is sent back while more comes."""

    def echo(data):
        with reader(shared.engine, {"data": data}) as source, writer(shared.engine, {"data": data}) as target:
            try:
                while True:
                    target.send(source.recv(timeout=10))
            except ConnectionClosed:
                pass

    shared.route("echo", echo, "POST")
    body = bytes(range(256)) * 20_000
    assert shared.post("/echo", data=body).content == body


def test_a_client_that_knows_no_chunks_reads_to_the_end_of_the_connection(shared):
    function_id = shared.route("old")
    with shared.raw() as client:
        client.send(b"GET /old HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        with writer(shared.engine, frame) as end:
            end.send(b"one,")
            status, headers = headers_of(client.head())
            assert (status, headers["connection"], "transfer-encoding" in headers) == (200, "close", False)
            end.send(b"two")
            end.close()
            assert client.rest() == b"one,two"
