"""Workers' telemetry, through real sockets (observability.md §2, §3)."""

import pytest

from tests.support.raw import BINARY, TEXT, client_frame, fragments
from tests.support.telemetry import (
    NOW_NS,
    SPAN,
    TRACE,
    Uplink,
    attributes,
    gauge,
    listed,
    logs,
    metrics,
    observed,
    span,
    traces,
)


@pytest.fixture(scope="module")
def stage():
    with observed() as pair:
        yield pair


@pytest.fixture
def peer(stage):
    peer = stage[1]
    for kind in ("traces", "logs"):
        peer.call(f"engine::{kind}::clear", {})
    return peer


@pytest.fixture
def uplink(stage):
    with Uplink(stage[0]) as made:
        yield made


def test_a_span_is_kept_as_the_protocol_says(peer, uplink):
    uplink.say(
        traces(
            span(
                "fetch",
                parentSpanId="e" * 16,
                kind=3,
                flags=1,
                traceState="a=b",
                status={"code": 2, "message": "broken"},
                attributes={"s": "x", "i": 5, "d": 1.5, "b": True, "none": {}},
                events=[{"name": "e", "timeUnixNano": 7, "attributes": attributes({"k": "v"})}],
                links=[{"traceId": "1" * 32, "spanId": "2" * 16, "attributes": []}],
            ),
            scope={"name": "lib", "version": "2"},
        )
    )
    assert listed(peer) == [
        {
            "trace_id": TRACE,
            "span_id": SPAN,
            "parent_span_id": "e" * 16,
            "name": "fetch",
            "start_time_unix_nano": NOW_NS,
            "end_time_unix_nano": NOW_NS + 100_000_000,
            "status": "error",
            "status_description": "broken",
            "attributes": [["s", "x"], ["i", "5"], ["d", "1.5"], ["b", "true"], ["none", ""]],
            "service_name": "svc",
            "events": [{"name": "e", "timestamp_unix_nano": 7, "attributes": [["k", "v"]]}],
            "links": [{"trace_id": "1" * 32, "span_id": "2" * 16, "trace_state": None, "attributes": []}],
            "instrumentation_scope_name": "lib",
            "instrumentation_scope_version": "2",
            "flags": 1,
            "trace_state": "a=b",
            "kind": "client",
        }
    ]


def test_numbers_may_be_text_and_texts_may_be_null(peer, uplink):
    given = span("n", startTimeUnixNano=5, endTimeUnixNano="9", parentSpanId="", status={"code": "1"})
    given["attributes"] = [
        {"key": "a", "value": {"arrayValue": {"values": [{"intValue": "5"}, {"stringValue": "x"}]}}},
        {"key": "o", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}]}}},
        {"key": "bytes", "value": {"bytesValue": "AA=="}},
    ]
    uplink.say(traces(given, service=None, scope={"name": None, "version": None}))
    (kept,) = listed(peer)
    assert (kept["start_time_unix_nano"], kept["end_time_unix_nano"], kept["status"]) == (5, 9, "ok")
    assert kept["attributes"] == [["a", '[5,"x"]'], ["o", '{"k":false}'], ["bytes", ""]]
    assert (kept["service_name"], kept["parent_span_id"]) == ("unknown", None)
    assert "instrumentation_scope_name" not in kept


def test_zero_ids_are_none_and_others_are_kept_as_given(peer, uplink):
    uplink.say(traces(span(traceId="0" * 32, spanId="", parentSpanId="0" * 16), span(traceId="XYZ", spanId="1")))
    first, second = listed(peer)
    assert (first["trace_id"], first["span_id"], first["parent_span_id"]) == (None, None, None)
    assert (second["trace_id"], second["span_id"]) == ("XYZ", "1")


def test_a_span_that_has_only_begun_is_replaced_by_its_end(peer, uplink):
    uplink.say(traces(span(endTimeUnixNano=0)))
    (pending,) = listed(peer)
    assert (pending["pending"], pending["end_time_unix_nano"]) == (True, 0)
    uplink.say(traces(span("next", spanId="f" * 16)), traces(span()))
    first, second = listed(peer, sort_by="name", sort_order="desc")
    assert (first["name"], second["name"]) == ("work", "next")
    assert "pending" not in first
    uplink.say(traces(span(endTimeUnixNano=0)))
    assert "pending" not in listed(peer, name="work")[0], "a late beginning changes nothing"


def test_without_live_spans_beginnings_are_dropped():
    with observed(live_spans=False) as (engine, peer), Uplink(engine) as uplink:
        peer.call("engine::traces::clear", {})
        uplink.say(traces(span(endTimeUnixNano=0), span("whole", spanId="f" * 16)))
        assert [one["name"] for one in listed(peer)] == ["whole"]


@pytest.mark.parametrize("key", ["Authorization", "password", "X-API-Key", "set-cookie", "Credential"])
def test_secrets_are_not_kept(peer, uplink, key):
    secret = attributes({key: "s3cret", "passwords": "fine"})
    given = span(events=[{"name": "e", "attributes": secret}], links=[{"attributes": secret}])
    uplink.say(traces({**given, "attributes": secret}))
    (kept,) = listed(peer)
    wanted = [[key, "[REDACTED]"], ["passwords", "fine"]]
    assert kept["attributes"] == kept["events"][0]["attributes"] == kept["links"][0]["attributes"] == wanted


