"""Delivery by credit, and the four ends that a delivery can have."""

from __future__ import annotations

import threading

from iii_actors.brokers.job import Failure
from tests.brokers.contract.lab import DELAYED, texts


def test_nothing_is_delivered_without_credit(lab):
    name = lab.queue()
    lab.put(name, 1)
    consumer = lab.consume(name, credit=0)
    consumer.nothing()
    lab.broker.grant(name, 1)
    assert texts([consumer.next()]) == ["1"]
    lab.expect(name, in_flight=1)


def test_never_more_than_the_credit(lab):
    name = lab.queue()
    lab.put(name, 1, 2, 3, 4)
    consumer = lab.consume(name, credit=2)
    assert texts(consumer.take(2)) == ["1", "2"]
    consumer.nothing()
    lab.expect(name, waiting=2, in_flight=2)
    lab.broker.grant(name, 1)
    assert texts([consumer.next()]) == ["3"]
    consumer.nothing()


def test_an_answer_gives_no_credit(lab):
    name = lab.queue()
    lab.put(name, 1, 2)
    consumer = lab.consume(name, credit=1)
    lab.ack(consumer.next())
    consumer.nothing()
    lab.expect(name, done=1, waiting=1)


def test_credit_can_be_taken_back(lab):
    name = lab.queue()
    consumer = lab.consume(name, credit=3)
    lab.broker.grant(name, -2)
    lab.put(name, 1, 2)
    assert texts([consumer.next()]) == ["1"]
    consumer.nothing()
    lab.broker.grant(name, -5)
    lab.broker.grant(name, 1)
    assert texts([consumer.next()]) == ["2"]


def test_wakes_on_arrival(lab):
    name = lab.queue()
    consumer = lab.consume(name)
    consumer.nothing()
    for text in ("1", "2", "3"):
        lab.put(name, text)
        assert texts([consumer.next()]) == [text]


def test_oldest_first(lab):
    name = lab.queue()
    lab.put(name, *range(50))
    consumer = lab.consume(name, credit=5)
    seen = []
    for _ in range(50):
        delivery = consumer.next()
        seen.append(delivery.job.data)
        lab.ack(delivery)
        lab.broker.grant(name, 1)
    assert seen == [b"%d" % n for n in range(50)]
    lab.expect(name, enqueued=50, done=50)


def test_queues_do_not_wait_for_each_other(lab):
    stuck, free = lab.queue(), lab.queue()
    lab.put(stuck, 1, 2)
    blocked = lab.consume(stuck, credit=1)
    blocked.next()
    consumer = lab.consume(free)
    lab.put(free, 3)
    lab.ack(consumer.next())
    blocked.nothing()


def test_done_is_optional(lab):
    name = lab.queue()
    lab.put(name, 1, 2, 3, 4)
    one, two, three, four = lab.consume(name, 4).take(4)
    lab.broker.ack(one)
    lab.broker.retry(two, lab.failure(), lab.backend.now_ms() + 60_000)
    lab.broker.bury(three, lab.failure())
    lab.broker.release(four)
    # Answers come in the order of the calls, about one queue.
    lab.put(name, 5)
    lab.expect(name, enqueued=5, done=1, delayed=1, dead=1, waiting=2)


def test_a_delivery_ends_once(lab):
    name = lab.queue()
    lab.put(name, 1)
    delivery = lab.consume(name).next()
    lab.ack(delivery)
    assert lab.result(lab.broker.ack, delivery) is False
    assert lab.result(lab.broker.retry, delivery, lab.failure(), 0) is False
    assert lab.result(lab.broker.bury, delivery, lab.failure()) is False
    assert lab.result(lab.broker.release, delivery) is False
    lab.expect(name, enqueued=1, done=1)


def test_an_old_lease_does_not_end_a_new_delivery(lab):
    name = lab.queue()
    lab.put(name, 1)
    consumer = lab.consume(name)
    first = consumer.next()
    lab.retry(first)
    second = consumer.next()
    assert lab.result(lab.broker.ack, first) is False
    lab.expect(name, in_flight=1, retried=1)
    lab.ack(second)


