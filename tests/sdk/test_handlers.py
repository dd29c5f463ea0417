import asyncio
import contextvars
import functools
import logging
import threading

import msgspec
import pydantic
import pytest

from iii_worker import Error, tracing
from iii_worker.blocking import blocking
from tests.support.sdk_functions import WAIT_S, clients

COLOUR = contextvars.ContextVar("colour", default="none")
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


class User(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    name: str


@pytest.fixture
def client():
    with clients() as make:
        yield make()


def serve(client, handler, payload=None, options=None, **fields):
    client.register("f", handler, **(options or {}))
    return client.invoke("f", payload, **fields)


class Calls:
    def __call__(self, data):
        return ["called", data]


class CallsLater:
    async def __call__(self, data):
        await asyncio.sleep(0)
        return ["called", data]


def later(data):
    async def answer():
        return ["called", data]

    return answer()


async def coroutine(data):
    await asyncio.sleep(0)
    return ["called", data]


async def awaitable_of_awaitable(data):
    return coroutine(data)


@pytest.mark.parametrize(
    "handler",
    [
        lambda data: ["called", data],
        Calls(),
        CallsLater(),
        later,
        coroutine,
        awaitable_of_awaitable,
        functools.partial(lambda word, data: [word, data], "called"),
        functools.partial(coroutine),
        lambda *args: ["called", *args],
    ],
)
def test_whatever_can_be_called_serves(client, handler):
    assert serve(client, handler, {"a": 1}).outcome() == ["called", {"a": 1}]


def test_without_parameters_it_gets_nothing(client):
    assert serve(client, lambda: "nothing", {"a": 1}).outcome() == "nothing"


def test_metadata_goes_to_who_asks_for_it(client):
    client.register("second", lambda data, metadata: [data, metadata])
    client.register("keyword", lambda data, *, metadata: [data, metadata])
    client.register("only", lambda *, metadata: metadata)
    client.register("neither", lambda data: data)
    metadata = msgspec.Raw(b'{"m":1}')
    assert client.invoke("second", 7, metadata=metadata).outcome() == [7, {"m": 1}]
    assert client.invoke("second", 7).outcome() == [7, None]
    assert client.invoke("keyword", 7, metadata=metadata).outcome() == [7, {"m": 1}]
    assert client.invoke("only", 7, metadata=metadata).outcome() == {"m": 1}
    assert client.invoke("neither", 7, metadata=metadata).outcome() == 7


def test_metadata_is_validated_too(client):
    def handler(data, metadata: User):
        return metadata.name

    answer = serve(client, handler, metadata=msgspec.Raw(b'{"name":7}'))
    assert answer.error().message.startswith("the metadata is not valid: name:")


def in_loop_later(function, data):
    return function(data)


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_a_model_is_given_and_a_bad_input_refused(client, kind, caplog):
    def plain(user: User) -> User:
        return user

    async def coroutine(user: User) -> User:
        return user

    client.register("f", {"plain": plain, "coroutine": coroutine}[kind])
    payload = {"name": "Ada", "_caller_worker_id": "w"}
    assert client.invoke("f", payload).outcome() == {"name": "Ada"}
    error = client.invoke("f", {"name": 7}).error()
    assert (error.code, error.message) == (
        "invalid_request",
        "the payload is not valid: name: Input should be a valid string, and is a number",
    )
    assert "f was answered with invalid_request" in caplog.text


def test_without_validation_it_is_as_it_came(client):
    def handler(user: User):
        return [type(user).__name__, user]

    assert serve(client, handler, {"x": 1}, {"validate": False}).outcome() == ["dict", {"x": 1}]
    assert client.frames[0]["request_format"]["title"] == "User"


def test_an_exception_becomes_an_error_object(client, caplog):
    def handler(data):
        raise ValueError("boom")

    error = serve(client, handler).error()
    assert (error.code, error.message) == ("invocation_failed", "boom")
    assert 'raise ValueError("boom")' in error.stacktrace
    assert "handlers.py" not in error.stacktrace.replace("test_handlers.py", "")
    assert "The handler of f failed: boom" in caplog.text
    assert "Traceback" in caplog.text
    assert "test_handlers.py" in caplog.text
    assert "iii_worker/handlers.py" not in caplog.text


def test_a_chosen_code_is_kept_and_no_alarm(client, caplog):
    caplog.set_level(logging.INFO, "iii_worker")

    async def handler(data):
        raise Error("no such user", code="user_not_found")

    error = serve(client, handler).error()
    assert (error.code, error.message) == ("user_not_found", "no such user")
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_what_nobody_is_told_is_logged_as_a_warning(client, caplog):
    def handler(data):
        raise Error("no such user", code="user_not_found")

    serve(client, handler, invocation_id=None).error()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "user_not_found: no such user" in caplog.text


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_no_exception_ends_the_pool(client, error, kind):
    def plain(data):
        raise error("out")

    async def coroutine(data):
        raise error("out")

    client.register("bad", plain if kind == "plain" else coroutine)
    client.register("good", lambda data: data)
    for _ in range(3):
        assert client.invoke("bad").error().message == f"{error.__name__}: out"
        assert client.invoke("good", 1).outcome() == 1


@pytest.mark.parametrize("value", [b"x", float("nan"), object(), {"a": [float("inf")]}])
def test_a_result_that_is_no_json_is_an_error(client, value, caplog):
    error = serve(client, lambda data: value).error()
    assert error.code == "invocation_failed"
    assert error.message.startswith("result")
    assert "The handler of f failed: result" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_result_larger_than_any_message_is_an_error(client, monkeypatch):
    monkeypatch.setattr("iii_worker.handlers.MAX_MESSAGE_BYTES", 20_000)
    error = serve(client, lambda data: "x" * 30_000).error()
    assert error.code == "PAYLOAD_TOO_LARGE"
    assert "30,002 bytes" in error.message


def test_context_variables_are_as_they_were_at_registration(client):
    async def in_loop(data):
        return seen(data)

    def seen(data):
        before = COLOUR.get()
        COLOUR.set("changed by a run")
        return before

    token = COLOUR.set("blue")
    client.register("plain", seen)
    client.register("coroutine", in_loop)
    COLOUR.reset(token)
    for _ in range(2):
        assert client.invoke("plain").outcome() == "blue"
        assert client.invoke("coroutine").outcome() == "blue"
    assert COLOUR.get() == "none"


def test_the_trace_is_the_invocations_own(client):
    async def in_loop(data):
        await asyncio.sleep(0)
        return tracing.current()

    with tracing.trace_context(TRACE, "a=1"):
        client.register("plain", lambda data: tracing.current())
        client.register("coroutine", in_loop)
        client.register("later", functools.partial(in_loop_later, in_loop))
    for function_id in ("plain", "coroutine", "later"):
        other = TRACE.replace("a", "c")
        assert client.invoke(function_id, traceparent=other, baggage="b=2").outcome() == [other, "b=2"]
        assert client.invoke(function_id).outcome() == [None, None]


def test_one_that_takes_too_long_is_answered_and_its_thread_replaced(caplog):
    with clients() as make:
        client, end = make(size=1), threading.Event()
        names = []

        def slow(data):
            names.append(threading.current_thread().name)
            assert end.wait(WAIT_S)
            return "too late"

        answer = serve(client, slow, None, {"timeout": 0.02})
        error = answer.error()
        assert (error.code, error.message) == ("TIMEOUT", "the handler of f did not end within its timeout of 0.02 s")
        client.register("other", lambda data: threading.current_thread().name)
        assert client.invoke("other").outcome() != names[0]
        assert client.pool.counts()["aside"] == 1
        end.set()
        assert client.pool.drain(WAIT_S)
        assert len(answer.replies) == 1
        assert "ended after its timeout" in caplog.text


def test_one_that_fails_after_its_timeout_is_logged(client, caplog):
    end = threading.Event()

    def slow(data):
        assert end.wait(WAIT_S)
        raise ValueError("late")

    answer = serve(client, slow, None, {"timeout": 0.01})
    assert answer.error().code == "TIMEOUT"
    end.set()
    assert client.pool.drain(WAIT_S)
    assert len(answer.replies) == 1
    assert "failed after its timeout" in caplog.text


def test_a_coroutine_that_takes_too_long_is_cancelled(client):
    cancelled = threading.Event()

    async def slow(data):
        try:
            await asyncio.sleep(WAIT_S * 3)
        finally:
            cancelled.set()

    answer = serve(client, slow, None, {"timeout": 0.02})
    assert answer.error().code == "TIMEOUT"
    assert cancelled.wait(WAIT_S)
    assert client.pool.drain(WAIT_S)
    assert len(answer.replies) == 1


def test_in_time_there_is_no_timeout(client):
    assert serve(client, lambda data: data, 1, {"timeout": WAIT_S}).outcome() == 1
    client.register("async", coroutine, timeout=WAIT_S)
    assert client.invoke("async", 2).outcome() == ["called", 2]
    assert client.pool.drain(WAIT_S)
    assert client.pool.deadlines._entries == []


def test_a_handler_may_wait_on_its_own_account(client):
    came = threading.Event()

    def waits(data):
        with blocking():
            return came.wait(WAIT_S)

    answer = serve(client, waits)
    came.set()
    assert answer.outcome() is True
