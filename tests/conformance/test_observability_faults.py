"""Garbage, floods, label explosion, a collector that is away: all bounded, all visible (observability.md)."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iii_actors import Engine, EngineConfig, limits
from iii_actors.clock import ManualClock
from iii_actors.errors import ConfigError
from tests.support.peer import CallFailed
from tests.support.raw import BINARY, client_frame
from tests.support.telemetry import Uplink, eventually, gauge, listed, logs, metrics, observed, span, traces


@pytest.fixture(scope="module")
def stage():
    with observed(logs_console_output=False) as pair:
        yield pair


def dropped(peer):
    return peer.call("engine::health::check", {})["components"]["otel"]["details"]["dropped"]


GARBAGE = [
    b"{",
    b"",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"resourceSpans":5,"resourceLogs":5,"resourceMetrics":5}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"soon"}]}]}]'
    b',"resourceLogs":[7],"resourceMetrics":[{"scopeMetrics":{}}]}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"endTimeUnixNano":1e400}]}]}],"resourceLogs":"","resourceMetrics":1}',
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":9223372036854775808}]}]}]'
    b',"resourceLogs":0,"resourceMetrics":0}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
]


@pytest.mark.parametrize("kind", [b"OTLP", b"LOGS", b"MTRC"])
def test_garbage_is_counted_said_and_forgotten(kind, caplog):
    with observed() as (engine, peer), Uplink(engine) as uplink:
        uplink.say(*(kind + payload for payload in GARBAGE))
        uplink.say(traces(span("still served")))
        assert dropped(peer)["malformed"] == len(GARBAGE)
        assert "still served" in [one["name"] for one in listed(peer)]
    said = [text for text in caplog.messages if "is no OTLP/JSON" in text]
    assert 0 < len(said) <= 2 * limits.UNDECODABLE_LOG_PER_S, "a flood of garbage does not fill the log"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceSpans", "scopeSpans", "spans", "attributes", "key", "value", "intValue", "traceId"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([b"OTLP", b"LOGS", b"MTRC"]), json_values)
def test_any_json_is_survived(stage, kind, value):
    _, peer = stage
    peer.send_raw(kind + json.dumps(value).encode())
    assert peer.call("engine::health::check", {})["status"] == "healthy"


def test_a_flood_of_spans_and_logs_leaves_the_newest_within_the_limits():
    with observed(memory_max_spans=50, logs_max_count=20, metrics_max_count=10, logs_console_output=False) as (
        engine,
        peer,
    ):
        with Uplink(engine) as uplink:
            for batch in range(20):
                numbers = range(batch * 100, batch * 100 + 100)
                uplink.say(traces(*(span(f"s{n}", spanId=f"{n + 1:x}") for n in numbers)))
                uplink.say(logs(*({"body": {"stringValue": str(n)}} for n in numbers)))
                uplink.say(metrics(*(gauge(f"m{n}", n) for n in numbers)))
        spans = listed(peer, limit=1000)
        assert len(spans) == 50
        assert spans[-1]["name"] in {f"s{n}" for n in range(1900, 2000)}
        assert peer.call("engine::logs::list", {})["total"] == 20
        assert len(peer.call("engine::metrics::list", {})["sdk_metrics"]) == 10
        told = dropped(peer)
        assert told["evicted_spans"] >= 1950
        assert (told["evicted_logs"] >= 1980, told["evicted_metrics"]) == (True, 1990)


def test_more_than_the_archive_can_take_at_once_is_dropped_and_counted(monkeypatch):
    monkeypatch.setattr("iii_actors.builtin.observability.intake.INTAKE_BYTES", 5_000)
    with observed() as (engine, peer), Uplink(engine) as uplink:
        uplink.say(traces(span("x" * 6_000)))
        uplink.say(traces(span("small")))
        assert "small" in [one["name"] for one in listed(peer)]
        assert dropped(peer)["telemetry"] == 1


@pytest.mark.parametrize("make", ["span", "log", "metric"])
def test_a_record_that_would_drive_out_all_others_is_dropped(stage, make):
    engine, peer = stage
    large = {"large": "x" * (limits.TELEMETRY_RECORD_BYTES + 1)}
    payload = {
        "span": traces(span("large", attributes=large)),
        "log": logs({"body": {"stringValue": large["large"]}}),
        "metric": metrics(gauge("large", 1, attributes=large)),
    }[make]
    before = dropped(peer).get("too_large", 0)
    with Uplink(engine) as uplink:
        uplink.say(payload)
    assert dropped(peer)["too_large"] == before + 1
    assert "large" not in [one["name"] for one in listed(peer)]


def test_invented_functions_codes_and_metrics_make_no_endless_series(monkeypatch):
    monkeypatch.setattr("iii_actors.core.tallies.TALLIED_FUNCTIONS", 3)
    monkeypatch.setattr("iii_actors.core.tallies.TALLIED_CODES", 2)
    codes = iter(f"code{n}" for n in range(100))

    def invent(_):
        raise CallFailed({"code": next(codes), "message": "m"})

    with observed() as (engine, peer):
        peer.register("first::f", invent)
        for _ in range(10):
            with pytest.raises(CallFailed):
                peer.call("first::f", {})
        for n in range(10):
            peer.register(f"f{n}", lambda _: 1)
            peer.call(f"f{n}", {})
            with pytest.raises(CallFailed):
                peer.call(f"invented-{n}", {})
        by_function = peer.call("engine::metrics::list", {})["engine_metrics"]["invocations"]["by_function"]
        assert len(by_function) <= 6
        assert (by_function["first::f"], by_function["(not registered)"]) == (10, 10)
        assert by_function["(other)"] >= 8
        builtin = next(one for one in engine._builtins if one.id == "iii-observability")
        (tally,) = [one for one in builtin._figures().tallies.functions if one.function_id == "first::f"]
        assert tally.errors == {"code0": 1, "code1": 1, "(other)": 8}


def test_too_many_metric_names_are_refused_and_counted(monkeypatch):
    with observed() as (engine, peer), Uplink(engine) as uplink:
        archive = next(one for one in engine._builtins if one.id == "iii-observability")._archive
        archive._actor_weakref().metrics._most_names = 2
        uplink.say(metrics(*(gauge(f"m{n}", 1) for n in range(5))), metrics(gauge("m1", 2)))
        kept = peer.call("engine::metrics::list", {})["sdk_metrics"]
        assert [one["name"] for one in kept] == ["m0", "m1", "m1"]
        assert dropped(peer)["too_many_names"] == 3


def test_a_storm_of_misses_makes_so_many_spans_and_no_more(monkeypatch):
    monkeypatch.setattr("iii_actors.builtin.observability.worker.DISCOVERY_SPANS_PER_S", 5)
    with observed(ManualClock()) as (_, peer):
        for n in range(20):
            with pytest.raises(CallFailed):
                peer.call(f"no{n}", {})
        assert len([one for one in listed(peer) if one["name"].startswith("look-up miss")]) <= 5
        assert dropped(peer)["discovery"] >= 15
        assert peer.call("engine::metrics::list", {})["engine_metrics"]["invocations"]["error"] == 20


def test_a_collector_that_is_away_harms_nobody_and_is_complained_of_once(caplog):
    away = {"exporter": "both", "logs_exporter": "both", "endpoint": "http://127.0.0.1:1"}
    with observed(**away) as (engine, peer), Uplink(engine) as uplink:
        for n in range(3):
            uplink.say(traces(span(spanId=f"{n + 1:x}")))
            peer.call("engine::log::info", {"message": "m"})
        assert len([one for one in listed(peer) if one["name"] == "work"]) == 3
        builtin = next(one for one in engine._builtins if one.id == "iii-observability")
        builtin._export.spans._backend.shutdown()  # what it waits for is over at once
        builtin._export.logs._backend.shutdown()
        eventually(lambda: dropped(peer).get("export", 0), lambda count: count >= 6)
        uplink.say(traces(span(spanId="f")))
        eventually(lambda: dropped(peer)["export"], lambda count: count >= 7)
    said = [text for text in caplog.messages if "The collector at http://127.0.0.1:1 does not take" in text]
    assert sorted(text.split("take ")[1].split(" ")[0].rstrip(";") for text in said) == ["logs", "spans"]


@pytest.mark.parametrize(
    ("config", "place", "problem"),
    [
        ({"exporter": "jaeger"}, "exporter", "'memory', 'otlp' or 'both'"),
        ({"endpoint": "localhost:4317"}, "endpoint", "an http:// or https:// URL is wanted"),
        ({"sampling_ratio": 1.5}, "sampling_ratio", "1"),
        ({"memory_max_spans": 0}, "memory_max_spans", "1"),
        ({"sampling": {"rules": [{"operation": "x"}]}}, "sampling.rules[0].rate", ""),
        ({"alerts": [{"name": "a", "metric": "m", "threshold": 1, "operator": "~"}]}, "alerts[0].operator", ""),
        (
            {"alerts": [{"name": "a", "metric": "m", "threshold": 1, "action": {"type": "webhook"}}]},
            "alerts[0].action",
            "a webhook needs its url",
        ),
        ({"prometheus": {"port": 70000}}, "prometheus.port", ""),
        ({"sampel": {}}, "sampel", ""),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(config, place, problem):
    with pytest.raises(ConfigError) as failed:
        EngineConfig(workers=[{"name": "iii-observability", "config": config}])
    assert f"workers[0].config.{place}" in str(failed.value)
    assert problem in str(failed.value)


@pytest.mark.parametrize(
    ("config", "module", "extra"),
    [
        ({"exporter": "otlp"}, "iii_actors.builtin.observability.otlp_export", "otlp"),
        ({"prometheus": {"port": 0}}, "iii_actors.builtin.observability.prometheus", "prometheus"),
    ],
)
def test_a_package_that_is_missing_is_named(monkeypatch, config, module, extra):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    entry = {"name": "iii-observability", "config": config}
    engine = Engine(EngineConfig(workers=[{"name": "iii-worker-manager", "config": {"port": 0}}, entry]))
    with pytest.raises(ConfigError, match=rf"pip install 'iii-actors\[{extra}\]'"):
        engine.start()


def test_half_a_frame_and_a_sudden_end(stage):
    engine, peer = stage
    with Uplink(engine) as uplink:
        uplink.say_frame(client_frame(BINARY, traces(span("cut")))[:-20])
    assert "cut" not in [one["name"] for one in listed(peer)]
