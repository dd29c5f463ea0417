"""Telemetry of a process: started, shared, ended, started again."""

import os
import subprocess
import sys
import threading

import pytest

from iii_worker import logger as logs
from iii_worker import observability, tracing
from iii_worker.observability import OtelConfig, pipeline
from tests.sdk.observability.conftest import attributes


def run(function_id):
    with tracing.activate(None, None, function_id, b"{}"):
        pass


def test_without_opentelemetry_it_is_off_unless_asked_for(server, without_opentelemetry, monkeypatch):
    monkeypatch.delenv("OTEL_ENABLED", raising=False)
    assert not observability.init_otel({"engine_ws_url": server.url})
    assert tracing.recorder() is None
    assert observability.flush_otel()
    assert observability.shutdown_otel()


def test_it_can_be_ended_and_started_again(server, without_opentelemetry):
    for name in ("first", "second"):
        assert observability.init_otel({"enabled": True, "engine_ws_url": server.url})
        run(name)
        assert observability.shutdown_otel()
        assert server.spans(1)[0]["name"] == f"execute {name}"
        assert pipeline.active() is None


def test_a_second_start_shares_the_first(server, without_opentelemetry):
    config = OtelConfig(enabled=True)
    first = pipeline.start(config, server.url, {})
    assert pipeline.start(config, "ws://elsewhere", {}) is first
    assert pipeline.stop(first)
    assert pipeline.active() is first
    assert pipeline.stop(first)
    assert pipeline.active() is None
    assert pipeline.stop(first)


def test_whoever_ended_it_before_does_not_end_the_next(server, without_opentelemetry):
    old = pipeline.start(OtelConfig(enabled=True), server.url, {})
    observability.shutdown_otel()
    new = pipeline.start(OtelConfig(enabled=True), server.url, {})
    pipeline.stop(old)
    assert pipeline.active() is new


def test_telemetry_that_cannot_be_started_breaks_nothing(server, without_opentelemetry, monkeypatch, caplog):
    monkeypatch.setattr(pipeline.Telemetry, "_make_recorder", lambda self: 1 / 0)
    assert not observability.init_otel({"enabled": True, "engine_ws_url": server.url})
    assert "Telemetry could not be started" in caplog.text
    run("f")


def test_where_it_goes(server, without_opentelemetry, monkeypatch):
    monkeypatch.setenv("III_URL", f"{server.url}/base?tenant=1")
    observability.init_otel(OtelConfig(enabled=True, engine_ws_headers={"Authorization": "Bearer x"}))
    run("f")
    server.spans(1)
    path, headers = server.requests[0]
    assert path == "/base/otel?tenant=1"
    assert headers["Authorization"] == "Bearer x"


def test_log_lines_are_sent(telemetry):
    with tracing.activate(f"00-{'1' * 32}-{'2' * 16}-01", None, "f", b"{}"):
        observability.Logger(service_name="shop").warn("hot", {"degrees": 90})
    (record,) = telemetry.logs(1)
    assert (record["severityNumber"], record["severityText"]) == (13, "WARN")
    assert record["body"] == {"stringValue": "hot"}
    assert record["traceId"] == "1" * 32
    shown = attributes(record)
    assert shown["service.name"] == "shop"
    assert shown["log.data"] == {"values": [{"key": "degrees", "value": {"intValue": "90"}}]}


def test_logs_can_be_kept_out(server, without_opentelemetry, caplog):
    observability.init_otel({"enabled": True, "engine_ws_url": server.url, "logs_enabled": False})
    observability.Logger().warn("to standard logging")
    assert "to standard logging" in caplog.text


def test_gauges_are_sent_for_each_connected_worker(server, without_opentelemetry, monkeypatch):
    monkeypatch.setattr("iii_worker.limits.FIRST_METRICS_S", 0.0)
    telemetry = pipeline.Telemetry(
        OtelConfig(enabled=True, metrics_export_interval_ms=10).resolved(installed=False), server.url, {}
    )
    telemetry.add(lambda: (None, "offline"))
    telemetry.add(one := lambda: ("id-1", "users"))
    (resource,) = server.frame("MTRC")["resourceMetrics"]
    found = {}
    while len(found) < 4:
        for metric in resource["scopeMetrics"][0]["metrics"]:
            (point,) = metric["gauge"]["dataPoints"]
            found[metric["name"]] = point
            assert attributes(point) == {"worker.id": "id-1", "worker.name": "users"}
        (resource,) = server.frame("MTRC")["resourceMetrics"]
    assert "iii.worker.cpu.percent" in found
    assert float(found["iii.worker.uptime_seconds"]["asDouble"]) >= 0
    telemetry.remove(one)
    telemetry.shutdown(5)


def test_an_engine_that_is_away_breaks_and_holds_nothing(without_opentelemetry, caplog):
    observability.init_otel({"enabled": True, "engine_ws_url": "ws://127.0.0.1:1"})
    for n in range(3):
        run(f"f{n}")
    observability.Logger().info("x")
    assert not observability.flush_otel()
    assert not observability.shutdown_otel()
    assert not [thread for thread in threading.enumerate() if thread.name == "iii-telemetry"]


def test_a_script_that_just_ends_loses_nothing(server):
    script = (
        "from iii_worker import observability, tracing\n"
        "observability.init_otel({'enabled': True})\n"
        "with observability.with_span('the last one'): pass\n"
    )
    environment = {**os.environ, "III_URL": server.url, "OTEL_ENABLED": ""}
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, env=environment, timeout=60)
    assert server.spans(1)[0]["name"] == "the last one"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_starts_without_it(server, without_opentelemetry):
    observability.init_otel({"enabled": True, "engine_ws_url": server.url, "metrics_enabled": False})
    child = os.fork()
    if child == 0:
        clean = pipeline.active() is None and tracing.recorder() is None and logs._sink is None
        os._exit(0 if clean else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    run("parents")
    assert server.spans(1)[0]["name"] == "execute parents"
