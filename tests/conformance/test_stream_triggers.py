"""Stream triggers through real sockets: which events they are called for, with what, and when not (stream.md §3, §5.1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

import iii_actors
from tests.support.asking import bind, unbind
from tests.support.peer import Frame, Peer, peers
from tests.support.quiet import leave, unexpected

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=1"}
_numbers = count()


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


def watch(peer: Peer, function_id: str = "on", trigger_id: str | None = None, **config: object) -> None:
    peer.register(function_id)
    bind(peer, trigger_id or f"t-{peer.worker_id}-{function_id}", "stream", function_id, config=config)


def write(peer: Peer, stream: str, data: object, group: str = "g", item: str = "i", **members: object) -> None:
    address = {"stream_name": stream, "group_id": group, "item_id": item}
    peer.call("stream::set", address | {"data": data}, **members)


def event(peer: Peer, function_id: str = "on") -> Frame:
    """The next event; it is answered, so that those after it are called."""
    frame = peer.expect(type="invokefunction", function_id=function_id)
    peer.answer(frame)
    return frame["data"]


def test_each_cause_has_its_event_with_all_six_members(peer, stream):
    watch(peer, stream_name=stream)
    at = {"stream_name": stream, "group_id": "g", "item_id": "i"}
    told = {"stream_name": stream, "group_id": "g", "type": "typing", "data": {"who": 1}}
    steps = [
        ("set", at | {"data": 1}, {"type": "create", "data": 1}),
        ("set", at | {"data": None}, {"type": "update", "data": None}),
        ("set", at | {"data": 2}, {"type": "update", "data": 2}),
        ("update", at | {"ops": [{"type": "set", "path": "", "value": 3}]}, {"type": "update", "data": 3}),
        ("update", at | {"ops": []}, {"type": "update", "data": 3}),
        ("delete", at, {"type": "delete", "data": 3}),
        ("update", at | {"ops": [{"type": "set", "path": "__proto__", "value": 1}]}, {"type": "create", "data": {}}),
        ("send", told, {"type": "event", "event": {"type": "typing", "data": {"who": 1}}}),
        ("send", told | {"id": "x"}, {"type": "event", "event": {"type": "typing", "data": {"who": 1}}}),
    ]
    for function_id, data, body in steps:
        began = int(time.time() * 1000)
        peer.call(f"stream::{function_id}", data)
        seen = event(peer)
        assert began - 1 <= seen.pop("timestamp") <= time.time() * 1000 + 1
        item = data.get("id") if function_id == "send" else "i"
        assert seen == {"type": "stream", "streamName": stream, "groupId": "g", "id": item, "event": body}
    assert unexpected(peer) == []


def test_reads_refusals_and_deleting_what_is_not_there_have_none(peer, stream):
    watch(peer, stream_name=stream)
    at = {"stream_name": stream, "group_id": "g", "item_id": "i"}
    for function_id, data in [
        ("get", at),
        ("list", at),
        ("list_groups", at),
        ("list_all", {}),
        ("delete", at),
        ("set", at),
        ("update", at | {"ops": [{"type": "foo"}]}),
        ("send", at),
    ]:
        peer.start_call(f"stream::{function_id}", data)
        peer.expect(type="invocationresult")
    assert unexpected(peer) == []


def test_filters_are_exact_and_nothing_or_empty_is_any(join, stream):
    configs = {
        "all": {},
        "nulls": {"group_id": None, "item_id": None},
        "empties": {"group_id": "", "item_id": ""},
        "group": {"group_id": "g"},
        "item": {"item_id": "i"},
        "both": {"group_id": "g", "item_id": "i", "more": 5},
        "upper": {"group_id": "G"},
    }
    watcher, writer = join(), join()
    for name, config in configs.items():
        watch(watcher, name, stream_name=stream, **config)
    watch(watcher, "synonym", stream=stream)
    watch(watcher, "other", stream_name=f"{stream}x")
    any_of_it = {"all", "nulls", "empties", "synonym"}
    steps = [
        ("g", "i", {"group", "item", "both"}),
        ("g", "I", {"group"}),
        ("h", "i", {"item"}),
        ("", "", set()),
    ]
    for number, (group, item, more) in enumerate(steps):
        write(writer, stream, number, group, item)
        called_are(watcher, any_of_it | more)
    told = {"stream_name": stream, "group_id": "g", "type": "t", "data": None}
    for about, more in [({}, {"group"}), ({"id": "i"}, {"group", "item", "both"})]:
        writer.call("stream::send", told | about)
        called_are(watcher, any_of_it | more)


def called_are(peer: Peer, names: set[str]) -> None:
    """These functions are called, each once, and no others."""
    called = []
    for _ in names:
        frame = peer.expect(type="invokefunction")
        called.append(frame["function_id"])
        peer.answer(frame)
    assert sorted(called) == sorted(names)
    assert unexpected(peer) == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, ": missing field `stream_name`; name the stream to watch"),
        ({"group_id": "g"}, ": missing field `stream_name`; name the stream to watch"),
        ({"stream_name": None}, ": missing field `stream_name`; name the stream to watch"),
        ({"stream_name": 5}, ""),
        ({"stream_name": "s", "group_id": ["g"]}, ""),
        ({"stream_name": "s", "item_id": False}, ""),
        ({"stream_name": "s", "condition_function_id": {}}, ""),
        (None, ""),
        ([], ""),
    ],
)
def test_a_wrong_config_is_refused_and_the_connection_goes_on(peer, stream, config, message):
    peer.register("on")
    peer.send(type="registertrigger", id="t", trigger_type="stream", function_id="on", config=config)
    error = peer.expect(type="triggerregistrationresult", id="t")["error"]
    assert error["code"] == "trigger_registration_failed"
    assert error["message"] == f"Failed to deserialize stream trigger{message}"
    bind(peer, "t", "stream", "on", config={"stream_name": stream})
    write(peer, stream, 1)
    assert event(peer)["event"]["data"] == 1


def test_a_trigger_registered_before_a_write_on_the_same_socket_observes_it(peer, stream):
    peer.register("on")
    for number in range(20):
        config = {"stream_name": stream, "item_id": f"{number}"}
        peer.send(type="registertrigger", id=f"t{number}", trigger_type="stream", function_id="on", config=config)
        address = {"stream_name": stream, "group_id": "g", "item_id": f"{number}"}
        peer.start_call("stream::set", address | {"data": number})
    assert sorted(event(peer)["event"]["data"] for _ in range(20)) == list(range(20))


def test_metadata_trace_and_namespace_reach_the_handler(join, stream):
    here, there = join(), join(namespace="shop")
    there.register("on")
    bind(here, "t", "stream", "on", config={"stream_name": stream}, metadata={"m": 1}, namespace="shop")
    write(here, stream, 1, metadata={"of": "the writer"}, **TRACE)
    frame = there.expect(type="invokefunction")
    assert frame["metadata"] == {"m": 1}
    assert frame["traceparent"].split("-")[1] == TRACE["traceparent"].split("-")[1]
    assert frame["baggage"].split(",")[0] == TRACE["baggage"]
    assert unexpected(here) == []


def test_a_write_waits_for_no_handler_and_its_failure_is_nobody_s(peer, stream):
    watch(peer, stream_name=stream)
    for number in range(3):
        write(peer, stream, number)
    frames = [peer.expect(type="invokefunction") for _ in range(3)]
    for frame in frames:
        ids = {key: frame[key] for key in ("invocation_id", "function_id")}
        peer.send(type="invocationresult", **ids, error={"code": "oops", "message": "no"})
    write(peer, stream, 3)
    assert event(peer)["event"]["data"] == 3
    assert unexpected(peer) == []


def test_the_triggers_of_one_write_are_called_one_after_the_other(peer, stream):
    bind(peer, "t-nobody", "stream", "nobody", config={"stream_name": stream})
    for name in ("one", "two", "three"):
        watch(peer, name, stream_name=stream)
    write(peer, stream, 1)
    called = set()
    for _ in range(3):
        frame = peer.expect(type="invokefunction")
        called.add(frame["function_id"])
        assert unexpected(peer) == [], "the next is called before this one has answered"
        peer.answer(frame)
    assert called == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("decision", "called"), [(False, False), (True, True), (None, True), (0, True), ("false", True), ({}, True)]
)
def test_a_condition_that_says_exactly_false_skips(peer, stream, decision, called):
    asked = []
    peer.register("decide", lambda data: asked.append(data) or decision)
    watch(peer, stream_name=stream, condition_function_id="decide")
    watch(peer, "always", stream_name=stream)
    write(peer, stream, 1)
    told = [event(peer, "on")] if called else []
    told.append(event(peer, "always"))
    assert all(one == asked[0] for one in told)
    assert (len(asked), unexpected(peer)) == (1, [])


@pytest.mark.parametrize("condition", ["fails", "is-not-there"])
def test_a_condition_that_fails_skips_its_trigger_and_no_other(peer, stream, condition):
    watch(peer, stream_name=stream, condition_function_id=condition)
    watch(peer, "other", stream_name=stream)
    peer.register("fails")
    write(peer, stream, 1)
    if condition == "fails":
        frame = peer.expect(type="invokefunction", function_id="fails")
        ids = {key: frame[key] for key in ("invocation_id", "function_id")}
        peer.send(type="invocationresult", **ids, error={"code": "oops", "message": "no"})
    assert event(peer, "other")["event"]["data"] == 1
    assert unexpected(peer) == []


def test_a_binding_of_the_same_id_replaces_the_one_before(peer, stream):
    watch(peer, trigger_id="t", stream_name=stream)
    watch(peer, trigger_id="t", stream_name=f"{stream}-new")
    write(peer, stream, 1)
    write(peer, f"{stream}-new", 2)
    assert event(peer)["event"]["data"] == 2
    assert unexpected(peer) == []


@pytest.mark.parametrize("how", ["unbind", "close", "cut"])
def test_an_end_of_the_binding_ends_the_calls(engine, join, stream, how):
    watcher, other, writer = join(), join(), join()
    watch(watcher, trigger_id="t", stream_name=stream)
    watch(other, "other", stream_name=stream)
    if how == "unbind":
        unbind(watcher, "t")
    else:
        leave(engine, watcher, how)
    write(writer, stream, 1)
    assert event(other, "other")["event"]["data"] == 1
    for silent in [writer] + ([watcher] if how == "unbind" else []):
        assert unexpected(silent) == []
