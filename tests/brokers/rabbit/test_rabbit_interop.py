"""What other engines and people's own programs put into RabbitMQ, and what they find there (queue.md §9)."""

from __future__ import annotations

import json
import struct

import pika
import pytest

from iii_actors.brokers.job import Failure, QueueSpec
from iii_actors.brokers.names import named_key
from tests.brokers.contract.lab import DEAD, texts
from tests.brokers.rabbit.rig import by_hand, eventually, message

NAMED = named_key("mail")
TOPIC = "orders::mail::send@shop"


@pytest.fixture
def named(lab):
    lab.result(lab.broker.declare, NAMED, QueueSpec(backoff_ms=300))
    lab.queues.append(NAMED)
    return NAMED


@pytest.fixture
def subscribed(lab):
    lab.result(lab.broker.declare, TOPIC, QueueSpec())
    lab.queues.append(TOPIC)
    return TOPIC


def get(channel, queue):
    """Take the message that is, or soon will be, in a queue."""
    found = []
    eventually(lambda: found.append(channel.basic_get(queue, auto_ack=True)) or found[-1][0] is not None)
    return found[-1]


def test_a_named_message_put_by_hand_is_delivered(lab, node, named):
    headers = {
        "function_id": "mail::send",
        "traceparent": "00-x",
        "baggage": "a=1",
        "namespace": "shop",
        "x-attempt": 2,
    }
    with by_hand(node) as channel:
        body, properties = message(b'{"to": "a"}', message_id="receipt-1", headers=headers, priority=3)
        channel.basic_publish("iii.__fn_queue::mail", "mail", body, properties, mandatory=True)
    delivery = lab.consume(named).next()
    job = delivery.job
    assert (job.data, job.function_id, job.namespace) == (b'{"to": "a"}', "mail::send", "shop")
    assert (job.receipt, job.attempts, job.priority) == ("receipt-1", 2, 3)
    assert job.id != job.receipt
    assert (job.traceparent, job.baggage, job.max_retries) == ("00-x", "a=1", None)
    lab.ack(delivery)


def test_without_a_namespace_it_is_the_default_one(lab, node, named):
    with by_hand(node) as channel:
        channel.basic_publish("iii.__fn_queue::mail", "mail", *message(b"1", headers={"function_id": "f"}))
    delivery = lab.consume(named).next()
    assert delivery.job.namespace == "default"
    assert delivery.job.id
    lab.ack(delivery)


def test_messages_that_all_have_one_id_are_all_done(lab, node, named):
    with by_hand(node) as channel:
        for n in range(4):
            properties = message(b"", message_id="mail", headers={"function_id": "f"})[1]
            channel.basic_publish("iii.__fn_queue::mail", "mail", str(n).encode(), properties)
    consumer = lab.consume(named, 4)
    first, second, *_ = consumer.take(4)
    lab.ack(first)
    lab.retry(second)
    retried = lab.consume(named, 1).next()
    assert (texts([retried]), retried.job.attempts) == (["1"], 1)
    lab.result(lab.broker.release, retried)
    lab.broker.cease(named)
    again = lab.consume(named, 5)
    assert texts([again.next()]) == ["1"]
    lab.expect(named, enqueued=4, done=1, in_flight=3, retried=1)


def test_a_named_message_of_ours_reads_as_it_should(lab, node, named):
    job = lab.job(named, '{"to":"b"}', traceparent="00-y", baggage="iii.function.id=x", namespace="shop")
    lab.result(lab.broker.put, [job])
    with by_hand(node) as channel:
        method, properties, body = get(channel, "iii.__fn_queue::mail.queue")
    assert (method.exchange, method.routing_key) == ("iii.__fn_queue::mail", "mail")
    assert body == b'{"to":"b"}'
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert properties.message_id == job.receipt
    wanted = {
        "function_id": job.function_id,
        "namespace": "shop",
        "traceparent": "00-y",
        "baggage": "iii.function.id=x",
        "x-attempt": 0,
    }
    assert {name: properties.headers[name] for name in wanted} == wanted


def test_the_number_of_attempts_is_an_unsigned_one():
    from iii_actors.brokers.rabbit_wire import Properties, Unsigned

    (encoded,) = Properties({"x-attempt": Unsigned(3_000_000_000)}, None, None).encode()
    assert b"\x09x-attempti" + struct.pack(">I", 3_000_000_000) in encoded
    read = pika.BasicProperties()
    read.decode(encoded)
    assert read.headers == {"x-attempt": 3_000_000_000}


def test_a_failed_named_job_waits_in_the_retry_queue(lab, node, named):
    lab.put(named, 7)
    consumer = lab.consume(named)
    now = lab.backend.now_ms()
    failure = Failure("boom", "no", now)
    lab.result(lab.broker.retry, consumer.next(), failure, now + 300)
    lab.expect(named, delayed=1, retried=1)
    with by_hand(node) as channel:
        assert channel.queue_declare("iii.__fn_queue::mail::retry.queue", passive=True).method.message_count == 1
    again = consumer.next()
    assert again.job.attempts == 1
    assert lab.backend.now_ms() >= now + 290
    lab.ack(again)


