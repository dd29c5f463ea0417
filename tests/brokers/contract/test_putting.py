"""Handing jobs in: stored all or none, told apart, counted."""

from __future__ import annotations

import pytest

from iii_actors.brokers.errors import QueueFull, QueueNotFound, Unsupported
from iii_actors.brokers.job import Put, QueueSpec, Selection
from tests.brokers.contract.lab import DEAD, WAITING, texts


def test_a_put_answers_with_the_receipt(lab):
    name = lab.queue()
    job = lab.job(name, receipt="r-1")
    assert lab.result(lab.broker.put, [job]) == [Put("r-1", False)]
    lab.expect(name, enqueued=1, waiting=1)


def test_everything_of_a_job_comes_back(lab):
    name = lab.queue(ordered=True)
    job = lab.job(
        name,
        '{"ключ":"\\u0000é","n":1.50}',
        function_id="orders::on/ordér",
        namespace="shop",
        group="customer é",
        max_retries=7,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        baggage="iii.function.id=orders%3A%3Aon,a=b",
    )
    lab.result(lab.broker.put, [job])
    delivery = lab.consume(name).next()
    assert delivery.job == job
    assert delivery.redelivered is False
    lab.ack(delivery)


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
def test_data_of_any_size_comes_back(lab, size):
    name = lab.queue()
    lab.put(name, '"' + "x" * size + '"')
    delivery = lab.consume(name).next()
    assert len(delivery.job.data) == size + 2
    lab.ack(delivery)
    lab.expect(name, enqueued=1, done=1)


def test_data_is_not_parsed(lab):
    name = lab.queue()
    job = lab.job(name).__class__  # any bytes do
    made = lab.job(name)
    odd = job(**{**{field: getattr(made, field) for field in made.__struct_fields__}, "data": b"\xff\x00not json"})
    lab.result(lab.broker.put, [odd])
    delivery = lab.consume(name).next()
    assert delivery.job.data == b"\xff\x00not json"
    lab.ack(delivery)


def test_one_put_reaches_several_queues(lab):
    names = [lab.queue(), lab.queue(), lab.queue()]
    jobs = [lab.job(name, name, receipt="shared") for name in names]
    assert lab.result(lab.broker.put, jobs) == [Put("shared", False)] * 3
    for name in names:
        delivery = lab.consume(name).next()
        assert delivery.job.queue == name
        lab.ack(delivery)
        lab.expect(name, enqueued=1, done=1)


def test_several_jobs_of_one_queue_keep_their_order(lab):
    name = lab.queue()
    lab.result(lab.broker.put, [lab.job(name, n) for n in range(20)])
    deliveries = lab.consume(name, 20).take(20)
    assert texts(deliveries) == [str(n) for n in range(20)]
    lab.ack(*deliveries)


def test_no_jobs_at_all(lab):
    assert list(lab.result(lab.broker.put, [])) == []


def test_an_unknown_queue_is_refused_and_nothing_stored(lab):
    name = lab.queue()
    jobs = [lab.job(name), lab.job("nobody")]
    error = lab.error(lab.broker.put, jobs)
    assert isinstance(error, QueueNotFound)
    assert error.code == "queue_not_found"
    assert str(error) == "Queue 'nobody' not found"
    lab.expect(name, enqueued=0)


def test_a_full_queue_refuses(lab):
    name = lab.queue(max_jobs=3)
    lab.put(name, 1, 2, 3)
    error = lab.error(lab.broker.put, [lab.job(name)])
    assert isinstance(error, QueueFull)
    assert error.code == "queue_full"
    assert name in str(error)
    assert "3" in str(error)
    lab.expect(name, enqueued=3, waiting=3)


def test_a_full_queue_refuses_the_copies_for_others_too(lab):
    full, roomy = lab.queue(max_jobs=1), lab.queue()
    lab.put(full, 1)
    assert isinstance(lab.error(lab.broker.put, [lab.job(roomy), lab.job(full)]), QueueFull)
    lab.expect(roomy, enqueued=0)
    lab.expect(full, enqueued=1, waiting=1)


