"""Log lines: which way they take, and what they say."""

import datetime as dt
import json
import logging

import pytest
from pydantic import BaseModel

from iii_worker import logger as logs
from iii_worker import tracing
from iii_worker.logger import EngineLogHandler, Logger

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Worker:
    """Stands for a connected client."""

    def __init__(self):
        self.worker_id = "id"
        self.sent = []
        self.broken = False

    def send(self, function_id, payload=None, *, namespace=None, metadata=None):
        if self.broken:
            raise RuntimeError
        self.sent.append((function_id, payload))


@pytest.fixture
def worker():
    one = Worker()
    yield one
    logs.detach(one)


@pytest.fixture
def sink():
    lines = []
    logs.set_sink(lambda line: lines.append(line) or True)
    yield lines
    logs.set_sink(None)


@pytest.mark.parametrize("level", ["debug", "info", "warn", "error"])
def test_a_workers_logger_says_it_to_the_engine(worker, sink, level):
    getattr(Logger(service_name="users", worker=worker), level)("hello", {"a": 1})
    payload = {"message": "hello", "data": {"a": 1}, "service_name": "users"}
    assert worker.sent == [(f"engine::log::{level}", payload)]
    assert sink == []


def test_data_that_is_no_object_is_still_shown(worker):
    Logger(worker=worker).info("n", [1, 2])
    Logger(worker=worker).warning("none")
    assert worker.sent == [
        ("engine::log::info", {"message": "n", "data": {"log.data": [1, 2]}}),
        ("engine::log::warn", {"message": "none"}),
    ]


def test_the_running_codes_trace_is_said(worker):
    with tracing.activate(f"00-{TRACE}-{SPAN}-01", None, "f"):
        Logger(worker=worker).info("x")
        Logger(trace_id="t", span_id="s", worker=worker).info("x")
    assert [payload for _, payload in worker.sent] == [
        {"message": "x", "trace_id": TRACE, "span_id": SPAN},
        {"message": "x", "trace_id": "t", "span_id": "s"},
    ]


@pytest.mark.parametrize("broken", [True, False])
def test_a_worker_that_is_not_connected_leaves_it_to_telemetry(worker, sink, broken):
    worker.broken = broken
    if not broken:
        worker.worker_id = None
    Logger(service_name="users", worker=worker).error("hello", "text")
    (line,) = sink
    assert (line.level, line.message, line.data, line.service_name) == ("error", "hello", "text", "users")


def test_a_logger_by_itself_prefers_telemetry_then_any_worker(worker, sink):
    logs.attach(worker)
    Logger().info("first")
    logs.set_sink(None)
    Logger().info("second")
    assert [line.message for line in sink] == ["first"]
    assert worker.sent == [("engine::log::info", {"message": "second"})]


@pytest.mark.parametrize(("level", "number"), [("debug", 10), ("info", 20), ("warn", 30), ("error", 40)])
def test_standard_logging_is_the_last_way(caplog, level, number):
    caplog.set_level(logging.DEBUG, "iii_worker.log")
    getattr(Logger(trace_id=TRACE), level)("100 %s", {"a": [1]})
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (number, '100 %s {"a":[1]}')
    assert (record.data, record.trace_id) == ({"a": [1]}, TRACE)


def test_any_data_can_be_said(worker):
    class User(BaseModel):
        name: str

    class Odd:
        def __str__(self):
            return "odd"

    given = {"user": User(name="ada"), "at": dt.date(2026, 1, 2), "nan": float("nan"), "odd": Odd()}
    Logger(worker=worker).info("x", given)
    data = {"user": {"name": "ada"}, "at": "2026-01-02", "nan": None, "odd": "odd"}
    assert worker.sent[0][1]["data"] == data
    Logger(worker=worker).info("x", {1: object})
    assert json.dumps(worker.sent[1][1])


def test_a_worker_that_is_gone_is_not_kept_alive(sink):
    bound = Logger(worker=Worker())
    logs.attach(Worker())
    bound.info("x")
    assert [line.message for line in sink] == ["x"]


def test_ordinary_logging_reaches_the_engine(worker):
    ordinary = logging.getLogger("shop.orders")
    handler = EngineLogHandler(Logger(worker=worker))
    ordinary.addHandler(handler)
    ordinary.propagate = False
    ordinary.setLevel(1)
    try:
        ordinary.critical("sold %d", 3)
        ordinary.log(5, "fine")
        try:
            raise ValueError("boo")
        except ValueError:
            ordinary.exception("failed")
    finally:
        ordinary.removeHandler(handler)
    levels = [function_id.rpartition("::")[2] for function_id, _ in worker.sent]
    assert levels == ["error", "debug", "error"]
    assert worker.sent[0][1] == {"message": "sold 3", "data": {"logger": "shop.orders"}}
    assert "ValueError: boo" in worker.sent[2][1]["data"]["exception"]


def test_the_sdks_own_records_are_left_alone(worker):
    handler = EngineLogHandler(Logger(worker=worker))
    handler.handle(logging.makeLogRecord({"name": "iii_worker.connection", "msg": "lost", "levelno": 30}))
    assert worker.sent == []
