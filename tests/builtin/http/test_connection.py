"""A connection without a socket: what the test says goes in, what it would send is kept."""

import asyncio

import pytest
import uvloop
from uvicorn.server import ServerState

from iii_actors.builtin.http.connection import EXTENSION, Bounds, Connection
from iii_actors.builtin.http.server import uvicorn_config
from iii_actors.limits import (
    HTTP_DISCARD_BYTES,
    HTTP_KEEP_ALIVE_S,
    HTTP_LINGER_IDLE_S,
    HTTP_LINGER_S,
    HTTP_STALLED_WRITE_S,
)

GET = b"GET /a%20b?q HTTP/1.1\r\nHost: x\r\n\r\n"


class Transport(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.sent = b""
        self.waiting = 0
        self.closed = self.aborted = self.ended = self.encrypted = False
        self.paused = False

    def write(self, data):
        self.sent += data

    def can_write_eof(self):
        return not self.encrypted

    def write_eof(self):
        self.ended = True

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = self.aborted = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def get_write_buffer_size(self):
        return self.waiting

    def get_extra_info(self, name, default=None):
        return ("127.0.0.1", 1) if name in ("sockname", "peername") else default


class Said:
    """The application: keeps scopes; answers with ``reply`` if told to, else waits."""

    def __init__(self):
        self.scopes = []
        self.go = asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Loop:
    def __init__(self, loop):
        self.real = loop
        self.now = 0.0

    def time(self):
        return self.now

    def __getattr__(self, name):
        return getattr(self.real, name)


class Talk:
    """One connection, its loop with a clock that the test moves, and what came of it."""

    def __init__(self, max_connections=10):
        self.loop = Loop(asyncio.get_running_loop())
        self.app = Said()
        self.state = ServerState()
        self.bounds = Bounds(max_connections, 10.0)
        self.ended = 0
        self.config = uvicorn_config(self.app)
        self.connection, self.transport = self.connect()

    def connect(self):
        connection = Connection(self.config, self.state, self.loop, self.bounds, self._ended)
        transport = Transport()
        connection.connection_made(transport)
        return connection, transport

    def _ended(self):
        self.ended += 1

    async def say(self, data):
        self.connection.data_received(data)
        await asyncio.sleep(0)

    async def answer(self):
        self.app.go.set()
        for _ in range(5):
            await asyncio.sleep(0)

    def look(self, now):
        self.loop.now = now
        self.connection.look(now)


def run(work):
    async def inside():
        await work(Talk())

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(inside())


def test_a_request_brings_its_connection_and_its_body():
    async def work(talk):
        await talk.say(b"POST /a%20b?q HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab")
        (scope,) = talk.app.scopes
        turn = scope["extensions"][EXTENSION]
        upload = turn.upload
        assert (turn.line, turn.scope) == (talk.connection, scope)
        assert (upload.complete, upload.content()) == (False, b"ab")
        assert (scope["raw_path"], scope["query_string"]) == (b"/a%20b", b"q")
        await talk.say(b"c")
        assert (upload.complete, upload.content()) == (True, b"abc")
        await talk.answer()
        assert talk.transport.sent.endswith(b"\r\n\r\nok")
        assert not talk.transport.closed

    run(work)


def test_a_lost_connection_ends_the_body_and_tells_who_answers():
    async def work(talk):
        await talk.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab")
        upload = talk.app.scopes[0]["extensions"][EXTENSION].upload
        gone = []

        class Answering:
            def client_gone(self):
                gone.append(1)

        talk.connection.answering = Answering()
        talk.connection.connection_lost(None)
        assert (upload.complete, gone, talk.ended) == (True, [1], 1)
        assert not talk.state.connections

    run(work)


def test_one_too_many_is_cut():
    async def work(talk):
        talk.bounds.max_connections = 2
        assert not talk.connect()[1].aborted
        assert talk.connect()[1].aborted

    run(work)


def test_a_connection_that_says_nothing_or_half_a_head():
    async def work(talk):
        talk.look(10.0)
        assert not talk.transport.closed
        talk.look(10.1)
        assert (talk.transport.closed, talk.transport.sent) == (True, b"")
        half, transport = talk.connect()
        half.data_received(b"GET / HTTP/1.1\r\nHo")
        talk.loop.now = 15.0
        half.data_received(b"st: x\r\n")
        half.look(20.2)
        assert transport.sent.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close\r\n" in transport.sent
        assert transport.ended

    run(work)


def test_between_requests_it_may_be_idle_for_a_while():
    async def work(talk):
        await talk.say(GET)
        talk.look(1000.0)
        assert not talk.transport.closed, "it waits for an answer"
        await talk.answer()
        talk.loop.now = 1000.0
        await talk.say(GET)
        await talk.answer()
        talk.look(1000.0 + HTTP_KEEP_ALIVE_S)
        assert not talk.transport.closed
        talk.look(1000.1 + HTTP_KEEP_ALIVE_S)
        assert talk.transport.closed

    run(work)


def test_a_client_that_takes_nothing_of_its_response_is_gone():
    async def work(talk):
        await talk.say(GET)
        talk.transport.waiting = 100
        talk.look(0.0)
        talk.look(HTTP_STALLED_WRITE_S - 1)
        talk.transport.waiting = 90
        talk.look(HTTP_STALLED_WRITE_S)
        talk.look(2 * HTTP_STALLED_WRITE_S)
        assert not talk.transport.aborted
        talk.look(2 * HTTP_STALLED_WRITE_S + 0.1)
        assert talk.transport.aborted

    run(work)


@pytest.mark.parametrize("trickles", [True, False])
def test_what_nobody_reads_behind_a_response_is_not_taken_for_ever(trickles):
    async def work(talk):
        await talk.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        upload = talk.app.scopes[0]["extensions"][EXTENSION].upload
        upload.discard()
        await talk.answer()
        now = 0.0
        talk.look(now)
        limit = HTTP_LINGER_S if trickles else HTTP_LINGER_IDLE_S
        while now + 1 <= limit:
            now += 1
            talk.loop.now = now
            if trickles:
                await talk.say(b"x")
            talk.look(now)
            assert not talk.transport.closed
        talk.look(limit + 0.1)
        assert talk.transport.aborted

    run(work)


def test_a_gentle_end_reads_on_but_not_for_ever():
    async def work(talk):
        talk.connection.end_gently()
        assert talk.transport.ended
        await talk.say(b"x" * HTTP_DISCARD_BYTES)
        assert (talk.transport.closed, talk.app.scopes) == (False, [])
        await talk.say(b"x")
        assert talk.transport.aborted
        other, transport = talk.connect()
        other.end_gently()
        other.look(1.0)
        other.look(HTTP_LINGER_IDLE_S + 1.1)
        assert transport.aborted

    run(work)


def test_over_tls_which_has_no_half_of_an_end_a_gentle_one_closes():
    async def work(talk):
        talk.transport.encrypted = True
        talk.connection.end_gently()
        assert (talk.transport.closed, talk.transport.ended) == (True, False)

    run(work)


def test_a_fault_in_the_body_before_the_answer_is_a_400_and_behind_its_begin_a_cut():
    async def work(talk):
        await talk.say(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
        assert talk.transport.sent.startswith(b"HTTP/1.1 400 ")
        other, transport = talk.connect()
        other.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        other.cycle.response_started = True
        other.data_received(b"xyz\r\n")
        assert (transport.aborted, transport.sent) == (True, b"")

    run(work)


def test_a_client_that_asks_first_is_told_once():
    async def work(talk):
        await talk.say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        turn = talk.app.scopes[0]["extensions"][EXTENSION]
        assert turn.unasked
        talk.connection.go_on()
        talk.connection.go_on()
        assert talk.transport.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert not turn.unasked

    run(work)
