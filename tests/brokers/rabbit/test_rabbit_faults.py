"""RabbitMQ goes away and comes back, in the middle of everything; nothing that was confirmed is lost."""

from __future__ import annotations

import logging
import queue

import pytest

from iii_actors.brokers.errors import BrokerUnavailable
from iii_actors.brokers.job import QueueSpec
from iii_actors.brokers.names import named_key
from iii_actors.errors import ConfigError
from tests.brokers.contract.lab import DEAD, WAIT_S, Lab, texts
from tests.brokers.rabbit.rig import by_hand, eventually
from tests.support.tcp_proxy import proxy

KEY = named_key("work")


@pytest.fixture
def cable(node):
    with proxy(node.server.port) as made:
        node.url = f"amqp://guest:guest@127.0.0.1:{made.port}/%2F"
        yield made


@pytest.fixture
def cabled(cable, node):
    """A lab whose broker is connected through a cable, with one queue."""
    made = Lab(node.backend())
    made.result(made.broker.declare, KEY, QueueSpec(backoff_ms=100))
    yield made
    cable.mend()
    for broker in made._brokers:
        broker.close()


def back(lab, wanted=None):
    """Wait until jobs can be stored again."""

    def stored():
        _, error = lab.outcome(lab.broker.put, [lab.job(KEY, wanted or 0)])
        assert error is None or isinstance(error, BrokerUnavailable)
        return error is None

    eventually(stored)


def test_puts_during_a_cut_are_refused_and_never_lost_after_a_confirm(cabled, cable):
    answers = queue.SimpleQueue()
    count = 3_000

    def put(n):
        job = cabled.job(KEY, n)
        cabled.broker.put([job], lambda result, error: answers.put((n, error)))

    for n in range(count):
        put(n)
        if n == count // 2:
            cable.cut()
    outcomes = dict(answers.get(timeout=WAIT_S) for _ in range(count))
    refused = {n for n, error in outcomes.items() if error is not None}
    assert refused, "the cut came too late"
    assert all(isinstance(outcomes[n], BrokerUnavailable) for n in refused)
    cable.mend()
    back(cabled, "last")
    consumer = cabled.consume(KEY, count + 10)
    seen = []
    while not seen or seen[-1] != "last":
        seen += texts([consumer.next()])
    confirmed = {str(n) for n in outcomes} - {str(n) for n in refused}
    assert confirmed <= set(seen)


def test_a_cut_is_one_line_in_the_log_and_so_is_its_end(cabled, cable, caplog):
    caplog.set_level(logging.INFO, "iii_actors")
    cable.cut()
    eventually(lambda: caplog.text.count("is lost for") == 2)
    cable.mend()
    eventually(lambda: caplog.text.count("is there again for") == 2)
    assert "is lost for publishing" in caplog.text
    assert "is there again for consuming" in caplog.text
    assert caplog.text.count("is lost for") == 2
    assert "guest" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_what_is_in_hand_during_a_cut_is_not_done_twice_here(cabled, cable, caplog):
    cabled.put(KEY, 1, 2)
    consumer = cabled.consume(KEY, 2)
    held = consumer.take(2)
    connections = cable.connections
    cable.cut()
    eventually(lambda: caplog.text.count("is lost for") == 2)
    assert cabled.error(cabled.broker.put, [cabled.job(KEY)]).code == "queue_unavailable"
    # One handler answers while RabbitMQ is away: it counts when the message comes back.
    assert cabled.result(cabled.broker.ack, held[0]) is False
    cable.mend()
    eventually(lambda: cable.connections >= connections + 2)
    back(cabled, 3)
    cabled.broker.grant(KEY, 5)
    assert texts([consumer.next()]) == ["3"]
    consumer.nothing()
    cabled.ack(held[1])
    counts = cabled.balanced(KEY)
    assert (counts.done, counts.in_flight, counts.waiting) == (2, 1, 0)


def test_an_acknowledgement_that_a_cut_swallows_is_given_again(cabled, cable):
    cabled.put(KEY, 1, 2)
    consumer = cabled.consume(KEY, 2)
    one, two = consumer.take(2)
    cable.mute()
    assert cabled.result(cabled.broker.ack, one) is True
    cable.cut()
    cable.mend()
    back(cabled, 3)
    cabled.broker.grant(KEY, 3)
    assert texts([consumer.next()]) == ["3"]
    consumer.nothing()
    cabled.ack(two)
    counts = cabled.balanced(KEY)
    assert (counts.done, counts.in_flight) == (2, 1)


def test_a_retry_in_mid_cut_is_stored_when_it_is_over(cabled, cable):
    cabled.put(KEY, 1)
    consumer = cabled.consume(KEY, 1)
    held = consumer.next()
    cable.mute()
    answers = queue.SimpleQueue()
    failure = cabled.failure()
    cabled.broker.retry(held, failure, failure.at_ms + 100, lambda result, error: answers.put((result, error)))
    cable.cut()
    cable.mend()
    cabled.broker.grant(KEY, 1)
    again = consumer.next()
    assert texts([again]) == ["1"]
    assert answers.get(timeout=WAIT_S)[1] is None
    assert cabled.result(cabled.broker.ack, held) is False
    cabled.ack(again)


def test_another_engine_gets_what_a_cut_one_held(cabled, cable, node):
    cabled.put(KEY, 1)
    held = cabled.consume(KEY, 1).next()
    node.url = node.server.url
    other = cabled.another()
    cabled.result(other.declare, KEY, QueueSpec(backoff_ms=100))
    there = cabled.consume(KEY, 1, other)
    cable.cut()
    delivery = there.next()
    assert delivery.redelivered is True
    assert cabled.result(other.ack, delivery) is True
    cable.mend()
    back(cabled)
    assert cabled.result(cabled.broker.ack, held) is False


