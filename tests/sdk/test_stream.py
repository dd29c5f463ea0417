"""The streams' proxy, against a worker that keeps items."""

import pytest
from pydantic import BaseModel

import iii_actors
from iii_worker.stream import (
    Stream,
    StreamChangeEvent,
    StreamDeleteResult,
    StreamJoinLeaveEvent,
    StreamSetResult,
    StreamTriggerConfig,
    Update,
    ValueMismatchError,
    list_streams,
)
from tests.support.peer import peers
from tests.support.sdk_caller import PeerCaller, Recorder, Store


@pytest.fixture(scope="module")
def engine():
    with iii_actors.Engine(iii_actors.EngineConfig.listening(port=0)) as running:
        yield running


class Message(BaseModel):
    text: str


@pytest.fixture
def store_and_client(engine):
    with peers(engine.url) as join:
        yield Store(join()), PeerCaller(join())


def test_items_are_kept(store_and_client):
    _, client = store_and_client
    chat = Stream(client, "chat")
    assert chat.get("room", "1") is None
    assert chat.get("room", "1", "none") == "none"
    assert chat.set("room", "1", {"text": "a"}) == StreamSetResult(old_value=None, new_value={"text": "a"})
    chat.set("room", "2", {"text": "b"})
    chat.set("hall", "1", {"text": "c"})
    assert chat.list("room") == [{"text": "a"}, {"text": "b"}]
    assert chat.list_groups() == ["hall", "room"]
    assert chat.update("room", "1", Update.append("text", "!")).new_value == {"text": "a!"}
    assert chat.delete("room", "1") == StreamDeleteResult(old_value={"text": "a!"})
    assert chat.delete("room", "1").old_value is None
    assert list_streams(client) == {"chat": ["a", "b"]}


def test_events_are_sent(store_and_client):
    store, client = store_and_client
    chat = Stream(client, "chat")
    chat.send("room", "typing", {"who": "Ada"})
    chat.send("room", "seen", id="1")
    sent = [{key: value for key, value in one.items() if key != "_caller_worker_id"} for one in store.sent]
    assert sent == [
        {"stream_name": "chat", "group_id": "room", "type": "typing", "data": {"who": "Ada"}},
        {"stream_name": "chat", "group_id": "room", "type": "seen", "data": None, "id": "1"},
    ]


def test_items_may_be_models(store_and_client):
    _, client = store_and_client
    chat = Stream(client, "chat", Message)
    chat.set("room", "1", Message(text="a"))
    assert chat.get("room", "1") == Message(text="a")
    assert chat.list("room") == [Message(text="a")]
    Stream(client, "chat").set("room", "2", 5)
    with pytest.raises(ValueMismatchError, match="stream item chat/room/2") as info:
        chat.get("room", "2")
    assert info.value.code == "value_mismatch"
    with pytest.raises(ValueMismatchError, match=r"stream chat/room\[1\]"):
        chat.list("room")


def test_calls_are_the_protocols_whatever_the_callers_namespace():
    client = Recorder({})
    chat = Stream(client, "chat", timeout=3)
    chat.get("g", "i")
    chat.set("g", "i", None)
    chat.update("g", "i", Update.remove("a"))
    client.answer = None
    assert chat.delete("g", "i").old_value is None
    assert chat.list("g") == chat.list_groups() == []
    address = {"stream_name": "chat", "group_id": "g", "item_id": "i"}
    assert client.calls == [
        ("stream::get", address, 3, "default"),
        ("stream::set", address | {"data": None}, 3, "default"),
        ("stream::update", address | {"ops": [{"type": "remove", "path": "a"}]}, 3, "default"),
        ("stream::delete", address, 3, "default"),
        ("stream::list", {"stream_name": "chat", "group_id": "g"}, 3, "default"),
        ("stream::list_groups", {"stream_name": "chat"}, 3, "default"),
    ]


def test_a_name_is_a_text():
    with pytest.raises(TypeError, match="name is None"):
        Stream(Recorder(), None)
    assert repr(Stream(Recorder(), "chat")) == "<Stream 'chat'>"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "create", "data": {"a": 1}},
        {"type": "delete", "data": None},
        {"type": "event", "event": {"type": "typing", "data": 1}},
    ],
)
def test_what_a_trigger_gets(event):
    envelope = {"type": "stream", "timestamp": 1, "streamName": "s", "groupId": "g", "id": None, "event": event}
    change = StreamChangeEvent.model_validate(envelope | {"_caller_worker_id": "w"})
    assert change.event.type == event["type"]
    assert change.model_dump(exclude_unset=True) == envelope


def test_other_models():
    assert StreamTriggerConfig(stream_name="s").group_id is None
    event = {"subscription_id": "1", "stream_name": "s", "group_id": "g", "id": None, "context": {"a": 1}}
    assert StreamJoinLeaveEvent.model_validate(event).model_dump() == event
