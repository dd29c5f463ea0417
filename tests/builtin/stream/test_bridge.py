"""Streams that are another engine's: events reach the sockets of all that are bridged there (stream.md §8)."""

from contextlib import ExitStack

import pytest

import iii_actors
from tests.support.peer import peers
from tests.support.subscriber import Subscriber, socket_address

AT = {"stream_name": "s", "group_id": "g", "item_id": "i"}


def config(*workers):
    return iii_actors.EngineConfig(workers=[{"name": "iii-worker-manager", "config": {"port": 0}}, *workers])


@pytest.fixture(scope="module")
def engines():
    """The far one, and two that are bridged to it."""
    stream = {"name": "iii-stream", "config": {"port": 0}}
    with ExitStack() as stack:
        far = stack.enter_context(iii_actors.Engine(config(stream, {"name": "iii-pubsub"})))
        adapter = {"name": "bridge", "config": {"bridge_url": far.url}}
        bridged = {"name": "iii-stream", "config": {"port": 0, "adapter": adapter}}
        yield far, *(stack.enter_context(iii_actors.Engine(config(bridged))) for _ in range(2))


@pytest.fixture
def all_three(engines):
    with ExitStack() as stack:
        makers = [stack.enter_context(peers(engine.url)) for engine in engines]
        far, one, other = (make("peer") for make in makers)
        until_bridged(far)
        yield far, one, other


def until_bridged(far):
    while True:
        bound = far.call("engine::registered-triggers::list", {})["registered_triggers"]
        if len([one for one in bound if one["function_id"].startswith("stream::bridge::on_pub::")]) == 2:
            return


def test_items_are_there(all_three):
    far, one, other = all_three
    assert one.call("stream::set", AT | {"data": {"n": 1}}) == {"old_value": None, "new_value": {"n": 1}}
    assert far.call("stream::get", AT) == other.call("stream::get", AT) == {"n": 1}
    ops = [{"type": "increment", "path": "n", "by": 1}]
    assert other.call("stream::update", AT | {"ops": ops}) == {"old_value": {"n": 1}, "new_value": {"n": 2}}
    group = {"stream_name": "s", "group_id": "g"}
    assert one.call("stream::list", group) == [{"n": 2}]
    assert one.call("stream::list_groups", {"stream_name": "s"}) == ["g"]
    assert one.call("stream::list_all", {}) == {"stream": [{"id": "s", "groups": ["g"]}], "count": 1}
    assert one.call("stream::delete", AT) == {"old_value": {"n": 2}}
    assert one.call("stream::get", AT) is None


def test_sockets_of_both_see_events_of_either(engines, all_three):
    _, one, other = all_three
    with ExitStack() as stack:
        clients = []
        for engine in engines[1:]:
            client = Subscriber(socket_address(engine))
            stack.callback(client.close)
            assert client.join("a", "e", "g") == []
            clients.append(client)
        at = AT | {"stream_name": "e"}
        one.call("stream::set", at | {"data": 1})
        for client in clients:
            assert client.event() == {"type": "create", "data": 1}
        other.call("stream::delete", at)
        for client in clients:
            assert client.event() == {"type": "delete", "data": 1}


def test_each_engine_calls_its_own_triggers(all_three):
    far, one, _ = all_three
    for peer in (far, one):
        peer.register("on")
        peer.send(type="registertrigger", id="t", trigger_type="stream", function_id="on", config={"stream_name": "tr"})
        peer.barrier()
    one.call("stream::set", AT | {"stream_name": "tr", "data": 1})
    for peer in (far, one):
        frame = peer.expect(type="invokefunction", function_id="on")
        assert frame["data"]["event"] == {"type": "create", "data": 1}
