"""The fake worker: the real client, with nothing behind it."""

import asyncio
import threading
from typing import Any

import pytest
from pydantic import BaseModel, Field

import iii_worker
from iii_worker import Error, InvocationError
from iii_worker.testing import FakeWorker, OutgoingCall


class User(BaseModel):
    name: str
    age: int = Field(ge=0)


@pytest.fixture
def fake():
    one = FakeWorker()
    yield one
    one.shutdown()


def test_a_handler_is_called_as_over_the_wire(fake):
    @fake.function("users::create")
    def create(user: User) -> User:
        return user

    assert fake.call("users::create", {"name": "Ada", "age": "36"}) == {"name": "Ada", "age": 36}
    assert fake.outgoing == []


def test_a_bad_input_is_refused_as_ever(fake):
    fake.register_function("users::create", lambda user: user)

    @fake.function("users::typed")
    def typed(user: User) -> None: ...

    with pytest.raises(InvocationError, match="name") as caught:
        fake.call("users::typed", {"age": 1})
    assert caught.value.code == "invalid_request"
    with pytest.raises(Exception, match=r"(?i)nan"):
        fake.call("users::create", float("nan"))


def test_the_engines_addition_to_objects_is_there(fake):
    fake.register_function("keys", sorted)
    assert fake.call("keys", {"a": 1}) == ["_caller_worker_id", "a"]
    assert fake.call("keys", ["b", "a"]) == ["a", "b"]


def test_errors_are_what_a_caller_gets(fake):
    @fake.function("users::get")
    def get(data: dict[str, Any]) -> None:
        if data.get("known"):
            raise Error("no such user", code="user_not_found")
        raise ZeroDivisionError("oops")

    with pytest.raises(InvocationError) as caught:
        fake.call("users::get", {"known": True})
    assert (caught.value.code, caught.value.message) == ("user_not_found", "no such user")
    with pytest.raises(InvocationError) as caught:
        fake.call("users::get", {})
    assert caught.value.code == "invocation_failed"
    assert "ZeroDivisionError" in caught.value.stacktrace


def test_calls_go_to_stubs_and_are_recorded(fake):
    mail = fake.stub("mail::send", {"queued": True})

    @fake.function("users::create")
    def create(data: dict[str, Any]) -> Any:
        fake.send("audit::note", {"who": data["name"]}, namespace="audit")
        return fake.call("mail::send", {"to": data["name"]}, metadata={"m": 1})

    assert fake.call("users::create", {"name": "Ada"}) == {"queued": True}
    assert mail.payloads == [{"to": "Ada"}]
    assert fake.outgoing == [
        OutgoingCall("audit::note", {"who": "Ada"}, namespace="audit", action={"type": "void"}),
        OutgoingCall("mail::send", {"to": "Ada"}, metadata={"m": 1}),
    ]
    assert fake.calls_to("mail::send") == mail.calls


def test_a_stub_may_compute_and_fail(fake):
    fake.stub("double", lambda number: number * 2)
    fake.stub("gone", Error("not today", code="closed"))
    fake.stub("model", User(name="Ada", age=1))
    fake.stub("odd", lambda payload: object())

    def raises(payload):
        raise KeyError("x")

    fake.stub("raises", raises)
    assert fake.call("double", 4) == 8
    assert fake.call("model") == {"name": "Ada", "age": 1}
    for function_id, code in [("gone", "closed"), ("raises", "invocation_failed"), ("odd", None)]:
        with pytest.raises(InvocationError) as caught:
            fake.call(function_id)
        assert code in (None, caught.value.code)


def test_a_stub_beats_a_function_registered_here(fake):
    fake.register_function("f", lambda data: "own")
    fake.stub("f", "stub")
    assert fake.call("f") == "stub"


def test_handlers_may_call_each_other(fake):
    fake.register_function("even", lambda n: True if n == 0 else fake.call("odd", n - 1))
    fake.register_function("odd", lambda n: False if n == 0 else fake.call("even", n - 1))
    assert fake.call("even", 10) is True
    assert [call.payload for call in fake.outgoing] == list(range(9, -1, -1))


def test_what_nobody_offers_is_not_found(fake):
    with pytest.raises(InvocationError, match=r"say what it answers with stub\('no::where', ...\)") as caught:
        fake.call("no::where")
    assert caught.value.code == "function_not_found"


def test_every_way_to_call_works(fake):
    fake.register_function("f", lambda data: data)
    assert fake.trigger({"function_id": "f", "payload": 1}) == 1
    assert fake.call_many([("f", 1), ("f", 2)]) == [1, 2]
    assert fake.call_async("f", 3).result(5) == 3
    assert fake.trigger({"function_id": "f", "payload": 1, "action": {"type": "void"}}) is None


def test_an_enqueued_call_is_recorded_and_not_run(fake):
    ran = []
    fake.register_function("f", ran.append)
    assert set(fake.enqueue("f", {"a": 1}, "mails")) == {"messageReceiptId"}
    assert ran == []
    assert fake.outgoing[0].action == {"type": "enqueue", "queue": "mails"}


def test_coroutine_handlers_run_too(fake):
    @fake.function("f")
    async def f(data: int) -> int:
        await asyncio.sleep(0)
        return fake.call("g", data)

    fake.stub("g", lambda number: number + 1)
    assert fake.call("f", 1) == 2


