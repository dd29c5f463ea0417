"""Custom stream providers through real sockets: every row of the table, whoever hosts them (stream.md §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

import iii_actors
from tests.support.asking import bind, refusal
from tests.support.peer import CallFailed, Frame, Peer, peers
from tests.support.quiet import leave, unexpected

_numbers = count()
CODES = {
    "set": ("STREAM_SET_ERROR", "Failed to set value: "),
    "update": ("STREAM_UPDATE_ERROR", "Failed to update value: "),
    "delete": ("STREAM_DELETE_ERROR", "Failed to delete value: "),
}
READING = ["get", "list", "list_groups"]


@pytest.fixture(scope="module", params=["shared", "own"])
def engine(request: pytest.FixtureRequest) -> Iterator[iii_actors.Engine]:
    listener = {"port": 0, "reader": request.param}
    workers = [{"name": "iii-worker-manager", "config": listener}, {"name": "iii-stream", "config": {"port": 0}}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def join(engine: iii_actors.Engine) -> Iterator[Callable[..., Peer]]:
    with peers(engine.url) as make:
        yield make


@pytest.fixture
def peer(join: Callable[..., Peer]) -> Peer:
    return join()


@pytest.fixture
def stream() -> str:
    return f"stream-{next(_numbers)}"


def asking(operation: str, stream: str) -> Frame:
    """A valid input."""
    more = {"set": {"data": {"a": 1}}, "update": {"ops": [{"type": "set", "path": "a", "value": 1}]}}
    address = {"stream_name": stream, "group_id": "g", "item_id": "i"}
    kept = {"list": ["stream_name", "group_id"], "list_groups": ["stream_name"]}.get(operation, list(address))
    return {key: address[key] for key in kept} | more.get(operation, {})


def provide(peer: Peer, stream: str, operation: str, answer: object) -> list[object]:
    """Answer an operation always the same way; returns what it has been given. An exception is raised."""
    given: list[object] = []

    def handler(data: object) -> object:
        given.append(data)
        if isinstance(answer, Exception):
            raise answer
        return answer

    peer.register(f"stream::{operation}({stream})", handler)
    return given


def answer(peer: Peer, operation: str, stream: str) -> Frame:
    invocation_id = peer.start_call(f"stream::{operation}", asking(operation, stream))
    return peer.expect(type="invocationresult", invocation_id=invocation_id)


def watch(peer: Peer, stream: str) -> None:
    peer.register("on")
    bind(peer, f"t-{stream}", "stream", "on", config={"stream_name": stream})


def events(peer: Peer) -> list[Frame]:
    """The events that have come by now, each with its item, and no calls beside them."""
    found = []
    while frames := unexpected(peer):
        for frame in frames:
            assert frame["type"] == "invokefunction"
            peer.answer(peer.expect(**{key: frame[key] for key in ("type", "invocation_id")}))
            found.append(frame["data"]["event"] | {"id": frame["data"]["id"]})
    return found


# --- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", READING)
@pytest.mark.parametrize("value", [{"any": "thing"}, [1, None], 5, False, "", []])
def test_what_it_reads_is_passed_through_unchecked(join, stream, operation, value):
    provider, caller = join(), join()
    given = provide(provider, stream, operation, value)
    frame = answer(caller, operation, stream)
    assert (frame["result"], type(frame["result"])) == (value, type(value))
    assert [{key: one[key] for key in one if key != "_caller_worker_id"} for one in given] == [
        asking(operation, stream)
    ]


@pytest.mark.parametrize("operation", READING)
def test_no_output_of_a_reading_one_is_success_without_a_result(join, stream, operation):
    provide(join(), stream, operation, None)
    frame = answer(join(), operation, stream)
    assert "result" not in frame
    assert "error" not in frame


@pytest.mark.parametrize("operation", READING)
def test_an_error_of_a_reading_one_is_passed_on_unchanged(join, stream, operation):
    provide(join(), stream, operation, CallFailed({"code": "MINE", "message": "my words"}))
    error = answer(join(), operation, stream)["error"]
    assert (error["code"], error["message"]) == ("MINE", "my words")


# --- writing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["set", "update"])
@pytest.mark.parametrize(
    ("output", "result", "event"),
    [
        ({"new_value": 1}, {"old_value": None, "new_value": 1}, "create"),
        ({"old_value": None, "new_value": 1, "more": 2}, {"old_value": None, "new_value": 1}, "create"),
        ({"old_value": 0, "new_value": 1}, {"old_value": 0, "new_value": 1}, "update"),
        (
            {"new_value": 1, "errors": [{"op_index": 0}]},
            {"old_value": None, "new_value": 1, "errors": [{"op_index": 0}]},
            "create",
        ),
    ],
)
def test_what_it_writes_is_answered_normalised_and_told(join, stream, operation, output, result, event):
    provider, caller, watcher = join(), join(), join()
    given = provide(provider, stream, operation, output)
    watch(watcher, stream)
    assert answer(caller, operation, stream)["result"] == result
    assert events(watcher) == [{"type": event, "data": 1, "id": "i"}]
    assert given[0].items() >= asking(operation, stream).items()


@pytest.mark.parametrize(
    ("output", "result", "told"),
    [
        ({"old_value": 5, "more": 1}, {"old_value": 5}, [{"type": "delete", "data": 5, "id": "i"}]),
        ({"old_value": None}, {"old_value": None}, []),
        ({}, {"old_value": None}, []),
    ],
)
def test_what_it_deletes_is_answered_normalised_and_told(join, stream, output, result, told):
    provider, caller, watcher = join(), join(), join()
    provide(provider, stream, "delete", output)
    watch(watcher, stream)
    assert answer(caller, "delete", stream)["result"] == result
    assert events(watcher) == told


@pytest.mark.parametrize("operation", CODES)
def test_no_output_of_a_writing_one_is_an_error(join, stream, operation):
    provide(join(), stream, operation, None)
    code, prefix = CODES[operation]
    error = refusal(join(), f"stream::{operation}", asking(operation, stream))
    assert (error["code"], error["message"]) == (code, f"{prefix}Function returned no result")


@pytest.mark.parametrize("operation", CODES)
def test_an_error_of_a_writing_one_is_wrapped_and_nobody_is_told(join, stream, operation):
    watcher = join()
    watch(watcher, stream)
    provide(join(), stream, operation, CallFailed({"code": "MINE", "message": "my words"}))
    code, prefix = CODES[operation]
    error = refusal(join(), f"stream::{operation}", asking(operation, stream))
    assert error["code"] == code
    wrapped = f'{prefix}Failed to invoke function: ErrorBody {{ code: "MINE", message: "my words"'
    assert error["message"].startswith(wrapped)
    assert events(watcher) == []


@pytest.mark.parametrize("operation", CODES)
@pytest.mark.parametrize("output", [5, [], "x", True])
def test_another_shape_is_an_error(join, stream, operation, output):
    provide(join(), stream, operation, output)
    error = refusal(join(), f"stream::{operation}", asking(operation, stream))
    assert error["code"] == "JSON_ERROR"
    assert error["message"].startswith("Failed to convert result to value: ")


@pytest.mark.parametrize("operation", ["set", "update"])
def test_a_write_needs_its_new_value(join, stream, operation):
    provide(join(), stream, operation, {"old_value": 1})
    error = refusal(join(), f"stream::{operation}", asking(operation, stream))
    assert (error["code"], error["message"]) == (
        "JSON_ERROR",
        "Failed to convert result to value: missing field `new_value`",
    )


# --- whose, and when ---------------------------------------------------------------------------------------------------


def test_it_is_given_the_known_members_and_no_metadata(join, stream):
    provider, caller = join(), join()
    provider.register(f"stream::set({stream})")
    data = asking("set", stream) | {"more": 1}
    caller.start_call("stream::set", data, metadata={"m": 1})
    frame = provider.expect(type="invokefunction")
    assert {key for key in frame["data"] if key != "_caller_worker_id"} == set(asking("set", stream))
    assert frame.get("metadata") is None
    provider.answer(frame, {"new_value": 1})
    assert caller.expect(type="invocationresult")["result"]["new_value"] == 1


def test_each_operation_is_looked_up_on_its_own(join, stream):
    """An `update` beside a provider of the five others works on the engine's own store."""
    provide(join(), stream, "get", "the provider's")
    caller = join()
    assert answer(caller, "set", stream)["result"] == {"old_value": None, "new_value": {"a": 1}}
    assert answer(caller, "get", stream)["result"] == "the provider's"
    assert answer(caller, "update", stream)["result"]["old_value"] == {"a": 1}
    assert answer(caller, "list", stream)["result"] == [{"a": 1}]


