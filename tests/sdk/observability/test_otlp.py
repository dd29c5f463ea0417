"""OTLP in JSON, and its frames."""

import json
import math

from iii_worker.observability import otlp
from iii_worker.observability.otlp import GaugePoint, LogRecord, SpanEvent, SpanRecord, any_value

RESOURCE = {"service.name": "shop"}


def span(**changes):
    values = {
        "trace_id": "1" * 32,
        "span_id": "2" * 16,
        "parent_span_id": "",
        "name": "execute f",
        "kind": 1,
        "start_ns": 2**60,
        "end_ns": 2**60 + 1,
        "attributes": {"a": 1},
    }
    return SpanRecord(**values | changes)


def content(frame, prefix):
    assert frame[:4] == prefix
    return json.loads(frame[4:])


def test_a_frame_of_spans_is_grouped_by_scope():
    spans = [span(), span(scope="lib", scope_version="2"), span(name="third")]
    (resource,) = content(otlp.spans_frame(RESOURCE, spans), b"OTLP")["resourceSpans"]
    assert resource["resource"] == {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    assert [scope["scope"] for scope in resource["scopeSpans"]] == [
        {"name": "", "version": ""},
        {"name": "lib", "version": "2"},
    ]
    assert [one["name"] for one in resource["scopeSpans"][0]["spans"]] == ["execute f", "third"]


def test_a_span_in_full():
    full = span(
        parent_span_id="3" * 16,
        events=(SpanEvent("e", 5, {"x": True}),),
        links=(("4" * 32, "5" * 16, {}),),
        status=otlp.ERROR,
        status_message="boo",
    )
    (resource,) = content(otlp.spans_frame({}, [full]), b"OTLP")["resourceSpans"]
    assert resource["scopeSpans"][0]["spans"] == [
        {
            "traceId": "1" * 32,
            "spanId": "2" * 16,
            "parentSpanId": "3" * 16,
            "name": "execute f",
            "kind": 1,
            "startTimeUnixNano": str(2**60),
            "endTimeUnixNano": str(2**60 + 1),
            "attributes": [{"key": "a", "value": {"intValue": "1"}}],
            "events": [{"name": "e", "timeUnixNano": "5", "attributes": [{"key": "x", "value": {"boolValue": True}}]}],
            "links": [{"traceId": "4" * 32, "spanId": "5" * 16, "attributes": []}],
            "status": {"code": 2, "message": "boo"},
            "flags": 1,
        }
    ]


def test_a_frame_of_logs():
    records = [
        LogRecord(7, 13, "WARN", "hot", {"log.data": {"a": [1]}}, "1" * 32, "2" * 16),
        LogRecord(8, 5, "DEBUG", "", {}),
    ]
    (resource,) = content(otlp.logs_frame(RESOURCE, "iii.logger", "1", records), b"LOGS")["resourceLogs"]
    first, second = resource["scopeLogs"][0]["logRecords"]
    assert (first["severityNumber"], first["severityText"], first["body"]) == (13, "WARN", {"stringValue": "hot"})
    assert (first["traceId"], first["spanId"], first["timeUnixNano"]) == ("1" * 32, "2" * 16, "7")
    assert "traceId" not in second


def test_a_frame_of_gauges_has_points_of_one_name_together():
    points = [
        GaugePoint("up", "s", "Up", 1.5, {"worker.id": "a"}, 9),
        GaugePoint("rss", "By", "Memory", 3, {}, 9),
        GaugePoint("up", "s", "Up", 2.5, {"worker.id": "b"}, 9),
    ]
    (resource,) = content(otlp.metrics_frame(RESOURCE, "iii.worker", "1", points), b"MTRC")["resourceMetrics"]
    up, rss = resource["scopeMetrics"][0]["metrics"]
    assert [point["asDouble"] for point in up["gauge"]["dataPoints"]] == [1.5, 2.5]
    assert rss["gauge"]["dataPoints"] == [{"attributes": [], "timeUnixNano": "9", "asInt": "3"}]


def test_values_of_every_kind():
    assert any_value(None) == {}
    assert any_value(True) == {"boolValue": True}
    assert any_value(2**63) == {"intValue": str(2**63)}
    assert any_value(0.5) == {"doubleValue": 0.5}
    assert any_value(math.nan) == {"stringValue": "nan"}
    assert any_value((1, "a")) == {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}]}}
    assert any_value({"a": None}) == {"kvlistValue": {"values": [{"key": "a", "value": {}}]}}
    assert any_value(object)["stringValue"].startswith("<class")


def test_a_value_that_holds_itself_ends():
    endless = []
    endless.append(endless)
    assert "stringValue" in json.dumps(any_value(endless))
