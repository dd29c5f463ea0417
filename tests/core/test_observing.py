"""Looking on: whom the core tells, and that it goes on when they are gone."""

from iii_actors.actor import ask
from iii_actors.clock import ManualClock
from iii_actors.core.functions import Functions
from iii_actors.core.messages import Invoke, Join, Leave, TearDown
from iii_actors.core.observing import Lookout, Noticed, Observe, Observing, RecordsWait, TelemetryFrame, Waiting
from iii_actors.core.queries import CountWorkers
from iii_actors.core.workers import Workers
from iii_actors.wire import messages as wire


def watch(clock, per_second=100):
    waiting = Waiting(100)
    return waiting, Lookout(clock, waiting, per_second)


def test_a_registry_tells_whoever_looks_on(start):
    clock = ManualClock()
    waiting, lookout = watch(clock)
    workers = start(Workers(clock))
    ask(workers, Join("w", "t", None, "1.2.3.4", None))
    ask(workers, Observe(lookout))
    ask(workers, Join("v", "t", None, "1.2.3.4", None))
    ask(workers, TearDown("v"))
    clock.advance(2)
    ask(workers, Leave("v"))
    came, went = waiting.take()
    assert came.noticed == Noticed("connect worker", "v", "v", (("network.peer.address", "1.2.3.4"),))
    assert went == (clock.now(), Noticed("clean up worker", "v", "v", lasted_s=2.0))
    ask(workers, Observe(None))
    ask(workers, Leave("w"))
    assert waiting.take() == []
    assert ask(workers, CountWorkers()) == (2, 2, {})


def test_of_a_storm_only_so_much_per_second_is_taken_down(start):
    clock = ManualClock()
    waiting, lookout = watch(clock, per_second=3)
    workers = start(Workers(clock))
    ask(workers, Observe(lookout))
    for n in range(5):
        ask(workers, Join(str(n), "t", None, None, None))
    assert ([one.noticed.subject for one in waiting.take()], lookout.dropped) == (["0", "1", "2"], 2)
    clock.advance(1)
    ask(workers, Join("later", "t", None, None, None))
    assert [one.noticed.subject for one in waiting.take()] == ["later"]


def test_calls_of_functions_that_are_not_there_are_all_counted(start, probe):
    clock = ManualClock()
    waiting, lookout = watch(clock, per_second=1)
    functions = start(Functions(probe().actor_ref, probe().actor_ref))
    ask(functions, Observe(lookout))
    for _ in range(3):
        functions.tell(Invoke(wire.InvokeFunction("f"), "default", "i", None, None))
    assert (lookout.misses, len(waiting)) == (3, 1)


def test_that_records_wait_is_told_once_until_they_are_taken(probe):
    sink, waiting = probe(), Waiting(3)
    waiting.sink = sink.actor_ref
    waiting.add("a")
    waiting.add("b")
    assert sink.take() == [RecordsWait()]
    assert waiting.take() == ["a", "b"]
    waiting.add("c")
    assert sink.take() == [RecordsWait()]


def test_what_does_not_fit_is_dropped_and_counted():
    waiting = Waiting(2)
    for record in "abc":
        waiting.add(record)
    assert (waiting.dropped, waiting.take()) == (1, ["a", "b"])
    waiting.add("d")
    assert waiting.take() == ["d"], "there is room again"


def test_nothing_fails_when_nobody_records_any_more(probe):
    sink, waiting = probe(), Waiting(3)
    waiting.sink = sink.actor_ref
    sink.actor_ref.stop()
    waiting.add("a")
    assert waiting.over


def test_telemetry_without_a_taker_is_dropped(probe):
    observing, taker = Observing(), probe()
    observing.take(b"OTLP{}")
    observing.intake = taker.actor_ref
    observing.take(b"OTLP{}")
    assert taker.told == [TelemetryFrame(b"OTLP{}")]
    taker.actor_ref.stop()
    observing.take(b"OTLP{}")
    assert observing.intake is None


def test_figures_without_gauges(probe):
    observing, gone = Observing(), probe()
    assert observing.figures("w") == {}
    observing.gauges = gone.actor_ref
    gone.actor_ref.stop()
    assert observing.figures("w") == {}
