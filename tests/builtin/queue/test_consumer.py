"""The consumer alone, with a broker and a function registry that only note what they are asked."""

from __future__ import annotations

from typing import Any

import pytest

from iii_actors.actor import ask, launch
from iii_actors.brokers.contract import Abilities, Delivery
from iii_actors.brokers.job import Failure, Job
from iii_actors.builtin.queue.consumer import Cease, Consume, Consumer, CountRunning, Tune
from iii_actors.builtin.queue.tuning import Tuning
from iii_actors.clock import ManualClock
from iii_actors.core.messages import Completed
from iii_actors.core.observing import Observing
from iii_actors.limits import QUEUE_PREFETCH
from iii_actors.wire import messages as wire
from tests.support.probe import Probe

ABSENT = wire.ErrorBody("function_not_found", "Function f not found in namespace default.")
USUAL = Tuning(2, 3, 1000)
BROKEN = wire.ErrorBody("boom", "no", "a stack")


class NotingBroker:
    """What the consumer asks of a broker, in order; the test delivers."""

    def __init__(self, *, shared: bool = False) -> None:
        self.abilities = Abilities(shared=shared)
        self.asked: list[tuple[Any, ...]] = []
        self.sink: Any = None

    def take(self) -> list[tuple[Any, ...]]:
        asked, self.asked = self.asked, []
        return asked

    def consume(self, queue: str, sink: Any) -> None:
        self.sink = sink

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.asked.append((name, *arguments))


class Core:
    def __init__(self, functions: Any, clock: ManualClock) -> None:
        self.functions = functions
        self.clock = clock
        self.observing = Observing()


class Bench:
    """A consumer, and those around it."""

    def __init__(self, tuning: Tuning, *, shared: bool = False, visibility: bool = False) -> None:
        self.clock = ManualClock()
        self.broker = NotingBroker(shared=shared)
        self.functions = Probe()
        core: Any = Core(launch(self.functions), self.clock)
        broker: Any = self.broker
        self.consumer = launch(Consumer(core, broker, "q", tuning, visibility))
        self.consumer.tell(Consume())

    def deliver(self, *numbers: int, redelivered: bool = False, **fields: Any) -> list[Delivery]:
        found = [Delivery(job(n, **fields), object(), redelivered) for n in numbers]
        self.broker.sink.deliver(found)
        return found

    def calls(self) -> list[Any]:
        return self.functions.take()

    def end(self, invoke: Any, error: wire.ErrorBody | None = None, result: Any = wire.ABSENT) -> None:
        self.consumer.tell(Completed(invoke, result, error))


def job(number: int, **fields: Any) -> Job:
    return Job(
        id=f"j{number}", receipt=f"r{number}", queue="q", function_id="f", namespace="n", data=b"%d" % number,
        **{"created_at_ms": 1_700_000_000_000, **fields},
    )  # fmt: skip


@pytest.fixture
def bench():
    made = []

    def make(tuning: Tuning = USUAL, **options: Any) -> Bench:
        made.append(Bench(tuning, **options))
        return made[-1]

    yield make
    for one in made:
        if one.consumer.is_alive():
            one.consumer.stop()
        one.functions.actor_ref.stop()


def test_it_asks_for_as_many_as_it_has_places(bench):
    one = bench()
    assert one.broker.take() == [("grant", "q", 2)]
    first, second = one.deliver(1, 2)
    calls = one.calls()
    assert [(call.call.function_id, call.namespace, bytes(call.call.data)) for call in calls] == [
        ("f", "n", b"1"), ("f", "n", b"2"),
    ]  # fmt: skip
    assert one.broker.take() == []
    one.end(calls[1])
    assert one.broker.take() == [("ack", second), ("grant", "q", 1)]
    one.end(calls[0])
    assert one.broker.take() == [("ack", first), ("grant", "q", 1)]


def test_some_more_from_far_away_but_no_more_at_once(bench):
    one = bench(shared=True)
    assert one.broker.take() == [("grant", "q", 2 + QUEUE_PREFETCH)]
    one.deliver(*range(5))
    calls = one.calls()
    assert len(calls) == 2
    one.end(calls[0])
    assert [bytes(call.call.data) for call in one.calls()] == [b"2"]
    one.consumer.tell(Cease())
    asked = one.broker.take()
    assert [name for name, *_ in asked] == ["ack", "grant", "cease", "release", "release"]


def test_with_a_visibility_time_nothing_is_taken_ahead(bench):
    assert bench(shared=True, visibility=True).broker.take() == [("grant", "q", 2)]


def test_a_call_that_ends_twice_counts_once(bench):
    one = bench()
    one.deliver(1)
    (call,) = one.calls()
    one.end(call)
    one.broker.take()
    one.end(call, BROKEN)
    assert one.broker.take() == []


