"""The worker ``iii-queue`` on a RabbitMQ, one engine and two, through real sockets."""

from __future__ import annotations

import pytest

from tests.brokers.rabbit.rig import eventually
from tests.support.peer import CallFailed
from tests.support.queue import QueueSite, call_of, fail, queue_sites


@pytest.fixture
def site(node):
    node.keys |= {"__fn_queue::default", "__fn_queue::mails", "news", "news::on@default", "news::log@default"}
    config = {
        "adapter": {"name": "rabbitmq", "config": {"amqp_url": node.url}},
        "queue_configs": {"mails": {"max_retries": 1, "backoff_ms": 60, "concurrency": 2}},
    }
    with queue_sites() as make:
        yield lambda: make(config)


def test_a_named_queue_end_to_end(site):
    here: QueueSite = site()
    worker = here.join()
    worker.register("send")
    receipt = here.enqueue("send", {"n": 1}, "mails")
    assert receipt
    first = call_of(worker, "send")
    assert first["data"] == {"n": 1}
    fail(worker, first)
    again = call_of(worker, "send")
    fail(worker, again, "smtp", "no such mailbox")
    here.until("mails", dead=1, enqueued=1, retried=1)
    (letter,) = here.ask("dlq_messages", {"topic": "mails"})
    assert (letter["payload"], letter["retries"]) == ({"n": 1}, 2)
    assert here.ask("iii::queue::redrive", {"queue": "mails"}) == {"queue": "mails", "redriven": 1}
    worker.answer(call_of(worker, "send"), result=None)
    here.until("mails", done=1, dead=0, enqueued=1)


def test_topics_with_two_engines(site):
    """Subscribed at one, published at the other, which knows nothing of it."""
    here, there = site(), site()
    on = here.subscriber("news", "on")
    here.until("news", waiting=0)
    log = there.subscriber("news", "log")
    for n, engine in enumerate((there, here)):
        # Each engine's own publications come after its own subscription, whatever the other one is about.
        engine.publish("news", n)
        for worker, function_id in ((log, "log"), (on, "on")):
            frame = call_of(worker, function_id)
            assert frame["data"] == n
            worker.answer(frame, result=None)
    here.until("news", waiting=0, in_flight=0)


def test_two_engines_share_a_queue(site):
    here, there = site(), site()
    seen = {"here": [], "there": []}
    for name, engine in (("here", here), ("there", there)):
        engine.join().register("send", seen[name].append)
    for n in range(200):
        here.enqueue("send", n, "mails")
    eventually(lambda: len(seen["here"]) + len(seen["there"]) == 200)
    assert sorted(seen["here"] + seen["there"]) == list(range(200))
    assert seen["here"]
    assert seen["there"]


def test_what_it_cannot_do_is_said(site):
    here = site()
    with pytest.raises(CallFailed, match="idempotency"):
        here.enqueue("send", 1, "mails", idempotency_key="k")
    with pytest.raises(CallFailed, match="delayed jobs"):
        here.ask("purge", {"queue": "mails"})
    assert here.ask("purge", {"queue": "mails", "states": ["waiting"]})