def test_a_retry_counts_the_attempt_and_keeps_the_failure(lab):
    name = lab.queue()
    job = lab.put(name, 1)[0]
    consumer = lab.consume(name)
    failure = Failure("boom", "it broke: é", 1_700_000_000_123, "trace\nback")
    assert lab.result(lab.broker.retry, consumer.next(), failure, lab.backend.now_ms()) is True
    delivery = consumer.next()
    assert (delivery.job.id, delivery.job.receipt, delivery.job.attempts) == (job.id, job.receipt, 1)
    kept = delivery.job.failures[-1]
    assert (kept.code, kept.message) == ("boom", "it broke: é")
    lab.ack(delivery)
    lab.expect(name, enqueued=1, done=1, retried=1)


def test_the_number_of_failures_kept_is_bounded(lab):
    name = lab.queue()
    lab.put(name, 1)
    consumer = lab.consume(name, 100)
    for n in range(12):
        delivery = consumer.next()
        assert delivery.job.attempts == n
        failure = lab.failure(f"failure {n}")
        assert lab.result(lab.broker.retry, delivery, failure, lab.backend.now_ms()) is True
    delivery = consumer.next()
    assert delivery.job.attempts == 12
    assert 1 <= len(delivery.job.failures) <= 5
    assert delivery.job.failures[-1].message == "failure 11"


def test_a_retry_comes_back_in_its_time_and_not_before(lab):
    name = lab.queue()
    lab.put(name, 1)
    consumer = lab.consume(name)
    step = lab.backend.step_ms
    lab.retry(consumer.next(), in_ms=2 * step)
    lab.expect(name, delayed=1, retried=1)
    consumer.nothing()
    lab.backend.pass_time(step)
    lab.backend.pass_time(step)
    assert texts([consumer.next()]) == ["1"]
    lab.expect(name, in_flight=1)


def test_a_retry_goes_ahead_of_what_waits(lab):
    name = lab.queue()
    lab.put(name, 1, 2, 3)
    consumer = lab.consume(name, 1)
    lab.retry(consumer.next(), in_ms=lab.backend.step_ms)
    lab.backend.pass_time(lab.backend.step_ms + 50)
    lab.broker.grant(name, 3)
    got = texts(consumer.take(3))
    assert sorted(got) == ["1", "2", "3"]
    if not lab.abilities.shared:
        assert got == ["1", "2", "3"]


def test_released_jobs_come_again_at_no_cost(lab):
    name = lab.queue()
    lab.put(name, 1, 2, 3)
    consumer = lab.consume(name, 2)
    one, two = consumer.take(2)
    assert lab.result(lab.broker.release, two) is True
    assert lab.result(lab.broker.release, one) is True
    lab.broker.grant(name, 3)
    again = consumer.take(3)
    assert sorted(texts(again)) == ["1", "2", "3"]
    assert [delivery.job.attempts for delivery in again] == [0, 0, 0]
    lab.ack(*again)
    lab.expect(name, enqueued=3, done=3, retried=0)


def test_released_jobs_stand_where_they_stood(lab):
    lab.alone("what another engine has taken meanwhile cannot be given back its place")
    name = lab.queue()
    lab.put(name, 1, 2, 3, 4)
    consumer = lab.consume(name, 3)
    one, two, three = consumer.take(3)
    for delivery in (two, three, one):
        lab.result(lab.broker.release, delivery)
    lab.broker.grant(name, 4)
    assert texts(consumer.take(4)) == ["1", "2", "3", "4"]


def test_a_second_sink_takes_the_firsts_place(lab):
    name = lab.queue()
    lab.put(name, 1, 2)
    first = lab.consume(name, 1)
    held = first.next()
    second = lab.consume(name, 5)
    assert texts([second.next()]) == ["2"]
    first.nothing()
    lab.ack(held)  # ends as usual
    lab.expect(name, enqueued=2, done=1, in_flight=1)


def test_ceasing_stops_deliveries_and_what_is_in_flight_ends_as_usual(lab):
    name = lab.queue()
    lab.put(name, 1, 2)
    consumer = lab.consume(name, 1)
    held = consumer.next()
    lab.broker.cease(name)
    lab.broker.grant(name, 5)
    lab.put(name, 3)
    consumer.nothing()
    lab.ack(held)
    lab.expect(name, enqueued=3, done=1, waiting=2)
    again = lab.consume(name)
    assert texts(again.take(2)) == ["2", "3"]


def test_unknown_queues_are_left_alone(lab):
    consumer = lab.consume("nobody", 3)
    lab.broker.cease("nobody")
    consumer.nothing()