def test_dead_letters_of_other_engines_are_read_and_redriven(lab, node, named):
    """They say nack, and RabbitMQ puts the unchanged message among the dead."""
    headers = {"function_id": "mail::send", "x-attempt": 3}
    with by_hand(node) as channel:
        channel.basic_publish("iii.__fn_queue::mail", "mail", *message(b"1", message_id="r", headers=headers))
        method, _, _ = channel.basic_get("iii.__fn_queue::mail.queue")
        channel.basic_nack(method.delivery_tag, requeue=False)
    eventually(lambda: lab.list(named, DEAD))
    (listed,) = lab.list(named, DEAD)
    assert (listed.job.receipt, listed.job.attempts, listed.size) == ("r", 4, 1)
    assert listed.job.failures[0].message == "function call failed"
    assert abs(listed.job.failures[0].at_ms - lab.backend.now_ms()) < 30_000
    assert lab.redrive(named, "r") == 1
    delivery = lab.consume(named).next()
    assert (delivery.job.attempts, delivery.job.failures) == (0, ())
    lab.ack(delivery)


def test_our_dead_letters_keep_their_body(lab, node, named):
    lab.dead(named, '{"n":1}')
    with by_hand(node) as channel:
        method, properties, body = channel.basic_get("iii.__fn_queue::mail::dlq.queue")
        channel.basic_nack(method.delivery_tag)
    assert body == b'{"n":1}'
    assert properties.headers["function_id"] == "orders::on"


def test_a_message_without_function_is_put_aside(lab, node, named, caplog):
    with by_hand(node) as channel:
        channel.basic_publish("iii.__fn_queue::mail", "mail", *message(b"1"))
        channel.basic_publish("iii.__fn_queue::mail", "mail", *message(b"{", headers={"function_id": "f"}))
        channel.basic_publish("iii.__fn_queue::mail", "mail", *message(b"2", headers={"function_id": "f"}))
    consumer = lab.consume(named)
    delivery = consumer.next()
    assert texts([delivery]) == ["2"]
    lab.ack(delivery)
    eventually(lambda: lab.counts(named).dead == 2)
    assert "has no header function_id" in caplog.text
    assert "its data is not JSON" in caplog.text
    assert lab.remove(named, DEAD) == 2


# --- topics -----------------------------------------------------------------------------------------------------------


def published(data, **more):
    body = {
        "id": "j-1",
        "topic": "orders",
        "data": data,
        "attempts_made": 0,
        "max_attempts": 3,
        "created_at": 1_700_000,
    }
    body |= {"traceparent": "00-z", "baggage": None, "priority": None, **more}
    headers = {"x-iii-job-id": "j-1", "x-iii-attempts": 1, "x-iii-max-attempts": 3, "x-iii-created-at": 1_700_000}
    return message(json.dumps(body).encode(), headers=headers)


def test_a_topic_message_put_by_hand_is_delivered(lab, node, subscribed):
    with by_hand(node) as channel:
        channel.basic_publish("iii.orders.exchange", "", *published({"a": [1]}), mandatory=True)
    delivery = lab.consume(subscribed).next()
    job = delivery.job
    assert json.loads(job.data) == {"a": [1]}
    assert (job.function_id, job.namespace, job.id) == ("mail::send", "shop", "j-1")
    assert (job.attempts, job.created_at_ms, job.traceparent) == (1, 1_700_000, "00-z")
    lab.ack(delivery)


def test_our_publications_reach_the_queues_of_other_engines(lab, node, subscribed):
    node.entities.append("iii.orders.audit::log@default.queue")
    with by_hand(node) as channel:
        channel.queue_declare("iii.orders.audit::log@default.queue", durable=True)
        channel.queue_bind("iii.orders.audit::log@default.queue", "iii.orders.exchange")
        (job,) = lab.put(subscribed, '{"n":1}')
        _, properties, body = get(channel, "iii.orders.audit::log@default.queue")
    read = json.loads(body)
    assert read["data"] == {"n": 1}
    assert (read["id"], read["topic"], read["attempts_made"], read["max_attempts"]) == (job.id, "orders", 0, 4)
    assert read["created_at"] == job.created_at_ms
    headers = properties.headers
    assert (headers["x-iii-job-id"], headers["x-iii-attempts"], headers["x-iii-max-attempts"]) == (job.id, 0, 4)
    lab.ack(lab.consume(subscribed).next())


def test_several_subscriptions_get_one_copy_each(lab, subscribed):
    other = "orders::audit::log@default"
    lab.result(lab.broker.declare, other, QueueSpec())
    lab.queues.append(other)
    copies = [
        lab.job(subscribed, 1, receipt="r", function_id="mail::send", namespace="shop"),
        lab.job(other, 1, receipt="r", function_id="audit::log"),
    ]
    lab.result(lab.broker.put, copies)
    for name, function_id in ((subscribed, "mail::send"), (other, "audit::log")):
        consumer = lab.consume(name)
        delivery = consumer.next()
        assert (delivery.job.function_id, delivery.job.receipt) == (function_id, "r")
        consumer.nothing()
        lab.ack(delivery)
        lab.expect(name, enqueued=1, done=1)


