"""Trace context, telemetry and log lines with real workers and a real engine (spec sdk.md §9.1, observability.md §1)."""

import logging
import threading

import pytest

import iii_worker
from iii_worker import observability, tracing
from iii_worker.observability import WorkerSight

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
WAIT_S = 10


@pytest.fixture
def pair(make_worker):
    return make_worker(worker_name="caller"), make_worker(worker_name="callee")


def ready(worker):
    """Ask for something: what the worker registered before is known to the engine then."""
    worker.call("engine::functions::list", {})


def test_a_trace_goes_through_nested_calls(pair):
    caller, callee = pair
    callee.register_function("inner", lambda data: [*tracing.current(), observability.current_trace_id()])
    callee.register_function("outer", lambda data: [list(tracing.current()), callee.call("inner")])
    ready(callee)
    with iii_worker.trace_context(TRACEPARENT, "user=ada"):
        outer, (traceparent, baggage, trace_id) = caller.call("outer")
    assert outer[0] == traceparent == TRACEPARENT
    assert trace_id == TRACE
    assert tracing.parse_baggage(outer[1]) == {"user": "ada", "iii.function.id": "outer"}
    assert tracing.parse_baggage(baggage) == {"user": "ada", "iii.function.id": "inner"}


def test_without_a_trace_nothing_is_sent(pair):
    caller, callee = pair
    callee.register_function("f", lambda data: list(tracing.current()))
    ready(callee)
    assert caller.call("f") == [None, None]


def test_a_coroutine_handler_is_in_the_trace_too(pair):
    caller, callee = pair

    @callee.function("f")
    async def f(data: object) -> object:
        return observability.current_trace_id()

    ready(callee)
    with iii_worker.trace_context(TRACEPARENT):
        assert caller.call("f") == TRACE


def test_handlers_on_one_thread_do_not_mix_their_traces(pair):
    caller, callee = pair
    callee.register_function("f", lambda data: observability.current_trace_id())
    ready(callee)
    for n in range(1, 5):
        with iii_worker.trace_context(f"00-{n:032x}-{SPAN}-01"):
            assert caller.call("f") == f"{n:032x}"
        assert caller.call("f") is None


def test_spans_of_a_chain_of_handlers(pair, telemetry):
    caller, callee = pair
    callee.register_function("inner", lambda data: 1)
    callee.register_function("outer", lambda data: callee.call("inner", {"password": "x"}))
    ready(callee)
    with observability.with_span("script"):
        assert caller.call("outer") == 1
    spans = {span["name"]: span for span in telemetry.spans(3)}
    script, outer, inner = spans["script"], spans["execute outer"], spans["execute inner"]
    assert outer["parentSpanId"] == script["spanId"]
    assert inner["parentSpanId"] == outer["spanId"]
    assert len({span["traceId"] for span in spans.values()}) == 1
    assert "[REDACTED]" in str(inner["events"])


def test_the_engine_takes_telemetry_on_the_workers_own_address(make_worker, without_opentelemetry):
    worker = make_worker(worker_name="w", otel={"enabled": True, "metrics_enabled": False})
    sight = WorkerSight(worker)
    sight.start()
    worker.register_function("f", lambda data: data)
    ready(worker)
    assert worker.call("f", 1) == 1
    assert observability.flush_otel(WAIT_S)
    assert sight.stop(WAIT_S)


def test_an_engine_that_goes_does_not_mind_an_idle_telemetry_socket(engine, make_worker, without_opentelemetry):
    observability.init_otel({"enabled": True, "engine_ws_url": engine.url, "metrics_enabled": False})
    with observability.with_span("x"):
        pass
    assert observability.flush_otel(WAIT_S)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (engine.stop(), done.set()))
    thread.start()
    assert done.wait(WAIT_S)
    thread.join()
    with observability.with_span("y"):
        pass
    assert not observability.flush_otel(WAIT_S)


def test_log_lines_reach_the_engine(pair, caplog):
    caplog.set_level(logging.DEBUG, "iii_actors.worker_log")
    caller, callee = pair
    write = WorkerSight(callee).logger.warn

    def handler(data):
        write("low stock", {"left": 3})
        callee.call("engine::logs::list", {})  # the line went before this, to the same actor
        return True

    callee.register_function("stock::take", handler)
    ready(callee)
    with iii_worker.trace_context(TRACEPARENT):
        assert caller.call("stock::take")
    (record,) = [one for one in caplog.records if one.name == "iii_actors.worker_log"]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "callee stock::take low stock"
    assert record.data == {"left": 3}
    assert record.trace_id == TRACE
