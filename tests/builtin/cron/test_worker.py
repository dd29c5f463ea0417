"""`iii-cron` in an engine: what it offers, its settings changed while it runs, two engines on one Redis (cron.md)."""

from contextlib import contextmanager

import pytest

import iii_actors
from iii_actors.actor import ask, stats
from iii_actors.builtin.cron import Cron
from iii_actors.clock import ManualClock
from iii_actors.config.cron import CronAdapter, CronSettings
from iii_actors.core.messages import UnbindTrigger
from iii_actors.errors import ConfigError
from tests.support.asking import bind
from tests.support.peer import peers
from tests.support.records import trigger
from tests.support.redis import redis_server

START = 1_767_225_600.0


def over(url):
    return CronSettings(adapter=CronAdapter(name="redis", config={"redis_url": url}))


def on(server):
    return {"adapter": {"name": "redis", "config": {"redis_url": server.url}}}


class Stage:
    """An engine whose time the test moves, and a worker on it."""

    def __init__(self, engine, clock, peer):
        self.engine, self.clock, self.peer = engine, clock, peer
        self.cron: Cron = next(one for one in engine._builtins if isinstance(one, Cron))

    def bind(self, trigger_id="job", expression="* * * * * *"):
        bind(self.peer, trigger_id, "cron", "f", config={"expression": expression})

    def tick(self):
        """Let a second pass, and return when the scheduler is through with it."""
        self.clock.advance(1)
        self.sync()

    def sync(self):
        for _ in range(2):  # the second comes after what the scheduler has told itself
            ask(self.cron.actors()[0], UnbindTrigger(trigger("nobody")))
        self.peer.barrier()

    def answer(self, frame):
        """Answer a run, and return when the scheduler has taken that in."""
        self.peer.answer(self.peer.expect(type="invokefunction", invocation_id=frame["invocation_id"]))
        self.peer.barrier()
        self.sync()

    def fired(self):
        return [frame for frame in self.peer.seen if frame["type"] == "invokefunction"]


@contextmanager
def stage_of(config=None):
    clock = ManualClock(START)
    workers = [{"name": "iii-worker-manager", "config": {"port": 0}}, {"name": "iii-cron", "config": config}]
    with iii_actors.Engine(iii_actors.EngineConfig(workers=workers), clock=clock) as engine, peers(engine.url) as make:
        peer = make()
        peer.register("f")
        yield Stage(engine, clock, peer)


@pytest.fixture(scope="module")
def server():
    with redis_server() as one:
        yield one


@pytest.fixture
def empty_server(server):
    with server.client() as client:
        client.flushall()
    return server


def test_what_it_offers():
    with stage_of() as stage:
        info = stage.peer.call("engine::triggers::info", {"id": "cron"})
        assert info["description"] == "Cron-based scheduled triggers"
        assert info["configuration_schema"]["title"] == "CronTriggerConfig"
        assert info["request_schema"]["title"] == "CronCallRequest"
        assert "response_schema" not in info
        assert [stats(ref).name for ref in stage.cron.actors()] == ["Scheduler", "_Outcomes"]


def test_of_two_engines_on_one_redis_one_fires_each_tick(empty_server):
    with stage_of(on(empty_server)) as one, stage_of(on(empty_server)) as other:
        one.bind()
        other.bind()
        other.bind("of this one only")
        for second in range(1, 11):
            first, then = (one, other) if second % 3 else (other, one)
            for stage in (first, then):
                stage.tick()
                shared = [frame for frame in stage.fired() if frame["data"]["job_id"] == "job"]
                assert len(shared) == (stage is first)
                for frame in shared:
                    stage.answer(frame)
        assert len([frame for frame in other.fired() if frame["data"]["job_id"] != "job"]) == 1


def test_the_locks_are_changed_while_a_run_lasts(empty_server):
    with stage_of() as stage:
        stage.bind()
        stage.tick()
        (first,) = stage.fired()
        stage.cron.apply(over(empty_server.url))
        stage.tick()
        assert len(stage.fired()) == 2, "the old run is its worker's own business now"
        with empty_server.client() as client:
            assert client.exists("cron_lock:job")
            stage.cron.apply(CronSettings())
            assert not client.exists("cron_lock:job")
        stage.answer(first)
        stage.tick()
        assert len(stage.fired()) == 2, "the second and the third"


def test_locks_that_cannot_be_had_change_nothing(caplog):
    with stage_of() as stage:
        stage.bind()
        with pytest.raises(
            ConfigError, match=r"^failed to create worker 'iii-cron': cannot reach redis://127.0.0.1:1: "
        ):
            stage.cron.apply(over("redis://127.0.0.1:1"))
        stage.tick()
        assert len(stage.fired()) == 1


def test_the_same_locks_again_start_nothing_anew():
    with stage_of() as stage:
        stage.bind()
        stage.tick()
        stage.cron.apply(CronSettings())
        stage.tick()
        assert len(stage.fired()) == 1, "its run has not ended"


def test_an_engine_that_stops_gives_its_locks_back(empty_server):
    with empty_server.client() as client:
        with stage_of(on(empty_server)) as stage:
            stage.bind()
            stage.tick()
            assert client.exists("cron_lock:job")
        assert not client.exists("cron_lock:job")


def test_an_unreachable_redis_keeps_the_engine_from_starting():
    config = {"adapter": {"name": "redis", "config": {"redis_url": "redis://127.0.0.1:1"}}}
    with pytest.raises(ConfigError) as failed, stage_of(config):
        pass
    assert failed.value.message.startswith("failed to create worker 'iii-cron': cannot reach redis://127.0.0.1:1: ")
