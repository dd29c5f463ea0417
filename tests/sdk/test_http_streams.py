"""Streamed responses, as the client of a front sees them."""

import gc
import io
import logging
import threading

import pytest

import iii_actors
from iii_worker import limits
from iii_worker.errors import Error
from iii_worker.http import HttpResponse, StreamRequest, StreamResponse, http
from tests.support.http_front import Front, straight
from tests.support.sdk_channels import WAIT_S, ends


@pytest.fixture(scope="module")
def engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


@pytest.fixture
def ask(engine):
    front = Front(engine)

    def request(fn, *args, **options):
        return front.request(straight(http(fn), engine.url), *args, **options)

    yield request
    gc.collect()  # an end that was left open warns here, in the test that left it


def test_what_is_written_is_the_body(ask):
    def handler(req, res):
        res.status(201).headers({"a": "1"}).headers({"b": "2"})
        assert not res.started
        res.write("text é ")
        assert res.started
        res.stream.write(b"bytes")
        print(" file", file=io.TextIOWrapper(res.stream, write_through=True), end="", flush=True)

    answer = ask(handler)
    assert (answer.status, answer.headers, answer.body) == (201, {"a": "1", "b": "2"}, "text é bytes file".encode())
    assert answer.parts[0] == "text é ".encode()


def test_a_hundred_chunks_come_in_order(ask):
    def handler(req, res):
        for number in range(100):
            res.writer.write(f"{number},".encode())
        res.close()
        res.close()

    assert ask(handler).body == "".join(f"{number}," for number in range(100)).encode()


def test_nothing_written_is_an_empty_body(ask):
    answer = ask(lambda req, res: res.status(202).headers({"x": "y"}) and None)
    assert (answer.status, answer.headers, answer.body, answer.streamed) == (202, {"x": "y"}, b"", True)
    assert ask(lambda req: None).status == 200


def test_generators_are_streamed(ask):
    def handler(req, res):
        res.headers({"content-type": "text/csv"})
        return (f"{number}\n" for number in range(3))

    answer = ask(handler)
    assert (answer.headers, answer.parts) == ({"content-type": "text/csv"}, [b"0\n", b"1\n", b"2\n"])


def test_a_handler_may_be_a_generator_and_is_ended_when_the_client_goes(ask):
    closed = threading.Event()

    def handler(req):
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    assert ask(handler, hang_up_after=1).error is None
    assert closed.wait(WAIT_S)


def test_other_iterators_too(ask):
    assert ask(lambda req: iter([b"a", "b"])).body == b"ab"
    assert ask(lambda req: iter([])).body == b""


def test_coroutines(ask):
    async def streamed(req, res):
        res.status(203)
        res.write("a")

    async def buffered(req):
        return HttpResponse(status_code=201, body="b")

    async def generated(req):
        yield "a"
        yield b"b"

    async def broken(req, res):
        raise KeyError("x")

    answer = ask(streamed)
    assert (answer.status, answer.body) == (203, b"a")
    assert ask(buffered).status == 201
    assert ask(generated).parts == [b"a", b"b"]
    assert isinstance(ask(broken).error, KeyError)


def test_a_response_may_outlive_its_handler(ask):
    go_on = threading.Event()
    threads = []

    def handler(req, res):
        def later():
            go_on.wait(WAIT_S)
            res.write("later")
            res.close()

        threads.append(threading.Thread(target=later))
        threads[0].start()
        res.detach()
        go_on.set()

    assert ask(handler).body == b"later"
    threads[0].join(WAIT_S)


def test_the_head_can_go_first(ask):
    started = threading.Event()

    def handler(req, res):
        res.status(206)
        res.start()
        assert started.wait(WAIT_S)
        res.write("x")

    answer = ask(handler, started=started)
    assert (answer.status, answer.parts) == (206, [b"", b"x"])


def test_it_is_too_late_for_the_head_then(ask):
    def handler(req, res):
        res.write("x")
        for change in (lambda: res.status(404), lambda: res.headers({"a": "b"})):
            with pytest.raises(Error, match="has begun"):
                change()

    assert ask(handler).error is None


def test_a_response_that_is_returned_after_a_stream_is_lost_and_warned_of(ask, caplog):
    def handler(req, res):
        res.write("x")
        return HttpResponse(body="lost")

    with caplog.at_level(logging.WARNING, "iii_worker"):
        assert ask(handler).body == b"x"
    assert "what it returned is lost" in caplog.text


@pytest.mark.parametrize("status", [99, 600, "200", True, None, 200.0])
def test_a_status_is_a_status(status):
    with pytest.raises(ValueError, match="100 to 599"):
        StreamResponse().status(status)


@pytest.mark.parametrize(
    "headers", [{"a b": "x"}, {"": "x"}, {"a": "x\r\nb: y"}, {"a": 1}, {"a": None}, {"a\n": "x"}, {"a": "x\0"}]
)
def test_headers_are_headers(headers):
    with pytest.raises(ValueError, match="HTTP header"):
        StreamResponse().headers(headers)


def test_what_has_no_channel_has_no_writer():
    res = StreamResponse()
    assert not res.streamable
    for use in (lambda: res.writer, lambda: res.stream, lambda: res.write(b""), res.close, res.sse):
        with pytest.raises(Error, match="Return a HttpResponse"):
            use()


def test_the_control_messages_are_the_protocols(engine):
    writer, reader = ends(engine)
    res = StreamResponse(writer)
    res.status(404).headers({"a": "1"})
    assert not writer.opened
    res.close()
    assert [item.text for item in reader.items()] == [
        '{"type": "set_status", "status_code": 404}',
        '{"type": "set_headers", "headers": {"a": "1"}}',
    ]
    reader.close()


def test_a_body_without_end_is_not_read_without_end(ask, monkeypatch):
    assert StreamRequest.read.__defaults__ == (limits.HTTP_BODY_BYTES,)
    monkeypatch.setattr(StreamRequest.read, "__defaults__", (1000,))
    assert ask(lambda req: {"body": len(req.read())}, "POST", b"x" * 1001).status == 413
    assert ask(lambda req: {"body": len(req.read(None))}, "POST", b"x" * 1001).json() == 1001


def test_a_request_without_anything():
    req = StreamRequest()
    assert (req.method, req.read(), req.text(), req.form(), req.header("a")) == ("GET", b"", "", {}, None)
    assert StreamRequest.from_payload({"headers": None, "method": None}) == req
