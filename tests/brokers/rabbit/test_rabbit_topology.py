"""The entities of queue.md §9: made as they should be, used as they are found."""

from __future__ import annotations

import threading

import pytest
from pika.exceptions import ChannelClosedByBroker

from iii_actors.brokers.errors import Unsupported
from iii_actors.brokers.job import JobState, QueueSpec, Selection
from iii_actors.brokers.names import named_key
from iii_actors.brokers.rabbit_names import hold_arguments, hold_ms, hold_name
from tests.brokers.contract.lab import DEAD, WAITING, Lab, texts
from tests.brokers.rabbit.rig import by_hand, eventually

MAIL = named_key("mail")
NAMED = {
    "iii.__fn_queue::mail.queue": {"x-dead-letter-exchange": "iii.__fn_queue::mail::dlq", "x-max-priority": 7},
    "iii.__fn_queue::mail::retry.queue": {
        "x-message-ttl": 750,
        "x-dead-letter-exchange": "iii.__fn_queue::mail",
        "x-dead-letter-routing-key": "mail",
    },
    "iii.__fn_queue::mail::dlq.queue": {},
}


def has(node, queue, arguments):
    """Whether a durable queue has exactly these arguments; RabbitMQ itself compares them."""
    with node.server.connect() as connection:
        connection.channel().queue_declare(queue, passive=True)
        try:
            connection.channel().queue_declare(queue, durable=True, arguments=arguments)
        except ChannelClosedByBroker as error:
            assert error.reply_code == 406, error
            return False
    return True


def exchange_is(node, name, kind):
    with node.server.connect() as connection:
        connection.channel().exchange_declare(name, kind, passive=True)
        connection.channel().exchange_declare(name, kind, durable=True)


def test_a_named_queue(lab, node):
    lab.result(lab.broker.declare, MAIL, QueueSpec(max_priority=7, backoff_ms=750))
    for queue, arguments in NAMED.items():
        assert has(node, queue, arguments), queue
    assert not has(node, "iii.__fn_queue::mail.queue", {})
    for exchange in ("iii.__fn_queue::mail", "iii.__fn_queue::mail::retry", "iii.__fn_queue::mail::dlq"):
        exchange_is(node, exchange, "direct")
    with by_hand(node) as channel:
        for exchange in ("iii.__fn_queue::mail", "iii.__fn_queue::mail::retry", "iii.__fn_queue::mail::dlq"):
            channel.basic_publish(exchange, "mail", b"1", mandatory=True)


def test_a_subscription(lab, node):
    key = r"orders::mail\@send@sh\@op"
    lab.result(lab.broker.declare, key, QueueSpec(max_priority=3))
    exchange_is(node, "iii.orders.exchange", "fanout")
    assert has(node, r"iii.orders.mail\@send@sh\@op.queue", {"x-max-priority": 3})
    assert has(node, r"iii.orders.mail\@send@sh\@op.dlq", {})


def test_existing_queues_are_used_as_they_are(lab, node):
    """A deployment's own, with what it may have been made with: another routing key, another exchange type."""
    with by_hand(node) as channel:
        channel.exchange_declare("iii.__fn_queue::mail::dlq", "fanout", durable=True)
        arguments = {"x-dead-letter-exchange": "iii.__fn_queue::mail::dlq", "x-dead-letter-routing-key": "mail"}
        channel.queue_declare("iii.__fn_queue::mail.queue", durable=True, arguments=arguments)
        retry = {"x-message-ttl": 1000, "x-dead-letter-exchange": "iii.__fn_queue::mail"}
        channel.queue_declare("iii.__fn_queue::mail::retry.queue", durable=True, arguments=retry)
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    lab.queues.append(MAIL)
    lab.put(MAIL, 1)
    consumer = lab.consume(MAIL)
    failure = lab.failure()
    lab.result(lab.broker.retry, consumer.next(), failure, failure.at_ms + 1000)
    lab.expect(MAIL, delayed=1, retried=1)
    again = consumer.next()
    assert again.job.attempts == 1
    lab.bury(again)
    assert len(lab.list(MAIL, DEAD)) == 1


def test_another_kind_of_queue_is_a_clear_error(lab, node):
    with by_hand(node) as channel:
        channel.queue_declare("iii.__fn_queue::mail.queue", durable=True, arguments={"x-max-length": 5})
    error = lab.error(lab.broker.declare, MAIL, QueueSpec())
    assert error.code == "queue_clash"
    assert "'iii.__fn_queue::mail.queue'" in str(error)
    assert "x-dead-letter-exchange" in str(error)
    assert "rabbitmqctl delete_queue iii.__fn_queue::mail.queue" in str(error)
    assert lab.error(lab.broker.put, [lab.job(MAIL)]).code == "queue_not_found"


