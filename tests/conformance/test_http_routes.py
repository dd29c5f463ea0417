"""Routes through real sockets: which are served, who owns them, what refuses them (http.md §2, §3)."""

import json
from collections.abc import Iterator

import pytest

from tests.support.http_engine import Site, error_of, read_answer, site
from tests.support.quiet import leave, unexpected


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with site() as made:
        yield made


def says(text):
    return lambda _: {"body": text}


def test_a_route_is_there_at_once_and_gone_at_once(shared):
    with shared.raw() as client:
        request = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"
        client.send(request)
        assert read_answer(client)[0] == 404
        function_id = shared.route("live", says("here"))
        client.send(request)
        assert (read_answer(client)[2]) == b'"here"'
        trigger_id = shared.bind(function_id, "/live")
        shared.unbind(trigger_id)
        client.send(request)
        assert read_answer(client)[0] == 404, "replaced, then removed: the first is not restored"


def test_the_path_decides_before_the_method(shared):
    shared.route("pm/fixed", says("post"), "POST")
    shared.route("pm/:any", says("get"), "GET")
    assert shared.post("/pm/fixed").json() == "post"
    assert shared.get("/pm/other").json() == "get"
    refused = shared.get("/pm/fixed")
    assert (refused.status_code, refused.content, refused.headers["allow"]) == (405, b"", "POST")


def test_parameters_are_not_decoded_and_the_query_is(shared):
    shared.route("/dec/:a/x/:b", lambda data: {"body": data})
    data = shared.get("/dec/a%20b/x/%2F?q=1&q=%C3%BC+x").json()
    assert data["path_params"] == {"a": "a%20b", "b": "%2F"}
    assert data["query_params"] == {"q": "ü x"}
    assert (data["path"], data["trigger"]) == (
        "/dec/:a/x/:b",
        {"type": "http", "path": "/dec/:a/x/:b", "method": "GET"},
    )


def test_each_method_may_name_its_parameters_itself(shared):
    shared.route("names/:id", lambda data: {"body": data["path_params"]})
    shared.route("names/:user", lambda data: {"body": data["path_params"]}, "POST")
    assert shared.get("/names/1").json() == {"id": "1"}
    assert shared.post("/names/1").json() == {"user": "1"}


def test_a_conflict_is_told_and_the_first_goes_on(shared):
    shared.route("conf/:x", says("first"))
    trigger_id = shared.bind("nobody", "/conf/:y")
    told = shared.worker.expect(type="triggerregistrationresult", id=trigger_id)
    assert told["error"]["code"] == "trigger_registration_failed"
    assert told["error"]["message"].startswith(
        "Route 'GET /conf/:y' conflicts with already-registered route 'GET conf/:x'"
    )
    assert (told["trigger_type"], told["function_id"]) == ("http", "nobody")
    assert shared.get("/conf/1").json() == "first"


@pytest.mark.parametrize("config", [{}, {"api_path": 5}, None, {"api_path": "w/*rest"}, {"api_path": "w/:"}])
def test_a_bad_config_is_told(shared, config):
    shared.worker.send(type="registertrigger", id="bad", trigger_type="http", function_id="f", config=config)
    error = shared.worker.expect(type="triggerregistrationresult", id="bad")["error"]
    assert error["code"] == "trigger_registration_failed"
    if not config or not isinstance(config["api_path"], str):
        assert error["message"] == "api_path is required for http triggers"


def test_success_sends_nothing_and_unknown_ids_are_no_mistake(shared):
    peer = shared.make()
    shared.route("silent", says(1), worker=peer)
    shared.unbind("never-registered", peer)
    assert unexpected(peer) == []


def test_a_trigger_may_precede_its_function(shared):
    shared.bind("late::function", "late")
    response = shared.get("/late")
    error = error_of(response)
    assert (response.status_code, error["code"]) == (500, "function_not_found")
    assert error["message"] == "Function late::function not found in namespace default"
    shared.worker.register("late::function", says("now"))
    assert shared.get("/late").json() == "now"


def test_a_route_goes_with_its_worker_unless_it_was_replaced(shared):
    first, second = shared.make(), shared.make()
    shared.route("own/a", says("first"), worker=first)
    shared.route("own/b", says("first"), worker=first)
    shared.route("/own/b", says("second"), worker=second)
    leave(shared.engine, first)
    assert shared.get("/own/a").status_code == 404
    assert shared.get("/own/b").json() == "second"
    leave(shared.engine, second)
    assert shared.get("/own/b").status_code == 404


def test_handler_condition_and_middleware_are_of_the_triggers_namespace(shared):
    other = shared.make(namespace="elsewhere")
    for name, handler in {"ns::h": says("elsewhere"), "ns::c": lambda _: True, "ns::m": lambda _: None}.items():
        other.register(name, handler)
        shared.worker.register(name, lambda _: False)
    config = {"condition_function_id": "ns::c", "middleware_function_ids": ["ns::m"]}
    shared.bind("ns::h", "ns", trigger={"namespace": "elsewhere"}, **config)
    assert shared.get("/ns").json() == "elsewhere"


def test_options_and_unserved_methods(shared):
    shared.route("opt", says("never"), "OPTIONS")
    shared.route("opt", says("never"), "PURGE")
    assert shared.get("/opt").status_code == 405
    answer = shared.ask("OPTIONS", "/opt")
    assert (answer.status_code, answer.content, answer.headers["allow"]) == (200, b"", "OPTIONS")
    assert shared.ask("PURGE", "/opt").status_code == 405
    assert shared.ask("OPTIONS", "/no/such").status_code == 200


def test_the_type_is_described_with_its_schemas(shared):
    info = shared.worker.call("engine::triggers::info", {"id": "http"})
    assert (info["description"], info["namespace"], info["worker_name"]) == ("HTTP API trigger", "default", "iii-http")
    assert info["configuration_schema"]["title"] == "HttpTriggerConfig"
    assert info["configuration_schema"]["required"] == ["api_path"]
    assert info["request_schema"]["title"] == "HttpCallRequest"
    assert set(info["request_schema"]["required"]) == {
        "query_params",
        "path_params",
        "headers",
        "path",
        "method",
        "body",
    }
    assert "response_schema" in info


def test_the_worker_is_listed(shared):
    rows = shared.worker.call("engine::workers::list", {"search": "iii-http"})["workers"]
    (row,) = [row for row in rows if row["name"] == "iii-http"]
    assert (row["status"], row["isolation"]) == ("available", "in-process")


def test_routes_can_be_read_in_order(shared):
    titles = [route.title for route in shared.front.routes()]
    assert titles == [route.title for route in sorted(shared.front.routes(), key=lambda one: one.parsed.key)]
    assert "GET conf/:x" in titles


def test_metadata_travels_beside_the_payload(shared):
    function_id = shared.route("meta", trigger={"metadata": {"owner": "me"}})
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with shared.raw() as client:
        client.send(f"GET /meta HTTP/1.1\r\nHost: x\r\ntraceparent: {trace}\r\nbaggage: a=b\r\n\r\n".encode())
        frame = shared.worker.expect(type="invokefunction", function_id=function_id)
        assert frame["metadata"] == {"owner": "me"}
        assert frame["traceparent"].startswith(trace[:36])
        assert frame["traceparent"] != trace  # the request's own span stands between
        assert frame["baggage"] == f"a=b,iii.function.id={function_id}"
        assert "context" not in frame["data"]
        assert "_caller_worker_id" not in frame["data"]
        shared.worker.answer(frame, {"body": json.dumps(frame["data"]["method"])})
        assert read_answer(client)[0] == 200
