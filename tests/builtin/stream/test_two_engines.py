"""Two engines on one Redis: one stream, events of both on the sockets of both, triggers once (stream.md §8)."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from tests.support.asking import bind
from tests.support.quiet import unexpected
from tests.support.redis import redis_server
from tests.support.subscriber import Subscriber, socket_address

AT = {"stream_name": "s:t", "group_id": "g", "item_id": "i"}


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def clean(server):
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def two(site, server, clean):
    config = {"adapter": {"name": "redis", "config": {"redis_url": server.url}}}
    return site(config), site(config)


@pytest.fixture
def follow():
    with ExitStack() as stack:

        def make(here):
            one = Subscriber(socket_address(here.engine))
            stack.callback(one.close)
            return one

        yield make


def test_what_one_writes_the_other_s_subscribers_see(two, follow):
    clients = [follow(here) for here in two]
    for client in clients:
        assert client.join("a", "s:t", "g") == []
    one, other = (here.join() for here in two)
    assert one.call("stream::set", AT | {"data": {"n": 1}}) == {"old_value": None, "new_value": {"n": 1}}
    updated = other.call("stream::update", AT | {"ops": [{"type": "increment", "path": "n", "by": 1}]})
    assert updated == {"old_value": {"n": 1}, "new_value": {"n": 2}}
    seen_by = [[client.next(), client.next()] for client in clients]
    one.call("stream::send", {"stream_name": "s:t", "group_id": "g", "type": "t", "data": None})
    for client, seen in zip(clients, seen_by, strict=True):
        seen.append(client.next())  # an answer does not wait for Redis: the other engine might be quicker
    other.call("stream::delete", AT)
    for client, seen in zip(clients, seen_by, strict=True):
        seen.append(client.next())
        assert [one["event"]["type"] for one in seen] == ["create", "update", "event", "delete"]
        assert [one["id"] for one in seen] == ["i", "i", None, "i"]
        assert all(sorted(one) == ["event", "groupId", "id", "streamName", "timestamp", "type"] for one in seen)
    one.call("stream::set", AT | {"data": 7})
    for here in two:
        assert follow(here).join("a", "s:t", "g", "i") == 7
    assert one.call("stream::list_all", {}) == {"stream": [{"id": "s:t", "groups": ["g"]}], "count": 1}


def test_a_trigger_is_called_once_and_by_the_engine_that_wrote(two, follow):
    workers = [here.join() for here in two]
    for worker in workers:
        worker.register("on")
        bind(worker, "t", "stream", "on", config={"stream_name": "s:t"})
    clients = [follow(here) for here in two]
    for client in clients:
        client.join("a", "s:t", "g")
    for number, worker in enumerate(workers):
        worker.call("stream::set", AT | {"data": number})
        for client in clients:
            assert client.event()["data"] == number
        frame = worker.expect(type="invokefunction", function_id="on")
        assert frame["data"]["event"]["data"] == number
        worker.answer(frame)
    for worker in workers:
        assert unexpected(worker) == []


def test_both_see_the_events_in_one_order(two, follow):
    clients = [follow(here) for here in two]
    for client in clients:
        client.join("a", "s:t", "g")
    workers = [here.join() for here in two]
    for number in range(100):
        for at, worker in enumerate(workers):
            worker.start_call("stream::set", AT | {"data": [at, number]})
    seen = [[client.event()["data"] for _ in range(200)] for client in clients]
    assert seen[0] == seen[1]
    assert sorted(seen[0]) == [[at, number] for at in range(2) for number in range(100)]


def test_the_envelope_is_what_is_on_the_channel_and_other_engines_write_it_too(two, follow, server):
    client = follow(two[0])
    client.join("a", "s:t", "g")
    with server.client() as other, other.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("stream::events")
        channel.get_message(timeout=5)
        worker = two[0].join()
        worker.call("stream::set", AT | {"data": 1})
        while (message := channel.get_message(timeout=5)) is None:
            pass
        told = json.loads(message["data"])
        assert client.next() == told
        assert other.publish("stream::events", "garbage") == 3
        other.publish("stream::events", json.dumps(told | {"event": {"type": "update", "data": 2}}))
    assert client.event() == {"type": "update", "data": 2}


def test_while_redis_is_gone_calls_fail_and_afterwards_all_is_well(two, follow, server):
    client, worker = follow(two[1]), two[0].join()
    client.join("a", "s:t", "g")
    server.kill()
    frame = worker.expect(type="invocationresult", invocation_id=worker.start_call("stream::set", AT | {"data": 1}))
    assert frame["error"]["code"] == "STREAM_SET_ERROR"
    server.start()
    deadline = 200
    while deadline:
        deadline -= 1
        worker.start_call("stream::set", AT | {"data": deadline})
        if "error" not in worker.expect(type="invocationresult"):
            client.socket.ping().wait(0.1)
            try:
                assert client.socket.recv(0.1)
            except TimeoutError:
                continue
            break
    assert deadline, "no event comes after Redis is back"
