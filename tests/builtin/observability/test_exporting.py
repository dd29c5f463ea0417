"""Records on their way to a collector: a real one over HTTP, one that refuses, one that hangs."""

import enum
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from iii_actors.builtin.observability import exporting
from iii_actors.builtin.observability.exporting import Complaint, Exporter
from iii_actors.builtin.observability.otlp import read_spans
from iii_actors.builtin.observability.otlp_export import log_record, readable_span
from iii_actors.builtin.observability.records import StoredLog
from tests.support.telemetry import SPAN, TRACE, Uplink, attributes, observed, span, traces

WAIT_S = 10


class Result(enum.Enum):
    SUCCESS = 0
    FAILURE = 1


class Backend:
    """Does what the test says; lets the test wait for it."""

    def __init__(self):
        self.batches = []
        self.results = []
        self.changed = threading.Condition()
        self.open = threading.Event()
        self.open.set()
        self.ended = threading.Event()

    def export(self, batch):
        self.open.wait(WAIT_S)
        result = self.results.pop(0) if self.results else Result.SUCCESS
        with self.changed:
            self.batches.append(batch)
            self.changed.notify_all()
        if isinstance(result, Exception):
            raise result
        return result

    def shutdown(self):
        self.open.set()
        self.ended.set()

    def wait_for(self, records):
        with self.changed:
            assert self.changed.wait_for(lambda: sum(map(len, self.batches)) >= records, WAIT_S)


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def exporter(backend):
    def convert(record):
        return int(record)

    made = Exporter(backend, convert, Complaint("spans", "http://c"))
    made.begin()
    yield made
    if made.actor_ref.is_alive():
        made.end()


def test_records_go_in_batches_and_what_cannot_be_converted_is_counted(exporter, backend, monkeypatch):
    monkeypatch.setattr(exporting, "EXPORT_BATCH", 2)
    exporter.offer(["1", "x", "2", "3", "4"])
    backend.wait_for(4)
    assert backend.batches == [[1], [2, 3], [4]]
    exporter.end()
    assert (exporter.dropped, backend.ended.is_set()) == (1, True)


def test_what_waits_for_a_slow_collector_is_bounded(exporter, backend, monkeypatch):
    monkeypatch.setattr(exporting, "EXPORT_WAITING", 3)
    backend.open.clear()
    exporter.offer(["1"])
    exporter.offer(["2", "3", "4", "5", "6"])
    assert exporter.dropped >= 2
    backend.open.set()
    exporter.end()
    assert sum(map(len, backend.batches)) + exporter.dropped == 6


def test_one_complaint_until_it_works_again(exporter, backend, caplog):
    caplog.set_level("INFO", "iii_actors.builtin.observability.exporting")
    backend.results = [Result.FAILURE, OSError("no route"), Result.SUCCESS, RuntimeError("worse")]
    for n in range(1, 5):
        exporter.offer(["1"])
        backend.wait_for(n)
    exporter.end()
    assert [text.split(";")[0] for text in caplog.messages] == [
        "The collector at http://c does not take spans",
        "The collector at http://c takes spans again",
        "The collector at http://c does not take spans (worse)",
    ]
    assert exporter.dropped == 3


def test_after_the_end_nothing_is_taken(exporter, backend):
    exporter.end()
    exporter.offer(["1"])
    assert backend.batches == []


# --- records ----------------------------------------------------------------------------------------------------------


def stored(**members):
    (found,) = read_spans(traces(span(**members))[4:], live=True)
    return found


def test_a_span_as_opentelemetry_has_it():
    event = {"name": "e", "timeUnixNano": 7, "attributes": attributes({"k": "v"})}
    link = {"traceId": "1" * 32, "spanId": "2" * 16}
    made = readable_span(
        stored(kind=2, parentSpanId="e" * 16, status={"code": 2, "message": "m"}, events=[event], links=[link])
    )
    assert (made.context.trace_id, made.context.span_id, made.parent.span_id) == (
        int(TRACE, 16),
        int(SPAN, 16),
        0xEEEEEEEEEEEEEEEE,
    )
    assert (made.kind.name, made.status.status_code.name, made.status.description) == ("SERVER", "ERROR", "m")
    assert (made.events[0].name, made.links[0].context.span_id) == ("e", int("2" * 16, 16))
    assert made.resource.attributes["service.name"] == "svc"


@pytest.mark.parametrize("ids", [{"traceId": "xyz"}, {"spanId": ""}, {"traceId": "0"}])
def test_a_span_whose_ids_are_none_cannot_be_exported(ids):
    with pytest.raises(ValueError):
        readable_span(stored(**ids))


def test_a_log_record_as_opentelemetry_has_it():
    log = StoredLog(1, 2, 9, "INFO", "hello", {"n": 1}, TRACE, SPAN, {"r": "x"}, "svc", "lib", "2")
    made = log_record(log)
    assert (made.log_record.body, made.log_record.trace_id) == ("hello", int(TRACE, 16))
    assert made.resource.attributes["service.name"] == "svc"


# --- a collector ------------------------------------------------------------------------------------------------------


@pytest.fixture
def collector():
    got, changed = {}, threading.Condition()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            with changed:
                got.setdefault(self.path, []).append(body)
                changed.notify_all()
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got, changed
        server.shutdown()
        thread.join()


def test_a_collector_gets_spans_and_logs_and_figures(collector, monkeypatch):
    url, got, changed = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    exporters = dict.fromkeys(("exporter", "logs_exporter", "metrics_exporter"), "both")
    with observed(endpoint=url, **exporters) as (engine, peer), Uplink(engine) as uplink:
        uplink.say(traces(span("work"), span("begun", spanId="f" * 16, endTimeUnixNano=0)))
        peer.call("engine::log::warn", {"message": "careful"})
        with changed:
            assert changed.wait_for(lambda: b"work" in b"".join(got.get("/v1/traces", ())), WAIT_S)
            assert changed.wait_for(lambda: b"careful" in b"".join(got.get("/v1/logs", ())), WAIT_S)
    spans = [
        one
        for body in got["/v1/traces"]
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for one in scope.spans
    ]
    (work,) = [one for one in spans if one.name == "work"]
    assert (work.trace_id.hex(), work.span_id.hex()) == (TRACE, SPAN)
    assert "begun" not in [one.name for one in spans]
    logs = ExportLogsServiceRequest.FromString(got["/v1/logs"][-1]).resource_logs
    assert logs[0].resource.attributes
    assert b"iii.invocations.total" in b"".join(got["/v1/metrics"]), "sent at the end"
