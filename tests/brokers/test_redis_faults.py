"""A broker on a Redis that goes and comes, loses what it knew, and a network that is cut at the worst moments."""

import logging
import time

import pytest

from iii_actors.brokers import redis_broker
from iii_actors.brokers.errors import BrokerClosed, BrokerUnavailable, Unsupported
from iii_actors.brokers.job import JobState, Put, QueueSpec
from iii_actors.errors import ConfigError
from tests.brokers.redis_lab import (
    QUEUE,
    WAIT_S,
    Answers,
    consume,
    counts,
    declare,
    engine_at,
    failure,
    job,
    redis_lab,
    result,
    until,
)
from tests.support.redis import redis_server


@pytest.fixture(scope="module")
def server():
    with redis_server() as running:
        yield running


@pytest.fixture
def lab(server):
    with redis_lab(server) as made:
        yield made


@pytest.fixture
def alone(lab):
    """One broker with one queue, and its network."""
    broker, network = lab.engine()
    declare(broker)
    return broker, network


def log_lines(caplog, *parts):
    return [one.getMessage() for one in caplog.records if all(part in one.getMessage() for part in parts)]


# --- cut in the middle -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lose", ["lose_answer", "lose_request"])
def test_a_put_that_is_cut_is_stored_once_and_answered(alone, lose):
    broker, network = alone
    getattr(network, lose)(b"\xa3put")
    one = job()
    assert result(broker.put, [one]) == [Put(one.receipt, False)]
    assert network.cuts.acquire(timeout=WAIT_S)
    assert counts(broker).enqueued == counts(broker).waiting == 1


def test_a_put_that_is_cut_and_was_refused_is_refused(alone):
    broker, network = alone
    declare(broker, max_jobs=1)
    result(broker.put, [job()])
    network.lose_answer(b"\xa3put")
    answers = Answers()
    broker.put([job()], answers)
    assert answers.one()[1].code == "queue_full"
    assert counts(broker).enqueued == 1


@pytest.mark.parametrize("lose", ["lose_answer", "lose_request"])
@pytest.mark.parametrize(
    ("ending", "state"),
    [("ack", "done"), ("retry", "delayed"), ("bury", "dead"), ("release", "waiting")],
)
def test_an_end_that_is_cut_counts_once(alone, lose, ending, state):
    broker, network = alone
    keeper = consume(broker, 1)
    result(broker.put, [job()])
    delivery = keeper.next()
    arguments = {"retry": (failure(), int(time.time() * 1000) + 60_000), "bury": (failure(),)}.get(ending, ())
    getattr(network, lose)(ending.encode())
    assert result(getattr(broker, ending), delivery, *arguments) is True
    assert network.cuts.acquire(timeout=WAIT_S)
    found = counts(broker)
    assert getattr(found, state) == 1
    assert found.retried == (ending == "retry")
    assert result(getattr(broker, ending), delivery, *arguments) is False


@pytest.mark.parametrize("lose", ["lose_answer", "lose_request"])
def test_a_delivery_that_is_cut_comes_all_the_same(alone, lose):
    broker, network = alone
    result(broker.put, [job("one")])
    getattr(network, lose)(b"\xa4take")
    keeper = consume(broker)
    delivery = keeper.next()
    assert network.cuts.acquire(timeout=WAIT_S)
    assert delivery.job.data == b"one"
    assert result(broker.ack, delivery) is True
    assert counts(broker).done == 1
    assert keeper.came.empty()


def test_what_is_out_while_the_connection_breaks_stays_out(alone):
    broker, network = alone
    keeper = consume(broker, 5)
    result(broker.put, [job("one"), job("two")])
    out = [keeper.next(), keeper.next()]
    network.lose_request(b"\xa3put")
    result(broker.put, [job("three")])
    assert keeper.next().job.data == b"three"
    assert [result(broker.ack, one) for one in out] == [True, True]
    assert counts(broker).in_flight == 1
    assert keeper.came.empty()


@pytest.mark.parametrize("name", ["counts", "list", "find", "queues"])
def test_a_question_that_is_cut_is_asked_again(alone, name):
    broker, network = alone
    one = job()
    result(broker.put, [one])
    arguments = {
        "counts": (QUEUE,),
        "list": (QUEUE, JobState.WAITING, 0, 10),
        "find": (QUEUE, one.id),
        "queues": (),
    }[name]
    network.lose_answer(name.encode() if name != "queues" else b"names")
    assert result(getattr(broker, name), *arguments)
    assert network.cuts.acquire(timeout=WAIT_S)


