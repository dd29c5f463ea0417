"""The span of a handler, and users' own, with either recorder (spec sdk.md §9.2, §9.6)."""

import asyncio
import json

import pytest

from iii_worker import Error, observability, tracing
from iii_worker.observability import light, otel, pipeline
from tests.sdk.observability.conftest import attributes

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
INPUT, OUTPUT = "iii.invocation.input", "iii.invocation.output"


def run(function_id="users::get", traceparent=TRACEPARENT, baggage=None, data=b"{}", result=b"null"):
    with tracing.activate(traceparent, baggage, function_id, data) as execution:
        execution.result(result)


def events(span):
    return {event["name"]: attributes(event) for event in span["events"]}


def test_a_handlers_run_is_a_span_below_the_callers(telemetry):
    run()
    (span,) = telemetry.spans(1)
    assert (span["name"], span["kind"]) == ("execute users::get", 1)
    assert (span["traceId"], span["parentSpanId"]) == (TRACE, SPAN)
    assert span["status"] == {"code": 1, "message": ""}
    assert attributes(span) == {"iii.function.id": "users::get"}
    assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])


def test_what_the_handler_calls_is_below_its_span(telemetry):
    with tracing.activate(TRACEPARENT, "user=ada", "f", b"{}"):
        traceparent, _ = tracing.current()
        assert observability.inject_traceparent() == traceparent
        assert observability.inject_baggage() == "user=ada"
        assert observability.current_trace_id() == TRACE
        assert observability.current_span_id() == tracing.parse_traceparent(traceparent).span_id
        assert observability.current_span_is_recording()
    (span,) = telemetry.spans(1)
    assert traceparent == f"00-{TRACE}-{span['spanId']}-01"
    assert attributes(span)["user"] == "ada"
    assert tracing.current() == (None, None)


def test_without_a_callers_trace_it_begins_one(telemetry):
    run(traceparent=None)
    (span,) = telemetry.spans(1)
    assert span["parentSpanId"] == ""
    assert len(span["traceId"]) == 32


def test_a_trace_the_caller_does_not_record_is_only_passed_on(telemetry):
    unsampled = TRACEPARENT[:-1] + "0"
    with tracing.activate(unsampled, None, "quiet", b"{}"):
        assert observability.current_trace_id() == TRACE
    run("loud")
    assert telemetry.spans(1)[0]["name"] == "execute loud"


def test_input_and_result_are_shown_without_secrets(telemetry):
    run(data=b'{"id":1,"password":"x"}', result=b'{"token":"y"}')
    shown = events(telemetry.spans(1)[0])
    assert shown[INPUT] == {"iii.payload.json": '{"id":1,"password":"[REDACTED]"}', "iii.payload.truncated": False}
    assert shown[OUTPUT] == {
        "iii.payload.json": '{"token":"[REDACTED]"}',
        "iii.payload.truncated": False,
        "iii.payload.ok": True,
    }


def test_an_exception_is_shown_and_goes_on(telemetry):
    with pytest.raises(Error, match="no such user"), tracing.activate(TRACEPARENT, None, "f", b"{}"):
        raise Error("no such user", code="user_not_found")
    (span,) = telemetry.spans(1)
    assert span["status"]["code"] == 2
    assert attributes(span)["error.type"] == "user_not_found"
    shown = events(span)
    assert json.loads(shown[OUTPUT]["iii.payload.json"]) == {"error": "no such user"}
    assert shown[OUTPUT]["iii.payload.ok"] is False
    assert shown["exception"]["exception.message"] == "no such user"
    assert "Traceback" in shown["exception"]["exception.stacktrace"]


def test_an_error_that_is_only_answered_is_shown_once(telemetry):
    with tracing.activate(TRACEPARENT, None, "f", b"{}") as execution:
        assert execution.recording
        execution.failed("invalid_request", "name: missing")
        execution.failed("again", "again")
        execution.result(b"1")
    (span,) = telemetry.spans(1)
    assert span["status"] == {"code": 2, "message": "name: missing"}
    assert [event["name"] for event in span["events"]] == [INPUT, OUTPUT]


