"""Server-sent events."""

import pytest
from pydantic import BaseModel

import iii_actors
from iii_worker.http import http
from tests.support.http_front import Front, straight


@pytest.fixture(scope="module")
def front():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as engine:

        class Asking(Front):
            def ask(self, fn, **options):
                return self.request(straight(http(fn), engine.url), **options)

        yield Asking(engine)


class Point(BaseModel):
    x: int


def test_events_are_written_as_browsers_read_them(front):
    def handler(req, res):
        with res.sse() as events:
            events.send("one")
            events.send("two\nlines\r\nthree\rfour", event="note", id="7", retry_ms=2000)
            events.send({"a": [1, None]})
            events.send(Point(x=1), event="point")
            events.send()
            events.comment("still here\nyes")
            events.comment()
            events.send("a\u2028b")

    answer = front.ask(handler)
    assert answer.headers == {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    assert answer.parts[0] == b"", "the head goes before the first event"
    assert [part.decode() for part in answer.parts[1:]] == [
        "data: one\n\n",
        "event: note\nid: 7\nretry: 2000\ndata: two\ndata: lines\ndata: three\ndata: four\n\n",
        'data: {"a":[1,null]}\n\n',
        'event: point\ndata: {"x":1}\n\n',
        "data: \n\n",
        ": still here\n: yes\n\n",
        ": \n\n",
        "data: a\u2028b\n\n",
    ]


def test_headers_that_were_set_stay(front):
    def handler(req, res):
        res.status(203).headers({"Content-Type": "text/event-stream", "x": "y"})
        res.sse().close()

    answer = front.ask(handler)
    assert answer.status == 203
    assert answer.headers == {"Content-Type": "text/event-stream", "x": "y", "cache-control": "no-cache"}


@pytest.mark.parametrize(
    ("options", "match"),
    [({"event": "a\nb"}, "event of an event|the event"), ({"id": "a\rb"}, "the id"), ({"id": "a\0"}, "NUL")],
)
def test_names_and_ids_are_one_line(front, options, match):
    raised = []

    def handler(req, res):
        events = res.sse()
        try:
            events.send("x", **options)
        except ValueError as error:
            raised.append(str(error))

    answer = front.ask(handler)
    assert answer.body == b""
    assert any(part in raised[0] for part in match.split("|"))


def test_a_client_that_goes_ends_the_handler(front):
    def handler(req, res):
        events = res.sse()
        while True:
            events.send("x" * 10_000)

    assert front.ask(handler, hang_up_after=3).error is None
