"""Engines whose queues are in one Redis: what one takes in the other hands out, and what one is told holds for both."""

import uuid

import pytest

from tests.support.asking import bind
from tests.support.peer import CallFailed
from tests.support.queue import call_of, until
from tests.support.redis import redis_server

QUEUES = {
    "mails": {"max_retries": 5, "backoff_ms": 100, "concurrency": 1},
    "letters": {"max_retries": 0},
}


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def engines(site, server):
    """A maker of engines on one Redis, which holds nothing at first."""
    with server.client() as client:
        client.flushall()

    def make():
        adapter = {"name": "redis", "config": {"redis_url": server.url, "lease_ms": 1000}}
        return site({"adapter": adapter, "queue_configs": QUEUES})

    return make


def worker_of(site, function_id, **binding):
    """Join a worker that answers every call; returns it, and what it is called with."""
    peer, got = site.join(), []
    peer.register(function_id, got.append)
    if binding:
        bind(peer, f"{function_id} {uuid.uuid4()}", "durable:subscriber", function_id, config=binding)
    return peer, got


def test_what_one_engine_takes_in_the_others_worker_is_called_for(engines):
    one, two = engines(), engines()
    one.ask("pause", {"queue": "mails"})
    for n in range(40):
        two.enqueue("send", n, "mails")
    assert one.book("mails") == two.book("mails")
    assert one.book("mails")["waiting"] == 40
    _, near = worker_of(one, "send")
    _, far = worker_of(two, "send")
    two.ask("resume", {"queue": "mails"})
    one.until("mails", done=40)
    assert sorted(near + far) == list(range(40))
    one.balanced()


def test_a_subscription_is_one_whichever_engine_its_workers_are_at(engines):
    one = engines()
    one.publish("orders", "early")
    _, first = worker_of(one, "on", topic="orders")
    until(lambda: first == ["early"], lambda: f"{first}")
    two = engines()
    _, second = worker_of(two, "on", topic="orders")
    _, other = worker_of(two, "bookkeeping", topic="orders")
    until(lambda: len(one.books("orders")) == 2, lambda: f"{one.books('orders')}")  # it looks around every second
    for n in range(40):
        one.publish("orders", n)
    one.until("orders", done=81)
    assert sorted([*first[1:], *second]) == list(range(40))
    assert sorted(other) == list(range(40))
    two.balanced()


def test_a_dead_letter_of_one_engine_is_redriven_at_the_other(engines):
    one, two = engines(), engines()
    broken, got = [True], []

    def send(data):
        if broken:
            raise CallFailed({"code": "boom", "message": "no"})
        got.append(data)

    for site in (one, two):
        site.join().register("send", send)
    receipt = one.enqueue("send", {"to": "ada"}, "letters")
    two.until("letters", dead=1)
    (letter,) = two.ask("dlq_messages", {"queue": "letters"})
    assert letter["payload"] == {"to": "ada"}
    assert one.ask("get_job", {"queue": "letters", "id": receipt})["state"] == "dead"
    broken.clear()
    assert two.ask("iii::queue::redrive", {"queue": "letters"}) == {"queue": "letters", "redriven": 1}
    one.until("letters", done=1, dead=0, redriven=1)
    assert got == [{"to": "ada"}]


def test_jobs_are_there_when_the_only_engine_starts_again(engines):
    one = engines()
    worker = one.join()
    worker.register("send")
    one.enqueue("send", "in hand", "mails")
    one.enqueue("send", "waits", "mails")
    one.enqueue("send", "later", "mails", delay_ms=3_600_000)
    call_of(worker, "send")
    one.engine.stop()
    two = engines()
    _, got = worker_of(two, "send")
    two.until("mails", done=2, delayed=1)
    assert sorted(got) == ["in hand", "waits"]  # the first may have been tried before its worker was there