def test_a_failure_is_told_with_its_time_and_that_of_the_retry(bench):
    one = bench()
    (delivery,) = one.deliver(1, attempts=1)
    one.broker.take()
    one.end(one.calls()[0], BROKEN)
    now_ms = 1_700_000_000_000
    failure = Failure("boom", "no", now_ms, "a stack")
    assert one.broker.take() == [("retry", delivery, failure, now_ms + 2000), ("grant", "q", 1)]


@pytest.mark.parametrize(("own", "attempts"), [(None, 3), (0, 0), (5, 5)])
def test_the_last_attempt_buries(bench, own, attempts):
    one = bench()
    one.deliver(1, attempts=attempts, max_retries=own)
    one.broker.take()
    one.end(one.calls()[0], BROKEN)
    assert one.broker.take()[0][0] == "bury"


def test_a_place_is_kept_empty_while_the_worker_is_not_there(bench):
    one = bench()
    one.deliver(1, 2)
    one.broker.take()
    for call in one.calls():
        one.end(call, ABSENT)
    assert [name for name, *_ in one.broker.take()] == ["retry", "retry"]
    one.clock.advance(0.999)
    assert one.broker.take() == []
    one.clock.advance(0.001)
    assert sum(credit for _, _, credit in one.broker.take()) == 2


def test_a_job_of_before_the_start_waits_for_its_function_at_no_cost(bench):
    one = bench()
    one.deliver(1, created_at_ms=1_699_999_999_999)
    one.broker.take()
    one.end(one.calls()[0], ABSENT)
    assert [name for name, *_ in one.broker.take()] == ["release"]
    one.clock.advance(10)
    one.broker.take()
    one.deliver(1, created_at_ms=1_699_999_999_999)
    one.end(one.calls()[0], ABSENT)
    assert [name for name, *_ in one.broker.take()] == ["retry"]


def test_it_is_given_at_once_when_a_worker_comes(bench):
    one = bench()
    one.deliver(1, 2)
    one.broker.take()
    for call in one.calls():
        one.end(call, ABSENT)
    one.broker.take()
    one.consumer.tell(Consume())
    assert one.broker.take() == [("grant", "q", 2)]
    one.clock.advance(5)
    assert one.broker.take() == [], "the timers of before count no more"


def test_what_is_expired_is_given_up(bench):
    one = bench()
    (delivery,) = one.deliver(1)
    (call,) = one.calls()
    one.broker.sink.expired(delivery)
    assert ask(one.consumer, CountRunning()) == 0
    one.broker.take()
    one.deliver(2)
    assert len(one.calls()) == 1
    one.end(call)
    assert one.broker.take() == []


def test_what_expired_for_the_last_time_is_buried_without_a_call(bench):
    one = bench()
    one.broker.take()
    failure = Failure("visibility_timeout", "late", 5)
    (delivery,) = one.deliver(1, redelivered=True, attempts=4, failures=(failure,))
    assert one.calls() == []
    assert one.broker.take() == [("bury", delivery, failure), ("grant", "q", 1)]


def test_deliveries_that_cross_with_the_end_go_back(bench):
    one = bench()
    sink = one.broker.sink
    one.consumer.tell(Cease())
    one.broker.take()
    (delivery,) = one.deliver(1)
    assert sink is one.broker.sink
    assert one.broker.take() == [("release", delivery)]
    one.consumer.tell(Consume())
    assert one.broker.sink is not sink
    assert one.broker.take() == [("grant", "q", 2)]


def test_when_the_engine_stops_a_worker_that_is_sent_away_has_not_failed(bench):
    one = bench()
    one.deliver(1, 2)
    calls = one.calls()
    one.consumer.tell(Cease(stopping=True))
    one.broker.take()
    one.end(calls[0], wire.ErrorBody("invocation_stopped", "Invocation stopped"))
    assert one.broker.take() == []
    one.end(calls[1], BROKEN)
    assert [name for name, *_ in one.broker.take()] == ["retry"]


def test_one_that_retires_ends_when_nothing_runs(bench):
    one = bench()
    one.deliver(1)
    (call,) = one.calls()
    one.consumer.tell(Cease(retire=True))
    assert one.consumer.is_alive()
    one.end(call)
    assert not one.consumer.is_alive()


def test_tuning_to_nothing_and_back(bench):
    one = bench()
    one.deliver(1)
    one.broker.take()
    one.consumer.tell(Tune(Tuning(0, 3, 1000)))
    assert one.broker.take() == [("cease", "q")]
    one.consumer.tell(Tune(Tuning(3, 3, 1000)))
    assert one.broker.take() == [("grant", "q", 2)]
