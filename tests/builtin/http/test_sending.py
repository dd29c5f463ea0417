import asyncio

import pytest

from iii_actors.builtin.http.cors import Cors
from iii_actors.builtin.http.replies import NOT_FOUND, Reply
from iii_actors.builtin.http.sending import Sender
from iii_actors.builtin.http.stream import Stream
from iii_actors.builtin.http.upload import Upload
from iii_actors.core.pipe import Item, Pipe

DATE = (b"date", b"now")
VARY = b"vary"


class Turn:
    keeps_alive = True
    unasked = False

    def __init__(self, scope, upload, sent):
        self.scope, self.upload, self.sent = scope, upload, sent
        self.line = self
        self.did = []
        self.old = False

    async def respond(self, status, headers, body, *, last):
        self.sent += [{"status": status, "headers": headers}, {"body": body}]
        if last:
            self.did.append("last")

    def hold_open(self):
        self.did.append("hold_open")

    def end_gently(self):
        self.did.append("end_gently")

    def until_closed(self):
        return self.old

    def close(self):
        self.did.append("close")

    def abort(self):
        self.did.append("abort")


class Source:
    def pause(self): ...
    def resume(self): ...
    def go_on(self): ...
    def enough(self): ...


class Wire:
    """A sender, and what it has given to uvicorn."""

    def __init__(self, method="GET", upload=None, cors=None, headers=()):
        self.sent = []
        scope = {"method": method, "headers": list(headers)}
        self.connection = Turn(scope, upload or Upload(None), self.sent)
        self.sender = Sender(self.connection, self.send, cors or Cors(None), DATE)

    async def send(self, message):
        self.sent.append(message)

    def reply(self, *reply, **more):
        asyncio.run(self.sender.reply(Reply(*reply), **more))
        return self.sent[0]["status"], self.sent[0]["headers"], b"".join(one["body"] for one in self.sent[1:])

    def stream(self, *items, close=True):
        """Send a stream of these messages; text is control messages."""
        pipe = Pipe(64)
        for item in items:
            assert pipe.offer(Item(isinstance(item, str), item.encode() if isinstance(item, str) else item))
        if close:
            pipe.finish()
        stream = Stream(pipe)
        assert stream.read()
        asyncio.run(self._all(stream))

    async def _all(self, stream):
        writer = await self.sender.begin(stream)
        while (part := stream.body()) is not None:
            if not await writer.write(part):
                return
        await writer.end()


def names(headers):
    return [name for name, _ in headers]


def test_a_reply_is_framed_and_dated_and_says_who_may_read_it():
    status, headers, body = Wire().reply(201, [(b"x", b"y")], b"12345")
    assert (status, body) == (201, b"12345")
    assert (headers[0], dict(headers)[b"content-length"], dict(headers)[b"x"]) == (DATE, b"5", b"y")
    assert {VARY, b"access-control-allow-origin", b"access-control-expose-headers"} <= set(names(headers))


def test_the_lists_of_fixed_replies_are_left_alone():
    before = [*NOT_FOUND.headers]
    Wire().reply(*NOT_FOUND)
    assert NOT_FOUND.headers == before


@pytest.mark.parametrize("status", [204, 304])
def test_no_length_where_there_is_no_body(status):
    _, headers, body = Wire().reply(status, [], b"12345")
    assert (b"content-length" in names(headers), body) == (False, b"")


def test_the_answer_of_a_request_whose_time_is_up_says_nothing_of_origins():
    wire = Wire()
    _, headers, _ = wire.reply(*wire.sender.timed_out())
    assert names(headers) == [b"date", b"content-length"]


def test_a_preflight_and_an_origin():
    class Listed(Cors):
        asks_origin = True

        def __init__(self):
            self.overridden = frozenset()
            self.asked = []

        def answer(self, origin):
            self.asked.append(("answer", origin))
            return []

        def preflight(self, origin):
            self.asked.append(("preflight", origin))
            return []

    cors = Listed()
    Wire(cors=cors, headers=[(b"origin", b"o")]).reply(200, [], b"", preflight=True)
    Wire(cors=cors).reply(200, [], b"")
    assert cors.asked == [("preflight", b"o"), ("answer", None)]


@pytest.mark.parametrize(
    ("given", "keeps", "sent"),
    [
        (b"keep-alive", True, [b"keep-alive"]),
        (b"Keep-Alive", False, [b"close"]),
        (b"close", True, [b"close"]),
        (b"upgrade", True, []),
        (None, False, [b"close"]),
        (None, True, []),
    ],
)
def test_what_is_said_of_the_connection_is_true(given, keeps, sent):
    wire = Wire()
    wire.connection.keeps_alive = keeps
    _, headers, _ = wire.reply(200, [(b"connection", given)] if given else [], b"")
    assert [value for name, value in headers if name == b"connection"] == sent
    assert wire.connection.did == (["last"] if sent == [b"close"] else [])


@pytest.mark.parametrize("why", ["client closes", "unasked", "handler closes"])
def test_an_upload_still_on_its_way_makes_the_end_gentle(why):
    wire = Wire(upload=Upload(Source()))
    wire.connection.keeps_alive = why != "client closes"
    wire.connection.unasked = why == "unasked"
    headers = [(b"connection", b"close")] if why == "handler closes" else []
    assert (b"connection", b"close") in wire.reply(200, headers, b"")[1]
    assert wire.connection.did == ["end_gently"]


def test_an_upload_still_on_its_way_is_no_reason_to_close():
    wire = Wire(upload=Upload(Source()))
    assert b"connection" not in names(wire.reply(200, [], b"")[1])
    assert wire.connection.did == []


def test_a_stream_is_sent_in_parts():
    wire = Wire()
    wire.stream('{"type":"set_status","status_code":206}', b"ab", b"cd")
    start, *parts = wire.sent
    assert (start["status"], b"content-length" in names(start["headers"])) == (206, False)
    assert b"".join(part["body"] for part in parts) == b"abcd"
    assert [part.get("more_body", False) for part in parts] == [True, False]


def test_a_stream_that_is_cut_short_or_too_long():
    wire = Wire()
    wire.stream('{"type":"set_headers","headers":{"content-length":"5"}}', b"abc")
    assert wire.connection.did == ["abort"]
    assert [part.get("more_body") for part in wire.sent[1:]] == [True], "no end was sent"
    wire = Wire()
    wire.stream('{"type":"set_headers","headers":{"content-length":"2"}}', b"abc")
    assert b"".join(part["body"] for part in wire.sent[1:]) == b"ab"
    assert not wire.sent[-1].get("more_body")


def test_a_stream_for_a_client_that_knows_no_chunks():
    wire = Wire()
    wire.connection.old, wire.connection.keeps_alive = True, False
    wire.stream(b"abc")
    assert wire.connection.did == ["close"]
    assert all(part["more_body"] for part in wire.sent[1:])


def test_a_stream_in_answer_to_head():
    wire = Wire("HEAD")
    wire.stream('{"type":"set_headers","headers":{"content-length":"5"}}', b"abcde")
    assert dict(wire.sent[0]["headers"])[b"content-length"] == b"5"
    assert b"".join(part["body"] for part in wire.sent[1:]) == b""


def test_closed_without_a_body_it_says_so():
    wire = Wire()
    wire.stream('{"type":"set_headers","headers":{"content-length":"5"}}')
    assert dict(wire.sent[0]["headers"])[b"content-length"] == b"0"
    assert wire.connection.did == []
