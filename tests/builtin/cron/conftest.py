"""The scheduler on a stage: time moved by hand, the function registry's part played by the test."""

import json
from datetime import UTC, datetime

import pytest
from msgspec import Raw

from iii_actors.actor import LightActor, ask, handles, launch
from iii_actors.builtin.calls import Calls
from iii_actors.builtin.cron.locks import Locks
from iii_actors.builtin.cron.scheduler import Scheduler
from iii_actors.clock import ManualClock
from iii_actors.core.messages import BindTrigger, Completed, Invoke, UnbindTrigger
from iii_actors.core.refs import Core
from iii_actors.wire import messages as wire
from iii_actors.wire.codec import raw
from tests.support.records import trigger

START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


class WallClock(ManualClock):
    """Its wall clock can be set without time passing."""

    def set(self, wall_s):
        self._now = wall_s


class Registry(LightActor):
    """Stands for the function registry: keeps the calls, for the test to answer."""

    def __init__(self):
        super().__init__()
        self.calls = []

    @handles(Invoke)
    def invoke(self, invoke):
        self.calls.append(invoke)


class TestLocks(Locks):
    """Locks that the test gives and takes, and that note what is done with them."""

    __test__ = False

    def __init__(self):
        self.refused = set()
        self.log = []

    def take(self, ticks):
        taken = {tick.job_id for tick in ticks} - self.refused
        self.log += [("take", tick.job_id, tick.second - START) for tick in ticks]
        return taken

    def release(self, job_ids):
        self.log += [("release", job_id) for job_id in job_ids]

    def keep(self):
        self.kept = getattr(self, "kept", 0) + 1

    def close(self):
        self.log.append("close")


class Stage:
    """A scheduler and what it works with."""

    def __init__(self, clock):
        self.clock = clock
        self.registry = Registry()
        self.locks = TestLocks()
        self.acknowledged = []
        functions = launch(self.registry)
        core = Core(clock, functions, functions, functions, functions, functions, functions, functions, 5.0)
        self.calls = Calls(core)
        self.scheduler = launch(Scheduler(core, "iii-cron", self.calls, self.locks))

    def bind(self, trigger_id="job", expression="* * * * * *", function_id="f", answer_to=None, **members):
        config = {"expression": expression} | members.pop("config", {})
        binding = trigger(trigger_id, "cron", function_id, config=config, **members)
        if answer_to is None:
            ask(self.scheduler, BindTrigger(binding))
        else:
            self.scheduler.tell(BindTrigger(binding, answer_to))
            self.sync()

    def unbind(self, trigger_id="job"):
        ask(self.scheduler, UnbindTrigger(trigger(trigger_id)))

    def sync(self):
        """Return when the scheduler is through with all it has been told."""
        self.unbind("nobody")
        # What it has told itself meanwhile came before this one.
        self.unbind("nobody")

    def pass_time(self, seconds, by=1.0):
        """Let time pass, the scheduler at leisure after each step."""
        for _ in range(round(seconds / by)):
            self.clock.advance(by)
            self.sync()

    def take(self):
        """The calls made since, as (function, seconds since the start at which it was due)."""
        calls, self.registry.calls = self.registry.calls, []
        return [(one.call.function_id, self.due(one)) for one in calls]

    def due(self, invoke):
        told = json.loads(bytes(invoke.call.data))
        return int(datetime.fromisoformat(told["scheduled_time"]).timestamp()) - START

    def answer(self, result=None, error=None, at=0):
        """Answer one call, and let the scheduler take that in."""
        invoke = self.registry.calls.pop(at)
        body = wire.ErrorBody(*error) if error else None
        invoke.reply_to.tell(Completed(invoke, wire.ABSENT if result is None else raw(result), body))
        self.sync()
        return invoke

    def answer_raw(self, text):
        invoke = self.registry.calls.pop(0)
        invoke.reply_to.tell(Completed(invoke, Raw(text)))
        self.sync()

    def close(self):
        self.scheduler.stop()
        self.calls.stop()
        self.registry.actor_ref.stop()


@pytest.fixture
def make_stage():
    made = []

    def make(clock):
        made.append(Stage(clock))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


@pytest.fixture
def stage(make_stage):
    return make_stage(WallClock(float(START)))
