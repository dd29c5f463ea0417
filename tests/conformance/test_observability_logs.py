"""``engine::log::*``, ``engine::logs::*`` and the trigger type ``log`` (observability.md §5, §7)."""

import logging

import pytest

from iii_actors import __version__
from iii_actors.clock import ManualClock
from tests.support.peer import CallFailed
from tests.support.telemetry import Uplink, logs, observed

LEVELS = [("trace", 1), ("debug", 5), ("info", 9), ("warn", 13), ("error", 17)]
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture(scope="module")
def stage():
    with observed(service_name="my engine", service_version="7", service_namespace="prod") as pair:
        yield pair


@pytest.fixture
def peer(stage):
    stage[1].call("engine::logs::clear", {})
    return stage[1]


def bodies(peer, **query):
    return [one["body"] for one in peer.call("engine::logs::list", query)["logs"]]


@pytest.mark.parametrize(("level", "number"), LEVELS)
def test_one_record_per_call(peer, level, number):
    line = {
        "message": "hello \x1b[1mbold\x1b[0m",
        "data": {"n": 1},
        "trace_id": "t",
        "span_id": "s",
        "service_name": "svc",
    }
    assert peer.call(f"engine::log::{level}", line) is None
    found = peer.call("engine::logs::list", {})
    (kept,) = found["logs"]
    assert kept.pop("timestamp_unix_nano") == kept.pop("observed_timestamp_unix_nano")
    assert kept == {
        "severity_number": number,
        "severity_text": level.upper(),
        "body": "hello bold",
        "attributes": {"n": 1},
        "trace_id": "t",
        "span_id": "s",
        "resource": {"service.name": "my engine", "service.version": "7", "service.namespace": "prod"},
        "service_name": "svc",
        "instrumentation_scope_name": "iii",
        "instrumentation_scope_version": __version__,
    }
    assert found["total"] == 1


def test_what_is_left_out(peer):
    peer.call("engine::log::info", {"message": "m", "data": [1]})
    peer.call("engine::log::info", {"message": "n"}, traceparent=PARENT)
    second, first = peer.call("engine::logs::list", {})["logs"]
    assert (first["service_name"], first["attributes"]) == ("unknown", {"data": [1]})
    assert (first["trace_id"], first["span_id"]) == (None, None)
    assert (second["trace_id"], second["span_id"]) == ("a" * 32, "b" * 16), "those of the call"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["c", "b", "a"]),
        ({"trace_id": "1"}, ["b", "a"]),
        ({"trace_id": "1", "span_id": "x"}, ["a"]),
        ({"severity_min": 13}, ["c", "b"]),
        ({"severity_text": "Warn"}, ["b"]),
        ({"start_time": 2, "end_time": 2}, ["b"]),
        ({"limit": 1}, ["c"]),
        ({"offset": 1}, ["b", "a"]),
        ({"offset": 1, "limit": 1}, ["b"]),
    ],
)
def test_filters_and_pages(stage, peer, query, found):
    records = [
        {"body": {"stringValue": "b"}, "timeUnixNano": 2_000_000, "severityNumber": 13, "traceId": "1", "spanId": "y"},
        {"body": {"stringValue": "a"}, "timeUnixNano": 1_000_000, "severityNumber": 9, "traceId": "1", "spanId": "x"},
        {"body": {"stringValue": "c"}, "timeUnixNano": 3_000_000, "severityNumber": 17},
    ]
    with Uplink(stage[0]) as uplink:
        uplink.say(logs(*records))
    assert bodies(peer, **query) == found
    answer = peer.call("engine::logs::list", query)
    assert answer["query"] == {
        **dict.fromkeys(
            ["trace_id", "span_id", "severity_min", "severity_text", "start_time", "end_time", "offset", "limit"]
        ),
        **query,
    }
    assert answer["timestamp"] > 0
    if not {"limit", "offset"} & query.keys():
        assert answer["total"] == len(found)


def test_clearing(peer):
    peer.call("engine::log::info", {"message": "x"})
    assert peer.call("engine::logs::clear", {}) == {"success": True}
    assert bodies(peer) == []


def test_a_message_is_needed(peer):
    with pytest.raises(CallFailed) as failed:
        peer.call("engine::log::info", {})
    assert (failed.value.code, "missing field `message`" in failed.value.message) == ("deserialization_error", True)


def test_the_engine_s_own_lines_are_kept_with_their_source(peer):
    logging.getLogger("iii_actors.somewhere").warning("a line of %s", "ours", extra={"job": "j", "thing": object})
    (kept,) = [one for one in peer.call("engine::logs::list", {})["logs"] if one["body"] == "a line of ours"]
    assert (kept["severity_text"], kept["service_name"]) == ("WARN", "my engine")
    assert kept["instrumentation_scope_name"] == "tracing"
    assert kept["attributes"] == {"target": "iii_actors.somewhere", "job": "j", "thing": "<class 'object'>"}


