"""Named queues and durable topics, against functions that answer as the queue worker does."""

import pytest
from pydantic import ValidationError

from iii_worker.queue import (
    DurableTopic,
    NamedQueue,
    QueueStats,
    list_dead_letter_topics,
    list_topics,
    publish_durable,
)
from tests.support.sdk_caller import Recorder

LETTER = {"id": "j1", "payload": {"a": 1}, "error": "boom", "failed_at": 1700000000, "retries": 3, "size_bytes": 120}


def test_publishing_to_a_durable_topic():
    client = Recorder()
    DurableTopic(client, "orders", timeout=2).publish({"id": 1})
    publish_durable(client, "orders")
    assert client.calls == [
        ("iii::durable::publish", {"topic": "orders", "data": {"id": 1}}, 2, "default"),
        ("iii::durable::publish", {"topic": "orders", "data": None}, None, "default"),
    ]


@pytest.mark.parametrize(("kind", "member"), [(NamedQueue, "queue"), (DurableTopic, "topic")])
def test_looking_inside(kind, member):
    client = Recorder()
    one = kind(client, "x", timeout=2)
    client.answer = {"depth": 3, "consumer_count": 1, "dlq_depth": 2, "config": None}
    assert one.stats() == QueueStats(depth=3, consumer_count=1, dlq_depth=2)
    client.answer = [LETTER]
    (letter,) = one.dead_letters()
    assert letter.model_dump() == LETTER
    client.answer = None
    assert one.dead_letters(10, 5) == []
    client.answer = {"queue": "x", "redriven": 2}
    assert one.redrive() == 2
    client.answer = {"queue": "x", "message_id": "j1", "redriven": 1}
    assert one.redrive_message("j1") is True
    client.answer = {"queue": "x", "message_id": "j1", "redriven": 0}
    assert one.discard_message("j1") is False
    assert client.calls == [
        ("engine::queue::topic_stats", {member: "x"}, 2, "default"),
        ("engine::queue::dlq_messages", {member: "x", "offset": 0, "limit": 50}, 2, "default"),
        ("engine::queue::dlq_messages", {member: "x", "offset": 10, "limit": 5}, 2, "default"),
        ("iii::queue::redrive", {member: "x"}, 2, "default"),
        ("iii::queue::redrive_message", {member: "x", "message_id": "j1"}, 2, "default"),
        ("iii::queue::discard_message", {member: "x", "message_id": "j1"}, 2, "default"),
    ]


def test_listing():
    client = Recorder([{"name": "orders", "broker_type": "builtin", "subscriber_count": 2}])
    assert [topic.name for topic in list_topics(client)] == ["orders"]
    client.answer = [{"topic": "orders", "broker_type": "builtin", "message_count": 0}]
    assert [topic.message_count for topic in list_dead_letter_topics(client, timeout=1)] == [0]
    client.answer = None
    assert list_topics(client) == list_dead_letter_topics(client) == []
    assert [(call[0], call[2]) for call in client.calls[:2]] == [
        ("engine::queue::list_topics", None),
        ("engine::queue::dlq_topics", 1),
    ]


@pytest.mark.parametrize("name", ["", None, 7])
@pytest.mark.parametrize("make", [NamedQueue, DurableTopic, publish_durable])
def test_names_are_texts(make, name):
    with pytest.raises(ValueError, match="not empty"):
        make(Recorder(), name)


def test_an_answer_of_another_shape_is_not_taken_for_one():
    with pytest.raises(ValidationError):
        NamedQueue(Recorder({"depth": "many"}), "q").stats()


def test_repr():
    assert repr(NamedQueue(Recorder(), "q")) == "<NamedQueue 'q'>"
