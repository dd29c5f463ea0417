"""One request without sockets: the order of what happens is the test's, so that every race can be played."""

import asyncio
import json
from types import SimpleNamespace

import pytest
import uvloop
from msgspec import Raw

from iii_actors.actor import LightActor, handles, launch
from iii_actors.builtin.http.exchange import Exchange
from iii_actors.builtin.http.front import Front
from iii_actors.builtin.http.replies import TIMED_OUT, Reply
from iii_actors.builtin.http.routes import Routes, route_of
from iii_actors.builtin.http.table import Table
from iii_actors.builtin.http.upload import Upload
from iii_actors.clock import ManualClock
from iii_actors.config.http import HttpSettings
from iii_actors.core.messages import Completed, Invoke
from iii_actors.core.observing import Observing
from iii_actors.core.pipe import Item
from iii_actors.wire import messages as wire
from tests.support.records import trigger


class Functions(LightActor):
    def __init__(self):
        super().__init__()
        self.invokes = []

    @handles(Invoke)
    def invoke(self, invoke):
        self.invokes.append(invoke)


class Connection:
    def __init__(self):
        self.answering = None
        self.aborted = False

    def abort(self):
        self.aborted = True


class Sender:
    """Keeps the response."""

    def __init__(self, headers=()):
        self.scope = {"headers": list(headers), "query_string": b"", "method": "GET"}
        self.reply_sent = None
        self.streamed = []
        self.ended = False

    def timed_out(self):
        return TIMED_OUT

    async def reply(self, reply):
        self.reply_sent = reply

    async def begin(self, stream):
        self.streamed.append(stream.status)
        return self

    async def write(self, part):
        self.streamed.append(part)
        return True

    async def end(self):
        self.ended = True


class Play:
    """A front and one request on it."""

    def __init__(self, headers=(), upload=None, **config):
        self.clock = ManualClock()
        self.functions = Functions()
        core = SimpleNamespace(clock=self.clock, functions=launch(self.functions), observing=Observing())
        self.front = Front(core, Routes("iii-http"), asyncio.get_running_loop(), HttpSettings(default_timeout=1000))
        route = route_of(trigger("t", "http", "h", config={"api_path": "a", **config}))
        match = Table().with_route(route).match("a")
        self.sender, self.connection = Sender(headers), Connection()
        self.upload = upload or Upload(None)
        self.sender.turn = SimpleNamespace(line=self.connection, upload=self.upload)
        self.exchange = Exchange(self.front, match, route, self.sender)
        self.task = asyncio.ensure_future(self.exchange.run())

    async def turns(self):
        for _ in range(6):
            await asyncio.sleep(0)

    async def called(self):
        await self.turns()
        return self.functions.invokes.pop(0)

    def answer(self, invoke, result=None, error=None):
        body = wire.ABSENT if result is None else Raw(json.dumps(result).encode())
        invoke.reply_to.tell(Completed(invoke, body, error))

    def open(self, invoke, end="response"):
        """Open a worker's end, as the channel registry does; returns the pipe."""
        ref = json.loads(bytes(invoke.call.data))[end]
        lent = self.front.lending.find(ref["channel_id"])
        assert lent.access_key == ref["access_key"]
        return lent.take(ref["direction"])

    async def over(self):
        await asyncio.wait_for(self.task, 10)
        assert self.connection.answering is None
        assert not self.front.exchanges
        assert self.front.places.taken == 0
        assert self.front.lending._offered == {}
        self.front.calls.stop()
        self.functions.actor_ref.stop()


def run(work, **options):
    async def inside():
        await work(Play(**options))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(inside())


def test_a_result_is_the_answer():
    async def work(play):
        invoke = await play.called()
        assert (invoke.call.function_id, play.connection.answering) == ("h", play.exchange)
        play.answer(invoke, {"status_code": 201, "body": 5})
        await play.over()
        assert play.sender.reply_sent == (201, [(b"content-type", b"application/json")], b"5")

    run(work)


def test_channel_and_result_in_one_turn_the_channel_wins():
    async def work(play):
        invoke = await play.called()
        play.answer(invoke, {"body": "result"})
        pipe = play.open(invoke)
        pipe.offer(Item(False, b"channel"))
        pipe.finish()
        await play.over()
        assert (play.sender.streamed, play.sender.ended) == ([200, b"channel"], True)

    run(work)