def test_another_backoff_does_not_stop_a_queue(lab, node, caplog):
    lab.result(lab.broker.declare, MAIL, QueueSpec(backoff_ms=1000))
    lab.result(lab.broker.declare, MAIL, QueueSpec(backoff_ms=200))
    lab.queues.append(MAIL)
    assert "'iii.__fn_queue::mail::retry.queue' exists with other arguments" in caplog.text
    lab.put(MAIL, 1)
    consumer = lab.consume(MAIL)
    failure = lab.failure()
    lab.result(lab.broker.retry, consumer.next(), failure, failure.at_ms + 200)
    with by_hand(node) as channel:
        assert channel.queue_declare("iii.__fn_queue::mail::retry.queue", passive=True).method.message_count == 0
    lab.ack(consumer.next())


def test_an_ordered_queue_has_one_active_consumer(lab, node):
    lab.result(lab.broker.declare, MAIL, QueueSpec(ordered=True))
    dead = {"x-dead-letter-exchange": "iii.__fn_queue::mail::dlq"}
    assert has(node, "iii.__fn_queue::mail.queue", {**dead, "x-single-active-consumer": True})
    other = lab.another()
    lab.result(other.declare, MAIL, QueueSpec(ordered=True))
    lab.queues.append(MAIL)
    here = lab.consume(MAIL, 5)
    lab.result(lab.broker.put, [lab.job(MAIL, n, group=str(n)) for n in range(4)])
    deliveries = here.take(4)
    there = lab.consume(MAIL, 5, other)
    there.nothing()
    lab.ack(*deliveries)
    lab.broker.close()
    lab._brokers.remove(lab.broker)
    lab.broker = other
    lab.put(MAIL, 5)
    assert texts([there.next()]) == ["5"]


def test_an_ordered_queue_that_was_made_without(lab, node, caplog):
    with by_hand(node) as channel:
        arguments = {"x-dead-letter-exchange": "iii.__fn_queue::mail::dlq"}
        channel.queue_declare("iii.__fn_queue::mail.queue", durable=True, arguments=arguments)
    lab.result(lab.broker.declare, MAIL, QueueSpec(ordered=True))
    assert "without x-single-active-consumer" in caplog.text
    lab.queues.append(MAIL)
    lab.put(MAIL, "a1", "a2")
    consumer = lab.consume(MAIL, 5)
    lab.retry(consumer.next())
    assert texts([consumer.next()]) == ["a1"]
    consumer.nothing()


def test_quorum_queues(node):
    lab = Lab(node.backend())
    lab.broker.close()
    lab.broker = node.broker(queue_type="quorum")
    lab.broker.open()
    lab.result(lab.broker.declare, MAIL, QueueSpec(backoff_ms=150))
    lab.queues.append(MAIL)
    (returns,) = {1_000_000_000}
    dead = {"x-dead-letter-exchange": "iii.__fn_queue::mail::dlq"}
    quorum = {"x-queue-type": "quorum", "x-delivery-limit": returns}
    assert has(node, "iii.__fn_queue::mail.queue", {**dead, **quorum})
    lab.put(MAIL, 1, 2)
    lab.put(MAIL, 3, due_at_ms=lab.backend.now_ms() + 700)
    consumer = lab.consume(MAIL)
    one, two = consumer.take(2)
    failure = lab.failure()
    lab.result(lab.broker.retry, one, failure, failure.at_ms + 150)
    lab.bury(two)
    assert sorted(texts(consumer.take(2))) == ["1", "3"]
    assert texts(lab.list(MAIL, DEAD)) == ["2"]
    assert lab.redrive(MAIL) == 1
    assert texts([consumer.next()]) == ["2"]
    assert lab.balanced(MAIL).in_flight == 3
    lab.finish()


def test_looking_at_what_is_not_there_breaks_nothing(lab, node):
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    with by_hand(node) as channel:
        channel.queue_delete("iii.__fn_queue::mail::dlq.queue")
    assert lab.counts(MAIL).dead == 0
    assert lab.error(lab.broker.list, MAIL, DEAD, 0, 5).code == "queue_unavailable"
    lab.put(MAIL, 1)
    lab.ack(lab.consume(MAIL).next())


def test_names_have_an_end(lab):
    error = lab.error(lab.broker.declare, named_key("ö" * 120), QueueSpec())
    assert error.code == "invalid_name"
    assert "255 bytes" in str(error)


def test_what_it_cannot_do_is_refused(lab):
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    (job,) = lab.put(MAIL, 1)
    for states, one in (({WAITING}, job.id), ({JobState.DELAYED}, None), ({WAITING, JobState.DELAYED}, None)):
        error = lab.error(lab.broker.remove, MAIL, Selection(frozenset(states), one))
        assert isinstance(error, Unsupported)
    assert lab.remove(MAIL, WAITING) == 1
    assert lab.result(lab.broker.find, MAIL, job.id) is None


