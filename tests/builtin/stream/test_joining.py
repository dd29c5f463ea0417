"""Conversations that wait: functions that hang, clients that go meanwhile, bounds. Time is the test's own."""

from __future__ import annotations

import json

import pytest

from iii_actors.actor import ask
from iii_actors.builtin.stream.audience import CountSubscriptions
from iii_actors.clock import ManualClock
from iii_actors.limits import STREAM_HANDLER_S, STREAM_UNDECODABLE_LOG_PER_S
from tests.support.asking import bind, unbind
from tests.support.quiet import settle, unexpected
from tests.support.subscriber import Subscriber, socket_address


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def here(site, clock):
    return site(clock=clock)


@pytest.fixture
def peer(here):
    return here.join()


@pytest.fixture
def follow(here):
    made = []

    def make():
        made.append(Subscriber(socket_address(here.engine)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def called(peer, function_id):
    return peer.expect(type="invokefunction", function_id=function_id)


def on(peer, kind, handler=None):
    peer.register(f"on-{kind}", handler)
    bind(peer, f"t-{kind}", f"stream:{kind}", f"on-{kind}")


def test_a_join_function_that_hangs_refuses_in_the_end_and_delays_nobody_else(peer, follow, clock, caplog):
    on(peer, "join")
    hanging, other = follow(), follow()
    hanging.say("join", "a", "s", "g")
    late = called(peer, "on-join")
    unbind(peer, "t-join")
    for _ in range(20):
        assert other.join("b", "s", "g") == []
    clock.advance(STREAM_HANDLER_S - 0.1)
    hanging.pinged()
    assert other.others() == []
    clock.advance(0.2)
    assert hanging.event() == {"type": "unauthorized"}
    assert "on-join failed: it takes too long, and the subscription is refused" in caplog.text
    peer.answer(late, {"unauthorized": False})
    settle(peer)
    peer.call("stream::set", {"stream_name": "s", "group_id": "g", "item_id": "i", "data": 1})
    assert hanging.others() == [], "an answer that comes too late changes nothing"
    assert other.event() == {"type": "create", "data": 1}


def test_a_leave_function_that_hangs_is_left_behind(peer, follow, clock):
    client = follow()
    client.join("a", "s", "g")
    on(peer, "leave")
    client.say("leave", "a", "s", "g")
    called(peer, "on-leave")
    unbind(peer, "t-leave")
    clock.advance(STREAM_HANDLER_S + 0.1)
    assert client.others() == []
    peer.call("stream::set", {"stream_name": "s", "group_id": "g", "item_id": "i", "data": 1})
    assert client.others() == []


def test_a_provider_that_hangs_sends_no_sync_and_the_subscription_stays(peer, follow, clock):
    client = follow()
    peer.register("stream::list(s)")
    client.say("join", "a", "s", "g")
    called(peer, "stream::list(s)")
    clock.advance(STREAM_HANDLER_S + 0.1)
    assert client.others() == []
    peer.call("stream::set", {"stream_name": "s", "group_id": "g", "item_id": "i", "data": 1})
    assert client.event() == {"type": "create", "data": 1}


def test_of_a_connection_that_has_gone_only_one_leave_is_waited_for_that_hangs(here, peer, follow, clock):
    client = follow()
    for number in range(5):
        client.join(f"{number}", "s", "g")
    on(peer, "leave")
    client.close()
    called(peer, "on-leave")
    assert unexpected(peer) == []
    clock.advance(STREAM_HANDLER_S + 0.1)
    left = {called(peer, "on-leave")["data"]["subscription_id"] for _ in range(4)}
    assert len(left) == 4, "the others are all told at once"


def test_a_client_that_goes_leaves_nothing_behind(here, peer, follow):
    (worker,) = (one for one in here.engine._builtins if one.id == "iii-stream")
    audience = worker._refs[0]
    clients = [follow() for _ in range(5)]
    for client in clients:
        client.join("a", "s", "g")
        client.join("b", "s", "g", "i")
    assert ask(audience, CountSubscriptions()) == 10
    for client in clients:
        client.close()
    assert worker._sockets.wait_until_empty(10)
    assert ask(audience, CountSubscriptions()) == 0
    settle(peer)
    assert worker._joining._actor_weakref()._conversations == {}


def test_garbage_is_logged_so_often_and_no_more(follow, clock, caplog):
    clients = [follow() for _ in range(2)]
    for client in clients:
        for number in range(20):
            client.socket.send(f"garbage {number}")
        client.pinged()
        assert client.others() == []
    assert caplog.text.count("is no join or leave") == STREAM_UNDECODABLE_LOG_PER_S
    clock.advance(1.1)
    clients[0].socket.send("x" * 1000)
    clients[0].others()
    assert f"Stream clients: {40 - STREAM_UNDECODABLE_LOG_PER_S} more" in caplog.text
    assert "x" * 201 not in caplog.text


def test_many_messages_that_wait_for_a_hanging_function_all_have_their_turn(peer, follow):
    on(peer, "join")
    client = follow()
    count = 200
    for number in range(count):
        client.say("join", f"{number}", "s", f"{number}")
    for number in range(count):
        frame = called(peer, "on-join")
        assert frame["data"]["subscription_id"] == f"{number}"
        peer.answer(frame)
    assert [client.next()["groupId"] for _ in range(count)] == [f"{number}" for number in range(count)]
    client.socket.send(json.dumps({"type": "leave"}))
