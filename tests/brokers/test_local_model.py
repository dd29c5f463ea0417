"""The local broker against a plain model of a queue, whatever is done to it: in memory, and in a file that is opened
again now and then. Times are whole halves of a second, so that both agree on what is due."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from iii_actors.brokers.contract import Delivery
from iii_actors.brokers.job import Job, JobState, QueueSpec
from tests.brokers.contract import backend_memory, backend_sqlite
from tests.brokers.contract.lab import DEAD, DELAYED, IN_FLIGHT, WAITING, Lab
from tests.brokers.plain_order import PlainJob, PlainOrder

STATES = {"waiting": WAITING, "delayed": DELAYED, "flying": IN_FLIGHT}
STEP_S = 0.5
waits = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0])


class Queue(RuleBasedStateMachine):
    """One queue, one consumer."""

    backend = backend_memory
    durable = False

    @initialize(ordered=st.booleans(), visibility_s=st.sampled_from([None, None, 1.5]))
    def begin(self, ordered, visibility_s):
        self.folder = tempfile.TemporaryDirectory()
        self.opened = self.backend.opened(Path(self.folder.name))
        self.lab = Lab(self.opened.__enter__())
        self.visibility_s = visibility_s
        self.visibility_ms = None if visibility_s is None else int(visibility_s * 1000)
        self.name = self.lab.queue(ordered=ordered, visibility_ms=self.visibility_ms)
        self.consumer = self.lab.consume(self.name, 0)
        self.plain = PlainOrder(ordered)
        self.ids: dict[int, Job] = {}
        """The jobs by their numbers in the model."""
        self.flights: dict[int, Delivery] = {}
        self.ends: dict[int, float] = {}
        self.dead: list[int] = []
        self.died: dict[int, int] = {}
        self.suspects: set[str] = set()
        """Ids of jobs that were in flight at a restart, or whose time had passed."""
        self.attempts: dict[str, int] = {}
        self.number = self.credit = self.gone = self.done = 0
        self.now = 0.0
        self.paused = False

    def teardown(self):
        if hasattr(self, "lab"):
            self.check()
            self.lab.finish()
            self.opened.__exit__(None, None, None)
            self.folder.cleanup()

    # --- what is done ------------------------------------------------------------------------------------------------

    @rule(group=st.sampled_from([None, "a", "b"]), priority=st.sampled_from([0, 0, 3]), wait=waits)
    def put(self, group, priority, wait):
        due_at_ms = self.lab.backend.now_ms() + int(wait * 1000) if wait else 0
        job = self.lab.put(self.name, self.number, group=group, priority=priority, due_at_ms=due_at_ms)[0]
        self.number += 1
        self.ids[self.number] = job
        self.attempts[job.id] = 0
        state = "delayed" if wait else "waiting"
        self.plain.jobs[self.number] = PlainJob(self.number, group, priority, due=self.now + wait, state=state)
        self.settle()

    @rule(credit=st.sampled_from([1, 1, 2, 5, -1]))
    def grant(self, credit):
        self.lab.broker.grant(self.name, credit)
        self.credit = max(self.credit + credit, 0)
        self.settle()

    def flying(self, data):
        number = data.draw(st.sampled_from(sorted(self.flights)))
        self.ends.pop(number, None)
        return number, self.flights.pop(number)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def ack(self, data):
        number, delivery = self.flying(data)
        self.lab.ack(delivery)
        assert self.lab.result(self.lab.broker.ack, delivery) is False
        del self.plain.jobs[number]
        self.done += 1
        self.settle()

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), wait=waits)
    def retry(self, data, wait):
        number, delivery = self.flying(data)
        self.lab.retry(delivery, int(wait * 1000))
        self.attempts[delivery.job.id] += 1
        self.plain.retry(number, self.now + wait, self.now)
        self.settle()

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def bury(self, data):
        number, delivery = self.flying(data)
        self.died[number] = self.lab.backend.now_ms()
        self.lab.bury(delivery)
        self.attempts[delivery.job.id] += 1
        del self.plain.jobs[number]
        self.dead.append(number)
        self.dead.sort(key=lambda one: (self.died[one], one))  # of one millisecond: as they came
        self.settle()

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def release(self, data):
        number, delivery = self.flying(data)
        assert self.lab.result(self.lab.broker.release, delivery) is True
        self.plain.jobs[number].state = "waiting"
        self.settle()

    @rule(paused=st.booleans())
    def pause(self, paused):
        assert self.lab.result(self.lab.broker.pause, self.name, paused) is (paused != self.paused)
        self.paused = paused
        self.settle()

    @precondition(lambda self: self.plain.jobs)
    @rule(data=st.data(), states=st.sets(st.sampled_from([WAITING, DELAYED, IN_FLIGHT]), min_size=1))
    def cancel(self, data, states):
        job = data.draw(st.sampled_from(list(self.plain.jobs.values())))
        named = self.ids[job.number]
        count = self.lab.remove(self.name, *states, id=data.draw(st.sampled_from([named.id, named.receipt])))
        assert count == (STATES[job.state] in states)
        if count:
            self.forget(job)
        self.settle()

    @rule(states=st.sets(st.sampled_from([WAITING, DELAYED, IN_FLIGHT, DEAD]), min_size=1))
    def purge(self, states):
        jobs = [job for job in self.plain.jobs.values() if STATES[job.state] in states]
        dead = len(self.dead) if DEAD in states else 0
        assert self.lab.remove(self.name, *states) == len(jobs) + dead
        for job in jobs:
            self.forget(job)
        if dead:
            self.dead.clear()
            self.gone += dead
        self.settle()

    def forget(self, job):
        delivery = self.flights.pop(job.number, None)
        if delivery is not None:
            assert self.lab.result(self.lab.broker.ack, delivery) is False
        self.ends.pop(job.number, None)
        del self.plain.jobs[job.number]
        self.gone += 1

    @precondition(lambda self: self.dead)
    @rule(data=st.data(), one=st.booleans())
    def redrive(self, data, one):
        numbers = [data.draw(st.sampled_from(self.dead))] if one else list(self.dead)
        assert self.lab.redrive(self.name, self.ids[numbers[0]].id if one else None) == len(numbers)
        for number in numbers:
            self.dead.remove(number)
            self.number += 1
            job = self.ids[self.number] = self.ids[number]
            self.attempts[job.id] = 0
            self.plain.jobs[self.number] = PlainJob(self.number, job.group, job.priority)
        self.settle()

    @precondition(lambda self: self.plain.jobs)
    @rule(data=st.data())
    def edit(self, data):
        job = data.draw(st.sampled_from(list(self.plain.jobs.values())))
        text = self.ids[job.number].data + b"!"
        could = self.lab.result(self.lab.broker.edit, self.name, self.ids[job.number].id, text, None)
        assert could is (job.state != "flying")
        if could:
            fields = {name: getattr(self.ids[job.number], name) for name in Job.__struct_fields__}
            self.ids[job.number] = Job(**{**fields, "data": text})

    @precondition(lambda self: not self.durable)  # a file keeps the priorities that an order has no use for
    @rule()
    def turn(self):
        """Settings may change: with order, or without."""
        self.plain.turn()
        spec = QueueSpec(ordered=self.plain.ordered, visibility_ms=self.visibility_ms)
        self.lab.result(self.lab.broker.declare, self.name, spec)
        self.settle()

    @rule(steps=st.integers(1, 4))
    def pass_time(self, steps):
        for _ in range(steps):
            self.now += STEP_S
            self.lab.backend.pass_time(int(STEP_S * 1000))
            self.plain.wake(self.now)
            for number in [number for number, end in self.ends.items() if end <= self.now]:
                delivery = self.flights.pop(number)
                assert self.consumer.next_expired().lease is delivery.lease
                del self.ends[number]
                self.credit += 1
                self.attempts[delivery.job.id] += 1
                self.suspects.add(delivery.job.id)
                self.plain.retry(number, self.now, self.now)
            self.settle()

    @precondition(lambda self: self.durable)
    @rule(credit=st.integers(0, 2))
    def restart(self, credit):
        self.lab.restart()
        self.consumer = self.lab.consume(self.name, credit)
        for number, delivery in self.flights.items():
            self.plain.jobs[number].state = "waiting"
            self.suspects.add(delivery.job.id)
        self.flights.clear()
        self.ends.clear()
        self.credit = credit
        self.settle()

    # --- what must follow --------------------------------------------------------------------------------------------

    def settle(self):
        """Take what must be delivered now."""
        while self.credit and not self.paused and (number := self.plain.next()) is not None:
            delivery = self.consumer.next()
            job = self.ids[number]
            assert (delivery.job.id, delivery.job.data) == (job.id, job.data)
            assert delivery.job.attempts == self.attempts[job.id]
            if job.id in self.suspects:
                assert delivery.redelivered
            self.credit -= 1
            self.plain.jobs[number].state = "flying"
            self.flights[number] = delivery
            if self.visibility_s is not None:
                self.ends[number] = self.now + self.visibility_s
        if not self.durable:
            self.check()

    def check(self):
        self.consumer.nothing()
        counts = self.lab.balanced(self.name)
        plain = self.plain
        found = (counts.waiting, counts.delayed, counts.in_flight, counts.dead, counts.removed, counts.done)
        parts = tuple(len(plain.of(state)) for state in STATES)
        assert found == (*parts, len(self.dead), self.gone, self.done)
        assert [one.job.id for one in self.lab.list(self.name, DEAD)] == [self.ids[one].id for one in self.dead[::-1]]
        for state, wanted in STATES.items():
            listed = [one.job.id for one in self.lab.list(self.name, wanted)]
            assert sorted(listed) == sorted(self.ids[job.number].id for job in plain.of(state))
        for job in plain.jobs.values():
            state: JobState = self.lab.result(self.lab.broker.find, self.name, self.ids[job.number].receipt).state
            assert state is STATES[job.state]


class FileQueue(Queue):
    backend = backend_sqlite
    durable = True


@pytest.mark.parametrize(("machine", "examples"), [(Queue, 60), (FileQueue, 12)])
def test_a_queue_is_what_the_model_says(machine, examples):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
