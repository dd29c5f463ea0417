"""What operators do: pause, look, edit, cancel, and what waits under a bare topic."""

from __future__ import annotations

import pytest

from iii_actors.brokers.errors import BrokerClosed, QueueNotFound
from tests.brokers.contract.lab import DEAD, DELAYED, IN_FLIGHT, WAITING, Lab, texts


def test_a_paused_queue_takes_in_and_gives_nothing_out(lab):
    name = lab.queue()
    consumer = lab.consume(name, 5)
    assert lab.result(lab.broker.pause, name, True) is True
    assert lab.result(lab.broker.pause, name, True) is False
    lab.put(name, 1, 2)
    consumer.nothing()
    assert lab.balanced(name).paused is True
    lab.expect(name, enqueued=2, waiting=2)
    assert lab.result(lab.broker.pause, name, False) is True
    assert texts(consumer.take(2)) == ["1", "2"]
    assert lab.balanced(name).paused is False


def test_what_is_in_flight_ends_as_usual_in_a_paused_queue(lab):
    name = lab.queue()
    lab.put(name, 1, 2, 3)
    consumer = lab.consume(name, 3)
    one, two, three = consumer.take(3)
    lab.result(lab.broker.pause, name, True)
    lab.ack(one)
    lab.retry(two)
    lab.bury(three)
    lab.broker.grant(name, 3)
    consumer.nothing()
    lab.result(lab.broker.pause, name, False)
    assert texts([consumer.next()]) == ["2"]


def test_the_oldest_that_waits_is_known(lab):
    name = lab.queue()
    assert lab.counts(name).oldest_waiting_ms is None
    lab.put(name, 1, created_at_ms=1_700_000_000_000)
    lab.put(name, 2)
    assert lab.counts(name).oldest_waiting_ms in {1_700_000_000_000, None}


# --- looking ----------------------------------------------------------------------------------------------------------


def test_jobs_are_found_by_id_and_by_receipt(lab):
    lab.needs("list_live")
    name, other = lab.queue(), lab.queue()
    shared = [lab.job(name, 1, receipt="both"), lab.job(other, 2, receipt="both")]
    lab.result(lab.broker.put, shared)
    for key in (shared[0].id, "both"):
        found = lab.result(lab.broker.find, name, key)
        assert found.job == shared[0]
        assert found.state is WAITING
        assert found.size > 0
    assert lab.result(lab.broker.find, other, "both").job == shared[1]
    assert lab.result(lab.broker.find, other, shared[0].id) is None
    assert lab.result(lab.broker.find, name, "nothing") is None


def test_a_job_is_found_in_each_of_its_states(lab):
    lab.needs("list_live")
    name = lab.queue()
    job = lab.put(name, 1)[0]
    consumer = lab.consume(name, 0)

    def state():
        found = lab.result(lab.broker.find, name, job.id)
        return found and found.state

    assert state() is WAITING
    lab.broker.grant(name, 1)
    first = consumer.next()
    assert state() is IN_FLIGHT
    lab.retry(first, in_ms=lab.backend.step_ms)
    assert state() is DELAYED
    lab.backend.pass_time(lab.backend.step_ms + 50)
    lab.broker.grant(name, 1)
    lab.bury(consumer.next())
    assert state() is DEAD
    lab.redrive(name)
    assert state() is WAITING
    lab.broker.grant(name, 1)
    lab.ack(consumer.next())
    assert state() is None


def test_waiting_jobs_are_listed_in_their_order(lab):
    lab.needs("list_live")
    name = lab.queue()
    lab.put(name, *range(6))
    assert texts(lab.list(name, WAITING)) == ["0", "1", "2", "3", "4", "5"]
    assert texts(lab.list(name, WAITING, 2, 2)) == ["2", "3"]
    assert lab.list(name, WAITING, 6, 2) == []
    assert lab.list(name, DELAYED) == []
    lab.consume(name, 2).take(2)
    assert texts(lab.list(name, WAITING)) == ["2", "3", "4", "5"]
    assert sorted(texts(lab.list(name, IN_FLIGHT))) == ["0", "1"]
    assert {listed.state for listed in lab.list(name, IN_FLIGHT)} == {IN_FLIGHT}


def test_delayed_jobs_are_listed_by_their_times(lab):
    lab.needs("list_live", "delays")
    name = lab.queue()
    now = lab.backend.now_ms()
    for text, due in (("b", 60_000), ("c", 90_000), ("a", 30_000)):
        lab.put(name, text, due_at_ms=now + due)
    listed = lab.list(name, DELAYED)
    assert texts(listed) == ["a", "b", "c"]
    assert [one.job.due_at_ms for one in listed] == [now + 30_000, now + 60_000, now + 90_000]
    assert texts(lab.list(name, DELAYED, 1, 1)) == ["b"]
    assert lab.list(name, WAITING) == []