@pytest.mark.parametrize("at", [b"counts", b"redrive"])
def test_a_redrive_of_all_that_is_cut_is_finished(alone, at):
    broker, network = alone
    keeper = consume(broker, 3)
    result(broker.put, [job(n) for n in range(3)])
    for _ in range(3):
        result(broker.bury, keeper.next(), failure())
    network.lose_answer(at)
    assert result(broker.redrive, QUEUE, None).count == 3
    assert network.cuts.acquire(timeout=WAIT_S)
    assert counts(broker).redriven == 3


def test_an_edit_that_is_cut_is_finished(alone):
    broker, network = alone
    one = job()
    result(broker.put, [one])
    for at in (b"find", b"edit"):
        network.lose_answer(at)
        assert result(broker.edit, QUEUE, one.id, b"2", None) is True
        assert network.cuts.acquire(timeout=WAIT_S)
    assert result(broker.find, QUEUE, one.id).job.data == b"2"


# --- Redis away --------------------------------------------------------------------------------------------------------


def test_while_redis_is_away_puts_are_refused_and_ends_are_kept(alone, caplog):
    broker, network = alone
    keeper = consume(broker, 2)
    result(broker.put, [job("one"), job("two")])
    done, failed = keeper.next(), keeper.next()
    acked, retried = Answers(), Answers()
    with caplog.at_level(logging.INFO):
        network.cut()
        broker.ack(done, acked)
        broker.retry(failed, failure(), 0, retried)
        for _ in range(3):
            with pytest.raises(BrokerUnavailable, match=r"Redis at redis://127\.0\.0\.1"):
                result(broker.put, [job("refused")])
        with pytest.raises(BrokerUnavailable):
            result(broker.counts, QUEUE)
        assert acked.empty()
        network.mend()
        assert acked.one() == retried.one() == (True, None)
    assert len(log_lines(caplog, "iii-queue: Redis", "is gone")) == 1
    assert len([line for line in log_lines(caplog, "iii-queue: Redis") if line.endswith("is back")]) == 1
    broker.grant(QUEUE, 1)
    again = keeper.next()
    assert (again.job.data, again.job.attempts) == (b"two", 1)
    found = counts(broker)
    assert (found.enqueued, found.done, found.in_flight, found.retried) == (2, 1, 1, 1)


def test_jobs_are_delivered_again_when_redis_is_back(alone, lab):
    broker, network = alone
    other, _ = lab.engine()
    declare(other)
    keeper = consume(broker)
    network.cut()
    with pytest.raises(BrokerUnavailable):
        result(broker.put, [job("refused")])
    result(other.put, [job("kept")])
    network.mend()
    assert keeper.next().job.data == b"kept"


def test_a_redis_that_hangs_is_given_up_in_time(lab, monkeypatch):
    monkeypatch.setattr("iii_actors.storage.redis_client.REDIS_WAIT_S", 0.3)
    broker, _ = lab.engine()
    declare(broker)
    keeper = consume(broker)
    with lab.server.frozen():
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            result(broker.put, [job("unknown")])
        assert time.monotonic() - started < 5
    result_came = Answers()

    def stored():
        broker.put([job("later")], result_came)
        return result_came.one()[1] is None

    until(stored)
    while keeper.next().job.data != b"later":
        pass


def test_a_redis_that_starts_anew_with_nothing_gets_the_queues_again(alone, lab):
    broker, _ = alone
    keeper = consume(broker, 2)
    result(broker.put, [job("lost")])
    lost = keeper.next()
    lab.server.kill()
    with pytest.raises(BrokerUnavailable):
        result(broker.put, [job("refused")])
    lab.server.start()
    answers = Answers()

    def stored():
        broker.put([job("new")], answers)
        return answers.one()[1] is None

    until(stored)
    assert keeper.next().job.data == b"new"
    assert result(broker.ack, lost) is False
    assert result(broker.queues) == [QUEUE]


def test_flushall_loses_the_jobs_and_not_the_queues(alone, lab):
    broker, _ = alone
    keeper = consume(broker, 5)
    result(broker.put, [job("lost")])
    lost = keeper.next()
    with lab.server.client() as client:
        client.flushall()
    result(broker.put, [job("new")])
    delivery = keeper.next()
    assert delivery.job.data == b"new"
    assert result(broker.ack, lost) is False
    assert result(broker.ack, delivery) is True
    assert counts(broker).done == 1
    assert result(broker.queues) == [QUEUE]


def test_a_script_that_redis_has_forgotten_is_loaded_again(alone, lab):
    broker, _ = alone
    with lab.server.client() as client:
        client.script_flush()
    result(broker.put, [job()])
    assert counts(broker).waiting == 1


