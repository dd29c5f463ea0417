"""Dead letters: kept with why they died, put back, discarded."""

from __future__ import annotations

from iii_actors.brokers.job import Failure
from tests.brokers.contract.lab import DEAD, IN_FLIGHT, WAITING, texts


def test_a_dead_letter_keeps_why_it_died(lab):
    name = lab.queue()
    job = lab.put(name, '{"n":1}', traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")[0]
    consumer = lab.consume(name)
    lab.retry(consumer.next())
    failure = Failure("validation", "no é in it", 1_700_000_123_456, "at line 1")
    assert lab.result(lab.broker.bury, consumer.next(), failure) is True
    (listed,) = lab.list(name, DEAD)
    assert (listed.job.id, listed.job.receipt, listed.job.data) == (job.id, job.receipt, job.data)
    assert (listed.job.function_id, listed.job.namespace) == (job.function_id, job.namespace)
    assert listed.job.created_at_ms == job.created_at_ms
    assert listed.job.traceparent == job.traceparent
    assert listed.state is DEAD
    assert listed.size > 0
    assert listed.job.attempts == 2
    assert listed.job.failures[-1] == failure
    lab.expect(name, enqueued=1, dead=1, retried=1)


def test_newest_first_page_by_page(lab):
    name = lab.queue()
    lab.dead(name, *range(7))
    assert texts(lab.list(name, DEAD)) == ["6", "5", "4", "3", "2", "1", "0"]
    assert texts(lab.list(name, DEAD, 2, 3)) == ["4", "3", "2"]
    assert texts(lab.list(name, DEAD, 6, 3)) == ["0"]
    assert lab.list(name, DEAD, 7, 3) == []
    assert lab.list(name, DEAD, 0, 0) == []


def test_redriving_all(lab):
    name = lab.queue()
    lab.dead(name, 1, 2, 3)
    lab.put(name, "waiting")
    assert lab.redrive(name) == 3
    lab.expect(name, enqueued=4, waiting=4, redriven=3)
    deliveries = lab.consume(name).take(4)
    assert texts(deliveries) == ["waiting", "1", "2", "3"]
    assert {delivery.job.attempts for delivery in deliveries} == {0}
    lab.ack(*deliveries)
    assert lab.redrive(name) == 0


def test_redriving_more_than_a_page(lab):
    name = lab.queue()
    count = 1_100
    lab.result(lab.broker.put, [lab.job(name, n) for n in range(count)])
    consumer = lab.consume(name, count)
    for delivery in consumer.take(count):
        lab.broker.bury(delivery, lab.failure())
    lab.broker.cease(name)
    lab.expect(name, enqueued=count, dead=count)
    assert lab.redrive(name) == count
    lab.expect(name, enqueued=count, waiting=count, redriven=count)
    deliveries = lab.consume(name, count).take(count)
    assert texts(deliveries) == [str(n) for n in range(count)]


def test_redriving_one(lab):
    name = lab.queue()
    first, second, third = lab.dead(name, 1, 2, 3)
    assert lab.redrive(name, second.id) == 1
    assert lab.redrive(name, second.id) == 0
    assert lab.redrive(name, first.receipt) == 1
    assert lab.redrive(name, "nothing of that name") == 0
    lab.expect(name, enqueued=3, waiting=2, dead=1, redriven=2)
    assert texts(lab.consume(name).take(2)) == ["2", "1"]
    assert texts(lab.list(name, DEAD)) == ["3"]
    assert lab.redrive(name, third.id) == 1


def test_a_redriven_job_can_die_again(lab):
    name = lab.queue()
    job = lab.dead(name, 1)[0]
    assert lab.redrive(name) == 1
    consumer = lab.consume(name)
    delivery = consumer.next()
    assert (delivery.job.id, delivery.job.attempts) == (job.id, 0)
    lab.bury(delivery)
    (listed,) = lab.list(name, DEAD)
    assert (listed.job.id, listed.job.attempts) == (job.id, 1)
    lab.expect(name, enqueued=1, dead=1, redriven=1)


def test_redriven_jobs_go_to_who_waits_for_them(lab):
    name = lab.queue()
    lab.dead(name, 1)
    consumer = lab.consume(name)
    consumer.nothing()
    lab.redrive(name)
    assert texts([consumer.next()]) == ["1"]


def test_what_is_not_dead_is_not_redriven(lab):
    name = lab.queue()
    job = lab.put(name, 1)[0]
    assert lab.redrive(name, job.id) == 0
    assert lab.redrive(name) == 0
    lab.expect(name, enqueued=1, waiting=1, redriven=0)


def test_discarding_one(lab):
    name = lab.queue()
    first, second = lab.dead(name, 1, 2)
    assert lab.remove(name, DEAD, id=first.id) == 1
    assert lab.remove(name, DEAD, id=first.id) == 0
    assert texts(lab.list(name, DEAD)) == ["2"]
    assert lab.remove(name, DEAD, id=second.receipt) == 1
    lab.expect(name, enqueued=2, removed=2)


def test_discarding_all_leaves_the_living(lab):
    name = lab.queue()
    lab.dead(name, 1, 2)
    lab.put(name, 3, 4)
    consumer = lab.consume(name, 1)
    consumer.next()
    assert lab.remove(name, DEAD) == 2
    lab.expect(name, enqueued=4, removed=2, waiting=1, in_flight=1)
    assert lab.redrive(name) == 0
    assert lab.remove(name, DEAD) == 0


def test_a_living_job_is_not_discarded(lab):
    name = lab.queue()
    job = lab.put(name, 1)[0]
    assert lab.remove(name, DEAD, id=job.id) == 0
    lab.expect(name, enqueued=1, waiting=1)


def test_purging_everything(lab):
    name = lab.queue()
    lab.dead(name, 1, 2)
    lab.put(name, 3, 4, 5)
    consumer = lab.consume(name, 1)
    held = consumer.next()
    assert lab.remove(name, WAITING, DEAD) == 4
    lab.expect(name, enqueued=5, removed=4, in_flight=1)
    assert lab.remove(name, IN_FLIGHT) == 1
    assert lab.result(lab.broker.ack, held) is False
    lab.expect(name, enqueued=5, removed=5)
    lab.put(name, 6)
    lab.broker.grant(name, 1)
    assert texts([consumer.next()]) == ["6"]


def test_dead_letters_of_queues_are_their_own(lab):
    one, other = lab.queue(), lab.queue()
    lab.dead(one, 1)
    lab.dead(other, 2)
    assert lab.redrive(one) == 1
    lab.expect(one, enqueued=1, waiting=1)
    lab.expect(other, enqueued=1, dead=1)
    assert texts(lab.list(other, DEAD)) == ["2"]