def test_waiting_jobs_of_an_ordered_queue_are_listed(lab):
    lab.needs("list_live")
    name = lab.queue(ordered=True)
    for text in ("a1", "b1", "a2", "b2", "a3"):
        lab.put(name, text, group=text[0])
    assert sorted(texts(lab.list(name, WAITING))) == ["a1", "a2", "a3", "b1", "b2"]
    lab.consume(name, 1).next()
    assert sorted(texts(lab.list(name, WAITING))) == ["a2", "a3", "b1", "b2"]


# --- mending ----------------------------------------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled(lab):
    lab.needs("cancel")
    name = lab.queue()
    one, two, three = lab.put(name, 1, 2, 3)
    assert lab.remove(name, WAITING, DELAYED, id=two.receipt) == 1
    assert lab.remove(name, WAITING, DELAYED, id=two.receipt) == 0
    consumer = lab.consume(name)
    assert texts(consumer.take(2)) == ["1", "3"]
    consumer.nothing()
    assert lab.remove(name, WAITING, DELAYED, id=one.id) == 0  # in flight
    lab.expect(name, enqueued=3, removed=1, in_flight=2)
    assert lab.remove(name, WAITING, DELAYED, id=three.id) == 0


def test_a_delayed_job_is_cancelled(lab):
    lab.needs("cancel", "delays")
    name = lab.queue()
    step = lab.backend.step_ms
    job = lab.put(name, 1, due_at_ms=lab.backend.now_ms() + step)[0]
    consumer = lab.consume(name)
    assert lab.remove(name, WAITING, DELAYED, id=job.id) == 1
    lab.backend.pass_time(step + 50)
    consumer.nothing()
    lab.expect(name, enqueued=1, removed=1)


def test_a_job_in_flight_is_dropped_if_it_is_asked_for(lab):
    lab.needs("cancel")
    name = lab.queue()
    job = lab.put(name, 1)[0]
    held = lab.consume(name).next()
    assert lab.remove(name, IN_FLIGHT, id=job.id) == 1
    assert lab.result(lab.broker.retry, held, lab.failure(), 0) is False
    lab.expect(name, enqueued=1, removed=1)


def test_cancelling_many_one_by_one(lab):
    lab.needs("cancel")
    name = lab.queue()
    jobs = lab.put(name, *range(300))
    for job in jobs[::2] + jobs[1:200:2]:
        assert lab.remove(name, WAITING, id=job.id) == 1
    kept = [job.data.decode() for job in jobs[201::2]]
    lab.expect(name, enqueued=300, waiting=len(kept), removed=300 - len(kept))
    if lab.abilities.list_live:
        assert texts(lab.list(name, WAITING)) == kept
    assert texts(lab.consume(name, 300).take(len(kept))) == kept


def test_purging_by_state(lab):
    lab.needs("delays", "cancel")
    name = lab.queue()
    lab.put(name, 1, 2)
    lab.put(name, 3, due_at_ms=lab.backend.now_ms() + 60_000)
    assert lab.remove(name, DELAYED) == 1
    lab.expect(name, enqueued=3, waiting=2, removed=1)
    lab.put(name, 4, due_at_ms=lab.backend.now_ms() + 60_000)
    assert lab.remove(name, WAITING) == 2
    lab.expect(name, enqueued=4, delayed=1, removed=3)
    assert lab.remove(name, WAITING, DELAYED, IN_FLIGHT, DEAD) == 1


def test_an_edited_job_is_delivered_as_it_is_now(lab):
    lab.needs("edit")
    name = lab.queue()
    job = lab.put(name, "old", max_retries=1)[0]
    assert lab.result(lab.broker.edit, name, job.id, b"new", None) is True
    assert lab.result(lab.broker.edit, name, job.receipt, None, 9) is True
    assert lab.result(lab.broker.edit, name, "nothing", b"x", None) is False
    delivery = lab.consume(name).next()
    assert (delivery.job.data, delivery.job.max_retries) == (b"new", 9)
    assert lab.result(lab.broker.edit, name, job.id, b"late", None) is False
    lab.expect(name, enqueued=1, in_flight=1)


def test_a_dead_letter_is_edited_before_it_is_put_back(lab):
    lab.needs("edit")
    name = lab.queue()
    job = lab.dead(name, "old")[0]
    assert lab.result(lab.broker.edit, name, job.id, b"mended", None) is True
    assert texts(lab.list(name, DEAD)) == ["mended"]
    lab.redrive(name)
    assert texts([lab.consume(name).next()]) == ["mended"]


# --- what waits for its first subscriber ------------------------------------------------------------------------------


def test_what_waits_under_a_topic_goes_to_its_first_subscriber(lab):
    source, name = lab.queue(), lab.queue()
    lab.put(source, 1, 2, 3, function_id="")
    consumer = lab.consume(name)
    assert lab.result(lab.broker.move, source, name, "shop::on", "shop").count == 3
    deliveries = consumer.take(3)
    assert texts(deliveries) == ["1", "2", "3"]
    assert {(one.job.queue, one.job.function_id, one.job.namespace) for one in deliveries} == {
        (name, "shop::on", "shop")
    }
    lab.ack(*deliveries)
    assert lab.result(lab.broker.move, source, name, "shop::on", "shop").count == 0
    lab.expect(source)
    lab.expect(name, done=3)
    assert lab.result(lab.broker.forget, source) is True
    lab.queues.remove(source)