def test_with_everything_else_switched_off_logs_work_still():
    with observed(enabled=False) as (_, peer):
        peer.call("engine::log::info", {"message": "still here"})
        assert "still here" in bodies(peer)


def test_logs_may_be_switched_off_and_are_printed_still(caplog):
    caplog.set_level(logging.INFO, "iii_actors.worker_log")
    with observed(logs_enabled=False) as (_, peer):
        peer.call("engine::log::info", {"message": "printed"})
        assert bodies(peer) == []
    assert "unknown printed" in caplog.messages


def test_nothing_is_printed_if_so_set(caplog):
    caplog.set_level(1, "iii_actors.worker_log")
    with observed(logs_console_output=False) as (engine, peer), Uplink(engine) as uplink:
        peer.call("engine::log::error", {"message": "quiet"})
        uplink.say(logs({"body": {"stringValue": "quiet too"}, "severityNumber": 17}))
        assert {"quiet", "quiet too"} <= set(bodies(peer))
    assert not [record for record in caplog.records if record.name == "iii_actors.worker_log"]


def test_sampled_away():
    with observed(logs_sampling_ratio=0) as (_, peer):
        peer.call("engine::log::error", {"message": "x"})
        assert bodies(peer) == []


def test_limits_in_number_and_in_time():
    clock = ManualClock()
    with observed(clock, logs_max_count=3, logs_retention_seconds=100) as (_, peer):
        for n in range(5):
            peer.call("engine::log::info", {"message": str(n)})
        assert bodies(peer) == ["4", "3", "2"]
        clock.advance(90)
        peer.call("engine::log::info", {"message": "late"})
        clock.advance(60)
        assert bodies(peer) == ["late"]


# --- the trigger type -------------------------------------------------------------------------------------------------


def bind(peer, trigger_id, config, **members):
    members = {"id": trigger_id, "trigger_type": "log", "function_id": f"l::{trigger_id}", "config": config, **members}
    peer.register(members["function_id"])
    peer.send(type="registertrigger", **members)
    peer.barrier()


def test_a_binding_is_told_every_record_of_its_level_once():
    with observed() as (engine, peer), Uplink(engine) as uplink:
        bodies(peer)  # what the engine logged at its start is kept before anything is bound
        bind(peer, "warn", {"level": "WARN"}, metadata={"m": 1})
        bind(peer, "all", {})
        bind(peer, "custom", {"level": "notice"})
        peer.call("engine::log::error", {"message": "e"})
        peer.call("engine::log::warn", {"message": "w"})
        uplink.say(logs({"body": {"stringValue": "n"}, "severityText": "Notice"}))
        told = peer.expect(type="invokefunction", function_id="l::warn")
        assert (told["data"]["body"], told["metadata"]) == ("w", {"m": 1})
        assert sorted(told["data"]) == sorted(
            [
                "timestamp_unix_nano",
                "observed_timestamp_unix_nano",
                "severity_number",
                "severity_text",
                "body",
                "attributes",
                "trace_id",
                "span_id",
                "resource",
                "service_name",
                "instrumentation_scope_name",
                "instrumentation_scope_version",
            ]
        )
        assert told["data"]["trace_id"] is None
        assert "traceparent" not in told
        assert "baggage" not in told
        notice = peer.expect(type="invokefunction", function_id="l::custom")["data"]
        assert (notice["body"], notice["instrumentation_scope_name"]) == ("n", None)
        assert [peer.expect(type="invokefunction", function_id="l::all")["data"]["body"] for _ in range(3)] == list(
            "ewn"
        )
        peer.barrier()
        assert not [frame for frame in peer.seen if frame.get("function_id") in ("l::warn", "l::all", "l::custom")]


def test_a_binding_that_is_given_back_is_told_nothing():
    with observed() as (_, peer):
        bind(peer, "gone", {})
        peer.send(type="unregistertrigger", id="gone", trigger_type="log")
        peer.barrier()
        peer.call("engine::log::info", {"message": "x"})
        peer.barrier()
        assert not [frame for frame in peer.seen if frame.get("function_id") == "l::gone"]


def test_a_wrong_configuration_is_refused():
    with observed() as (_, peer):
        bind(peer, "wrong", {"level": 5})
        refused = peer.expect(type="triggerregistrationresult", id="wrong")
        assert refused["error"]["code"] == "trigger_registration_failed"
        assert "the configuration of a log trigger" in refused["error"]["message"]