def test_questions_during_a_cut_are_refused_and_answered_after_it(cabled, cable):
    cabled.put(KEY, 1)
    cable.cut()
    assert cabled.error(cabled.broker.counts, KEY).code == "queue_unavailable"
    assert cabled.error(cabled.broker.list, KEY, DEAD, 0, 5).code == "queue_unavailable"
    assert cabled.error(cabled.broker.redrive, KEY, None).code == "queue_unavailable"
    cable.mend()
    assert cabled.counts(KEY).waiting == 1


def test_closing_while_there_is_no_rabbitmq(cabled, cable):
    cabled.put(KEY, 1)
    held = cabled.consume(KEY, 1).next()
    cable.cut()
    answers = queue.SimpleQueue()
    cabled.broker.bury(held, cabled.failure(), lambda result, error: answers.put((result, error)))
    cabled.broker.close()
    assert answers.get(timeout=WAIT_S)[0] in {None, False}


def test_a_node_that_restarts(lab, node):
    """The jobs, their delays and what is dead are there again; the engine finds its way back by itself."""
    lab.result(lab.broker.declare, KEY, QueueSpec(backoff_ms=100))
    lab.queues.append(KEY)
    lab.dead(KEY, "dead")
    lab.put(KEY, 1, 2, 3)
    lab.put(KEY, "later", due_at_ms=lab.backend.now_ms() + 1_500)
    consumer = lab.consume(KEY, 1)
    held = consumer.next()
    node.server.kill()
    assert isinstance(lab.error(lab.broker.put, [lab.job(KEY, "refused")]), BrokerUnavailable)
    node.server.start()
    back(lab, 4)
    lab.broker.grant(KEY, 10)
    seen = set()
    while seen != {"2", "3", "4", "later"}:
        delivery = consumer.next()
        seen |= set(texts([delivery]))
        lab.ack(delivery)
    eventually(lambda: lab.counts(KEY).waiting == 0)
    lab.ack(held)
    assert texts(lab.list(KEY, DEAD)) == ["dead"]


def test_a_queue_that_somebody_deletes_is_made_again(lab, node, caplog):
    lab.result(lab.broker.declare, KEY, QueueSpec())
    consumer = lab.consume(KEY, 5)
    with by_hand(node) as channel:
        channel.queue_delete("iii.__fn_queue::work.queue")
    eventually(lambda: lab.outcome(lab.broker.put, [lab.job(KEY, "again")])[1] is None)
    assert texts([consumer.next()]) == ["again"]
    assert "is not there, and is made again" in caplog.text


def test_an_exchange_that_somebody_deletes_is_made_again(lab, node):
    lab.result(lab.broker.declare, KEY, QueueSpec())
    with by_hand(node) as channel:
        channel.exchange_delete("iii.__fn_queue::work")
    assert isinstance(lab.error(lab.broker.put, [lab.job(KEY)]), BrokerUnavailable)
    eventually(lambda: lab.outcome(lab.broker.put, [lab.job(KEY, "again")])[1] is None)
    assert texts([lab.consume(KEY).next()]) == ["again"]


def test_a_channel_that_rabbitmq_closes(lab):
    """As it does when a job has been in a handler's hands for longer than its consumer_timeout."""
    lab.result(lab.broker.declare, KEY, QueueSpec())
    lab.queues.append(KEY)
    lab.put(KEY, 1, 2)
    consumer = lab.consume(KEY, 1)
    held = consumer.next()
    feed = held.lease.intake.feed
    before = feed._channel
    lab.broker._yard.call(lambda: before.basic_ack(4711))
    eventually(lambda: feed._channel not in {None, before})
    lab.broker.grant(KEY, 1)
    assert texts([consumer.next()]) == ["2"]
    consumer.nothing()
    lab.ack(held)
    lab.expect(KEY, enqueued=2, done=1, in_flight=1)


def test_a_queue_that_cannot_be_made_at_first_is_made_later(cable, node):
    lab = Lab(node.backend())
    cable.cut()
    assert isinstance(lab.error(lab.broker.declare, KEY, QueueSpec()), BrokerUnavailable)
    cable.mend()
    back(lab)
    assert texts([lab.consume(KEY).next()]) == ["0"]


# --- opening ----------------------------------------------------------------------------------------------------------


def test_nobody_there(node):
    with proxy(node.server.port) as nobody:
        nobody.cut()
        node.url = f"amqp://guest:secret@127.0.0.1:{nobody.port}/%2F"
        with pytest.raises(ConfigError) as caught:
            node.broker().open()
    assert "cannot reach amqp://127.0.0.1" in str(caught.value)
    assert "start RabbitMQ there" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("who", "where", "said"),
    [
        ("guest:wrong", "%2F", "refused the user or the password"),
        ("guest:guest", "nowhere", "refused the virtual host"),
    ],
)
def test_nobody_who_is_known(node, who, where, said):
    node.url = f"amqp://{who}@127.0.0.1:{node.server.port}/{where}"
    with pytest.raises(ConfigError, match=said):
        node.broker().open()


def test_what_all_queues_share_is_something_else(node):
    node.entities.append("iii::due")
    with by_hand(node) as channel:
        channel.queue_delete("iii::due")
        channel.queue_declare("iii::due", durable=True, arguments={"x-max-length": 1})
    with pytest.raises(ConfigError, match="'iii::due' exists with other arguments"):
        node.broker().open()