def test_dead_letters_of_a_topic_read_as_they_should(lab, node, subscribed):
    (job,) = lab.dead(subscribed, '{"n":1}')
    with by_hand(node) as channel:
        method, _, body = channel.basic_get("iii.orders.mail::send@shop.dlq")
        channel.basic_nack(method.delivery_tag)
    read = json.loads(body)
    assert set(read) == {"job", "error", "exhausted_at"}
    assert (read["job"]["id"], read["job"]["data"], read["job"]["attempts_made"]) == (job.id, {"n": 1}, 1)
    assert read["error"] == 'ErrorBody { code: "handler_error", message: "it broke", stacktrace: None }'


def test_dead_letters_of_a_topic_from_another_engine(lab, node, subscribed):
    job = json.loads(published(5)[0]) | {"attempts_made": 3}
    error = 'ErrorBody { code: "boom", message: "say \\"no\\"", stacktrace: None }'
    with by_hand(node) as channel:
        for text in (error, "anything"):
            dead = json.dumps({"job": job, "error": text, "exhausted_at": 1_700_000_000_000})
            channel.basic_publish("", "iii.orders.mail::send@shop.dlq", *message(dead.encode()))
        channel.basic_publish("", "iii.orders.mail::send@shop.dlq", *message(b"nothing of ours"))
    later, first = lab.list(subscribed, DEAD)
    assert (first.job.failures[0].code, first.job.failures[0].message) == ("boom", 'say "no"')
    assert (later.job.failures[0].message, later.job.attempts) == ("anything", 3)
    assert first.job.failures[0].at_ms == 1_700_000_000_000
    assert lab.counts(subscribed).dead == 3
    assert lab.redrive(subscribed) == 2
    delivery = lab.consume(subscribed).next()
    assert (delivery.job.data, delivery.job.attempts) == (b"5", 0)
    assert lab.remove(subscribed, DEAD) == 1


def test_what_nobody_has_subscribed_to_waits_for_the_first_who_does(lab, node):
    bare = "news"
    lab.result(lab.broker.declare, bare, QueueSpec())
    lab.queues.append(bare)
    lab.put(bare, 1, 2, function_id="")
    with by_hand(node) as channel:
        assert channel.queue_declare("iii.news.queue", passive=True).method.message_count == 2
    subscription = "news::on::news@default"
    lab.result(lab.broker.declare, subscription, QueueSpec())
    lab.queues.append(subscription)
    assert lab.result(lab.broker.move, bare, subscription, "on::news", "default").count == 2
    # Now that there is somebody, it does not matter that this engine's producer does not know it yet.
    lab.put(bare, 3, function_id="")
    deliveries = lab.consume(subscription).take(3)
    assert texts(deliveries) == ["1", "2", "3"]
    assert {one.job.function_id for one in deliveries} == {"on::news"}
    lab.ack(*deliveries)


def test_a_subscription_that_has_ended_gets_no_more(lab, subscribed):
    other = "orders::audit::log@default"
    lab.result(lab.broker.declare, other, QueueSpec())
    lab.queues.append(other)
    lab.result(lab.broker.declare, f"__ended::{subscribed}", QueueSpec())
    lab.put(other, 1)
    lab.expect(other, waiting=1)
    lab.expect(subscribed, enqueued=0)
    lab.result(lab.broker.declare, subscribed, QueueSpec())
    lab.put(other, 2)
    lab.expect(subscribed, waiting=1)
    assert lab.result(lab.broker.forget, f"__ended::{subscribed}") is True


def test_each_subscription_has_its_own_groups(lab, subscribed):
    by_item, by_field = "orders::by::item@default", "orders::by::field@default"
    lab.result(lab.broker.declare, by_item, QueueSpec(ordered=True))
    lab.result(lab.broker.declare, by_field, QueueSpec(ordered=True, options={"group_field": "n"}))
    lab.queues += [by_item, by_field]
    for n in range(3):
        data = json.dumps({"n": n % 2})
        copies = [
            lab.job(subscribed, data, receipt=f"r{n}", function_id="mail::send", namespace="shop", priority=3),
            lab.job(by_item, data, receipt=f"r{n}", function_id="by::item", group="tea"),
        ]
        lab.result(lab.broker.put, copies)
    plain = lab.consume(subscribed).take(3)
    assert {delivery.job.group for delivery in plain} == {None}
    item = lab.consume(by_item)
    first = item.next()
    assert first.job.group == "tea"
    item.nothing()
    field = lab.consume(by_field)
    assert [delivery.job.group for delivery in field.take(2)] == ["0", "1"]
    field.nothing()
