"""Counts of calls and workers, workers' metrics, health, ``/metrics`` (observability.md §5, §6, §8)."""

import re

import pytest
import requests

from iii_actors import Engine, EngineConfig, __version__
from iii_actors.clock import ManualClock
from iii_actors.errors import ListenError
from tests.support.peer import CallFailed, Peer
from tests.support.telemetry import NOW_NS, Uplink, gauge, metrics, observed, span, traces

NOW_MS = NOW_NS // 1_000_000


def broken(_):
    raise CallFailed({"code": "boom", "message": "no"})


@pytest.fixture
def stage():
    with observed(ManualClock(), prometheus={"port": 0}) as pair:
        yield pair


def figures(peer, **query):
    return peer.call("engine::metrics::list", query)


def scrape(engine):
    (opened,) = [one for one in engine.opened() if one.name == "metrics"]
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"http://{opened.host}:{opened.port}/metrics", timeout=10)
    assert answer.status_code == 200
    pattern = re.compile(r"^(\w+)(\{.*\})? (\S+)$", re.MULTILINE)
    return {f"{name}{labels}": float(value) for name, labels, value in pattern.findall(answer.text)}


# --- calls and workers ------------------------------------------------------------------------------------------------


def test_the_outcome_of_every_call_is_counted(stage):
    _, peer = stage
    peer.register("c::good", lambda _: 1)
    peer.register("c::bad", broken)
    peer.register("c::waits")
    before = figures(peer)["engine_metrics"]["invocations"]
    for _ in range(3):
        peer.call("c::good", {})
    with pytest.raises(CallFailed):
        peer.call("c::bad", {})
    with pytest.raises(CallFailed):
        peer.call("c::nowhere", {})
    peer.start_call("c::waits", {})
    after = figures(peer)["engine_metrics"]["invocations"]
    assert after["success"] - before["success"] == 4, "the first listing has succeeded too"
    assert after["error"] - before["error"] == 2
    assert after["deferred"] == before["deferred"] + 1
    assert after["total"] == after["success"] + after["error"] + after["deferred"]
    by_function = after["by_function"]
    assert (by_function["c::good"], by_function["c::bad"], by_function["c::waits"]) == (3, 1, 1)
    assert by_function["(not registered)"] == 1
    assert "c::nowhere" not in by_function


def test_workers_come_and_go(stage):
    engine, peer = stage
    other = Peer(engine.url)
    now = figures(peer)["engine_metrics"]["workers"]
    assert now == {"spawns": 2, "deaths": 0, "active": 2}
    peer.register("w::seen")
    trigger = {"id": "w", "trigger_type": "engine::workers-available", "function_id": "w::seen", "config": {}}
    peer.send(type="registertrigger", **trigger)
    peer.barrier()
    other.close()
    assert peer.expect(type="invokefunction", function_id="w::seen")["data"]["event"] == "worker_disconnected"
    assert figures(peer)["engine_metrics"]["workers"] == {"spawns": 2, "deaths": 1, "active": 1}


def test_durations_are_those_of_finished_spans(stage):
    engine, peer = stage
    assert figures(peer)["engine_metrics"]["performance"]["max_duration_ms"] == 0.0
    with Uplink(engine) as uplink:
        uplink.say(traces(*(span(spanId=f"{n:x}", lasts_ms=n) for n in range(1, 101)), span(endTimeUnixNano=0)))
    assert figures(peer)["engine_metrics"]["performance"] == {
        "avg_duration_ms": 50.5,
        "p50_duration_ms": 50.0,
        "p95_duration_ms": 95.0,
        "p99_duration_ms": 99.0,
        "min_duration_ms": 1.0,
        "max_duration_ms": 100.0,
    }


def test_counting_may_be_switched_off():
    with observed(metrics_enabled=False) as (engine, peer), Uplink(engine) as uplink:
        peer.register("c::good", lambda _: 1)
        peer.call("c::good", {})
        uplink.say(metrics(gauge("g", 1)))
        found = figures(peer)
        assert found["engine_metrics"]["invocations"] == {
            "total": 0,
            "success": 0,
            "error": 0,
            "deferred": 0,
            "by_function": {},
        }
        assert found["sdk_metrics"] == []


# --- workers' metrics -------------------------------------------------------------------------------------------------


def test_metrics_by_name_and_time_and_in_buckets(stage):
    engine, peer = stage
    clock = engine._clock
    with Uplink(engine) as uplink:
        for value in (1, 2, 3, 4, 10):
            uplink.say(metrics(gauge("q::depth", value)))
        uplink.say(metrics(gauge("q::other", 7)))
        figures(peer)
        clock.advance(60)
        uplink.say(metrics(gauge("q::depth", 20)))
    found = figures(peer, metric_name="q::depth", start_time=NOW_MS, end_time=NOW_MS + 1000)
    assert [one["data_points"][0]["value"] for one in found["sdk_metrics"]] == [1, 2, 3, 4, 10]
    assert found["query"] == {
        "metric_name": "q::depth",
        "start_time": NOW_MS,
        "end_time": NOW_MS + 1000,
        "aggregate_interval": None,
    }
    assert "aggregated_metrics" not in found
    rows = figures(peer, start_time=NOW_MS, end_time=NOW_MS + 90_000, aggregate_interval=60)["aggregated_metrics"]
    first = next(one for one in rows if one["name"] == "q::depth")
    assert (first["count"], first["sum"], first["min"], first["max"], first["avg"]) == (5, 20, 1, 10, 4)
    assert first["percentiles"] == {"p50": 3, "p75": 4, "p90": 10, "p95": 10, "p99": 10}
    assert first["bucket_end_ns"] - first["bucket_start_ns"] == 60_000_000_000
    assert [one["name"] for one in rows] == ["q::depth", "q::depth", "q::other"]
    assert "percentiles" not in rows[-1]
    assert "query" not in figures(peer)


