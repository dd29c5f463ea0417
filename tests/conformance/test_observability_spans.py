"""Trace context over the wire and the engine's own spans (observability.md §1, §4)."""

import json
import re

import pytest
import requests

from iii_actors import Engine, EngineConfig
from tests.support.peer import CallFailed, Peer, peers
from tests.support.raw import RawClient
from tests.support.telemetry import eventually, listed, named, observed

TRACE, SPAN = "a" * 32, "b" * 16
PARENT = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"


@pytest.fixture(scope="module")
def stage():
    with observed(http=True) as pair:
        yield pair


@pytest.fixture
def peer(stage):
    stage[1].call("engine::traces::clear", {})
    return stage[1]


def attributes(span):
    return dict(span["attributes"])


def route(engine, peer, function_id, path, method="GET"):
    trigger = {"api_path": path, "http_method": method}
    peer.send(type="registertrigger", id=function_id, trigger_type="http", function_id=function_id, config=trigger)
    peer.barrier()
    (opened,) = [one for one in engine.opened() if one.name == "http"]
    return f"http://{opened.host}:{opened.port}/{path.lstrip('/')}"


def get(url, **options):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=10, **options)


# --- calls ------------------------------------------------------------------------------------------------------------


def test_a_call_between_workers_gets_no_span_of_the_engine_s(peer):
    peer.register("w::f")
    peer.start_call("w::f", {}, traceparent=PARENT, baggage="k=v;p=1")
    frame = peer.expect(type="invokefunction", function_id="w::f")
    assert frame["traceparent"] == PARENT
    assert sorted(frame["baggage"].split(",")) == ["iii.function.id=w::f", "k=v"]
    peer.answer(frame, 1)
    assert not [one for one in listed(peer) if "w::f" in one["name"] and one["name"].startswith(("call", "execute"))]


def test_a_built_in_function_called_within_a_trace(peer):
    peer.call("engine::functions::list", {}, traceparent=PARENT, baggage="tenant=acme%20co,bad")
    span = named(peer, "call engine::functions::list")
    assert (span["trace_id"], span["parent_span_id"], span["kind"]) == (TRACE, SPAN, "server")
    assert span["status"] == "ok"
    assert span["end_time_unix_nano"] > span["start_time_unix_nano"]
    assert attributes(span) == {
        "faas.invoked_name": "engine::functions::list",
        "function_id": "engine::functions::list",
        "iii.function.kind": "internal",
        "tenant": "acme co",
    }
    assert (span["instrumentation_scope_name"], span["service_name"]) == ("iii", "iii")


def test_one_that_fails(peer):
    with pytest.raises(CallFailed):
        peer.call("engine::workers::info", {"name": "nobody"}, traceparent=PARENT)
    span = named(peer, "call engine::workers::info")
    assert (span["status"], span["status_description"]) == ("error", "Worker 'nobody' is not connected.")
    assert attributes(span)["error.type"] == "NOT_FOUND"
    assert attributes(span)["error.message"] == "Worker 'nobody' is not connected."
    (event,) = span["events"]
    assert event["name"] == "exception"
    assert ["exception.type", "NOT_FOUND"] in event["attributes"]


@pytest.mark.parametrize("context", [{}, {"traceparent": "nonsense"}, {"traceparent": UNSAMPLED}])
def test_without_a_trace_or_with_one_that_is_not_recorded_there_is_no_span(peer, context):
    peer.call("engine::functions::list", {}, **context)
    names = [one["name"] for one in listed(peer)]
    assert ("call engine::functions::list" in names) == (context.get("traceparent") == "nonsense")


def test_traces_of_built_in_functions_may_be_asked_for(monkeypatch):
    monkeypatch.setenv("III_OTEL_TRACE_BUILTINS", "1")
    with observed() as (_, peer):
        peer.call("engine::functions::list", {})
        assert named(peer, "call engine::functions::list")["parent_span_id"] is None


@pytest.mark.parametrize("function_id", ["engine::health::check", "engine::log::info", "engine::baggage::get_all"])
def test_observing_is_not_observed(peer, function_id):
    peer.call(function_id, {"message": "m"}, traceparent=PARENT)
    assert not [one for one in listed(peer) if function_id in one["name"]]


# --- HTTP -------------------------------------------------------------------------------------------------------------


