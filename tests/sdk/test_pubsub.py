"""Publishing."""

import pytest

import iii_actors
from iii_worker.pubsub import publish
from tests.support.peer import CallFailed, peers
from tests.support.sdk_caller import PeerCaller, Recorder


def test_what_is_published_goes_to_the_engines_function():
    client = Recorder()
    assert publish(client, "orders", {"id": 7}) is None
    publish(client, "orders", timeout=2)
    publish(client, "orders", [1], wait=False)
    assert client.calls == [
        ("publish", {"topic": "orders", "data": {"id": 7}}, None, "default"),
        ("publish", {"topic": "orders", "data": None}, 2, "default"),
        ("publish", {"topic": "orders", "data": [1]}, None, "default"),
    ]


def test_through_an_engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as engine, peers(engine.url) as join:
        client, broker = PeerCaller(join()), join()
        with pytest.raises(CallFailed, match="function_not_found"):
            publish(client, "orders", 1)
        broker.register("publish")
        publish(client, "orders", 2, wait=False)
        frame = broker.expect(type="invokefunction", function_id="publish")
        assert {key: frame["data"][key] for key in ("topic", "data")} == {"topic": "orders", "data": 2}


@pytest.mark.parametrize("topic", ["", None, 7])
def test_a_topic_is_a_text(topic):
    client = Recorder()
    with pytest.raises(ValueError, match="the topic is"):
        publish(client, topic, 1)
    assert client.calls == []
