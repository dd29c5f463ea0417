"""What an engine finds again of its queues: jobs, subscriptions, what had ended, what is in no settings."""

import logging
import time

import pytest

from iii_actors.clock import ManualClock
from tests.support.asking import unbind
from tests.support.queue import call_of, fail, subscribe
from tests.support.quiet import leave, settle, unexpected


@pytest.fixture
def again(site, in_file):
    """A maker of engines on one file, one after the other."""
    made = []

    def make(clock=None, **config):
        if made and made[-1].running:
            made[-1].balanced()
            made[-1].engine.stop()
        made.append(site({**in_file, **config}, clock))
        return made[-1]

    return make


def take(peer, function_id, count):
    found = []
    for _ in range(count):
        frame = call_of(peer, function_id)
        found.append(frame["data"])
        peer.answer(frame)
    return found


def test_jobs_of_a_named_queue(again):
    queues = {"mails": {"concurrency": 1, "max_retries": 0}}
    one = again(queue_configs=queues)
    worker = one.join()
    worker.register("send")
    one.ask("pause", {"queue": "mails"})
    for n in range(3):
        one.enqueue("send", n, "mails")
    one.enqueue("send", "later", "mails", delay_ms=3_600_000)
    book = one.book("mails")
    other = again(queue_configs=queues)
    assert other.book("mails") == book
    assert other.books("mails")[0]["paused"] is True
    worker = other.join()
    worker.register("send")
    other.ask("resume", {"queue": "mails"})
    assert take(worker, "send", 3) == [0, 1, 2]
    other.until("mails", done=3, delayed=1)


def test_what_was_in_flight_at_the_stop_is_delivered_again_and_no_attempt_is_counted(again):
    one = again(queue_configs={"mails": {"max_retries": 0}})
    worker = one.join()
    worker.register("send")
    one.enqueue("send", 1, "mails")
    call_of(worker, "send")
    one.until("mails", in_flight=1)
    clock = ManualClock(time.time())
    other = again(clock, queue_configs={"mails": {"max_retries": 0}})
    other.until("mails", waiting=1, retried=0)
    worker = other.join()
    worker.register("send")
    clock.advance(1)
    assert take(worker, "send", 1) == [1]
    other.until("mails", done=1, dead=0)


def test_a_job_of_before_whose_function_does_not_come_back_fails_in_the_end(again):
    again(queue_configs={"mails": {}}).enqueue("send", 1, "mails", delay_ms=60_000)
    clock = ManualClock(time.time() + 120)
    other = again(clock, queue_configs={"mails": {"max_retries": 0}})
    other.until("mails", waiting=1)
    for _ in range(10):
        assert other.book("mails")["dead"] == 0
        clock.advance(1)
        settle(other.operator)
    clock.advance(1)
    other.until("mails", dead=1)


def test_a_subscription_gets_its_copies_before_its_worker_is_back(again):
    one = again()
    one.subscriber("orders", "first")
    one.subscriber("a::b", "second")
    one.publish("orders", 1)
    other = again()
    other.publish("orders", 2)
    other.publish("a::b", 3)
    first, second = other.join(), other.join()
    subscribe(first, "orders", "first", queue_config={"concurrency": 1})
    subscribe(second, "a::b", "second")
    assert take(first, "first", 2) == [1, 2]
    assert take(second, "second", 1) == [3]
    other.until("orders", done=2)


def test_groups_are_known_before_the_worker_is_back(again):
    config = {"type": "fifo", "messageGroupField": "of"}
    one = again()
    one.subscriber("orders", queue_config=config)
    two = again()
    for n, of in enumerate("aab"):
        two.publish("orders", {"of": of, "n": n})
    listener = two.subscriber("orders", trigger_id="t", queue_config=config)
    frames = [call_of(listener) for _ in range(2)]
    assert [frame["data"]["n"] for frame in frames] == [0, 2]
    assert unexpected(listener) == []
    for frame in frames:
        listener.answer(frame)
    assert take(listener, "on", 1) == [{"of": "a", "n": 1}]
    two.until("orders", done=3)
    subscribe(listener, "orders", trigger_id="t", queue_config={"type": "fifo", "messageGroupField": "n"})
    three = again()
    three.publish("orders", {"of": "a", "n": 1})
    assert three.ask("list_jobs", {"topic": "orders"})["jobs"][0]["group"] == "1"
    assert three.ask("forget", {"topic": "orders"})["forgotten"] == 1
    assert [row["name"] for row in three.books()] == ["orders", "default"]