def test_headers_that_are_too_long_are_refused(lab):
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    error = lab.error(lab.broker.put, [lab.job(MAIL, baggage="x" * 70_000)])
    assert error.code == "payload_too_large"
    lab.put(MAIL, 1)
    consumer = lab.consume(MAIL)
    huge = lab.failure("m" * 500_000)
    for _ in range(3):
        lab.result(lab.broker.retry, consumer.next(), huge, lab.backend.now_ms())
    lab.result(lab.broker.bury, consumer.next(), huge)
    (listed,) = lab.list(MAIL, DEAD)
    assert listed.job.attempts == 4
    assert listed.job.failures[-1].message.startswith("mmmm")


# --- delays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [501, 600, 999, 1_000, 1_024, 2_000, 59_999, 86_400_000, 3_000_000_000, 10**15])
def test_a_holding_queue_lets_go_before_the_time_and_not_much(left):
    ms = hold_ms(left)
    assert ms <= left
    assert ms >= min(left, 1 << 31) * 7 / 8
    arguments = hold_arguments(ms, False)
    assert arguments["x-expires"] > arguments["x-message-ttl"] == ms
    assert arguments["x-expires"] < 1 << 32


def test_there_are_few_holding_queues():
    assert hold_ms(500) == 0
    assert len({hold_ms(left) for left in range(501, 600_000, 37)}) < 90
    assert hold_name(960, False) != hold_name(960, True)


def test_a_delay_goes_through_a_holding_queue_that_vanishes_unused(lab, node):
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    lab.queues.append(MAIL)
    due = lab.backend.now_ms() + 700
    lab.put(MAIL, 1, due_at_ms=due)
    assert has(node, hold_name(hold_ms(690), False), hold_arguments(hold_ms(690), False))
    consumer = lab.consume(MAIL)
    lab.expect(MAIL, delayed=1)
    delivery = consumer.next()
    assert 0 <= lab.backend.now_ms() - due < 5_000
    assert delivery.job.due_at_ms == due
    lab.ack(delivery)
    lab.expect(MAIL, enqueued=1, done=1)


def test_a_delayed_publication_goes_to_all_who_have_subscribed_by_then(lab):
    first, second = "news::a@default", "news::b@default"
    lab.result(lab.broker.declare, first, QueueSpec())
    lab.put(first, 1, due_at_ms=lab.backend.now_ms() + 300)
    lab.result(lab.broker.declare, second, QueueSpec())
    for name, function_id in ((first, "orders::on"), (second, "b")):
        delivery = lab.consume(name).next()
        assert delivery.job.function_id == function_id
        lab.ack(delivery)


def test_doubled_pauses_go_through_holding_queues(lab):
    lab.result(lab.broker.declare, MAIL, QueueSpec(backoff_ms=300))
    lab.queues.append(MAIL)
    lab.put(MAIL, 1)
    consumer = lab.consume(MAIL)
    for attempt in range(1, 3):
        failure = lab.failure()
        due = failure.at_ms + 300 * 2 ** (attempt - 1)
        lab.result(lab.broker.retry, consumer.next(), failure, due)
        lab.expect(MAIL, delayed=1, retried=attempt)
        consumer.nothing()
        lab.broker.grant(MAIL, 1)
        delivery = consumer.next()
        assert delivery.job.attempts == attempt
        assert lab.backend.now_ms() >= due
        lab.broker.release(delivery)
    assert texts([consumer.next()]) == ["1"]


def test_a_delay_outlives_the_engine(lab, node):
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    lab.put(MAIL, 1, due_at_ms=lab.backend.now_ms() + 600)
    lab.broker.close()
    lab._brokers.clear()
    lab.broker = lab.another()
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    lab.queues.append(MAIL)
    assert texts([lab.consume(MAIL).next()]) == ["1"]


def test_a_pause_is_found_by_the_next_engine(lab):
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    lab.result(lab.broker.pause, MAIL, True)
    lab.put(MAIL, 1)
    lab.restart()
    lab.result(lab.broker.declare, MAIL, QueueSpec())
    consumer = lab.consume(MAIL)
    consumer.nothing()
    assert lab.counts(MAIL).paused is True
    lab.result(lab.broker.pause, MAIL, False)
    assert texts([consumer.next()]) == ["1"]


def test_consuming_begins_when_the_queue_is_there(lab):
    """Nobody has to wait for a declaration: what is asked after it comes after it."""
    over = threading.Event()
    lab.broker.declare(MAIL, QueueSpec(), lambda _, error: over.set())
    consumer = lab.consume(MAIL)
    answers = []
    lab.broker.put([lab.job(MAIL, 1)], lambda result, error: answers.append(error))
    assert texts([consumer.next()]) == ["1"]
    eventually(lambda: answers == [None])
    assert over.is_set()
