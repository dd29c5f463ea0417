"""Durable topics through real sockets: subscriptions, copies, what waits for whom (queue.md §4 to §6, §8)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iii_actors.clock import ManualClock
from tests.support.asking import bind, unbind
from tests.support.peer import CallFailed
from tests.support.queue import QueueSite, call_of, fail, queue_sites, subscribe
from tests.support.quiet import leave, settle, unexpected

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "a=1"}
WEEK_S = 7 * 24 * 3600


@pytest.fixture(params=["shared", "own"])
def site(request: pytest.FixtureRequest) -> Iterator[QueueSite]:
    with queue_sites() as make:
        yield make({}, ManualClock(), reader=request.param)


def done(peer, data, function_id="on"):
    """The next call has this data; it is answered."""
    frame = call_of(peer, function_id)
    assert frame["data"] == data
    peer.answer(frame)


# --- publishing ------------------------------------------------------------------------------------------------------


def test_the_handler_gets_the_data_and_nothing_else(site):
    listener = site.join()
    listener.register("on")
    bind(listener, "t", "durable:subscriber", "on", config={"topic": "x"}, metadata={"m": 1})
    data = {"a": [1, 2.5, None, {"b": "☕"}], "_caller_worker_id": "mine"}
    site.publish("x", data)
    frame = call_of(listener)
    listener.answer(frame)
    assert frame.pop("invocation_id")
    assert frame == {"type": "invokefunction", "function_id": "on", "data": data}
    site.ask("iii::durable::publish", {"topic": "x", "data": 1}, metadata={"m": 1}, **TRACE)
    frame = call_of(listener)
    listener.answer(frame)
    assert frame.pop("invocation_id")
    assert frame == {
        "type": "invokefunction", "function_id": "on", "data": 1, "traceparent": TRACE["traceparent"],
        "baggage": "a=1,iii.function.id=on",
    }  # fmt: skip
    site.until("x", done=2)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ({"topic": "", "data": 1}, "topic_not_set", "Topic is not set"),
        ({"topic": "x"}, "deserialization_error", "missing field `data`"),
        ({"data": 1}, "deserialization_error", "missing field `topic`"),
        ({"topic": 5, "data": 1}, "deserialization_error", "invalid type: integer `5`, expected a string"),
        (None, "deserialization_error", "invalid type: null, expected struct PublishInput"),
        ({"topic": "x" * 2000, "data": 1}, "invalid_name", "has at most"),
    ],
)
def test_what_is_wrong_is_told(site, given, code, message):
    with pytest.raises(CallFailed) as failed:
        site.ask("iii::durable::publish", given)
    assert failed.value.code == code
    assert message in failed.value.message


def test_one_copy_for_each_function_however_many_triggers_it_has(site):
    one, other = site.join(), site.join(namespace="team")
    for function_id in ("a", "b"):
        subscribe(one, "x", function_id)
    subscribe(one, "x", "a")
    other.register("a")
    bind(other, "team's", "durable:subscriber", "a", config={"topic": "x"}, namespace="team")
    site.publish("x", 1)
    done(one, 1, "a")
    done(one, 1, "b")
    done(other, 1, "a")
    assert unexpected(one) == unexpected(other) == []
    assert site.until("x", done=3)["enqueued"] == 3
    assert [row["key"] for row in site.books("x")] == ["x::a@default", "x::b@default", "x::a@team"]


def test_queue_is_a_synonym_of_topic(site):
    listener = site.join()
    listener.register("on")
    bind(listener, "t", "durable:subscriber", "on", config={"queue": "x"})
    site.publish("x", 1)
    done(listener, 1)
    site.until("x", done=1)


@pytest.mark.parametrize("config", [None, {}, {"topic": ""}, {"topic": 5}, [], "x"])
def test_a_trigger_without_a_topic_is_taken_and_does_nothing(site, config):
    listener = site.join()
    listener.register("on")
    bind(listener, "t", "durable:subscriber", "on", config=config)
    site.publish("x", 1)
    assert unexpected(listener) == []


def test_messages_wait_for_the_first_subscriber_in_order(site):
    for n in range(3):
        site.publish("x", n)
    assert site.ask("topic_stats", {"topic": "x"})["depth"] == 3
    listener = site.subscriber("x", queue_config={"concurrency": 1})
    for n in range(3):
        done(listener, n)
    site.until("x", done=3)
    late = site.subscriber("x", "late")
    assert unexpected(late) == []


def test_a_receipt_for_those_who_want_one(site):
    listener = site.subscriber("x")
    answer = site.ask("publish", {"topic": "x", "data": 1, "delay_ms": 10, "idempotency_key": "k"})
    assert answer["duplicate"] is False
    again = site.ask("publish", {"topic": "x", "data": 2, "idempotency_key": "k"})
    assert again == {"messageReceiptId": answer["messageReceiptId"], "duplicate": True}
    assert site.ask("get_job", {"topic": "x", "id": answer["messageReceiptId"]})["state"] == "delayed"
    site.clock.advance(0.011)
    done(listener, 1)
    site.until("x", done=1)


# --- coming and going ------------------------------------------------------------------------------------------------


def test_while_its_worker_is_away_a_subscription_gets_its_copies(site):
    listener = site.subscriber("x", trigger_id="t")
    leave(site.engine, listener, "cut")
    for n in range(2):
        site.publish("x", n)
    site.until("x", waiting=2, retried=0)
    site.clock.advance(3600)
    back = site.subscriber("x", trigger_id="t", queue_config={"concurrency": 1})
    done(back, 0)
    done(back, 1)
    site.until("x", done=2)


def test_a_job_of_a_worker_that_goes_is_tried_again_when_it_is_back(site):
    listener = site.subscriber("x")
    site.publish("x", 1)
    call_of(listener)
    leave(site.engine, listener)
    site.until("x", delayed=1, retried=1)
    site.clock.advance(10)
    site.until("x", waiting=1, retried=1)
    done(site.subscriber("x"), 1)
    site.until("x", done=1)


def test_a_subscription_that_is_taken_back_gets_no_more_and_keeps_what_it_has(site):
    listener = site.subscriber("x", trigger_id="t", queue_config={"backoffDelayMs": 100})
    site.publish("x", 1)
    fail(listener, call_of(listener))
    site.until("x", delayed=1)
    unbind(listener, "t")
    site.publish("x", 2)
    site.clock.advance(1)
    assert unexpected(listener) == []
    assert [row["waiting"] for row in site.books("x")] == [1, 1]
    subscribe(listener, "x", trigger_id="t", queue_config={"concurrency": 1})
    done(listener, 1)
    done(listener, 2)
    site.until("x", done=2)


def test_one_that_is_taken_back_and_empty_is_gone(site):
    listener = site.subscriber("x", trigger_id="t")
    site.publish("x", 1)
    done(listener, 1)
    site.until("x", done=1)
    unbind(listener, "t")
    settle(site.operator)
    assert site.ask("list_topics") == [{"name": "default", "broker_type": "builtin", "subscriber_count": 10}]


def test_one_that_nobody_comes_back_to_is_forgotten(site):
    empty, holding = site.subscriber("x", "empty"), site.subscriber("x", "holding")
    leave(site.engine, empty)
    leave(site.engine, holding)
    site.publish("x", 1)
    site.ask("purge", {"queue": "x::empty@default"})
    site.clock.advance(WEEK_S * 0.8)
    assert len(site.books("x")) == 2
    site.clock.advance(WEEK_S * 0.4)
    settle(site.operator)
    assert [row["function_id"] for row in site.books("x")] == ["holding"]
    done(site.subscriber("x", "holding"), 1, "holding")
    site.until("x", done=1)


def test_one_that_nobody_will_come_back_to_is_forgotten_when_that_is_said(site):
    gone, here = site.subscriber("x", "gone"), site.subscriber("x", "here")
    leave(site.engine, gone)
    assert site.ask("forget", {"topic": "x"}) == {"queue": "x", "forgotten": 1}
    site.publish("x", 1)
    done(here, 1, "here")
    assert [row["function_id"] for row in site.books("x")] == ["here"]
    assert site.ask("forget", {"queue": "x::here@default"})["forgotten"] == 0


def test_a_trigger_that_moves_to_another_topic_ends_its_subscription(site):
    listener = site.subscriber("x", trigger_id="t")
    subscribe(listener, "y", trigger_id="t")
    site.publish("x", 1)
    site.publish("y", 2)
    done(listener, 2)
    assert unexpected(listener) == []


def test_another_worker_takes_the_trigger_over(site):
    one = site.subscriber("x", trigger_id="t")
    other = site.join(namespace="n")
    other.register("on")
    bind(other, "t", "durable:subscriber", "on", config={"topic": "x"}, namespace="n")
    leave(site.engine, one)
    site.publish("x", 1)
    done(other, 1)


# --- tuning ----------------------------------------------------------------------------------------------------------


def test_n_retries_are_n_plus_one_calls(site):
    listener = site.subscriber("x", queue_config={"maxRetries": 1, "backoffDelayMs": 200})
    site.publish("x", 1)
    fail(listener, call_of(listener))
    site.until("x", delayed=1)
    site.clock.advance(0.2)
    fail(listener, call_of(listener))
    site.until("x", dead=1, retried=1)


def test_by_itself_there_are_three_retries_as_for_named_queues(site):
    listener = site.subscriber("x")
    site.publish("x", 1)
    for pause_s in (1, 2, 4):
        fail(listener, call_of(listener))
        site.until("x", delayed=1)
        site.clock.advance(pause_s)
    fail(listener, call_of(listener))
    site.until("x", dead=1, retried=3)


def test_what_has_a_wrong_type_is_ignored(site):
    config = {
        "maxRetries": "many",
        "concurrency": -3,
        "backoffDelayMs": None,
        "type": 5,
        "jitter": 7,
        "maxPriority": [],
    }
    listener = site.subscriber("x", queue_config=config)
    for n in range(11):
        site.publish("x", n)
    frames = [call_of(listener) for _ in range(10)]
    assert unexpected(listener) == []
    for frame in frames:
        listener.answer(frame)
    done(listener, 10)


def test_concurrency_0_pauses(site):
    listener = site.subscriber("x", trigger_id="t", queue_config={"concurrency": 0})
    site.publish("x", 1)
    assert unexpected(listener) == []
    subscribe(listener, "x", trigger_id="t", queue_config={"concurrency": 1})
    done(listener, 1)
    site.until("x", done=1)


def test_the_latest_tuning_counts_for_messages_published_before(site):
    listener = site.subscriber("x", trigger_id="t", queue_config={"maxRetries": 5})
    site.publish("x", 1)
    frame = call_of(listener)
    second = subscribe(listener, "x", queue_config={"maxRetries": 0})
    fail(listener, frame)
    site.until("x", dead=1)
    unbind(listener, second)
    site.publish("x", 2)
    fail(listener, call_of(listener))
    site.until("x", dead=1, delayed=1)


def test_a_handler_that_always_hangs_makes_a_dead_letter(site):
    listener = site.subscriber("x", queue_config={"visibilityTimeout": 500, "maxRetries": 1})
    site.publish("x", 1)
    for _ in range(2):
        call_of(listener)
        site.clock.advance(0.5)
        settle(site.operator)
    site.until("x", dead=1)
    assert unexpected(listener) == []
    (job,) = site.ask("list_jobs", {"topic": "x", "state": "dead"})["jobs"]
    assert "did not answer within" in job["failures"][-1]["message"]


def test_fifo_is_one_at_a_time_through_retries(site):
    listener = site.subscriber("x", queue_config={"type": "fifo", "concurrency": 5})
    for n in range(3):
        site.publish("x", n)
    fail(listener, call_of(listener))
    site.until("x", delayed=1, waiting=2)
    assert unexpected(listener) == []
    site.clock.advance(1)
    for n in range(3):
        done(listener, n)
    site.until("x", done=3)


def test_fifo_with_groups(site):
    listener = site.subscriber("x", queue_config={"type": "fifo", "messageGroupField": "of"})
    for n, of in enumerate(("a", "a", "b", None)):
        site.publish("x", {"of": of, "n": n})
    frames = [call_of(listener) for _ in range(3)]
    assert sorted(frame["data"]["n"] for frame in frames) == [0, 2, 3]
    assert unexpected(listener) == []
    for frame in frames:
        listener.answer(frame)
    done(listener, {"of": "a", "n": 1})


def test_a_job_whose_handler_hangs_goes_to_another_and_its_answer_comes_too_late(site):
    listener = site.subscriber("x", queue_config={"visibilityTimeout": 500, "concurrency": 1, "maxRetries": 1})
    site.publish("x", 1)
    late = call_of(listener)
    site.clock.advance(0.5)
    site.until("x", retried=1)
    again = call_of(listener)
    listener.answer(late)
    settle(listener)
    assert site.until("x", in_flight=1)["done"] == 0
    listener.answer(again)
    site.until("x", done=1)


# --- conditions ------------------------------------------------------------------------------------------------------


def test_only_literal_false_keeps_a_message_from_its_handler(site):
    verdicts = iter([False, None, 0, "false", {}, True])
    judge = site.join()
    judge.register("judge", lambda data: next(verdicts))
    listener = site.subscriber("x", condition_function_id="judge", queue_config={"concurrency": 1})
    for n in range(6):
        site.publish("x", n)
    for n in range(1, 6):
        done(listener, n)
    site.until("x", done=6)
    assert unexpected(listener) == []


def test_a_condition_that_fails_is_a_failed_attempt(site):
    judge = site.join()
    judge.register("judge")
    listener = site.subscriber("x", condition_function_id="judge", queue_config={"maxRetries": 0})
    site.publish("x", 1)
    frame = call_of(judge, "judge")
    assert frame["data"] == 1
    fail(judge, frame, "broken", "no idea")
    site.until("x", dead=1)
    assert unexpected(listener) == []
    (letter,) = site.ask("dlq_messages", {"topic": "x"})
    assert letter["error"] == "Condition function error: broken: no idea"


def test_a_condition_that_is_not_there_is_a_failed_attempt_too(site):
    site.subscriber("x", condition_function_id="nobody", queue_config={"maxRetries": 0})
    site.publish("x", 1)
    site.until("x", dead=1)
