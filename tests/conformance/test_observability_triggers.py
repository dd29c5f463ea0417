"""The trigger type ``trace`` (observability.md §7), and alerts (§8)."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from iii_actors.clock import ManualClock
from tests.support.peer import CallFailed
from tests.support.telemetry import NOW_NS, Uplink, eventually, gauge, metrics, observed, span, traces

A, B, C = "a" * 32, "b" * 32, "c" * 32


def bind(peer, trigger_id, config, **members):
    function_id = f"t::{trigger_id}"
    peer.register(function_id)
    members = {"id": trigger_id, "trigger_type": "trace", "function_id": function_id, "config": config, **members}
    peer.send(type="registertrigger", **members)
    peer.barrier()


def told(peer, trigger_id):
    return peer.expect(type="invokefunction", function_id=f"t::{trigger_id}")


@pytest.fixture
def stage():
    clock = ManualClock()
    with observed(clock) as (engine, peer), Uplink(engine) as uplink:
        yield clock, peer, uplink


def pass_time(stage):
    """Have the archive look at what came, then let the gathering time pass."""
    stage[1].call("engine::health::check", {})
    stage[0].advance(0.3)


def test_traces_are_told_together_sorted_and_once(stage):
    _, peer, uplink = stage
    bind(peer, "any", {}, metadata={"m": 1})
    uplink.say(traces(span(traceId=B), span(traceId=A, spanId="1"), span(traceId=A, spanId="2")))
    pass_time(stage)
    frame = told(peer, "any")
    assert (frame["data"], frame["metadata"]) == ({"trace_ids": [A, B]}, {"m": 1})
    assert "traceparent" not in frame
    pass_time(stage)
    uplink.say(traces(span(traceId=C)))
    pass_time(stage)
    assert told(peer, "any")["data"] == {"trace_ids": [C]}


def test_service_and_status_may_be_asked_for(stage):
    _, peer, uplink = stage
    bind(peer, "shop", {"service_name": "shop"})
    bind(peer, "bad", {"status": "error"})
    uplink.say(traces(span(traceId=A), service="shop"), traces(span(traceId=B, status={"code": 2}), service="other"))
    pass_time(stage)
    assert told(peer, "shop")["data"] == {"trace_ids": [A]}
    assert told(peer, "bad")["data"] == {"trace_ids": [B]}


def test_what_comes_of_telling_does_not_count(stage):
    _, peer, uplink = stage
    bind(peer, "loop", {})
    uplink.say(
        traces(
            span("execute t::loop", traceId=A, spanId="1"),
            span("call engine::traces::tree", traceId=A, spanId="2", parentSpanId="1"),
            span("root", traceId=B, attributes={"iii.function.kind": "internal"}),
            span("child", traceId=C, parentSpanId="1", attributes={"iii.function.kind": "internal"}),
        )
    )
    pass_time(stage)
    assert told(peer, "loop")["data"] == {"trace_ids": [C]}


def test_a_binding_that_is_given_back_is_told_nothing(stage):
    _, peer, uplink = stage
    bind(peer, "gone", {})
    bind(peer, "stays", {})
    uplink.say(traces(span(traceId=A)))
    peer.call("engine::health::check", {})
    peer.send(type="unregistertrigger", id="gone", trigger_type="trace")
    peer.barrier()
    stage[0].advance(0.3)
    told(peer, "stays")
    peer.barrier()
    assert not [frame for frame in peer.seen if frame.get("function_id") == "t::gone"]


def test_a_wrong_configuration_is_refused(stage):
    _, peer, _ = stage
    bind(peer, "wrong", {"status": []})
    assert peer.expect(type="triggerregistrationresult", id="wrong")["error"]["code"] == "trigger_registration_failed"


# --- alerts -----------------------------------------------------------------------------------------------------------


def rule(name="many errors", metric="iii.invocations.error", threshold=1, **more):
    return {"name": name, "metric": metric, "threshold": threshold, **more}


def fail(peer, times):
    for _ in range(times):
        with pytest.raises(CallFailed):
            peer.call("no::where", {})


def test_an_alert_calls_a_function_and_cools_down():
    clock = ManualClock()
    action = {"type": "function", "path": "a::told"}
    with observed(clock, alerts=[rule(window_seconds=60, cooldown_seconds=30, action=action)]) as (_, peer):
        peer.register("a::told")
        fail(peer, 2)
        clock.advance(10)
        event = peer.expect(type="invokefunction", function_id="a::told")["data"]
        assert event == {
            "alert": "many errors",
            "metric": "iii.invocations.error",
            "value": 2.0,
            "threshold": 1.0,
            "operator": ">",
            "timestamp": NOW_NS // 1_000_000 + 10_000,
        }
        clock.advance(10)
        found = peer.call("engine::alerts::list", {})
        (state,) = found["alerts"]
        assert found["firing_count"] == 1
        assert state == {
            "name": "many errors",
            "firing": True,
            "last_evaluated": NOW_NS // 1_000_000 + 20_000,
            "last_triggered": NOW_NS // 1_000_000 + 10_000,
            "current_value": 2.0,
            "threshold": 1.0,
            "operator": ">",
        }
        assert found["rules"][0]["action"] == {**action, "url": None}
        clock.advance(60)
        assert peer.call("engine::alerts::list", {})["alerts"][0]["firing"] is False, "no new ones within the window"


def test_alerts_on_gauges_counters_and_workers_metrics():
    clock = ManualClock()
    rules = [
        rule("workers", "iii.workers.active", 1, operator=">="),
        rule("depth", "q::depth", 5),
        rule("absent", "q::nothing", 0, operator=">="),
        rule("off", "iii.workers.active", 0, enabled=False),
    ]
    with observed(clock, alerts=rules) as (engine, peer), Uplink(engine) as uplink:
        uplink.say(metrics(gauge("q::depth", 9)), metrics(gauge("q::depth", 7)))
        found = peer.call("engine::alerts::evaluate", {})
        assert found["evaluated"] is True
        assert [(one["alert"], one["value"]) for one in found["triggered_alerts"]] == [("workers", 1.0), ("depth", 7.0)]
        assert peer.call("engine::alerts::evaluate", {})["triggered_alerts"] == [], "cooling down"
        states = {one["name"]: one["current_value"] for one in peer.call("engine::alerts::list", {})["alerts"]}
        assert states == {"workers": 1.0, "depth": 7.0, "absent": None, "off": None}


def test_a_log_line_and_what_may_not_be_called(caplog):
    rules = [
        rule("spoken", "iii.workers.active", 0),
        rule("own", "iii.workers.active", 0, action={"type": "function", "path": "engine::drain"}),
    ]
    with observed(alerts=rules) as (_, peer):
        assert len(peer.call("engine::alerts::evaluate", {})["triggered_alerts"]) == 2
    assert "Alert spoken: iii.workers.active is 1, > 0" in caplog.messages
    assert "Alert own: engine::drain is a built-in function; it is not called" in caplog.messages


@pytest.fixture
def site():
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()
        thread.join()


def test_a_webhook_on_a_private_network_is_not_called(site, caplog):
    url, got = site
    with observed(alerts=[rule("w", "iii.workers.active", 0, action={"type": "webhook", "url": url})]) as (_, peer):
        peer.call("engine::alerts::evaluate", {})
        eventually(
            lambda: [peer.call("engine::health::check", {}), caplog.messages][1],
            lambda said: "Alert w: its webhook is not called: Private IP blocked" in said,
        )
    assert got == []