def test_a_handler_runs_on_the_calling_thread(fake):
    fake.register_function("f", lambda data: threading.current_thread().name)
    assert fake.call("f") == threading.current_thread().name


def test_the_trace_goes_through(fake):
    traceparent = f"00-{'1' * 32}-{'2' * 16}-01"
    fake.register_function("f", lambda data: fake.call("g"))
    fake.stub("g")
    with iii_worker.trace_context(traceparent, "a=1"):
        fake.call("f")
    assert (fake.outgoing[0].traceparent, fake.outgoing[0].baggage) == (traceparent, "a=1")


def bind(fake, trigger_type, function_id, config, metadata=None):
    frame = {
        "type": "registertrigger",
        "id": f"{trigger_type}-{function_id}",
        "trigger_type": trigger_type,
        "function_id": function_id,
        "config": config,
    }
    fake.replay.add_trigger(frame | ({} if metadata is None else {"metadata": metadata}))


def test_triggers_are_fired(fake):
    fake.register_function("a", lambda data: f"a{data}")
    fake.register_function("b", lambda data, metadata: [data, metadata])
    bind(fake, "subscribe", "a", {"topic": "x", "list": [1]})
    bind(fake, "subscribe", "b", {"topic": "y"}, metadata={"m": 1})
    assert fake.fire("subscribe", 1) == ["a1", [1, {"m": 1}]]
    assert fake.fire("subscribe", 1, where={"topic": "x", "list": [1]}) == ["a1"]
    assert fake.outgoing == []


def test_a_trigger_that_is_not_there_is_an_error_that_names_the_others(fake):
    bind(fake, "cron", "a", {"expression": "* * * * * *"})
    with pytest.raises(LookupError, match=r"type 'cron' with .*there are: cron \{'expression'"):
        fake.fire("cron", where={"expression": "other"})
    fake.replay.remove_trigger("cron-a", "cron")
    with pytest.raises(LookupError, match="there are: none"):
        fake.fire("cron")


def test_a_trigger_whose_function_fails_raises(fake):
    bind(fake, "cron", "nobody", {})
    with pytest.raises(InvocationError, match="function_not_found"):
        fake.fire("cron")


def test_http_requests_find_their_route(fake):
    fake.register_function("get", lambda request: {"status_code": 200, "body": request})
    fake.register_function("me", lambda request: "me")
    fake.register_function("post", lambda request: request["body"])
    bind(fake, "http", "get", {"api_path": "users/:id", "http_method": "get"})
    bind(fake, "http", "me", {"api_path": "/users/me"})
    bind(fake, "http", "post", {"api_path": "/users", "http_method": "POST"})
    answer = fake.request("GET", "/users/7?limit=3", headers={"X-Token": "t"}, query_params={"a": "b"})
    assert answer["body"] == {
        "path_params": {"id": "7"},
        "query_params": {"limit": "3", "a": "b"},
        "headers": {"x-token": "t"},
        "path": "users/:id",
        "method": "GET",
        "body": None,
        "trigger": {"type": "http", "path": "users/:id", "method": "GET"},
    }
    assert fake.request("get", "/users/me") == "me"
    assert fake.request("POST", "/users", body={"name": "Ada"}) == {"name": "Ada"}
    with pytest.raises(
        LookupError, match=r"no route serves DELETE /users; there are: GET users/:id, GET /users/me, POST"
    ):
        fake.request("DELETE", "/users")


def test_http_handlers_of_request_and_response(fake):
    @iii_worker.http
    def get(request: iii_worker.StreamRequest) -> iii_worker.HttpResponse:
        return iii_worker.HttpResponse(status_code=201, body={"id": request.path_params["id"]})

    fake.register_function("get", get)
    bind(fake, "http", "get", {"api_path": "/users/:id"})
    answer = fake.request("GET", "/users/7")
    assert (answer["status_code"], answer["body"]) == (201, {"id": "7"})


def test_log_lines_are_kept(fake):
    iii_worker.Logger(worker=fake).info("hello", {"a": 1})
    assert fake.logs == [{"level": "info", "message": "hello", "data": {"a": 1}}]
    assert fake.outgoing == []


def test_registrations_can_be_looked_at(fake):
    ref = fake.register_function("f", lambda data: data, description="d")
    ref.unregister()
    assert [(frame["type"], frame["id"]) for frame in fake.registrations] == [
        ("registerfunction", "f"),
        ("unregisterfunction", "f"),
    ]
    with pytest.raises(InvocationError, match="function_not_found"):
        fake.call("f")


def test_it_is_connected_until_it_is_shut_down(fake):
    assert fake.get_connection_state() == "connected"
    assert fake.connect() is fake
    assert fake.worker_id is not None
    fake.run()
    fake.shutdown()
    assert fake.get_connection_state() == "disconnected"
    assert fake.worker_id is None
    with pytest.raises(InvocationError, match="SHUTDOWN"):
        fake.call("f")


def test_it_opens_no_socket_and_leaves_no_thread():
    before = threading.active_count()
    with FakeWorker(worker_name="mine") as fake:
        fake.register_function("f", lambda data: data)
        fake.call("f", 1)
        assert fake.options.worker_name == "mine"
    assert threading.active_count() == before
