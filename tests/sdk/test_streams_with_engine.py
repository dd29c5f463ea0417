"""``worker.stream(name)`` and ``create_stream`` with the engine's own ``iii-stream``."""

import queue

import pytest
from pydantic import BaseModel

import iii_actors
import iii_worker
from iii_worker import Update
from iii_worker.stream import StreamSetResult, StreamUpdateResult, ValueMismatchError, create_stream, list_streams
from tests.sdk.test_stream_provider import Memory

WAIT_S = 10.0


class Message(BaseModel):
    text: str
    likes: int = 0


@pytest.fixture(scope="module")
def engine():
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, {"name": "iii-stream", "config": {"port": 0}}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers)) as running:
        yield running


@pytest.fixture
def join(make_worker):
    return make_worker


def settled(worker):
    """All that this worker has said has been taken in: one connection is served in order."""
    worker.call("engine::functions::list", {}, timeout=WAIT_S)


def test_items(join):
    chat = join(namespace="elsewhere").stream("chat", Message)
    assert chat.get("room", "m1") is None
    assert chat.get("room", "m1", "none") == "none"
    result = chat.set("room", "m1", Message(text="hello"))
    assert (result.old_value, result.new_value) == (None, {"text": "hello", "likes": 0})
    result = chat.update("room", "m1", Update.increment("likes", 2), Update.increment("text"))
    assert [error.code for error in result.errors] == ["increment.not_number"]
    assert result.new_value == {"text": "hello", "likes": 2}
    assert chat.get("room", "m1") == Message(text="hello", likes=2)
    chat.set("room", "m0", {"text": "second"})
    assert chat.list("room") == [Message(text="hello", likes=2), Message(text="second")]
    assert chat.list_groups() == ["room"]
    assert list_streams(join())["chat"] == ["room"]
    join().stream("chat").set("room", "m1", 5)
    with pytest.raises(ValueMismatchError, match="stream item chat/room/m1"):
        chat.get("room", "m1")
    assert chat.delete("room", "m1").old_value == 5
    assert chat.delete("room", "m1").old_value is None
    assert chat.delete("room", "m0").old_value == {"text": "second"}


def test_a_trigger_is_told_of_what_happens(join):
    writer, worker = join(), join()
    told = queue.SimpleQueue()

    @worker.on_stream("events", "g")
    def on(event):
        told.put(event)

    settled(worker)
    events = writer.stream("events")
    events.set("other", "i", 0)
    events.set("g", "i", 1)
    event = told.get(timeout=WAIT_S)
    assert event["event"] == {"type": "create", "data": 1}
    assert (event["streamName"], event["groupId"], event["id"]) == ("events", "g", "i")
    events.send("g", "typing", {"who": 1})
    event = told.get(timeout=WAIT_S)
    assert (event["id"], event["event"]) == (None, {"type": "event", "event": {"type": "typing", "data": {"who": 1}}})
    events.send("g", "typing", id="i")
    assert told.get(timeout=WAIT_S)["id"] == "i"
    assert told.empty()


@pytest.mark.parametrize("host", ["another", "the caller"])
def test_a_stream_served_by_a_worker(join, host):
    server = join()
    caller = join() if host == "another" else server
    name, memory = f"served by {host}", Memory()
    provider = create_stream(server, name, memory)
    settled(server)
    stream = caller.stream(name)
    assert stream.set("g", "i", {"a": 1}) == StreamSetResult(new_value={"a": 1})
    assert memory.items == {("g", "i"): {"a": 1}}
    assert (stream.get("g", "i"), stream.list("g"), stream.list_groups()) == ({"a": 1}, [{"a": 1}], ["g"])
    assert stream.update("g", "i", Update.set("b", 2)).old_value is None, "of the engine's own store"
    assert memory.items == {("g", "i"): {"a": 1}}
    assert stream.delete("g", "i").old_value == {"a": 1}
    assert (stream.get("g", "i"), stream.delete("g", "i").old_value) == (None, None)
    provider.unregister()
    settled(server)
    assert stream.get("g", "i") == {"b": 2}


def test_a_provider_may_take_updates_and_its_events_are_told(join):
    class Counting(Memory):
        def update(self, asked):
            return StreamUpdateResult(old_value=1, new_value=len(asked.ops))

    server, watcher = join(), join()
    told = queue.SimpleQueue()

    @watcher.on_stream("counted")
    def on(event):
        told.put(event["event"])

    create_stream(server, "counted", Counting(), updates=True)
    settled(watcher)
    settled(server)
    counted = join().stream("counted")
    assert counted.update("g", "i", Update.remove("a"), Update.remove("b")).new_value == 2
    assert told.get(timeout=WAIT_S) == {"type": "update", "data": 2}


def test_a_provider_that_fails_is_told_as_the_engine_tells_it(join):
    class Failing(Memory):
        def get(self, asked):
            raise LookupError("no such thing")

        def set(self, asked):
            raise LookupError("no room")

    server = join()
    create_stream(server, "failing", Failing())
    settled(server)
    failing = join().stream("failing")
    with pytest.raises(iii_worker.InvocationError, match="no such thing"):
        failing.get("g", "i")
    with pytest.raises(iii_worker.InvocationError, match="Failed to set value: Failed to invoke function") as failed:
        failing.set("g", "i", 1)
    assert failed.value.code == "STREAM_SET_ERROR"