def test_a_request(stage, peer):
    peer.register("h::f", lambda data: {"status_code": 201, "body": {"ok": True}})
    url = route(*stage, "h::f", "/things/:id")
    state = {"traceparent": PARENT, "tracestate": "x=y", "baggage": "k=v", "user-agent": "probe"}
    assert get(f"{url.replace(':id', '5')}?q=1", headers=state).status_code == 201
    span = named(peer, "GET /things/:id")
    assert (span["trace_id"], span["parent_span_id"], span["kind"]) == (TRACE, SPAN, "server")
    assert (span["trace_state"], span["status"]) == ("x=y", "ok")
    found = attributes(span)
    assert found.pop("url.full") == f"{url.replace(':id', '5')}?q=1"
    assert found == {
        "http.request.method": "GET",
        "http.route": "/things/:id",
        "url.path": "/things/5",
        "url.query": "q=1",
        "user_agent.original": "probe",
        "http.response.status_code": "201",
        "function_id": "h::f",
        "iii.function.kind": "user",
        "k": "v",
    }


def test_the_handler_is_told_of_the_request_s_span(stage, peer):
    peer.register("h::g")
    url = route(*stage, "h::g", "/told")
    (host, port) = re.fullmatch(r"http://([\d.]+):(\d+)/told", url).groups()
    with RawClient((host, int(port))) as client:
        client.send(b"GET /told HTTP/1.1\r\nHost: x\r\n\r\n")
        frame = peer.expect(type="invokefunction", function_id="h::g")
        peer.answer(frame, {"body": 1})
        assert b"200" in client.head().encode()
    root = named(peer, "GET /told")
    assert frame["traceparent"] == f"00-{root['trace_id']}-{root['span_id']}-01"
    assert root["parent_span_id"] is None


def test_a_request_that_fails(stage, peer):
    def broken(_):
        raise CallFailed({"code": "boom", "message": "no"})

    peer.register("h::b", broken)
    assert get(route(*stage, "h::b", "/broken")).status_code == 500
    span = named(peer, "GET /broken")
    assert (span["status"], attributes(span)["http.response.status_code"]) == ("error", "500")
    assert [one["name"] for one in peer.call("engine::traces::list", {"status": "error"})["spans"]] == ["GET /broken"]


# --- what the engine does by itself -----------------------------------------------------------------------------------


def test_a_worker_s_coming_is_told_within_a_trace(stage, peer):
    peer.register("t::came")
    peer.send(
        type="registertrigger", id="t", trigger_type="engine::workers-available", function_id="t::came", config={}
    )
    peer.barrier()
    other = Peer(stage[0].url)
    frame = peer.expect(type="invokefunction", function_id="t::came")
    other.close()
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", frame["traceparent"])
    spans = [one for one in listed(peer, trace_id=frame["traceparent"][3:35]) if one["name"] == "trigger t::came"]
    assert [(one["parent_span_id"], one["kind"]) for one in spans] == [(None, "internal")]
    peer.send(type="unregistertrigger", id="t", trigger_type="engine::workers-available")
    peer.barrier()


def test_a_change_of_state_calls_its_watchers_within_the_writer_s_trace():
    config = EngineConfig(
        workers=[{"name": "iii-worker-manager", "config": {"port": 0}}, {"name": "iii-state", "config": {}}]
    )
    with Engine(config) as engine, peers(engine.url) as make:
        peer = make("writer")
        peer.register("s::f")
        peer.send(type="registertrigger", id="s", trigger_type="state", function_id="s::f", config={"scope": "a"})
        peer.barrier()
        peer.call("state::set", {"scope": "a", "key": "k", "value": 1}, traceparent=PARENT, baggage="k=v")
        frame = peer.expect(type="invokefunction", function_id="s::f")
        peer.answer(frame, None)
        peer.barrier()
        span = named(peer, "state_triggers")
        assert (span["trace_id"], span["parent_span_id"]) == (TRACE, SPAN)
        assert attributes(span) == {"iii.function.kind": "internal", "k": "v"}
        assert frame["traceparent"] == f"00-{TRACE}-{span['span_id']}-01"
        assert "k=v" in frame["baggage"]


# --- discovery --------------------------------------------------------------------------------------------------------