def test_rollups_are_made_of_what_is_kept(stage):
    engine, peer = stage
    point = {"count": 2, "sum": 3.0, "bucketCounts": [1, 1], "explicitBounds": [1.0]}
    with Uplink(engine) as uplink:
        uplink.say(
            metrics(gauge("r::g", 1), gauge("r::g", 3), {"name": "r::h", "histogram": {"dataPoints": [point, point]}})
        )
    found = peer.call("engine::rollups::list", {"level": 1})
    assert [(one["name"], one["count"], one["avg"]) for one in found["rollups"]] == [("r::g", 2, 2.0)]
    (added,) = found["histogram_rollups"]
    assert (added["count"], added["sum"], added["bucket_counts"]) == (4, 6.0, [2, 2])
    assert added["bucket_end_ns"] - added["bucket_start_ns"] == 300_000_000_000
    assert (found["level"], found["query"]["level"]) == (1, 1)
    assert peer.call("engine::rollups::list", {"end_time": 5})["rollups"] == []


def test_what_a_worker_says_of_itself_stands_at_it_for_two_minutes(stage):
    engine, peer = stage
    own = {"attributes": {"worker.id": peer.worker_id}}
    with Uplink(engine) as uplink:
        uplink.say(
            metrics(
                gauge("iii.worker.memory.rss", 1, **own),
                gauge("iii.worker.memory.rss", 2_000_000, **own),
                gauge("iii.worker.cpu.percent", 12.5, **own),
                gauge("iii.worker.unknown", 1, **own),
                gauge("iii.worker.uptime_seconds", 5),
            )
        )
    info = peer.call("engine::workers::info", {"name": "watched"})["worker"]
    wanted = {"memory_rss": 2_000_000, "cpu_percent": 12.5, "timestamp_ms": NOW_MS, "runtime": "test"}
    figures(peer)
    info = peer.call("engine::workers::info", {"name": "watched"})["worker"]
    assert info["latest_metrics"] == wanted
    assert peer.call("_internal.get_worker", {"worker_id": peer.worker_id})["latest_metrics"] == wanted
    engine._clock.advance(121)
    assert "latest_metrics" not in peer.call("engine::workers::info", {"name": "watched"})["worker"]


# --- health -----------------------------------------------------------------------------------------------------------


def test_health(stage):
    engine, peer = stage
    with Uplink(engine) as uplink:
        uplink.say(metrics(gauge("g", 1)))
    found = peer.call("engine::health::check", {})
    assert (found["status"], found["version"], found["timestamp"]) == ("healthy", __version__, NOW_MS)
    parts = found["components"]
    assert {name: one["status"] for name, one in parts.items()} == dict.fromkeys(
        ("otel", "metrics", "logs", "spans"), "healthy"
    )
    assert parts["otel"]["details"] == {"enabled": True, "service_name": "iii", "exporter": "memory", "dropped": {}}
    assert parts["metrics"]["details"] == {"stored_metrics": 1}
    assert sorted(parts["spans"]["details"]) == ["archive", "hot_bytes", "stored_spans"]


def test_health_of_what_is_switched_off():
    with observed(enabled=False, logs_enabled=False, metrics_enabled=False) as (_, peer):
        parts = peer.call("engine::health::check", {})["components"]
        disabled = {"status": "disabled", "details": None}
        assert parts == {"otel": disabled, "metrics": disabled, "logs": disabled, "spans": disabled}


# --- Prometheus -------------------------------------------------------------------------------------------------------


def test_a_scrape(stage):
    engine, peer = stage
    peer.register("p::good", lambda _: 1)
    peer.register("p::bad", broken)
    peer.call("p::good", {})
    with pytest.raises(CallFailed):
        peer.call("p::bad", {})
    found = scrape(engine)
    assert found['iii_invocations_total{function_id="p::good",status="success"}'] == 1
    assert found['iii_invocations_total{function_id="p::bad",status="error"}'] == 1
    assert found['iii_invocation_errors_total{error_code="boom",function_id="p::bad"}'] == 1
    assert found['iii_invocation_duration_seconds_count{function_id="p::good"}'] == 1
    assert found['iii_invocation_duration_seconds_bucket{function_id="p::good",le="+Inf"}'] == 1
    assert (found["iii_workers_active"], found["iii_workers_spawns_total"], found["iii_workers_deaths_total"]) == (
        1,
        1,
        0,
    )
    assert found['iii_workers_by_status{status="connected"}'] == 1
    assert found["process_resident_memory_bytes"] > 1_000_000
    with Uplink(engine) as uplink:
        uplink.say(b"OTLP{")
    peer.call("engine::health::check", {})
    assert scrape(engine)['iii_records_dropped_total{kind="malformed"}'] == 1


def test_a_taken_port_is_said_so():
    with observed(prometheus={"port": 0}) as (engine, _):
        port = engine.opened()[0].port
        settings = {"name": "iii-observability", "config": {"prometheus": {"port": port}}}
        other = Engine(EngineConfig(workers=[{"name": "iii-worker-manager", "config": {"port": 0}}, settings]))
        with pytest.raises(ListenError) as failed:
            other.start()
    assert str(failed.value) == (
        f"cannot listen on 127.0.0.1:{port}: the port is in use; set prometheus.port of iii-observability to another "
        "one (0 takes a free one), or remove prometheus"
    )