def test_list_all_and_send_cannot_be_overridden(join, stream):
    provider, caller = join(), join()
    calls = provide(provider, stream, "send", 5) + provide(provider, stream, "list_all", 5)
    sent = {"stream_name": stream, "group_id": "g", "type": "t", "data": 1}
    assert caller.call("stream::send", sent) is None
    assert caller.call("stream::list_all", {"stream_name": stream})["count"] >= 0
    assert (calls, unexpected(provider)) == ([], [])


def test_one_in_another_namespace_is_not_found(join, stream):
    elsewhere = join(namespace="shop")
    given = provide(elsewhere, stream, "get", "the provider's")
    for caller in (join(), elsewhere):
        assert "result" not in answer(caller, "get", stream)
    assert given == []


def test_one_of_another_stream_is_not_asked(join, stream):
    given = provide(join(), stream, "get", "the provider's")
    assert "result" not in answer(join(), "get", f"{stream}x")
    assert given == []


def test_the_caller_may_be_its_host(peer, stream):
    provide(peer, stream, "get", {"mine": True})
    provide(peer, stream, "set", {"new_value": 2})
    watch(peer, stream)
    assert peer.call("stream::set", asking("set", stream)) == {"old_value": None, "new_value": 2}
    assert peer.call("stream::get", asking("get", stream)) == {"mine": True}
    assert events(peer) == [{"type": "create", "data": 2, "id": "i"}]