def test_a_connection_s_life_is_one_trace(stage, peer):
    other = Peer(stage[0].url)
    other.register_worker("mayfly")
    other.register("m::f")
    other.send(type="registertriggertype", id="m::type", description="d")
    other.send(type="registertrigger", id="m1", trigger_type="m::type", function_id="m::f", config={})
    other.send(type="registertrigger", id="m2", trigger_type="m::nowhere", function_id="m::f", config={})
    other.send(type="unregistertrigger", id="m1", trigger_type="m::type")
    other.send(type="unregisterfunction", id="m::f")
    with pytest.raises(CallFailed):
        other.call("m::f", {})
    other.register("w::held")
    trace_id = other.worker_id.replace("-", "")
    other.close()
    spans = eventually(lambda: listed(peer, trace_id=trace_id), lambda found: found[-1]["name"] == "clean up worker")
    by_name = {one["name"]: one for one in spans}
    assert [*by_name] == [
        "connect worker",
        "register worker mayfly",
        "register function m::f",
        "register trigger type m::type",
        "register trigger m::type",
        "register trigger m::nowhere",
        "unregister trigger m::type",
        "unregister function m::f",
        "look-up miss m::f",
        "register function w::held",
        "clean up worker",
    ]
    root = by_name.pop("connect worker")
    assert (root["parent_span_id"], attributes(root)["iii.worker.id"]) == (None, other.worker_id)
    assert {one["parent_span_id"] for one in by_name.values()} == {root["span_id"]}
    assert all(attributes(one)["iii.function.kind"] == "internal" for one in spans)
    assert attributes(by_name["register trigger m::nowhere"])["iii.trigger.state"] == "parked"
    miss = by_name["look-up miss m::f"]
    assert (miss["status"], miss["events"][0]["attributes"][0]) == ("error", ["exception.type", "function_not_found"])
    assert not peer.call("engine::traces::list", {"trace_id": trace_id})["spans"], "hidden by default"


def test_a_miss_within_a_trace_is_part_of_it(peer):
    with pytest.raises(CallFailed):
        peer.call("no::where", {}, traceparent=PARENT)
    span = named(peer, "look-up miss no::where")
    assert (span["trace_id"], span["parent_span_id"]) == (TRACE, SPAN)


def test_a_refused_registration_shows(stage, peer):
    peer.register("r::mine")
    other = Peer(stage[0].url)
    other.register_worker("second")
    other.send(type="registerfunction", id="r::mine")
    other.expect(type="registrationrejected")
    other.close()
    spans = [one for one in listed(peer) if one["name"] == "register function r::mine"]
    assert [one["status"] for one in spans] == ["ok", "error"]


# --- sampling ---------------------------------------------------------------------------------------------------------


def test_sampling_rules_and_their_listing():
    rules = [{"operation": "GET /quiet*", "rate": 0}, {"operation": "*", "service": "other", "rate": 0}]
    settings = {"sampling": {"rules": rules}, "sampling_ratio": 0.5, "logs_sampling_ratio": 0.25}
    with observed(http=True, **settings) as (engine, peer):
        told = peer.call("engine::sampling::rules", {})
        assert told.pop("timestamp")
        assert told == {
            "traces": {
                "default_ratio": 0.5,
                "rules": [{"operation": "GET /quiet*", "service": None, "rate": 0.0}, {**rules[1], "rate": 0.0}],
                "parent_based": True,
            },
            "logs": {"sampling_ratio": 0.25},
        }
        peer.register("q::f", lambda _: {"body": json.dumps(1)})
        url = route(engine, peer, "q::f", "/quiet")
        assert get(url).status_code == 200
        assert get(url, headers={"traceparent": PARENT}).status_code == 200, "recorded, as its parent is"
        assert [one["trace_id"] for one in listed(peer, name="GET /quiet")] == [TRACE]


# --- queues -----------------------------------------------------------------------------------------------------------


def test_a_job_s_enqueuing_and_each_attempt_have_spans_in_the_caller_s_trace():
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, {"name": "iii-queue"}]
    with Engine(EngineConfig(workers=workers)) as engine, peers(engine.url) as make:
        peer = make("producer")
        peer.register("q::job")
        action = {"type": "enqueue", "queue": "default"}
        receipt = peer.call("q::job", {"n": 1}, action=action, traceparent=PARENT, baggage="k=v")["messageReceiptId"]
        frame = peer.expect(type="invokefunction", function_id="q::job")
        peer.answer(frame, None)
        spans = eventually(
            lambda: {one["name"]: one for one in listed(peer, trace_id=TRACE)},
            lambda found: "fn_queue default" in found,
        )
        enqueued, attempt = spans["enqueue q::job → default"], spans["fn_queue default"]
        assert enqueued["parent_span_id"] == attempt["parent_span_id"] == SPAN
        assert (enqueued["status"], attempt["status"], receipt != "") == ("ok", "ok", True)
        assert attributes(enqueued) == {"function_id": "q::job", "queue": "default", "k": "v"}
        told = attributes(attempt)
        assert (told["function_id"], told["queue"], told["attempt"]) == ("q::job", "default", "1")
        assert (told["iii.tag.kind"], told["iii.tag.display_name"]) == ("queue.process", "queue(default) q::job")