def test_a_log_record_is_kept_as_the_protocol_says(peer, uplink):
    uplink.say(
        logs(
            {
                "timeUnixNano": "11",
                "observedTimeUnixNano": 12,
                "severityNumber": 17,
                "severityText": "ERROR",
                "body": {"stringValue": "it \x1b[31mbroke\x1b[0m"},
                "attributes": attributes({"n": 5, "b": True, "s": "x"}),
                "traceId": TRACE,
                "spanId": SPAN,
            },
            scope={"name": "lib", "version": "2"},
        )
    )
    (kept,) = peer.call("engine::logs::list", {"trace_id": TRACE})["logs"]
    assert kept == {
        "timestamp_unix_nano": 11,
        "observed_timestamp_unix_nano": 12,
        "severity_number": 17,
        "severity_text": "ERROR",
        "body": "it broke",
        "attributes": {"n": 5, "b": True, "s": "x"},
        "trace_id": TRACE,
        "span_id": SPAN,
        "resource": {"service.name": "svc"},
        "service_name": "svc",
        "instrumentation_scope_name": "lib",
        "instrumentation_scope_version": "2",
    }


def test_metrics_of_four_kinds_are_kept_and_others_skipped(peer, uplink):
    points = [{"asInt": "3", "timeUnixNano": 4, "attributes": attributes({"token": "a"})}]
    distribution = {"count": "2", "sum": 3.5, "bucketCounts": ["1", 1], "explicitBounds": [1.0], "min": 1, "max": 2.5}
    uplink.say(
        metrics(
            {"name": "t::g", "description": "d", "unit": "s", "gauge": {"dataPoints": points}},
            {"name": "t::c", "sum": {"isMonotonic": True, "dataPoints": points}},
            {"name": "t::u", "sum": {"dataPoints": points}},
            {"name": "t::h", "histogram": {"dataPoints": [distribution]}},
            {"name": "t::s", "summary": {"dataPoints": [{"count": 1}]}},
            gauge("t::n", float("nan")) | {"gauge": {"dataPoints": [{"asDouble": "NaN"}]}},
        )
    )
    kept = {one["name"]: one for one in peer.call("engine::metrics::list", {})["sdk_metrics"]}
    kinds = {name: one["metric_type"] for name, one in kept.items()}
    assert kinds == {"t::g": "gauge", "t::c": "counter", "t::u": "updowncounter", "t::h": "histogram", "t::n": "gauge"}
    assert kept["t::g"]["data_points"] == [{"value": 3.0, "attributes": [["token", "a"]], "timestamp_unix_nano": 4}]
    assert (kept["t::g"]["description"], kept["t::g"]["unit"], kept["t::g"]["service_name"]) == ("d", "s", "svc")
    (point,) = kept["t::h"]["data_points"]
    assert point.pop("timestamp_unix_nano")
    assert point == {
        "count": 2,
        "sum": 3.5,
        "bucket_counts": [1, 1],
        "explicit_bounds": [1.0],
        "min": 1.0,
        "max": 2.5,
        "attributes": [],
    }
    assert kept["t::n"]["data_points"] == []


def test_telemetry_is_taken_on_the_worker_s_socket_too(peer):
    peer.send_raw(traces(span("beside calls")))
    assert [one["name"] for one in listed(peer)] == ["beside calls"]


def test_text_and_other_binary_frames_are_ignored_there(peer, uplink):
    uplink.say_frame(client_frame(TEXT, traces(span("text"))))
    uplink.say(b"XXXX{}", b"", b"OTL")
    for piece in fragments(BINARY, [b"OT", b"LP", traces(span("pieces"))[4:]]):
        uplink.say_frame(piece)
    uplink.say()
    assert [one["name"] for one in listed(peer)] == ["pieces"]


def test_the_socket_is_no_worker(stage, peer):
    peer.send(type="registertrigger", id="w", trigger_type="engine::workers-available", function_id="t::w", config={})
    peer.register("t::w")
    with Uplink(stage[0]) as uplink:
        uplink.say(traces(span()))
    other = peer.call("engine::workers::list", {})["workers"]
    assert [one["name"] for one in other if one["runtime"] == "test"] == ["watched"]
    peer.barrier()
    assert not [frame for frame in peer.seen if frame.get("function_id") == "t::w"]


def test_switched_off_everything_is_dropped_in_silence(caplog):
    with observed(enabled=False) as (engine, peer), Uplink(engine) as uplink:
        uplink.say(traces(span()), logs({"body": {"stringValue": "x"}}), metrics(gauge("g", 1)), b"OTLP{")
        assert peer.call("engine::logs::list", {"severity_text": "INFO", "trace_id": TRACE})["logs"] == []
        assert peer.call("engine::metrics::list", {})["sdk_metrics"] == []
        types = [one["id"] for one in peer.call("engine::triggers::list", {})["triggers"]]
        assert not {"log", "trace"} & set(types)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_logs_may_be_switched_off_alone():
    with observed(logs_enabled=False) as (engine, peer), Uplink(engine) as uplink:
        uplink.say(logs({"body": {"stringValue": "x"}}), traces(span("kept")))
        assert peer.call("engine::logs::list", {})["logs"] == []
        assert [one["name"] for one in listed(peer, name="kept")][:1] == ["kept"]