def test_while_one_is_slow_everything_else_goes_on(join, stream):
    provider, caller = join(), join()
    provider.register(f"stream::get({stream})")
    waiting = caller.start_call("stream::get", asking("get", stream))
    asked = provider.expect(type="invokefunction")
    assert answer(caller, "get", f"{stream}x").get("error") is None
    assert answer(provider, "list", stream)["result"] == []
    provider.answer(asked, "late")
    assert caller.expect(type="invocationresult", invocation_id=waiting)["result"] == "late"


@pytest.mark.parametrize("how", ["unregister", "close", "cut"])
def test_when_it_has_left_the_engine_s_own_store_serves(engine, join, stream, how):
    provider, caller = join(), join()
    provide(provider, stream, "set", {"new_value": "the provider's"})
    assert answer(caller, "set", stream)["result"]["new_value"] == "the provider's"
    if how == "unregister":
        provider.send(type="unregisterfunction", id=f"stream::set({stream})")
        provider.barrier()
    else:
        leave(engine, provider, how)
    assert answer(caller, "set", stream)["result"] == {"old_value": None, "new_value": {"a": 1}}


def test_one_that_leaves_with_a_call_open_fails_that_call(engine, join, stream):
    provider, caller = join(), join()
    for operation in ("get", "set"):
        provider.register(f"stream::{operation}({stream})")
    reading = caller.start_call("stream::get", asking("get", stream))
    writing = caller.start_call("stream::set", asking("set", stream))
    for operation in ("get", "set"):
        provider.expect(type="invokefunction", function_id=f"stream::{operation}({stream})")
    leave(engine, provider, "cut")
    read = caller.expect(type="invocationresult", invocation_id=reading)["error"]
    written = caller.expect(type="invocationresult", invocation_id=writing)["error"]
    assert read["code"] == "invocation_stopped"
    assert written["code"] == "STREAM_SET_ERROR"
    assert 'ErrorBody { code: "invocation_stopped"' in written["message"]