def test_messages_without_a_subscriber_wait_on(again):
    one = again()
    for n in range(3):
        one.publish("orders", n)
    other = again()
    other.publish("orders", 3)
    listener = other.subscriber("orders", queue_config={"concurrency": 1})
    assert take(listener, "on", 4) == [0, 1, 2, 3]
    other.until("orders", done=4)


def test_what_had_ended_gets_no_more_and_keeps_what_it_has(again):
    one = again()
    listener = one.subscriber("orders", trigger_id="t")
    one.publish("orders", 1)
    fail(listener, call_of(listener))
    one.until("orders", delayed=1)
    unbind(listener, "t")
    settle(one.operator)
    other = again()
    other.publish("orders", 2)
    assert [(row["function_id"], row["enqueued"]) for row in other.books("orders")] == [("on", 1), (None, 1)]
    third = again()
    listener = third.subscriber("orders", trigger_id="t", queue_config={"concurrency": 1})
    assert sorted(take(listener, "on", 2)) == [1, 2]
    third.until("orders", done=2)
    fourth = again()
    fourth.publish("orders", 3)
    assert fourth.book("orders")["waiting"] == 1, "it has been subscribed to again since"
    assert [row["function_id"] for row in fourth.books("orders")] == ["on"]


def test_a_queue_in_no_settings_waits_and_says_so(again, caplog):
    one = again(queue_configs={"old": {}})
    one.ask("pause", {"queue": "old"})
    one.enqueue("send", 1, "old")
    with caplog.at_level(logging.WARNING):
        other = again()
    assert "Queue 'old' is kept and is in no settings" in caplog.text
    assert other.book("old")["waiting"] == 1
    assert other.ask("list_jobs", {"queue": "old"})["jobs"][0]["data"] == 1
    assert other.ask("purge", {"queue": "old"})["purged"] == 1


def test_dead_letters(again):
    one = again(queue_configs={"mails": {"max_retries": 0}})
    worker = one.join()
    worker.register("send")
    one.enqueue("send", {"n": 1}, "mails")
    worker.answer(call_of(worker, "send"), error={"code": "c", "message": "m", "stacktrace": "line 1"})
    one.until("mails", dead=1)
    other = again(queue_configs={"mails": {"max_retries": 0}})
    (letter,) = other.ask("dlq_messages", {"queue": "mails"})
    assert letter["error"] == 'ErrorBody { code: "c", message: "m", stacktrace: Some("line 1") }'
    assert other.ask("iii::queue::redrive", {"queue": "mails"})["redriven"] == 1
    other.until("mails", redriven=1)


def test_a_key_is_remembered(again):
    receipt = again().enqueue("send", 1, delay_ms=3_600_000, idempotency_key="k")
    other = again()
    assert other.enqueue("send", 2, idempotency_key="k") == receipt
    assert other.book("default")["enqueued"] == 1


def test_nothing_is_delivered_while_the_engine_stops(again):
    one = again()
    listener = one.subscriber("orders", queue_config={"concurrency": 2})
    for n in range(10):
        one.publish("orders", n)
    taken = [call_of(listener)["data"] for _ in range(2)]
    one.engine.stop()
    assert listener.closed.wait(10)
    assert not [frame for frame in listener.seen if frame["type"] == "invokefunction"]
    other = again()
    assert other.book("orders") == {
        "enqueued": 10, "done": 0, "dead": 0, "removed": 0, "waiting": 10, "delayed": 0, "in_flight": 0,
        "retried": 0, "redriven": 0,
    }  # fmt: skip
    listener = other.subscriber("orders", queue_config={"concurrency": 1})
    assert take(listener, "on", 10) == list(range(10))
    assert taken == [0, 1]
    other.until("orders", done=10)


def test_a_worker_that_left_before_the_stop_is_waited_for(again):
    one = again()
    listener = one.subscriber("orders")
    leave(one.engine, listener)
    one.publish("orders", 1)
    other = again()
    assert unexpected(other.operator) == []
    assert take(other.subscriber("orders"), "on", 1) == [1]
    other.until("orders", done=1)
