"""Publish and subscribe through real sockets (pubsub.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

import iii_actors
from tests.support.asking import bind, unbind
from tests.support.peer import CallFailed, Frame, Peer, peers
from tests.support.quiet import leave, settle, unexpected


@pytest.fixture(scope="module", params=["shared", "own"])
def engine(request: pytest.FixtureRequest) -> Iterator[iii_actors.Engine]:
    listener = {"port": 0, "reader": request.param}
    workers = [{"name": "iii-worker-manager", "config": listener}, {"name": "iii-pubsub"}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def join(engine: iii_actors.Engine) -> Iterator[Callable[..., Peer]]:
    with peers(engine.url) as make:
        yield make
    for listener in engine._listeners:
        assert listener.wait_until_empty(10)


def subscriber(
    peer: Peer, topic: object, function_id: str = "on", trigger_id: str | None = None, **members: object
) -> Peer:
    peer.register(function_id)
    bind(peer, trigger_id or f"t-{peer.worker_id}", "subscribe", function_id, config={"topic": topic}, **members)
    return peer


def publish(peer: Peer, topic: str, data: object) -> None:
    assert peer.call("publish", {"topic": topic, "data": data}) is None


def received(peer: Peer) -> list[object]:
    """The data of every call that has come; what was published is through when the publisher is answered and settled."""
    calls = [frame for frame in unexpected(peer) if frame["type"] == "invokefunction"]
    return [peer.expect(**frame)["data"] for frame in calls]


def delivery(peer: Peer) -> Frame:
    return peer.expect(type="invokefunction")


def test_the_answer_has_neither_result_nor_error(join):
    peer = join()
    peer.keep_text = True
    invocation_id = peer.start_call("publish", {"topic": "t", "data": {}})
    answer = peer.expect(type="invocationresult", invocation_id=invocation_id)
    assert answer == {"type": "invocationresult", "invocation_id": invocation_id, "function_id": "publish"}
    assert "result" not in json.loads(peer.texts[-1])


def test_a_subscriber_gets_the_data_and_nothing_else(join):
    listener, peer = subscriber(join(), "t", metadata={"m": 1}), join()
    data = {"a": [1, 2.5, None, {"b": "☕"}], "_caller_worker_id": "mine"}
    traced = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=1"}
    peer.call("publish", {"topic": "t", "data": data}, metadata={"of": "the publisher"}, **traced)
    frame = delivery(listener)
    assert frame.pop("invocation_id")
    assert frame == {"type": "invokefunction", "function_id": "on", "data": data}


@pytest.mark.parametrize("data", [None, 0, -1.5, "text", "", True, [], {}])
def test_any_json_passes_through(join, data):
    listener = subscriber(join(), "t")
    publish(join(), "t", data)
    frame = delivery(listener)
    assert (frame["data"], type(frame["data"])) == (data, type(data))


def test_a_large_message_passes_through(join):
    listeners = [subscriber(join(), "t", f"on{number}") for number in range(2)]
    publish(join(), "t", {"text": "x" * 1_000_000})
    for listener in listeners:
        assert len(delivery(listener)["data"]["text"]) == 1_000_000


def test_the_publisher_receives_its_own_message(join):
    peer = subscriber(join(), "t")
    publish(peer, "t", 1)
    assert delivery(peer)["data"] == 1


def test_each_subscription_gets_one_invocation(join):
    one, two, peer = join(), join(), join()
    one.register("on")
    for number in range(3):
        bind(one, f"t{number}", "subscribe", "on", config={"topic": "t"})
    subscriber(two, "t", "other")
    publish(peer, "t", 1)
    ids = {delivery(one)["invocation_id"] for _ in range(3)} | {delivery(two)["invocation_id"]}
    assert len(ids) == 4
    assert received(one) == received(two) == []


def test_matching_is_exact(join):
    listeners = {
        topic: subscriber(join(), topic, f"on-{topic}") for topic in ("orders", "Orders", "orders.*", "*", "#")
    }
    publisher = join()
    for topic in ("orders", "orders.new", "ORDERS", "*", "orders.*"):
        publish(publisher, topic, topic)
    settle(publisher)
    assert {topic: received(listener) for topic, listener in listeners.items()} == {
        "orders": ["orders"],
        "Orders": [],
        "orders.*": ["orders.*"],
        "*": ["*"],
        "#": [],
    }


def test_topics_are_global_and_functions_are_looked_up_in_the_trigger_s_namespace(join):
    at_home, elsewhere = join(), join(namespace="shop")
    at_home.register("on")
    elsewhere.register("on")
    bind(elsewhere, "in-default", "subscribe", "on", config={"topic": "t"})
    publish(elsewhere, "t", 1)
    assert delivery(at_home)["data"] == 1
    bind(at_home, "in-shop", "subscribe", "on", config={"topic": "t2"}, namespace="shop")
    publish(at_home, "t2", 2)
    assert delivery(elsewhere)["data"] == 2
    assert received(at_home) == received(elsewhere) == []


def test_a_function_is_looked_up_when_the_message_comes(join):
    peer = join()
    bind(peer, "t", "subscribe", "later", config={"topic": "t"})
    publish(peer, "t", "nobody there")
    peer.register("later")
    publish(peer, "t", "now")
    assert received(peer) == ["now"]


def test_later_subscribers_see_no_earlier_message(join):
    peer = join()
    publish(peer, "t", "early")
    subscriber(peer, "t")
    publish(peer, "t", "late")
    assert received(peer) == ["late"]


def test_a_void_publish_delivers_and_answers_nothing(join):
    listener, peer = subscriber(join(), "t"), join()
    peer.send(type="invokefunction", function_id="publish", data={"topic": "t", "data": 1}, action={"type": "void"})
    assert delivery(listener)["data"] == 1
    assert unexpected(peer) == []


def test_a_subscriber_that_never_answers_or_fails_delays_nobody(join):
    slow, failing, quick = (subscriber(join(), "t", f"on{number}") for number in range(3))
    peer = join()
    for number in range(50):
        publish(peer, "t", number)
        frame = delivery(failing)
        ids = {key: frame[key] for key in ("invocation_id", "function_id")}
        failing.send(type="invocationresult", **ids, error={"code": "oops", "message": "no"})
        assert delivery(quick)["data"] == number
    assert received(slow) == list(range(50))
    assert unexpected(peer) == []


@pytest.mark.parametrize("config", [None, {}, {"topic": ""}, {"topic": 5}, [], "t"])
def test_without_a_topic_the_trigger_exists_and_never_fires(join, config):
    peer = join()
    peer.register("on")
    bind(peer, "t", "subscribe", "on", config=config)
    assert unexpected(peer) == []
    assert peer.call("engine::registered-triggers::info", {"id": "t"})["id"] == "t"
    with pytest.raises(CallFailed, match="topic_not_set: Topic is not set"):
        peer.call("publish", {"topic": "", "data": 1})


def test_a_condition_is_never_evaluated(join):
    peer = join()
    peer.register("on")
    peer.register("never", lambda _: pytest.fail("the condition is called"))
    bind(peer, "t", "subscribe", "on", config={"topic": "t", "condition_function_id": "never"})
    publish(peer, "t", 1)
    assert received(peer) == [1]


def test_an_id_registered_again_with_another_topic_moves(join):
    peer = join()
    subscriber(peer, "old", trigger_id="t")
    bind(peer, "t", "subscribe", "on", config={"topic": "new"})
    publish(peer, "old", 1)
    publish(peer, "new", 2)
    assert received(peer) == [2]


def test_unregistering_ends_one_subscription_only(join):
    one, two = subscriber(join(), "t", "a", "ta"), subscriber(join(), "t", "b", "tb")
    unbind(one, "ta")
    unbind(one, "ta")
    unbind(one, "unknown")
    publish(one, "t", 1)
    assert (received(one), received(two)) == ([], [1])
    unbind(one, "tb")
    publish(one, "t", 2)
    assert received(two) == []


@pytest.mark.parametrize("how", ["close", "cut"])
def test_a_worker_that_leaves_ends_its_subscriptions_only(engine, join, how):
    one, two, peer = subscriber(join(), "t", "a"), subscriber(join(), "t", "b"), join()
    leave(engine, one, how)
    publish(peer, "t", 1)
    assert received(two) == [1]


def test_a_function_goes_before_its_trigger_as_the_sdks_do_it(join):
    peer = subscriber(join(), "t", trigger_id="t")
    peer.send(type="unregisterfunction", id="on")
    unbind(peer, "t")
    publish(peer, "t", 1)
    assert unexpected(peer) == []


def test_the_subscription_is_live_before_the_next_frame(join):
    peer = join()
    peer.register("on")
    for number in range(20):
        peer.send(
            type="registertrigger",
            id=f"t{number}",
            trigger_type="subscribe",
            function_id="on",
            config={"topic": f"{number}"},
        )
        peer.start_call("publish", {"topic": f"{number}", "data": number})
    assert [delivery(peer)["data"] for _ in range(20)] == list(range(20))


def test_many_messages_to_many_subscribers_arrive_once_each(join):
    listeners = [subscriber(join(), "t", f"on{number}") for number in range(4)]
    publishers = [join(), join()]
    for number in range(200):
        publishers[number % 2].start_call("publish", {"topic": "t", "data": number})
    for listener in listeners:
        assert sorted(delivery(listener)["data"] for _ in range(200)) == list(range(200))
        assert received(listener) == []