def test_the_user_may_say_more(telemetry):
    with tracing.activate(TRACEPARENT, None, "f", b"{}"):
        observability.set_current_span_attribute("rows", 3)
        observability.record_span_event("cache", {"hit": True})
        observability.set_current_span_error("half done")
    (span,) = telemetry.spans(1)
    assert attributes(span)["rows"] == "3"
    assert events(span)["cache"] == {"hit": True}
    assert span["status"] == {"code": 2, "message": "half done"}


def test_spans_of_the_user_nest(telemetry):
    def inside(span):
        span.set_attributes({"n": 1})
        span.update_name("renamed")
        return observability.current_span_id()

    with tracing.activate(TRACEPARENT, None, "f", b"{}"):
        span_id = observability.with_span("parse", inside, kind="client")
    inner, outer = telemetry.spans(2)
    assert (inner["name"], inner["kind"], inner["spanId"]) == ("renamed", 3, span_id)
    assert inner["parentSpanId"] == outer["spanId"]
    assert attributes(inner)["n"] == "1"


def test_a_users_span_with_a_given_parent_and_an_exception(telemetry):
    with pytest.raises(ZeroDivisionError):
        observability.with_span("divide", lambda span: 1 / 0, traceparent=TRACEPARENT)
    (span,) = telemetry.spans(1)
    assert (span["traceId"], span["parentSpanId"], span["status"]["code"]) == (TRACE, SPAN, 2)
    assert "exception" in events(span)


def test_a_users_span_around_a_coroutine_lasts_as_long_as_it(telemetry):
    async def work(span):
        await asyncio.sleep(0)
        span.set_attribute("done", True)
        return 7

    with observability.with_span("outer"):
        assert asyncio.run(observability.with_span("work", work)) == 7
    inner, outer = telemetry.spans(2)
    assert attributes(inner) == {"done": True}
    assert inner["parentSpanId"] == outer["spanId"]


def test_a_kind_that_is_none_is_refused(telemetry):
    with (
        pytest.raises(ValueError, match="'odd' is no kind of span; there are internal, server"),
        observability.with_span("x", kind="odd"),
    ):
        pass


def test_a_trace_from_elsewhere_is_continued(telemetry):
    with tracing.trace_context(TRACEPARENT, "a=1"):
        assert tracing.current() == (TRACEPARENT, "a=1")
        with observability.with_span("x"):
            assert observability.current_trace_id() == TRACE
            assert tracing.current()[1] == "a=1"
    assert telemetry.spans(1)[0]["parentSpanId"] == SPAN


def test_payloads_can_be_kept_out(server, without_opentelemetry, monkeypatch):
    monkeypatch.setenv("III_DISABLE_TRACE_PAYLOADS", "1")
    observability.init_otel({"enabled": True, "engine_ws_url": server.url})
    run()
    assert server.spans(1)[0]["events"] == []


