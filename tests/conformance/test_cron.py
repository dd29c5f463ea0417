"""Cron triggers through real sockets; the engine's clock is moved by the test (cron.md)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

import iii_actors
from iii_actors.actor import ask
from iii_actors.builtin.cron import Cron
from iii_actors.clock import ManualClock
from iii_actors.core.messages import UnbindTrigger
from tests.support.asking import bind, unbind
from tests.support.peer import Frame, Peer, peers
from tests.support.quiet import leave, unexpected
from tests.support.records import trigger

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z, a Thursday


class WallClock(ManualClock):
    """Its wall clock can be set without time passing."""

    def set(self, wall_s: float) -> None:
        self._now = wall_s


class Stage:
    """An engine whose time stands still unless :meth:`pass_time` is called; each test begins at the same moment."""

    def __init__(self, engine: iii_actors.Engine, clock: WallClock) -> None:
        self.engine = engine
        self._clock = clock
        (cron,) = (one for one in engine._builtins if isinstance(one, Cron))
        self._scheduler = cron.actors()[0]

    def begin(self) -> None:
        self._clock.set(START)

    def pass_time(self, seconds: float, by: float = 1.0) -> None:
        for _ in range(round(seconds / by)):
            self._clock.advance(by)
            self.sync()

    def sync(self) -> None:
        """Return when the scheduler has done what it has to do now."""
        ask(self._scheduler, UnbindTrigger(trigger("nobody")))


def workers() -> list[dict[str, object]]:
    return [{"name": "iii-worker-manager", "config": {"port": 0}}, {"name": "iii-cron"}]


@pytest.fixture(scope="module")
def lasting_stage() -> Iterator[Stage]:
    clock = WallClock(START)
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers()), clock=clock) as engine:
        yield Stage(engine, clock)


@pytest.fixture
def stage(lasting_stage: Stage) -> Stage:
    lasting_stage.begin()
    return lasting_stage


@pytest.fixture
def join(stage: Stage) -> Iterator[Callable[..., Peer]]:
    with peers(stage.engine.url) as make:
        yield make
    for listener in stage.engine._listeners:
        assert listener.wait_until_empty(10)
    stage.sync()


def schedule(
    peer: Peer, expression: object, trigger_id: str = "job", function_id: str = "f", **members: object
) -> None:
    config = {"expression": expression, **members.pop("config", {})}  # type: ignore[dict-item]
    bind(peer, trigger_id, "cron", function_id, config=config, **members)


def runs(peer: Peer) -> list[Frame]:
    """The runs that have come and nobody has waited for."""
    return [frame for frame in unexpected(peer) if frame["type"] == "invokefunction"]


def refusal(peer: Peer) -> str:
    frame = peer.expect(type="triggerregistrationresult")
    assert (frame["trigger_type"], frame["function_id"]) == ("cron", "f")
    assert frame["error"]["code"] == "trigger_registration_failed"
    return frame["error"]["message"]


def test_a_run_is_an_ordinary_call_with_data_and_metadata(stage, join):
    peer = join()
    peer.register("f")
    schedule(peer, "*/2 * * * * *", "my job", metadata={"m": [1]})
    assert unexpected(peer) == []
    stage.pass_time(2)
    frame = peer.expect(type="invokefunction")
    assert re.fullmatch("[0-9a-f-]{36}", frame.pop("invocation_id"))
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", frame.pop("traceparent"))  # a trace of its own
    assert frame == {
        "type": "invokefunction",
        "function_id": "f",
        "baggage": "iii.function.id=f",
        "metadata": {"m": [1]},
        "data": {
            "trigger": "cron",
            "job_id": "my job",
            "scheduled_time": "2026-01-01T00:00:02+00:00",
            "actual_time": "2026-01-01T00:00:02.000000+00:00",
        },
    }


def test_the_function_is_looked_up_in_the_trigger_s_namespace(stage, join):
    here, there = join(), join(namespace="shop")
    here.register("f")
    there.register("f")
    schedule(there, "* * * * * *", "a")
    schedule(here, "* * * * * *", "b", namespace="shop")
    stage.pass_time(1)
    assert here.expect(type="invokefunction")["data"]["job_id"] == "a"
    assert there.expect(type="invokefunction")["data"]["job_id"] == "b"


def test_a_run_that_lasts_drops_ticks_and_the_next_comes_after_it(stage, join):
    peer = join()
    peer.register("f")
    schedule(peer, "* * * * * *")
    stage.pass_time(1)
    first = peer.expect(type="invokefunction")
    stage.pass_time(2.4, by=0.2)
    assert runs(peer) == []
    peer.answer(first, "ignored")
    unexpected(peer)
    stage.sync()
    stage.pass_time(0.6, by=0.2)
    assert peer.expect(type="invokefunction")["data"]["scheduled_time"] == "2026-01-01T00:00:04+00:00"


def test_errors_of_handlers_and_missing_functions_do_not_stop_the_schedule(stage, join):
    peer = join()
    peer.register("f")
    schedule(peer, "* * * * * *")
    schedule(peer, "* * * * * *", "other", function_id="nobody")
    stage.pass_time(1)
    frame = peer.expect(type="invokefunction")
    ids = {key: frame[key] for key in ("invocation_id", "function_id")}
    peer.send(type="invocationresult", **ids, error={"code": "oops", "message": "no"})
    peer.barrier()
    stage.sync()
    peer.register("nobody")
    stage.pass_time(1)
    assert {frame["function_id"] for frame in runs(peer)} == {"f", "nobody"}


@pytest.mark.parametrize(("verdict", "fires"), [(True, True), (None, True), (0, True), ("false", True), (False, False)])
def test_only_false_skips_a_tick(stage, join, verdict, fires):
    peer = join()
    peer.register("f")
    peer.register("may")
    schedule(peer, "* * * * * *", config={"condition_function_id": "may"}, metadata={"m": 1})
    stage.pass_time(1)
    asked = peer.expect(type="invokefunction", function_id="may")
    assert "metadata" not in asked
    peer.answer(asked, verdict)
    peer.barrier()
    stage.sync()
    if fires:
        called = peer.expect(type="invokefunction", function_id="f")
        assert (called["data"], called["metadata"]) == (asked["data"], {"m": 1})
    else:
        assert runs(peer) == []
        stage.pass_time(1)
        assert peer.expect(type="invokefunction")["function_id"] == "may", "the run has ended"


def test_a_condition_that_is_not_there_skips_every_tick(stage, join):
    peer = join()
    peer.register("f")
    schedule(peer, "* * * * * *", config={"condition_function_id": "nobody"})
    stage.pass_time(3)
    assert runs(peer) == []


@pytest.mark.parametrize("config", [{}, None, {"expression": ""}, {"expression": 5}, {"expression": None}, []])
def test_an_expression_is_required(join, config):
    peer = join()
    bind(peer, "job", "cron", "f", config=config)
    assert refusal(peer) == "Cron expression is required"


def test_a_wrong_expression_is_refused_and_nothing_is_stored(stage, join):
    peer = join()
    schedule(peer, "0 0 25 * * *")
    assert refusal(peer) == (
        "Invalid cron expression '0 0 25 * * *': 0 0 25 * * *\n    ^\nHours must be less than 23. ('25' specified.)"
    )
    assert peer.call("engine::registered-triggers::list", {"trigger_type": "cron"})["registered_triggers"] == []
    peer.register("f")
    schedule(peer, "* * * * * *")
    stage.pass_time(1)
    assert len(runs(peer)) == 1


def test_an_id_that_is_scheduled_is_refused_to_everybody(stage, join):
    one, other = join(), join()
    one.register("f")
    schedule(one, "*/2 * * * * *")
    for peer in (one, other):
        schedule(peer, "* * * * * *")
        assert refusal(peer) == "Cron job 'job' is already registered"
    stage.pass_time(1)
    assert runs(one) == []
    stage.pass_time(1)
    assert len(runs(one)) == 1


def test_a_schedule_that_can_never_fire_is_taken(stage, join):
    peer = join()
    schedule(peer, "0 0 0 31 2 *")
    schedule(peer, "0 0 0 1 1 * 2020", "past")
    stage.pass_time(5)
    assert unexpected(peer) == []
    listed = peer.call("engine::registered-triggers::list", {"trigger_type": "cron"})["registered_triggers"]
    assert {row["id"] for row in listed} == {"job", "past"}


def test_five_fields_and_a_zone(stage, join):
    peer = join()
    peer.register("f")
    schedule(peer, "31 5 * * 4", "crontab", config={"timezone": "Asia/Kolkata"})  # Thursday 05:30 there, now
    schedule(peer, "* * * * *", "minutely")
    stage.pass_time(59)
    assert runs(peer) == []
    stage.pass_time(1)
    assert {frame["data"]["job_id"] for frame in runs(peer)} == {"crontab", "minutely"}
    assert {frame["data"]["scheduled_time"] for frame in peer.seen} == {"2026-01-01T00:01:00+00:00"}
    schedule(peer, "@daily", "lost", config={"timezone": "Atlantis"})
    assert refusal(peer).startswith("Invalid timezone 'Atlantis'")


def test_unregistering_stops_the_job(stage, join):
    peer = join()
    peer.register("f")
    schedule(peer, "* * * * * *")
    stage.pass_time(1)
    peer.answer(peer.expect(type="invokefunction"))
    unbind(peer, "job")
    unbind(peer, "job")
    stage.pass_time(3)
    assert unexpected(peer) == []
    schedule(peer, "* * * * * *")
    stage.pass_time(1)
    assert len(runs(peer)) == 1


@pytest.mark.parametrize("how", ["close", "cut"])
def test_a_worker_that_leaves_stops_its_jobs_and_frees_their_ids(stage, join, how):
    one, other = join(), join()
    one.register("f")
    schedule(one, "* * * * * *")
    stage.pass_time(1)
    one.expect(type="invokefunction")
    leave(stage.engine, one, how)
    stage.sync()
    other.register("f")
    schedule(other, "* * * * * *")
    stage.pass_time(1)
    assert len(runs(other)) == 1


def test_a_handler_that_is_gone_frees_the_job_for_its_next_tick(stage, join):
    binder, handler = join(), join()
    handler.register("f")
    schedule(binder, "* * * * * *")
    stage.pass_time(1)
    handler.expect(type="invokefunction")
    leave(stage.engine, handler, "cut")
    stage.sync()
    binder.register("f")
    stage.pass_time(1)
    assert len(runs(binder)) == 1


def test_a_job_made_by_function_call_outlives_its_maker(stage, join):
    maker, handler = join(), join()
    handler.register("f")
    spec = {"trigger_type": "cron", "function_id": "f", "config": {"expression": "* * * * * *"}}
    made = maker.call("engine::register_trigger", spec)
    leave(stage.engine, maker)
    stage.pass_time(1)
    assert handler.expect(type="invokefunction")["data"]["job_id"] == made["id"]
    assert handler.call("engine::unregister_trigger", {"id": made["id"]}) == {"removed": True}
    stage.pass_time(1)
    assert runs(handler) == []


def test_by_the_real_clock():
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers())) as engine, peers(engine.url) as make:
        peer = make()
        peer.register("f")
        began = time.time()
        schedule(peer, "* * * * * *")
        data = peer.expect(type="invokefunction")["data"]
        due, actual = (datetime.fromisoformat(data[key]).timestamp() for key in ("scheduled_time", "actual_time"))
        assert began < due <= began + 2
        assert due <= actual < due + 1