def test_many_producers_at_a_time(lab):
    name = lab.queue()
    consumer = lab.consume(name, 0)

    def produce(start: int) -> None:
        for n in range(start, start + 50):
            lab.put(name, n)

    threads = [threading.Thread(target=produce, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    lab.broker.grant(name, 200)
    seen = consumer.take(200)
    for thread in threads:
        thread.join()
    wanted = {str(100 * n + k) for n in range(4) for k in range(50)}
    assert set(texts(seen)) == wanted
    for n in range(4):
        own = [int(text) for text in texts(seen) if int(text) // 100 == n]
        assert own == sorted(own)
    lab.ack(*seen)
    lab.expect(name, enqueued=200, done=200)


# --- priorities -------------------------------------------------------------------------------------------------------


def test_higher_priorities_first(lab):
    lab.needs("priorities")
    name = lab.queue(max_priority=10)
    for text, priority in (("a", 0), ("b", 5), ("c", 9), ("d", 5), ("e", 0)):
        lab.put(name, text, priority=priority)
    consumer = lab.consume(name, 1)
    seen = []
    for _ in range(5):
        delivery = consumer.next()
        seen.append(delivery.job.data.decode())
        lab.ack(delivery)
        lab.broker.grant(name, 1)
    assert seen == ["c", "b", "d", "a", "e"]


def test_priorities_above_the_highest_count_as_that(lab):
    lab.needs("priorities")
    name = lab.queue(max_priority=3)
    lab.put(name, "a", priority=3)
    lab.put(name, "b", priority=200)
    assert texts(lab.consume(name, 2).take(2)) == ["a", "b"]


# --- delays -----------------------------------------------------------------------------------------------------------


def test_a_delayed_job_comes_in_its_time(lab):
    lab.needs("delays")
    name = lab.queue()
    step = lab.backend.step_ms
    lab.put(name, "late", due_at_ms=lab.backend.now_ms() + step)
    lab.put(name, "now")
    lab.put(name, "past", due_at_ms=lab.backend.now_ms() - 1000)
    consumer = lab.consume(name)
    assert texts(consumer.take(2)) == ["now", "past"]
    consumer.nothing()
    lab.expect(name, in_flight=2, delayed=1)
    lab.backend.pass_time(step)
    assert texts([consumer.next()]) == ["late"]


def test_delayed_jobs_come_by_their_times(lab):
    lab.needs("delays")
    name = lab.queue()
    consumer = lab.consume(name)
    step = lab.backend.step_ms
    now = lab.backend.now_ms()
    lab.put(name, "b", due_at_ms=now + 2 * step)
    lab.put(name, "a", due_at_ms=now + step)
    lab.put(name, "far", due_at_ms=now + 1_000_000_000_000)
    lab.backend.pass_time(step)
    assert texts([consumer.next()]) == ["a"]
    consumer.nothing()
    lab.backend.pass_time(step)
    assert texts([consumer.next()]) == ["b"]
    lab.expect(name, in_flight=2, delayed=1)
    if lab.abilities.list_live:
        assert texts(lab.list(name, DELAYED)) == ["far"]


# --- visibility -------------------------------------------------------------------------------------------------------


def test_a_job_held_too_long_goes_to_another(lab):
    step = lab.backend.step_ms
    name = lab.queue(visibility_ms=step)
    lab.put(name, 1)
    consumer = lab.consume(name, 1)
    held = consumer.next()
    lab.backend.pass_time(step + 50)
    assert consumer.next_expired() == held
    again = consumer.next()  # the credit is back
    assert again.redelivered is True
    assert again.job.attempts == 1
    assert lab.result(lab.broker.ack, held) is False
    lab.expect(name, in_flight=1, retried=1)
    lab.ack(again)
    lab.expect(name, enqueued=1, done=1, retried=1)


def test_an_answer_in_time_is_in_time(lab):
    step = lab.backend.step_ms
    name = lab.queue(visibility_ms=4 * step)
    lab.put(name, 1)
    consumer = lab.consume(name, 2)
    held = consumer.next()
    lab.backend.pass_time(step)
    lab.ack(held)
    lab.backend.pass_time(4 * step)
    consumer.nothing()
    lab.expect(name, enqueued=1, done=1)
