import json

import pytest

from iii_actors.builtin.http.stream import Stream
from iii_actors.core.pipe import Item, Pipe


class Writer:
    def __init__(self):
        self.pipe = Pipe(64)
        self.stream = Stream(self.pipe)

    def text(self, value):
        text = value if isinstance(value, str) else json.dumps(value)
        assert self.pipe.offer(Item(True, text.encode()))

    def binary(self, payload):
        assert self.pipe.offer(Item(False, payload))

    def close(self):
        self.pipe.finish()


@pytest.fixture
def writer():
    return Writer()


def test_control_messages_decide_nothing_but_are_kept(writer):
    assert not writer.stream.read()
    writer.text({"type": "set_status", "status_code": 206})
    writer.text({"type": "set_headers", "headers": {"A": "1", "B": "2"}})
    writer.text({"type": "set_headers", "headers": {"B": "3", "n": 5}})
    assert not writer.stream.read()
    writer.binary(b"x")
    assert writer.stream.read()
    assert (writer.stream.status, writer.stream.headers()) == (206, [(b"a", b"1"), (b"b", b"3")])


def test_even_an_empty_binary_message_begins_the_body(writer):
    writer.binary(b"")
    assert writer.stream.read()
    assert writer.stream.begun
    assert writer.stream.body() == b""


def test_closing_without_a_body_decides_too(writer):
    writer.text({"type": "set_status", "status_code": 204})
    writer.close()
    assert writer.stream.read()
    assert (writer.stream.begun, writer.stream.status) == (False, 204)
    assert writer.stream.body() is None


def test_bytes_come_together_and_text_among_them_is_ignored(writer):
    writer.binary(b"a")
    writer.text({"type": "set_status", "status_code": 500})
    writer.binary(b"b")
    assert writer.stream.read()
    assert writer.stream.body() == b"ab"
    assert writer.stream.body() == b""
    writer.text("noise")
    assert writer.stream.body() == b""
    writer.binary(b"c")
    writer.close()
    assert writer.stream.body() == b"c"
    assert writer.stream.body() is None
    assert writer.stream.status == 200


@pytest.mark.parametrize("status", [99, 101, 199, 600, 999, "404", 404.0, True, None, -1])
def test_a_status_that_cannot_be_is_ignored(writer, status):
    writer.text({"type": "set_status", "status_code": status})
    assert not writer.stream.read()
    assert writer.stream.status == 200


@pytest.mark.parametrize(
    "text", ["", "no json", "5", "null", "[]", '{"type":"other"}', '{"type":"set_headers","headers":[]}', "[" * 5000]
)
def test_other_text_is_ignored(writer, text):
    writer.text(text)
    assert not writer.stream.read()
    assert (writer.stream.status, writer.stream.headers()) == (200, [])


def test_headers_merge_by_exact_spelling_and_illegal_ones_are_left_out(writer):
    for headers in ({"X-A": "1", "x-a": "2", "bad name": "x", "bad": "\r\n"}, {"x-a": "3", "Transfer-Encoding": "x"}):
        writer.text({"type": "set_headers", "headers": headers})
    writer.stream.read()
    assert writer.stream.headers() == [(b"x-a", b"1"), (b"x-a", b"3")]


@pytest.mark.parametrize(
    ("value", "kept"), [("5", b"5"), (" 7 ", b"7"), ("-1", None), ("x", None), ("\u0665", None), ("", None)]
)
def test_one_content_length_if_it_is_a_number(writer, value, kept):
    writer.text({"type": "set_headers", "headers": {"Content-Length": "1", "content-length": value}})
    writer.stream.read()
    expected = b"1" if kept is None else kept
    assert writer.stream.headers() == [(b"content-length", expected)]


def test_leaving_drops_the_writer(writer):
    writer.stream.leave()
    assert not writer.pipe.offer(Item(False, b"x"))
    assert writer.pipe.left
