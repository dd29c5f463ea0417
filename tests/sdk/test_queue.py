"""Named queues and durable topics, against functions that answer as the queue worker does."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from iii_worker.actions import TriggerAction, action_frame
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


BOOK = {
    "name": "x", "key": "__fn_queue::x", "function_id": None, "namespace": None, "subscribed": True, "enqueued": 3,
    "done": 1, "dead": 1, "removed": 0, "waiting": 1, "delayed": 0, "in_flight": 0, "redriven": 0, "retried": 2,
    "duplicates": 0, "paused": False, "oldest_waiting_ms": 5, "exact": True, "balanced": True,
}  # fmt: skip
JOB = {
    "id": "j1", "receipt": "r1", "queue": "__fn_queue::x", "function_id": "f", "namespace": "default",
    "state": "delayed", "data": {"n": 1}, "attempts": 1, "created_at_ms": 1, "due_at_ms": 2, "group": None,
    "failures": [{"code": "c", "message": "m", "at_ms": 1, "stacktrace": None}], "priority": 0, "max_retries": None,
    "idempotency_key": None, "size_bytes": 100,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "member"), [(NamedQueue, "queue"), (DurableTopic, "topic")])
def test_jobs_and_the_book(kind, member):
    client = Recorder()
    one = kind(client, "x")
    client.answer = {"broker_type": "builtin", "queues": [BOOK]}
    assert [book.model_dump() for book in one.books()] == [BOOK]
    client.answer = {"jobs": [JOB]}
    assert [job.model_dump() for job in one.jobs("delayed", 5, 1)] == [JOB]
    client.answer = JOB
    assert one.job("r1").failures[0].code == "c"
    client.answer = None
    assert one.job("r2") is None
    client.answer = {"edited": True}
    assert one.edit("r1", data=None) is one.edit("r1", max_retries=0) is True
    client.answer = {"cancelled": 0}
    assert one.cancel("r1") is one.cancel("r1", in_flight=True) is False
    client.answer = {"purged": 4}
    assert one.purge() == one.purge("dead") == 4
    one.pause()
    one.resume()
    name, calls = {member: "x"}, [(function_id, payload) for function_id, payload, _, _ in client.calls]
    assert calls == [
        ("engine::queue::stats", name),
        ("engine::queue::list_jobs", {**name, "state": "delayed", "offset": 5, "limit": 1}),
        ("engine::queue::get_job", {**name, "id": "r1"}),
        ("engine::queue::get_job", {**name, "id": "r2"}),
        ("engine::queue::edit_job", {**name, "id": "r1", "data": None}),
        ("engine::queue::edit_job", {**name, "id": "r1", "max_retries": 0}),
        ("engine::queue::cancel", {**name, "id": "r1", "in_flight": False}),
        ("engine::queue::cancel", {**name, "id": "r1", "in_flight": True}),
        ("engine::queue::purge", name),
        ("engine::queue::purge", {**name, "states": ["dead"]}),
        ("engine::queue::pause", name),
        ("engine::queue::resume", name),
    ]


def test_publishing_later_and_once():
    client = Recorder()
    topic = DurableTopic(client, "orders")
    topic.publish(1, run_at=datetime(2030, 1, 2, tzinfo=UTC), idempotency_key="k")
    client.answer = {"messageReceiptId": "r", "duplicate": False}
    assert topic.publish_for_receipt(2, delay_ms=0, priority=3) == "r"
    assert [payload for _, payload, _, _ in client.calls] == [
        {"topic": "orders", "data": 1, "run_at": "2030-01-02T00:00:00+00:00", "idempotency_key": "k"},
        {"topic": "orders", "data": 2, "delay_ms": 0, "priority": 3},
    ]
    with pytest.raises(TypeError, match="there is no option 'delay'; there are delay_ms, run_at"):
        topic.publish(1, delay=5)
    with pytest.raises(ValueError, match="has no time zone"):
        topic.publish(1, run_at=datetime(2030, 1, 2))  # noqa: DTZ001 - that is the point


def test_what_can_be_said_of_a_job_when_it_is_enqueued():
    moment = datetime(2030, 1, 2, tzinfo=UTC)
    wanted = {"type": "enqueue", "queue": "q", "run_at": moment.isoformat(), "max_retries": 0, "group": "g"}
    assert action_frame(TriggerAction.Enqueue(queue="q", run_at=moment, max_retries=0, group="g")) == wanted
    assert action_frame({**wanted, "delay_ms": None, "unknown": 1}) == wanted
    assert action_frame(TriggerAction.Enqueue(queue="q")) == {"type": "enqueue", "queue": "q"}
    with pytest.raises(TypeError):
        TriggerAction.Enqueue(queue="q", delay=5)


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