def test_jobs_of_one_put_count_together(lab):
    name = lab.queue(max_jobs=3)
    assert isinstance(lab.error(lab.broker.put, [lab.job(name) for _ in range(4)]), QueueFull)
    lab.result(lab.broker.put, [lab.job(name) for _ in range(3)])
    lab.expect(name, enqueued=3, waiting=3)


def test_there_is_room_again_when_jobs_are_done_or_dead(lab):
    name = lab.queue(max_jobs=2)
    lab.put(name, 1, 2)
    consumer = lab.consume(name)
    first, second = consumer.take(2)
    assert isinstance(lab.error(lab.broker.put, [lab.job(name)]), QueueFull)  # in flight counts
    lab.ack(first)
    lab.bury(second)
    lab.put(name, 3, 4)
    lab.ack(*consumer.take(2))
    lab.expect(name, enqueued=4, done=3, dead=1)


# --- idempotency ------------------------------------------------------------------------------------------------------


def test_a_key_is_good_for_one_job(lab):
    lab.needs("idempotency")
    name = lab.queue(idempotency_ms=60_000)
    first = lab.job(name, 1, idempotency_key="order-7")
    assert lab.result(lab.broker.put, [first]) == [Put(first.receipt, False)]
    again = lab.job(name, 2, idempotency_key="order-7")
    assert lab.result(lab.broker.put, [again]) == [Put(first.receipt, True)]
    assert texts([lab.consume(name, 1).next()]) == ["1"]
    lab.expect(name, enqueued=1, in_flight=1, duplicates=1)


def test_a_key_is_remembered_after_its_job_is_done(lab):
    lab.needs("idempotency")
    name = lab.queue(idempotency_ms=60_000)
    first = lab.put(name, 1, idempotency_key="k")[0]
    lab.ack(lab.consume(name).next())
    assert lab.result(lab.broker.put, [lab.job(name, 2, idempotency_key="k")]) == [Put(first.receipt, True)]
    lab.expect(name, enqueued=1, done=1, duplicates=1)


def test_a_key_is_forgotten_when_its_time_is_over(lab):
    lab.needs("idempotency")
    step = lab.backend.step_ms
    name = lab.queue(idempotency_ms=step)
    lab.put(name, 1, idempotency_key="k")
    lab.backend.pass_time(step + 50)
    lab.put(name, 2, idempotency_key="k")
    lab.expect(name, enqueued=2, waiting=2, duplicates=0)


def test_keys_belong_to_their_queue(lab):
    lab.needs("idempotency")
    one, other = lab.queue(idempotency_ms=60_000), lab.queue(idempotency_ms=60_000)
    lab.put(one, 1, idempotency_key="k")
    lab.put(other, 1, idempotency_key="k")
    lab.put(one, 2, idempotency_key="l")
    lab.put(one, 3)
    lab.put(one, 4)
    lab.expect(one, enqueued=4, waiting=4)
    lab.expect(other, enqueued=1, waiting=1)


def test_where_a_publication_meets_a_known_key_only_the_others_are_stored(lab):
    lab.needs("idempotency")
    one, other = lab.queue(idempotency_ms=60_000), lab.queue(idempotency_ms=60_000)
    first = lab.put(one, 1, idempotency_key="k")[0]
    second = lab.job(other, 2, idempotency_key="k")
    answer = lab.result(lab.broker.put, [lab.job(one, 2, idempotency_key="k"), second])
    assert list(answer) == [Put(first.receipt, True), Put(second.receipt, False)]
    lab.expect(one, enqueued=1, waiting=1, duplicates=1)
    lab.expect(other, enqueued=1, waiting=1)


def test_a_refused_put_remembers_no_key(lab):
    lab.needs("idempotency")
    name = lab.queue(idempotency_ms=60_000, max_jobs=1)
    lab.put(name, 1)
    assert isinstance(lab.error(lab.broker.put, [lab.job(name, 2, idempotency_key="k")]), QueueFull)
    lab.ack(lab.consume(name).next())
    lab.put(name, 3, idempotency_key="k")
    lab.expect(name, enqueued=2, done=1, in_flight=1)


