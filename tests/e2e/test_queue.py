"""Official workers enqueue, publish durably and are called for it (queue.md)."""

import pytest

from tests.e2e.support.names import unique
from tests.e2e.support.probe import ProbeError
from tests.support.queue import until

STANDALONE = """\
workers:
  - name: iii-worker-manager
    config: {port: 0, host: 127.0.0.1}
"""


@pytest.fixture
def producer(pair):
    return pair.caller


@pytest.fixture
def consumer(pair):
    return pair.callee


def enqueue(probe, function_id, payload, queue="default"):
    return probe.call(function_id, payload, action={"type": "enqueue", "queue": queue})


def subscribe(probe, topic, behaviour="echo", **config):
    function_id = unique("e2e::on")
    probe.offer(function_id, behaviour)
    binding = probe.do("bind", type="durable:subscriber", function_id=function_id, config={"topic": topic, **config})
    return function_id, binding


def book(probe, **name):
    """The book of a queue or a topic, which balances."""
    rows = probe.call("engine::queue::stats", name)["queues"]
    assert all(row["balanced"] for row in rows)
    return {
        key: sum(row[key] for row in rows) for key in ("done", "dead", "waiting", "delayed", "in_flight", "retried")
    }


def until_book(probe, *, topic, **wanted):
    until(lambda: wanted.items() <= book(probe, topic=topic).items(), lambda: f"{book(probe, topic=topic)}")


def test_what_one_enqueues_the_other_is_called_with(producer, consumer):
    function_id = unique("e2e::job")
    consumer.offer(function_id)
    payload = {"text": "Grüße, 世界 🫖", "numbers": [1, -1, 0.5], "nothing": None, "deep": {"er": [[{}]]}}
    assert set(enqueue(producer, function_id, payload)) == {"messageReceiptId"}
    assert consumer.event("called", function_id=function_id)["data"] == payload


def test_an_unknown_queue_is_refused(producer):
    with pytest.raises(ProbeError) as raised:
        enqueue(producer, "f", 1, "nowhere")
    assert (raised.value.code, raised.value.message) == (
        "enqueue_error",
        "queue_not_found: Queue 'nowhere' not found",
    )


def test_a_durable_topic(producer, consumer):
    topic = unique("topic")
    producer.call("iii::durable::publish", {"topic": topic, "data": {"n": 0}})
    function_id, _ = subscribe(consumer, topic, queue_config={"type": "fifo"})
    ours, _ = subscribe(producer, topic)
    for n in (1, 2):
        producer.call("iii::durable::publish", {"topic": topic, "data": {"n": n}})
    for n in (0, 1, 2):
        assert consumer.event("called", function_id=function_id)["data"] == {"n": n}
    assert sorted(producer.event("called", function_id=ours)["data"]["n"] for _ in range(2)) == [1, 2]
    until_book(producer, topic=topic, done=5)


def test_what_fails_is_tried_again_and_then_is_a_dead_letter(producer, consumer):
    topic = unique("topic")
    subscribe(consumer, topic, "fail", queue_config={"maxRetries": 1, "backoffDelayMs": 20})
    producer.call("iii::durable::publish", {"topic": topic, "data": {"message": "no tea — ☕"}})
    until_book(producer, topic=topic, dead=1, retried=1)
    (letter,) = producer.call("engine::queue::dlq_messages", {"topic": topic})
    assert letter["payload"] == {"message": "no tea — ☕"}
    assert "no tea — ☕" in letter["error"]
    assert producer.call("iii::queue::redrive", {"topic": topic}) == {"queue": topic, "redriven": 1}
    until_book(producer, topic=topic, dead=1, retried=2)


def test_a_subscription_that_is_taken_back_gets_no_more(producer, consumer):
    topic = unique("topic")
    function_id, binding = subscribe(consumer, topic)
    producer.call("iii::durable::publish", {"topic": topic, "data": {"n": 1}})
    assert consumer.event("called", function_id=function_id)["data"] == {"n": 1}
    until_book(producer, topic=topic, done=1)
    consumer.do("unbind", binding=binding)
    producer.call("iii::durable::publish", {"topic": topic, "data": {"n": 2}})
    assert book(producer, topic=topic)["waiting"] == 1


def test_a_worker_that_is_killed_under_load_loses_nothing(shop, any_sdk):
    """kill -9 while it works: every message is done in the end, and only those in its hands may be done twice."""
    engine = shop.engine()
    producer, victim = shop.probe(any_sdk, engine.url), shop.probe(any_sdk, engine.url)
    function_id, topic = unique("e2e::on"), unique("topic")

    def join(probe):
        probe.offer(function_id)
        config = {"topic": topic, "queue_config": {"backoffDelayMs": 50, "concurrency": 5, "maxRetries": 50}}
        probe.do("bind", type="durable:subscriber", function_id=function_id, config=config)

    join(victim)
    count, seen = 60, []
    for n in range(count):
        producer.call("iii::durable::publish", {"topic": topic, "data": {"n": n}})
        if n == count // 3:
            seen += [victim.event("called", function_id=function_id)["data"]["n"] for _ in range(3)]
            victim.kill()
    successor = shop.probe(any_sdk, engine.url)
    join(successor)
    until_book(producer, topic=topic, done=count)
    assert book(producer, topic=topic)["dead"] == 0


def test_without_the_worker_enqueue_is_an_error_that_says_so(shop, any_sdk, tmp_path):
    file = tmp_path / "no-queue.yaml"
    file.write_text(STANDALONE, encoding="utf-8")
    probe = shop.probe(any_sdk, shop.engine("-c", str(file)).url)
    function_id = unique("e2e::echo")
    probe.offer(function_id)
    with pytest.raises(ProbeError) as raised:
        enqueue(probe, function_id, {}, "jobs")
    assert raised.value.code == "enqueue_error"
    assert raised.value.message == (
        "No queue provider is installed. `TriggerAction::Enqueue` routes through the `engine::queue::enqueue` provider, "
        "which the standalone queue worker registers. Add it with `iii worker add queue`. "
        "(underlying: Function engine::queue::enqueue not found in namespace default)"
    )
    probe.call(function_id, "the next call")
    assert probe.event("called", function_id=function_id)["data"] == "the next call", "the first never came"
