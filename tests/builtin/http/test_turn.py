"""A request's turn, over an object that stands for uvicorn's."""

import asyncio
import sys

import pytest

from iii_actors.builtin.http.turn import Turn
from iii_actors.builtin.http.upload import Upload


class Flow:
    def __init__(self):
        self.write_paused = False
        self.drained = 0

    async def drain(self):
        self.drained += 1


class Cycle:
    def __init__(self):
        self.keep_alive = True
        self.waiting_for_100_continue = True
        self.response_started = self.response_complete = self.disconnected = False
        self.chunked_encoding, self.expected_content_length = None, 0
        self.flow, self.transport = Flow(), self
        self.sent = b""
        self.did = []

    def write(self, data):
        self.sent += data

    def close(self):
        self.did.append("close")

    def on_response(self):
        self.did.append("next")


def turn(method="GET", version="1.1"):
    cycle = Cycle()
    return cycle, Turn(None, cycle, {"method": method, "http_version": version}, Upload(None))


def respond(one, *response, last=False):
    asyncio.run(one.respond(*response, last=last))


def test_a_response_is_written_at_once_and_the_next_request_has_its_turn():
    cycle, one = turn()
    respond(one, 200, [(b"a", b"b"), (b"content-length", b"2")], b"ok")
    assert cycle.sent == b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\n\r\nok"
    assert (cycle.response_started, cycle.response_complete, cycle.waiting_for_100_continue) == (True, True, False)
    assert (cycle.did, cycle.keep_alive) == (["next"], True)


def test_the_last_one_closes():
    cycle, one = turn()
    respond(one, 404, [], b"", last=True)
    assert (cycle.did, cycle.keep_alive) == (["close", "next"], False)


def test_head_gets_no_body_and_any_number_can_be_a_status():
    cycle, one = turn("HEAD")
    respond(one, 799, [(b"content-length", b"2")], b"ok")
    assert cycle.sent == b"HTTP/1.1 799 \r\ncontent-length: 2\r\n\r\n"


def test_a_slow_client_is_waited_for_and_one_that_has_gone_is_not():
    cycle, one = turn()
    cycle.flow.write_paused = True
    respond(one, 200, [], b"")
    assert (cycle.flow.drained, cycle.response_complete) == (1, True)
    cycle, one = turn()
    cycle.disconnected = cycle.flow.write_paused = True
    respond(one, 200, [], b"")
    assert (cycle.sent, cycle.flow.drained, cycle.did) == (b"", 0, [])


@pytest.mark.parametrize(("version", "old"), [("1.1", False), ("1.0", True)])
def test_only_an_old_client_reads_to_the_end_of_the_connection(version, old):
    cycle, one = turn(version=version)
    assert one.until_closed() is old
    expected = (False, sys.maxsize) if old else (None, 0)
    assert (cycle.chunked_encoding, cycle.expected_content_length) == expected
    one.close()
    assert (cycle.response_complete, cycle.did) == (True, ["close"])


def test_it_may_be_held_open():
    cycle, one = turn()
    cycle.keep_alive = False
    assert not one.keeps_alive
    one.hold_open()
    assert one.keeps_alive