def test_delayed_jobs_move_too(lab):
    lab.needs("delays", "cancel")
    source, name = lab.queue(), lab.queue()
    step = lab.backend.step_ms
    lab.put(source, 1, due_at_ms=lab.backend.now_ms() + step)
    lab.put(source, 2)
    consumer = lab.consume(name)
    assert lab.result(lab.broker.move, source, name, "f", "default").count == 2
    assert texts([consumer.next()]) == ["2"]
    lab.backend.pass_time(step)
    assert texts([consumer.next()]) == ["1"]
    lab.expect(source)
    lab.expect(name, in_flight=2)


def test_moving_to_a_queue_with_order(lab):
    source, name = lab.queue(), lab.queue(ordered=True)
    lab.put(source, 1, 2)
    consumer = lab.consume(name)
    lab.result(lab.broker.move, source, name, "f", "default")
    first = consumer.next()
    assert texts([first]) == ["1"]
    consumer.nothing()
    lab.ack(first)
    assert texts([consumer.next()]) == ["2"]


def test_moving_wants_both_queues(lab):
    name = lab.queue()
    assert isinstance(lab.error(lab.broker.move, "nobody", name, "f", "default"), QueueNotFound)
    assert isinstance(lab.error(lab.broker.move, name, "nobody", "f", "default"), QueueNotFound)


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_closed_broker_says_so(lab):
    name = lab.queue()
    lab.put(name, 1, 2)
    consumer = lab.consume(name, 1)
    held = consumer.next()
    broker = lab.broker
    broker.close()
    broker.close()
    broker.grant(name, 5)
    consumer.nothing()
    assert isinstance(lab.error(broker.put, [lab.job(name)]), BrokerClosed)
    assert isinstance(lab.error(broker.ack, held), BrokerClosed)
    assert isinstance(lab.error(broker.counts, name), BrokerClosed)
    assert isinstance(lab.error(broker.list, name, DEAD, 0, 1), BrokerClosed)
    lab.queues.clear()


def test_what_is_stored_outlives_the_broker(lab):
    _durable(lab)
    name = lab.queue()
    lab.dead(name, "dead")
    lab.put(name, *range(5))
    consumer = lab.consume(name, 2)
    lab.ack(consumer.next())
    before = lab.counts(name)
    lab.restart()
    after = lab.balanced(name)
    assert (after.enqueued, after.done, after.dead) == (6, 1, 1)
    assert after.waiting + after.in_flight == 4
    assert before.in_flight == 1
    seen = lab.consume(name).take(4)
    assert sorted(texts(seen)) == ["1", "2", "3", "4"]
    assert {text for delivery in seen if delivery.redelivered for text in texts([delivery])} >= {"1"}
    assert {delivery.job.attempts for delivery in seen} == {0}
    assert texts(lab.list(name, DEAD)) == ["dead"]
    lab.ack(*seen)
    lab.expect(name, enqueued=6, done=5, dead=1)


def test_delays_retries_and_order_outlive_the_broker(lab):
    _durable(lab)
    lab.needs("delays")
    name = lab.queue(ordered=True)
    for text in ("a1", "a2", "b1", "b2"):
        lab.put(name, text, group=text[0])
    step = lab.backend.step_ms
    consumer = lab.consume(name, 2)
    first = {text: delivery for delivery in consumer.take(2) for text in texts([delivery])}
    lab.retry(first["a1"], in_ms=4 * step)
    lab.restart()
    consumer = lab.consume(name, 5)
    b1 = consumer.next()
    assert texts([b1]) == ["b1"]
    consumer.nothing()
    lab.expect(name, enqueued=4, in_flight=1, delayed=1, waiting=2, retried=1)
    lab.backend.pass_time(4 * step)
    a1 = consumer.next()
    assert (texts([a1]), a1.job.attempts, a1.job.failures[-1].message) == (["a1"], 1, "it broke")
    lab.ack(a1, b1)
    assert sorted(texts(consumer.take(2))) == ["a2", "b2"]


def test_pauses_and_keys_outlive_the_broker(lab):
    _durable(lab)
    lab.needs("idempotency")
    name = lab.queue(idempotency_ms=3_600_000)
    job = lab.put(name, 1, idempotency_key="k")[0]
    lab.result(lab.broker.pause, name, True)
    lab.restart()
    assert lab.counts(name).paused is True
    consumer = lab.consume(name)
    consumer.nothing()
    answer = lab.result(lab.broker.put, [lab.job(name, 2, idempotency_key="k")])
    assert answer[0].receipt == job.receipt
    assert answer[0].duplicate is True
    lab.result(lab.broker.pause, name, False)
    assert texts([consumer.next()]) == ["1"]
    lab.expect(name, enqueued=1, in_flight=1, duplicates=1)


def _durable(lab: Lab) -> None:
    if not (lab.backend.restarts and lab.abilities.durable):
        pytest.skip(f"a new {lab.broker.kind} broker starts with nothing, or its own tests see to it")
