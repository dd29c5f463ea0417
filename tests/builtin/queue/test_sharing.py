"""Engines that share one Redis or RabbitMQ share the work: whoever publishes, whoever has subscribed where."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.support.peer import CallFailed
from tests.support.queue import QueueSite, call_of, queue_sites, until
from tests.support.quiet import leave
from tests.support.rabbitmq import shared_rabbitmq
from tests.support.redis import redis_server


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def adapter(request: pytest.FixtureRequest) -> Iterator[dict[str, object]]:
    if request.param == "redis":
        with redis_server() as server:
            yield {"name": "redis", "config": {"redis_url": server.url}}
    else:
        yield {"name": "rabbitmq", "config": {"amqp_url": shared_rabbitmq().url}}


@pytest.fixture
def name() -> str:
    """Of a queue or a topic that no other test knows."""
    return f"q-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def two(adapter: dict[str, object], name: str) -> Iterator[tuple[QueueSite, QueueSite]]:
    queues = {name: {"backoff_ms": 10, "max_retries": 1, "concurrency": 4}}
    with queue_sites() as make:
        yield make({"adapter": adapter, "queue_configs": queues}), make({"adapter": adapter, "queue_configs": queues})


def declined(_):
    raise CallFailed({"code": "declined", "message": "no money"})


def done(peer, data, function_id="on"):
    frame = call_of(peer, function_id)
    assert frame["data"] == data
    peer.answer(frame)


def test_a_named_queue_is_worked_on_by_both(two, name):
    seen = []
    for at, site in enumerate(two):
        site.join().register("do", lambda data, at=at: seen.append((at, data)))
    count = 100
    for n in range(count):
        two[n % 2].enqueue("do", n, name)
    until(lambda: len(seen) >= count, lambda: f"{len(seen)} of {count}")
    assert sorted(data for _, data in seen) == list(range(count))
    assert {at for at, _ in seen} == {0, 1}


def test_what_one_publishes_the_other_s_subscribers_get(two, name, adapter):
    one, other = two
    topic = f"{name}-topic"
    listener = other.subscriber(topic, "there")
    one.publish(topic, 1)
    done(listener, 1, "there")
    here = one.subscriber(topic, "here")
    assert "here" in [row["function_id"] for row in one.books(topic)], "the broker has it when this is answered"
    if adapter["name"] == "redis":
        until(lambda: len(other.books(topic)) == 2, lambda: str(other.books(topic)))
    other.publish(topic, 2)
    done(listener, 2, "there")
    done(here, 2, "here")


def test_what_was_published_to_nobody_is_the_first_one_s_wherever_it_comes(two, name):
    one, other = two
    topic = f"{name}-topic"
    for n in range(3):
        one.publish(topic, n)
    listener = other.subscriber(topic, queue_config={"concurrency": 1})
    for n in range(3):
        done(listener, n)


def test_a_dead_letter_is_there_for_both(two, name):
    one, other = two
    for site in two:
        site.join().register("fails", declined)
    one.enqueue("fails", {"n": 1}, name)
    until(lambda: len(other.ask("dlq_messages", {"queue": name})) == 1, lambda: str(other.books(name)))
    (letter,) = one.ask("dlq_messages", {"queue": name})
    assert (letter["payload"], letter["retries"]) == ({"n": 1}, 2)
    assert "declined" in letter["error"]
    given = {"queue": name, "message_id": letter["id"]}
    assert other.ask("iii::queue::discard_message", given)["redriven"] == 1
    assert one.ask("dlq_messages", {"queue": name}) == []


def test_a_subscription_that_one_forgets_is_not_missed_by_the_other(two, name):
    one, other = two
    topic = f"{name}-topic"
    listener = one.subscriber(topic)
    one.publish(topic, 1)
    done(listener, 1)
    other.publish(topic, 2)
    done(listener, 2)
    leave(one.engine, listener)
    one.ask("forget", {"topic": topic})
    until(lambda: not [row for row in one.books() if row["function_id"] and row["name"] == topic], lambda: "it stays")
    other.publish(topic, 3)
    done(one.subscriber(topic), 3)
