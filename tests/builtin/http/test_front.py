import asyncio
import logging
from types import SimpleNamespace

import uvloop

from iii_actors.actor import LightActor, launch
from iii_actors.builtin.http.front import Front
from iii_actors.builtin.http.routes import Routes, route_of
from iii_actors.clock import ManualClock
from iii_actors.config.http import HttpSettings
from iii_actors.core.observing import Observing
from iii_actors.limits import HTTP_FAILURES_LOGGED_PER_S
from iii_actors.wire.messages import ErrorBody
from tests.support.records import trigger

ROUTE = route_of(trigger("t", "http", config={"api_path": "a"}))


def run(work):
    async def inside():
        clock = ManualClock()
        functions = launch(LightActor())
        core = SimpleNamespace(clock=clock, functions=functions, observing=Observing())
        front = Front(core, Routes("iii-http"), asyncio.get_running_loop(), HttpSettings())
        try:
            await work(front, clock)
        finally:
            front.stop()
            functions.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(inside())


def test_failures_are_logged_with_the_id_that_the_client_gets(caplog):
    async def work(front, clock):
        reply = front.failed(ROUTE, ErrorBody("code", "message"))
        (record,) = caplog.records
        assert record.getMessage().startswith("GET a: 500 (")
        assert record.getMessage().split("(")[1].split(")")[0].encode() in reply.body

    run(work)


def test_many_failures_are_counted_not_listed(caplog):
    async def work(front, clock):
        for _ in range(100):
            front.failed(ROUTE, ErrorBody("code", "message"))
        assert len(caplog.records) == HTTP_FAILURES_LOGGED_PER_S
        clock.advance(1)
        front.failed(ROUTE, ErrorBody("code", "message"))
        told = [record.getMessage() for record in caplog.records[HTTP_FAILURES_LOGGED_PER_S:]]
        assert told[0] == f"{100 - HTTP_FAILURES_LOGGED_PER_S} more requests failed"
        assert len(told) == 2

    with caplog.at_level(logging.WARNING):
        run(work)


def test_middleware_by_priority_then_by_place_in_the_list():
    async def work(front, clock):
        listed = [("a", 1), ("b", -1), ("c", 1), ("d", 0)]
        entries = [{"function_id": name, "priority": priority} for name, priority in listed]
        front.apply(HttpSettings(middleware=[*entries, {"function_id": "e", "phase": "postHandler"}]))
        assert front.middleware == ("b", "d", "a", "c")

    run(work)


def test_the_date_is_the_clocks():
    async def work(front, clock):
        assert front._date == (b"date", b"Tue, 14 Nov 2023 22:13:20 GMT")
        clock.advance(1)
        front.tick()
        assert front._date == (b"date", b"Tue, 14 Nov 2023 22:13:21 GMT")

    run(work)
