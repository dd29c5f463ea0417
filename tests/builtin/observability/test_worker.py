"""The worker itself: its settings while it runs, its end."""

import logging

import pytest

from iii_actors.actor import ask
from iii_actors.builtin.observability import Observability
from iii_actors.builtin.observability.capture import Capture
from iii_actors.config.observability import ObservabilitySettings
from iii_actors.config.settings import NoSettings
from iii_actors.core.tallies import ReadTallies
from tests.support.telemetry import Uplink, listed, observed, span, traces


def own(engine):
    (found,) = [one for one in engine._builtins if isinstance(one, Observability)]
    return found


def test_limits_sampling_and_alerts_change_while_it_runs():
    with observed() as (engine, peer), Uplink(engine) as uplink:
        peer.call("engine::traces::clear", {})
        uplink.say(traces(*(span(f"s{n}", spanId=f"{n + 1:x}") for n in range(5))))
        rule = {"name": "a", "metric": "iii.workers.active", "threshold": 0}
        changed = {"memory_max_spans": 2, "alerts": [rule], "sampling_ratio": 0, "level": "error", "logs_max_count": 1}
        assert own(engine).change(ObservabilitySettings.model_validate(changed))
        assert [one["name"] for one in listed(peer)] == ["s3", "s4"]
        assert [one["name"] for one in peer.call("engine::alerts::list", {})["alerts"]] == ["a"]
        assert peer.call("engine::sampling::rules", {})["traces"]["default_ratio"] == 0.0
        assert not engine.core.observing.tracer.begin("n").sampled
        peer.call(
            "engine::logs::clear", {}
        )  # what the start has logged, if a test before has made the log more talkative
        logging.getLogger("iii_actors.x").warning("too quiet now")
        assert peer.call("engine::logs::list", {})["logs"] == []


@pytest.mark.parametrize("other", [{"enabled": False}, {"exporter": "both"}, {"prometheus": {"port": 0}}])
def test_what_is_set_up_at_the_start_does_not(other):
    with observed() as (engine, _):
        assert not own(engine).change(ObservabilitySettings.model_validate(other))
        assert not own(engine).change(NoSettings())
        assert own(engine).settings == ObservabilitySettings()


def test_stopped_it_leaves_nothing_behind_and_can_begin_anew():
    with observed() as (engine, peer):
        peer.register("f", lambda _: 1)
        peer.call("f", {})
        worker, core = own(engine), engine.core
        worker.stop()
        assert (core.observing.intake, core.observing.tracer, core.observing.gauges) == (None, None, None)
        assert not [one for one in logging.getLogger("iii_actors").handlers if isinstance(one, Capture)]
        peer.call("f", {})
        assert ask(core.invocations, ReadTallies()) == ([], {})
        worker.start()
        peer.call("f", {})
        by_function = peer.call("engine::metrics::list", {})["engine_metrics"]["invocations"]["by_function"]
        assert by_function["f"] == 1


def test_switched_off_nothing_on_the_path_of_a_call_knows_of_it():
    with observed(enabled=False) as (engine, peer):
        peer.register("f", lambda _: 1)
        peer.call("f", {})
        core = engine.core
        assert (core.observing.intake, core.observing.tracer, core.observing.gauges) == (None, None, None)
        for ref in (core.functions, core.workers, core.triggers):
            assert ref._actor_weakref()._lookout is None
        assert core.invocations._actor_weakref()._tallies is None
