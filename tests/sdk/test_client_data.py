"""The data helpers as methods of the client."""

import pytest

import iii_actors
from iii_worker.channel import ChannelReader
from iii_worker.queue import DurableTopic, NamedQueue
from iii_worker.state import StateScope
from iii_worker.stream import Stream
from iii_worker.update_ops import Update
from tests.sdk.test_stream_provider import Memory

WAIT_S = 10.0


@pytest.fixture(scope="module")
def engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


def test_channels(make_worker):
    worker = make_worker()
    with worker.create_channel(2, timeout=WAIT_S) as channel:
        channel.writer.end(b"x")
        assert channel.reader.read() == b"x"
    assert channel.reader.timeout == WAIT_S


def test_references_in_payloads_and_results_are_objects(make_worker):
    worker = make_worker()

    @worker.function("read")
    def read(data):
        assert isinstance(data["from"], ChannelReader)
        with data["from"] as source:
            return source.read().decode()

    channel = worker.create_channel(timeout=WAIT_S)
    with channel.writer as sink:
        sink.write(b"hello")
    assert worker.call("read", {"from": channel.reader}, timeout=WAIT_S) == "hello"


def test_state_streams_and_topics_are_called_where_they_live(make_worker):
    """In the namespace ``default``, whatever the worker's own; a worker there stands in for the engine's own."""
    home, away = make_worker(), make_worker(namespace="away")
    asked = []

    def answer(data):
        asked.append({key: value for key, value in data.items() if key != "_caller_worker_id"})
        return {"old_value": None, "new_value": 1}

    for function_id in ("state::set", "stream::update", "publish", "iii::durable::publish"):
        home.register_function(function_id, answer)
    home.call("engine::functions::list", {}, timeout=WAIT_S)

    assert away.state("s").set("k", 1).new_value == 1
    assert away.stream("c", int, timeout=WAIT_S).update("g", "i", Update.remove("a")).new_value == 1
    away.publish("t", {"a": 1})
    away.durable_topic("d").publish(2)
    assert asked == [
        {"scope": "s", "key": "k", "value": 1},
        {"stream_name": "c", "group_id": "g", "item_id": "i", "ops": [{"type": "remove", "path": "a"}]},
        {"topic": "t", "data": {"a": 1}},
        {"topic": "d", "data": 2},
    ]


def test_what_is_returned_is_of_the_right_kind(make_worker):
    worker = make_worker()
    assert isinstance(worker.state("s", dict), StateScope)
    assert isinstance(worker.stream("s"), Stream)
    assert isinstance(worker.named_queue("q"), NamedQueue)
    assert isinstance(worker.durable_topic("t"), DurableTopic)


def test_a_provider(make_worker):
    worker = make_worker()
    provider = worker.create_stream("chat", Memory())
    assert worker.call("stream::list_groups(chat)", {"stream_name": "chat"}, timeout=WAIT_S) == []
    with pytest.raises(ValueError, match="registered"):
        worker.create_stream("chat", Memory())
    provider.unregister()
    worker.create_stream("chat", Memory(), updates=True).unregister()