def test_a_recorder_that_breaks_inside_costs_only_the_span(telemetry, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("no span today")

    monkeypatch.setattr(pipeline.active().recorder, "_open", broken)
    with tracing.activate(TRACEPARENT, "a=1", "f", b"{}") as execution:
        assert not execution.recording
        assert tracing.current() == (TRACEPARENT, "a=1")
        execution.result(b"1")
    assert tracing.current() == (None, None)


def test_odd_payloads_and_attributes_break_nothing(telemetry):
    with tracing.activate(TRACEPARENT, "=;,\x00=\xff", "f\ud800", b"\xff{") as execution:
        observability.set_current_span_attribute("odd", object())
        execution.result(b"\x00")
    run("after")
    assert telemetry.spans(1)[-1]["name"] == "execute after"


# --- telemetry that is off --------------------------------------------------------------------------------------------


def test_without_telemetry_everything_can_be_said_to_nobody():
    with tracing.activate(TRACEPARENT, None, "f", b"{}"):
        assert not observability.current_span_is_recording()
        assert observability.current_trace_id() == TRACE
        observability.set_current_span_attribute("a", 1)
        observability.set_current_span_error("x")
        observability.record_span_event("e")
        with observability.with_span("x") as span:
            span.set_attribute("a", 1)
            span.set_attributes({})
            span.add_event("e")
            span.record_exception(ValueError())
            span.update_name("y")
            assert not span.is_recording()
        assert observability.with_span("x", lambda span: 5) == 5
    assert observability.extract_traceparent(TRACEPARENT).trace_id == TRACE
    assert observability.extract_traceparent("x") is None
    assert observability.extract_baggage("a=1") == {"a": "1"}


def test_the_own_recorders_spans_have_bounds(server, without_opentelemetry):
    observability.init_otel({"enabled": True, "engine_ws_url": server.url})
    with tracing.activate(TRACEPARENT, None, "f", b"{}"):
        for n in range(500):
            observability.set_current_span_attribute(f"a{n}", n)
            observability.record_span_event("e")
    (span,) = server.spans(1)
    assert len(span["attributes"]) == len(span["events"]) == light.SPAN_ITEMS


# --- opentelemetry ----------------------------------------------------------------------------------------------------


def test_spans_of_other_libraries_are_sent_and_nest(opentelemetry, server):
    from opentelemetry import baggage, trace

    observability.init_otel({"engine_ws_url": server.url})
    tracer = trace.get_tracer("other.library", "2")
    with tracing.activate(TRACEPARENT, "a=1", "f", b"{}"):
        assert baggage.get_all() == {"a": "1"}
        with tracer.start_as_current_span("query") as span:
            assert observability.current_span_id() == f"{span.get_span_context().span_id:016x}"
            assert tracing.current() == (f"00-{TRACE}-{span.get_span_context().span_id:016x}-01", "a=1")
    inner, outer = server.spans(2)
    assert inner["parentSpanId"] == outer["spanId"]


def test_baggage_set_with_opentelemetry_goes_along(opentelemetry, server):
    from opentelemetry import baggage, context

    observability.init_otel({"engine_ws_url": server.url})
    with tracing.activate(TRACEPARENT, "a=1", "f", b"{}"):
        token = context.attach(baggage.set_baggage("b", "two words"))
        assert tracing.current()[1] == "a=1,b=two%20words"
        context.detach(token)


def test_a_provider_of_the_applications_own_is_used(opentelemetry, server):
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    observability.init_otel({"engine_ws_url": server.url})
    exporter = InMemorySpanExporter()
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    run("both")
    assert server.spans(1)[0]["name"] == exporter.get_finished_spans()[0].name == "execute both"


def test_after_the_end_opentelemetry_sends_nothing_here(opentelemetry, server):
    from opentelemetry import trace

    observability.init_otel({"engine_ws_url": server.url})
    observability.shutdown_otel()
    with trace.get_tracer("x").start_as_current_span("lost"):
        pass
    observability.init_otel({"engine_ws_url": server.url})
    run("kept")
    assert server.spans(1)[0]["name"] == "execute kept"


def test_instrumentations_that_are_installed_are_switched_on_and_off(monkeypatch):
    import sys
    import types

    said = []

    class Instrumentor:
        is_instrumented_by_opentelemetry = False

        def instrument(self):
            said.append("on")

        def uninstrument(self):
            said.append("off")

    class Broken(Instrumentor):
        def instrument(self):
            raise RuntimeError

    for name, kind in [("urllib", Instrumentor), ("requests", Broken)]:
        module = types.ModuleType(name)
        module.URLLibInstrumentor = module.RequestsInstrumentor = kind
        monkeypatch.setitem(sys.modules, f"opentelemetry.instrumentation.{name}", module)
    off = otel.instrument_requests()
    off()
    assert said == ["on", "off"]