def test_a_consumer_group_that_somebody_removed_is_made_again(alone, lab):
    broker, _ = alone
    keeper = consume(broker, 1)
    result(broker.put, [job("one"), job("two")])
    assert keeper.next().job.data == b"one"
    with lab.server.client() as client:
        (name,) = client.keys("*:flight")
        client.xgroup_destroy(name, "g")
    broker.grant(QUEUE, 2)
    came = [keeper.next(), keeper.next()]
    assert sorted(one.job.data for one in came) == [b"one", b"two"]
    assert [one.redelivered for one in came if one.job.data == b"one"] == [True]
    assert [result(broker.ack, one) for one in came] == [True, True]


def test_a_full_redis_refuses_jobs_and_lets_others_end(alone, lab):
    broker, _ = alone
    keeper = consume(broker, 1)
    result(broker.put, [job("one")])
    delivery = keeper.next()
    with lab.server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(BrokerUnavailable, match="OOM"):
            result(broker.put, [job("refused")])
        assert result(broker.ack, delivery) is True
        client.config_set("maxmemory", 0)
    found = counts(broker)
    assert (found.enqueued, found.done) == (1, 1)


def test_a_redis_that_takes_no_writes_counts_as_away(alone, lab):
    broker, _ = alone
    keeper = consume(broker, 1)
    result(broker.put, [job()])
    delivery = keeper.next()
    acked = Answers()
    with lab.server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        broker.ack(delivery, acked)
        with pytest.raises(BrokerUnavailable, match="read only replica"):
            result(broker.put, [job()])
        assert acked.empty()
        client.execute_command("REPLICAOF", "NO", "ONE")
        assert acked.one() == (True, None)
    found = counts(broker)
    assert (found.enqueued, found.done) == (1, 1)


def test_large_jobs_of_many_queues_come_bit_by_bit(alone, monkeypatch):
    monkeypatch.setattr("iii_actors.brokers.redis_taking.QUEUE_TAKE_BYTES", 100_000)
    broker, _ = alone
    names = [f"q{n}" for n in range(5)]
    for name in names:
        declare(broker, name)
        result(broker.put, [job("x" * 60_000, name) for _ in range(3)])
    keepers = [consume(broker, 3, name) for name in names]
    for keeper in keepers:
        for _ in range(3):
            assert len(keeper.next().job.data) == 60_000


# --- the start, the end, and what cannot be ----------------------------------------------------------------------------


def test_a_redis_that_is_not_there_is_a_mistake_of_the_settings(lab):
    lab.server.kill()
    with pytest.raises(ConfigError, match=r"iii-queue.*cannot reach"):
        engine_at(lab.server.url, lab.clock, 30)


def test_an_open_broker_cannot_be_asked_before_or_after(lab):
    early = redis_broker.RedisBroker(lab.server.url, lab.clock)
    with pytest.raises(BrokerClosed):
        result(early.queues)
    early.open()
    early.close()
    early.close()
    with pytest.raises(BrokerClosed):
        result(early.put, [job()])
    assert list(early.actors()) == []


def test_what_waits_is_bounded(alone, lab, monkeypatch):
    broker, _ = alone
    monkeypatch.setattr(redis_broker, "QUEUE_WAITING", 3)
    with lab.server.frozen():
        answers = Answers()
        for _ in range(50):
            broker.put([job()], answers)
        refused = answers.one()[1]
    assert isinstance(refused, BrokerUnavailable)
    assert "the limit" in str(refused)


@pytest.mark.parametrize(
    "fields", [{"receipt": "\ud800"}, {"group": "\udfff"}, {"idempotency_key": "\ud800"}, {"name": "\ud800"}]
)
def test_what_is_no_text_is_refused_and_harms_nobody(alone, fields):
    broker, _ = alone
    with pytest.raises(Unsupported):
        result(broker.put, [job(**fields)])
    with pytest.raises(Unsupported):
        result(broker.find, QUEUE, "\ud800")
    keeper = consume(broker)
    result(broker.put, [job()])
    delivery = keeper.next()
    assert result(broker.bury, delivery, failure("no text: \ud800")) is True
    (dead,) = result(broker.list, QUEUE, JobState.DEAD, 0, 1)
    assert dead.job.failures[0].message == "no text: ?"


def test_queues_are_found_again_with_their_specs(alone, lab):
    broker, _ = alone
    declare(broker, ordered=True, max_priority=7, visibility_ms=1, options={"a": "b"})
    with lab.server.client() as client:
        client.sadd("iii:queue:names", "broken")
        client.hset("iii:queue:{broken}:meta", "spec", "no JSON")
    found = redis_broker.RedisBroker(lab.server.url, lab.clock)
    found.open()
    spec = found._carrier_actor.lines[QUEUE].spec
    assert spec == QueueSpec(ordered=True, max_priority=7, visibility_ms=1, options={"a": "b"})
    assert found._carrier_actor.lines["broken"].spec is None
    found.close()