def test_a_queue_without_a_window_takes_no_notice_of_keys(lab):
    name = lab.queue()
    lab.put(name, 1, idempotency_key="k")
    lab.put(name, 2, idempotency_key="k")
    lab.expect(name, enqueued=2, waiting=2)


# --- what a broker cannot do ------------------------------------------------------------------------------------------


def test_a_delay_that_cannot_be_kept_is_refused(lab):
    if lab.abilities.delays:
        pytest.skip("it can")
    name = lab.queue()
    assert isinstance(lab.error(lab.broker.put, [lab.job(name, due_at_ms=lab.backend.now_ms() + 60_000)]), Unsupported)
    lab.expect(name, enqueued=0)


def test_a_key_that_cannot_be_remembered_is_refused(lab):
    if lab.abilities.idempotency:
        pytest.skip("it can")
    name = lab.queue(idempotency_ms=60_000)
    assert isinstance(lab.error(lab.broker.put, [lab.job(name, idempotency_key="k")]), Unsupported)
    lab.expect(name, enqueued=0)


def test_what_cannot_be_listed_is_refused(lab):
    if lab.abilities.list_live:
        pytest.skip("it can")
    name = lab.queue()
    assert isinstance(lab.error(lab.broker.list, name, WAITING, 0, 10), Unsupported)
    assert lab.list(name, DEAD) == []


def test_an_edit_that_cannot_be_made_is_refused(lab):
    if lab.abilities.edit:
        pytest.skip("it can")
    name = lab.queue()
    job = lab.put(name, 1)[0]
    assert isinstance(lab.error(lab.broker.edit, name, job.id, b"2", None), Unsupported)


# --- queues -----------------------------------------------------------------------------------------------------------


def test_queues_are_named_sorted(lab):
    names = [lab.queue(), lab.queue()]
    assert [one for one in lab.result(lab.broker.queues) if one in names] == sorted(names)


def test_declaring_again_changes_nothing_but_the_spec(lab):
    name = lab.queue(max_jobs=1)
    lab.put(name, 1)
    lab.result(lab.broker.declare, name, QueueSpec(max_jobs=2))
    lab.result(lab.broker.declare, name, QueueSpec(max_jobs=2))
    lab.put(name, 2)
    lab.expect(name, enqueued=2, waiting=2)
    assert isinstance(lab.error(lab.broker.put, [lab.job(name)]), QueueFull)


def test_an_empty_queue_can_be_forgotten(lab):
    name = lab.queue()
    lab.put(name, 1)
    assert lab.result(lab.broker.forget, name) is False
    consumer = lab.consume(name)
    delivery = consumer.next()
    assert lab.result(lab.broker.forget, name) is False
    lab.ack(delivery)
    lab.broker.cease(name)
    assert lab.result(lab.broker.forget, name) is True
    assert lab.result(lab.broker.forget, name) is False
    assert name not in lab.result(lab.broker.queues)
    assert isinstance(lab.error(lab.broker.put, [lab.job(name)]), QueueNotFound)
    lab.queues.remove(name)


def test_a_queue_with_dead_letters_is_not_forgotten(lab):
    name = lab.queue()
    lab.dead(name, 1)
    assert lab.result(lab.broker.forget, name) is False
    lab.expect(name, enqueued=1, dead=1)


@pytest.mark.parametrize("call", ["counts", "pause", "find", "redrive", "remove", "list"])
def test_unknown_queues_are_refused(lab, call):
    arguments = {
        "pause": (True,),
        "find": ("id",),
        "redrive": (None,),
        "remove": (Selection(frozenset({WAITING})),),
        "list": (DEAD, 0, 10),
    }
    error = lab.error(getattr(lab.broker, call), "nobody", *arguments.get(call, ()))
    assert isinstance(error, QueueNotFound)
