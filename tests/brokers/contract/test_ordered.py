"""Queues with order: strictly by arrival within a group, through retries; the groups beside each other."""

from __future__ import annotations

from tests.brokers.contract.lab import DELAYED, WAITING, texts


def put(lab, name, *jobs):
    """Store jobs written as ``a1``: the group, and what tells it apart."""
    for job in jobs:
        lab.put(name, job, group=job[0])


def test_one_of_a_group_at_a_time(lab):
    name = lab.queue(ordered=True)
    put(lab, name, "a1", "a2", "a3")
    consumer = lab.consume(name)
    for wanted in ("a1", "a2", "a3"):
        delivery = consumer.next()
        assert texts([delivery]) == [wanted]
        consumer.nothing()
        lab.ack(delivery)
    lab.expect(name, enqueued=3, done=3)


def test_groups_beside_each_other(lab):
    name = lab.queue(ordered=True)
    put(lab, name, "a1", "a2", "b1", "c1", "b2")
    consumer = lab.consume(name)
    first = {text: delivery for delivery in consumer.take(3) for text in texts([delivery])}
    assert set(first) == {"a1", "b1", "c1"}
    consumer.nothing()
    lab.ack(first["b1"])
    assert texts([consumer.next()]) == ["b2"]
    lab.ack(first["c1"])
    consumer.nothing()
    lab.expect(name, enqueued=5, done=2, in_flight=2, waiting=1)


def test_without_groups_all_are_one(lab):
    name = lab.queue(ordered=True)
    lab.put(name, 1, 2)
    consumer = lab.consume(name)
    first = consumer.next()
    assert texts([first]) == ["1"]
    consumer.nothing()
    lab.ack(first)
    assert texts([consumer.next()]) == ["2"]


def test_a_retry_keeps_its_group_waiting(lab):
    name = lab.queue(ordered=True)
    put(lab, name, "a1", "a2", "b1")
    consumer = lab.consume(name)
    step = lab.backend.step_ms
    first, other = sorted(consumer.take(2), key=lambda one: one.job.data)
    lab.retry(first, in_ms=step)
    consumer.nothing()
    lab.ack(other)
    lab.expect(name, delayed=1, waiting=1, done=1)
    lab.backend.pass_time(step)
    again = consumer.next()
    assert (texts([again]), again.job.attempts) == (["a1"], 1)
    consumer.nothing()
    lab.ack(again)
    assert texts([consumer.next()]) == ["a2"]


def test_a_retry_at_once_is_not_overtaken(lab):
    name = lab.queue(ordered=True)
    put(lab, name, "a1", "a2")
    consumer = lab.consume(name)
    for _ in range(3):
        delivery = consumer.next()
        assert texts([delivery]) == ["a1"]
        lab.retry(delivery)
    lab.ack(consumer.next())
    assert texts([consumer.next()]) == ["a2"]


def test_a_dead_letter_lets_the_next_one_go(lab):
    name = lab.queue(ordered=True)
    put(lab, name, "a1", "a2")
    consumer = lab.consume(name)
    lab.bury(consumer.next())
    assert texts([consumer.next()]) == ["a2"]
    lab.expect(name, dead=1, in_flight=1)


def test_a_released_job_is_not_overtaken(lab):
    name = lab.queue(ordered=True)
    put(lab, name, "a1", "a2")
    consumer = lab.consume(name, 1)
    assert lab.result(lab.broker.release, consumer.next()) is True
    lab.broker.grant(name, 2)
    assert texts([consumer.next()]) == ["a1"]
    consumer.nothing()


def test_a_delayed_job_keeps_its_group_waiting(lab):
    lab.needs("delays")
    name = lab.queue(ordered=True)
    step = lab.backend.step_ms
    lab.put(name, "a1", group="a", due_at_ms=lab.backend.now_ms() + step)
    put(lab, name, "a2", "b1")
    consumer = lab.consume(name)
    assert texts([consumer.next()]) == ["b1"]
    consumer.nothing()
    lab.backend.pass_time(step)
    first = consumer.next()
    assert texts([first]) == ["a1"]
    consumer.nothing()
    lab.ack(first)
    assert texts([consumer.next()]) == ["a2"]


def test_cancelling_the_head_lets_the_next_one_go(lab):
    lab.needs("delays", "cancel")
    name = lab.queue(ordered=True)
    head = lab.put(name, "a1", group="a", due_at_ms=lab.backend.now_ms() + 3_600_000)[0]
    middle = lab.put(name, "a2", group="a")[0]
    put(lab, name, "a3", "a4")
    consumer = lab.consume(name)
    consumer.nothing()
    assert lab.remove(name, WAITING, id=middle.id) == 1
    consumer.nothing()
    assert lab.remove(name, WAITING, DELAYED, id=head.receipt) == 1
    first = consumer.next()
    assert texts([first]) == ["a3"]
    consumer.nothing()
    lab.ack(first)
    assert texts([consumer.next()]) == ["a4"]
    lab.expect(name, enqueued=4, removed=2, done=1, in_flight=1)


def test_a_job_held_too_long_is_not_overtaken(lab):
    step = lab.backend.step_ms
    name = lab.queue(ordered=True, visibility_ms=step)
    put(lab, name, "a1", "a2")
    consumer = lab.consume(name, 2)
    consumer.next()
    lab.backend.pass_time(step + 50)
    again = consumer.next()
    assert texts([again]) == ["a1"]
    lab.ack(again)
    assert texts([consumer.next()]) == ["a2"]


def test_a_redriven_job_goes_to_the_end_of_its_group(lab):
    name = lab.queue(ordered=True)
    put(lab, name, "a1", "a2", "a3")
    consumer = lab.consume(name, 1)
    lab.bury(consumer.next())
    assert lab.redrive(name) == 1
    lab.broker.grant(name, 5)
    seen = []
    for _ in range(3):
        delivery = consumer.next()
        consumer.nothing()
        seen += texts([delivery])
        lab.ack(delivery)
    assert seen == ["a2", "a3", "a1"]


def test_many_groups(lab):
    name = lab.queue(ordered=True)
    lab.result(lab.broker.put, [lab.job(name, f"{n % 7}-{n}", group=f"g{n % 7}") for n in range(140)])
    consumer = lab.consume(name, 5)
    seen: dict[str, list[int]] = {}
    failed = set()
    for _ in range(140 + 20):
        delivery = consumer.next()
        group, n = delivery.job.data.decode().split("-")
        if int(n) % 7 == 3 and n not in failed:
            failed.add(n)
            lab.retry(delivery)
        else:
            seen.setdefault(group, []).append(int(n))
            lab.ack(delivery)
        lab.broker.grant(name, 1)
    assert {group: sorted(numbers) for group, numbers in seen.items()} == seen
    assert sum(map(len, seen.values())) == 140
    lab.expect(name, enqueued=140, done=140, retried=20)
