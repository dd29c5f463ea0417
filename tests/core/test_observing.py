"""Looking on: whom the core tells, and that it goes on when they are gone."""

from iii_actors.actor import ask
from iii_actors.clock import ManualClock
from iii_actors.core.messages import FindWorker, Join, Leave, TearDown
from iii_actors.core.observing import Noticed, Observe, Observing, TelemetryFrame
from iii_actors.core.queries import CountWorkers
from iii_actors.core.workers import Workers


def test_a_registry_tells_whoever_looks_on(start, probe):
    clock, watcher = ManualClock(), probe()
    workers = start(Workers(clock))
    ask(workers, Join("w", "t", None, "1.2.3.4", None))
    ask(workers, Observe(watcher.actor_ref))
    ask(workers, Join("v", "t", None, "1.2.3.4", None))
    ask(workers, TearDown("v"))
    clock.advance(2)
    ask(workers, Leave("v"))
    came, went = watcher.told
    assert came == Noticed("connect worker", "v", "v", (("network.peer.address", "1.2.3.4"),))
    assert went == Noticed("clean up worker", "v", "v", lasted_s=2.0)
    ask(workers, Observe(None))
    ask(workers, Leave("w"))
    assert len(watcher.told) == 2
    assert ask(workers, CountWorkers()) == (2, 2, {})


def test_it_goes_on_when_the_onlooker_is_gone(start, probe):
    watcher, workers = probe(), start(Workers(ManualClock()))
    ask(workers, Observe(watcher.actor_ref))
    watcher.actor_ref.stop()
    ask(workers, Join("w", "t", None, None, None))
    assert ask(workers, FindWorker("w")) is not None


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