def test_control_messages_alone_do_not_win():
    async def work(play):
        invoke = await play.called()
        pipe = play.open(invoke)
        pipe.offer(Item(True, b'{"type":"set_status","status_code":404}'))
        play.answer(invoke, {"body": "result"})
        await play.over()
        assert play.sender.reply_sent.status == 200
        assert pipe.left, "the writer is dropped"

    run(work)


def test_an_end_that_is_opened_behind_the_decision_is_let_go():
    async def work(play):
        invoke = await play.called()
        play.answer(invoke, {"body": "result"})
        await play.turns()
        await play.over()
        ref = json.loads(bytes(invoke.call.data))["response"]
        assert play.front.lending.find(ref["channel_id"]) is None

    run(work)


def test_an_end_that_is_opened_while_it_is_being_decided_is_let_go():
    """The registry has found the ends; before the request hears of it, it is decided."""

    async def work(play):
        invoke = await play.called()
        refs = json.loads(bytes(invoke.call.data))
        ends = [play.front.lending.find(refs[name]["channel_id"]) for name in ("response", "request_body")]
        play.answer(invoke, {"body": "result"})
        await play.turns()
        writing, reading = ends[0].take("write"), ends[1].take("read")
        await play.turns()
        assert writing.left
        assert reading.take(1) is None, "it ends"
        await play.over()

    run(work)


@pytest.mark.parametrize("result", [None, "null"])
def test_nothing_keeps_waiting_until_the_time_is_up(result):
    async def work(play):
        invoke = await play.called()
        invoke.reply_to.tell(Completed(invoke, Raw(b"null") if result else wire.ABSENT))
        await play.turns()
        assert not play.task.done()
        play.clock.advance(1.1)
        await play.over()
        assert play.sender.reply_sent == TIMED_OUT

    run(work)


def test_a_late_result_is_dropped():
    async def work(play):
        invoke = await play.called()
        play.clock.advance(1.1)
        await play.over()
        try:
            play.answer(invoke, {"body": "late"})
        except Exception as error:
            assert type(error).__name__ == "ActorDeadError"
        assert play.sender.reply_sent == TIMED_OUT

    run(work)


def test_a_client_that_goes_gets_nothing():
    async def work(play):
        await play.called()
        play.exchange.client_gone()
        await play.over()
        assert (play.sender.reply_sent, play.sender.streamed) == (None, [])

    run(work)


def test_a_client_that_goes_in_the_middle_of_a_stream():
    async def work(play):
        invoke = await play.called()
        pipe = play.open(invoke)
        pipe.offer(Item(False, b"a"))
        await play.turns()
        play.exchange.client_gone()
        await play.over()
        assert (play.sender.streamed, play.sender.ended, pipe.left) == ([200, b"a"], False, True)
        assert not play.connection.aborted

    run(work)


def test_a_stop_answers_what_waits_and_cuts_what_streams():
    async def work(play):
        await play.called()
        play.exchange.stop()
        await play.over()
        reply = play.sender.reply_sent
        assert (reply.status, json.loads(reply.body)["error"]["code"]) == (500, "invocation_stopped")

    async def streaming(play):
        invoke = await play.called()
        pipe = play.open(invoke)
        pipe.offer(Item(False, b"a"))
        await play.turns()
        play.exchange.stop()
        await play.over()
        assert (play.connection.aborted, play.sender.ended, pipe.left) == (True, False, True)

    run(work)
    run(streaming)


def test_condition_and_middleware_come_in_order():
    async def work(play):
        condition = await play.called()
        assert condition.call.function_id == "c"
        assert b"access_key" not in bytes(condition.call.data)
        play.answer(condition, 0)
        middleware = await play.called()
        assert middleware.call.function_id == "m"
        play.answer(middleware, {"action": "respond", "response": {"status_code": 418}})
        await play.over()
        assert play.sender.reply_sent.status == 418
        assert play.functions.invokes == []

    run(work, condition_function_id="c", middleware_function_ids=["m", "n"])


def test_a_failure_of_the_engine_is_an_answer_too(monkeypatch, caplog):
    monkeypatch.setattr("iii_actors.builtin.http.exchange.from_handler", lambda _: 1 / 0)

    async def work(play):
        play.answer(await play.called(), {"body": 1})
        await play.over()
        assert isinstance(play.sender.reply_sent, Reply)
        assert json.loads(play.sender.reply_sent.body)["error"]["code"] == "INTERNAL_ERROR"

    run(work)
    assert any(record.exc_info for record in caplog.records)
