"""The triggers stream:join and stream:leave: what they are told, what they decide, in which order (stream.md §5.2, §6.4)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import count

import pytest

import iii_actors
from tests.support.asking import bind, unbind
from tests.support.peer import Frame, Peer, peers
from tests.support.quiet import settle, unexpected
from tests.support.subscriber import Subscriber, socket_address

_numbers = count()


@pytest.fixture(scope="module")
def engine() -> Iterator[iii_actors.Engine]:
    stream = {"name": "iii-stream", "config": {"port": 0, "auth_function": "who-is-it"}}
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, stream]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def join(engine: iii_actors.Engine) -> Iterator[Callable[..., Peer]]:
    """A maker of workers, all gone before the next test."""
    with peers(engine.url) as make:
        yield make
    for listener in engine._listeners:
        assert listener.wait_until_empty(10)


@pytest.fixture
def peer(join: Callable[..., Peer]) -> Peer:
    """Says of every connection who it is, by its query."""
    made = join()
    made.register("who-is-it", lambda data: {"context": data["query_params"].get("user")})
    return made


@pytest.fixture
def follow(engine: iii_actors.Engine, peer: Peer) -> Iterator[Callable[..., Subscriber]]:
    made: list[Subscriber] = []

    def make(path: str = "/") -> Subscriber:
        made.append(Subscriber(socket_address(engine), path))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def stream() -> str:
    return f"joined-{next(_numbers)}"


def called(peer: Peer, function_id: str) -> Frame:
    return peer.expect(type="invokefunction", function_id=function_id)


def told(subscription: str, stream: str, group: str, item: str | None = None, context: object = None) -> Frame:
    about = {"subscription_id": subscription, "stream_name": stream, "group_id": group}
    return about | {"id": item, "context": context}


def put(peer: Peer, stream: str, data: object = 1) -> None:
    peer.call("stream::set", {"stream_name": stream, "group_id": "g", "item_id": "i", "data": data})


def fail(peer: Peer, frame: Frame) -> None:
    ids = {key: frame[key] for key in ("invocation_id", "function_id")}
    peer.send(type="invocationresult", **ids, error={"code": "oops", "message": "no"})


# --- join ------------------------------------------------------------------------------------------------------------


def test_a_join_function_is_told_all_five_and_its_own_metadata(join, peer, follow, stream):
    there = join(namespace="shop")
    there.register("on-join")
    bind(peer, "t", "stream:join", "on-join", metadata={"m": 1}, namespace="shop", config={"stream_name": "another"})
    client = follow("/?user=ada&user=x")
    client.say("join", "a", stream, "g", "i")
    frame = called(there, "on-join")
    assert frame["data"] == told("a", stream, "g", "i", ["ada", "x"])
    assert frame["metadata"] == {"m": 1}
    there.answer(frame)
    assert client.event() == {"type": "sync", "data": None}
    client.say("join", "b", stream, "g")
    frame = called(there, "on-join")
    assert frame["data"] == told("b", stream, "g", None, ["ada", "x"])
    there.answer(frame, {"unauthorized": False})
    assert client.event() == {"type": "sync", "data": []}


def test_one_refusal_is_enough_and_the_connection_goes_on(peer, follow, stream):
    asked = []
    for name, verdict in [("one", {}), ("two", {"unauthorized": True, "more": 1}), ("three", None)]:
        peer.register(name, lambda data, name=name, verdict=verdict: asked.append((name, data["group_id"])) or verdict)
        bind(peer, f"t-{name}", "stream:join", name)
    client = follow()
    client.say("join", "a", stream, "g", "i")
    envelope = client.next()
    assert (envelope["streamName"], envelope["groupId"], envelope["id"]) == (stream, "g", "i")
    assert envelope["event"] == {"type": "unauthorized"}
    assert sorted(asked) == [("one", "g"), ("three", "g"), ("two", "g")], "every one of them is asked"
    put(peer, stream)
    unbind(peer, "t-two")
    assert client.join("a", stream, "g", "i") == 1, "and what was published meanwhile has not come"


@pytest.mark.parametrize(
    "verdict",
    [
        None,
        {},
        [],
        "no",
        True,
        {"unauthorized": False},
        {"unauthorized": "true"},
        {"unauthorized": 1},
        {"Unauthorized": True},
    ],
)
def test_anything_but_exactly_true_allows(peer, follow, stream, verdict):
    peer.register("on-join", lambda _: verdict)
    bind(peer, "t", "stream:join", "on-join")
    assert follow().join("a", stream, "g") == []


@pytest.mark.parametrize("how", ["fails", "is-not-there"])
def test_a_join_function_that_fails_allows(peer, follow, stream, how):
    peer.register("fails")
    bind(peer, "t", "stream:join", how)
    client = follow()
    client.say("join", "a", stream, "g")
    if how == "fails":
        fail(peer, called(peer, "fails"))
    assert client.event() == {"type": "sync", "data": []}


def test_join_functions_are_called_one_after_the_other(peer, follow, stream):
    for name in ("one", "two", "three"):
        peer.register(name)
        bind(peer, f"t-{name}", "stream:join", name)
    client = follow()
    client.say("join", "a", stream, "g")
    seen = set()
    for _ in range(3):
        frame = peer.expect(type="invokefunction")
        seen.add(frame["function_id"])
        assert unexpected(peer) == [], "the next is called before this one has answered"
        peer.answer(frame)
    assert seen == {"one", "two", "three"}
    assert client.event() == {"type": "sync", "data": []}


def test_before_it_is_allowed_nothing_is_followed(peer, follow, stream):
    peer.register("on-join")
    bind(peer, "t", "stream:join", "on-join")
    client = follow()
    client.say("join", "a", stream, "g")
    frame = called(peer, "on-join")
    put(peer, stream)
    peer.answer(frame)
    assert client.event() == {"type": "sync", "data": [1]}


def test_messages_of_one_connection_wait_for_each_other_and_those_of_others_do_not(peer, follow, stream):
    peer.register("on-join", None)
    bind(peer, "t", "stream:join", "on-join")
    slow, other = follow(), follow()
    slow.say("join", "a", stream, "g")
    first = called(peer, "on-join")
    slow.say("join", "b", stream, "h")
    slow.say("leave", "a", stream, "g")
    slow.pinged()
    assert unexpected(peer) == []
    other.say("join", "c", stream, "g")
    frame = called(peer, "on-join")
    assert frame["data"]["subscription_id"] == "c"
    peer.answer(frame)
    assert other.event()["type"] == "sync"
    peer.answer(first)
    assert slow.next()["groupId"] == "g"
    second = called(peer, "on-join")
    assert second["data"]["subscription_id"] == "b"
    peer.answer(second)
    assert slow.next()["groupId"] == "h"
    unbind(peer, "t")
    assert slow.others() == []


def test_a_caller_on_a_worker_may_host_the_join_function(peer, follow, stream):
    """The function reads the very stream, through the engine."""
    here = threading.Event()

    def on_join(data: Frame) -> Frame:
        here.set()
        return {"unauthorized": bool(peer.call("stream::list", {"stream_name": stream, "group_id": "g"}))}

    peer.register("on-join", on_join)
    bind(peer, "t", "stream:join", "on-join")
    client = follow()
    assert client.join("a", stream, "g") == []
    put(peer, stream)
    assert client.event()["type"] == "create"
    client.say("join", "b", stream, "g")
    assert client.event() == {"type": "unauthorized"}
    assert here.is_set()


# --- leave -----------------------------------------------------------------------------------------------------------


def test_a_leave_function_is_told_what_the_message_says(peer, follow, stream):
    client = follow("/?user=ada")
    client.join("a", stream, "g", "i")
    peer.register("on-leave")
    bind(peer, "t", "stream:leave", "on-leave", metadata={"m": 2}, config=None)
    for subscription, group, item in [("a", "said", None), ("unknown", "g", "x")]:
        client.say("leave", subscription, stream, group, item)
        frame = called(peer, "on-leave")
        assert frame["data"] == told(subscription, stream, group, item, ["ada"])
        assert frame["metadata"] == {"m": 2}
        peer.answer(frame, {"unauthorized": True})
    unbind(peer, "t")
    put(peer, stream)
    assert client.others() == []


@pytest.mark.parametrize("how", ["fails", "is-not-there"])
def test_a_leave_function_that_fails_changes_nothing(peer, follow, stream, how):
    client = follow()
    client.join("a", stream, "g")
    peer.register("fails")
    bind(peer, "t", "stream:leave", how)
    client.say("leave", "a", stream, "g")
    if how == "fails":
        fail(peer, called(peer, "fails"))
    unbind(peer, "t")
    assert client.others() == []
    put(peer, stream)
    assert client.others() == []


def test_until_its_leave_function_has_answered_it_is_still_subscribed(peer, follow, stream):
    client = follow()
    client.join("a", stream, "g")
    peer.register("on-leave")
    bind(peer, "t", "stream:leave", "on-leave")
    client.say("leave", "a", stream, "g")
    frame = called(peer, "on-leave")
    put(peer, stream)
    assert client.event() == {"type": "create", "data": 1}
    unbind(peer, "t")
    peer.answer(frame)
    assert client.others() == []
    put(peer, stream, 2)
    assert client.others() == []


@pytest.mark.parametrize("how", ["close", "cut", "garbage"])
def test_a_connection_that_ends_leaves_everything_it_followed(peer, follow, stream, how):
    client = follow("/?user=ada")
    client.join("a", stream, "g")
    client.join("b", stream, "h", "i")
    client.join("b", stream, "h", "j")
    client.join("c", stream, "g")
    client.leave("c", stream, "g")
    peer.register("on-leave")
    bind(peer, "t", "stream:leave", "on-leave")
    if how == "close":
        client.close()
    elif how == "cut":
        client.socket.socket.shutdown(2)
    else:
        client.socket.socket.sendall(b"\x81\x05hello")
    seen = []
    for _ in range(2):
        frame = called(peer, "on-leave")
        seen.append(frame["data"])
        assert unexpected(peer) == [], "one after the other"
        peer.answer(frame)
    seen.sort(key=lambda data: data["subscription_id"])
    assert seen == [told("a", stream, "g", None, ["ada"]), told("b", stream, "h", "j", ["ada"])]
    assert unexpected(peer) == []


def test_who_goes_while_joining_has_joined_and_left(peer, follow, stream):
    for kind in ("join", "leave"):
        peer.register(f"on-{kind}")
        bind(peer, f"t-{kind}", f"stream:{kind}", f"on-{kind}")
    client = follow()
    client.say("join", "a", stream, "g")
    frame = called(peer, "on-join")
    client.say("join", "b", stream, "g")
    client.pinged()
    client.close()
    settle(peer)
    peer.answer(frame)
    assert called(peer, "on-leave")["data"]["subscription_id"] == "a"
    assert unexpected(peer) == [], "what had not begun is not begun"


def test_the_trigger_types_tell_their_formats(peer):
    for kind in ("stream:join", "stream:leave"):
        info = peer.call("engine::triggers::info", {"id": kind})
        assert info["worker_name"] == "iii-stream"
        assert set(info["configuration_schema"]["properties"]) == {"stream_name", "condition_function_id"}
        assert sorted(info["request_schema"]["required"]) == [
            "context",
            "group_id",
            "id",
            "stream_name",
            "subscription_id",
        ]
