"""The order book against the plain one, whatever happens to it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iii_actors.brokers.job import JobState
from iii_actors.brokers.order import Order, StandardOrder
from iii_actors.brokers.order_groups import GroupedOrder
from tests.brokers.plain_order import PlainJob, PlainOrder

STATES = {"waiting": JobState.WAITING, "delayed": JobState.DELAYED, "flying": JobState.IN_FLIGHT}
groups = st.sampled_from([None, "a", "b", "c"])
priorities = st.sampled_from([0, 0, 1, 7, 255])
waits = st.sampled_from([-1.0, 0.0, 1.0, 1.0, 2.5, 10.0])


class Books(RuleBasedStateMachine):
    @initialize(ordered=st.booleans())
    def begin(self, ordered):
        self.order: Order = GroupedOrder() if ordered else StandardOrder()
        self.plain = PlainOrder(ordered)
        self.number = self.older = 0
        self.now = 100.0

    def some(self, data, state):
        return data.draw(st.sampled_from(self.plain.of(state)))

    @rule(group=groups, priority=priorities, count=st.integers(1, 3))
    def add(self, group, priority, count):
        for _ in range(count):
            self.number += 1
            self.order.add(self.number, group, priority)
            self.plain.jobs[self.number] = PlainJob(self.number, group, priority)

    @rule(group=groups, priority=priorities, wait=st.sampled_from([1.0, 2.5, 10.0]))
    def delay(self, group, priority, wait):
        self.number += 1
        due = self.now + wait
        self.order.delay(self.number, group, priority, due, False)
        self.plain.jobs[self.number] = PlainJob(self.number, group, priority, due=due, state="delayed")

    @rule(group=groups, priority=priorities, tried=st.booleans())
    def move_in_an_old_one(self, group, priority, tried):
        """A job that is older than all others, as jobs of a bare topic may be."""
        self.older -= 1
        number = self.older
        rank = self.now - 5 if tried else float("inf")
        self.order.add(number, group, priority, rank)
        self.plain.jobs[number] = PlainJob(number, group, priority, rank, tried=tried)

    @rule(count=st.integers(1, 4))
    def take(self, count):
        for _ in range(count):
            wanted = self.plain.next()
            assert self.order.peek() == wanted
            if wanted is None:
                return
            flight = self.order.take()
            assert flight.number == wanted
            assert not flight.ended
            self.plain.jobs[wanted].state = "flying"

    @precondition(lambda self: self.plain.of("flying"))
    @rule(data=st.data())
    def settle(self, data):
        job = self.some(data, "flying")
        flight = self.order.flying[job.number]
        self.order.settle(flight)
        assert flight.ended
        del self.plain.jobs[job.number]

    @precondition(lambda self: self.plain.of("flying"))
    @rule(data=st.data(), wait=waits)
    def retry(self, data, wait):
        job = self.some(data, "flying")
        due = self.now + wait
        self.order.retry(self.order.flying[job.number], due, self.now)
        self.plain.retry(job.number, due, self.now)

    @precondition(lambda self: self.plain.of("flying"))
    @rule(data=st.data())
    def release(self, data):
        job = self.some(data, "flying")
        self.order.release(self.order.flying[job.number])
        job.state = "waiting"

    @precondition(lambda self: self.plain.of("waiting"))
    @rule(data=st.data())
    def remove_waiting(self, data):
        job = self.some(data, "waiting")
        self.order.remove(job.number, job.group)
        del self.plain.jobs[job.number]

    @precondition(lambda self: self.plain.of("delayed"))
    @rule(data=st.data())
    def remove_delayed(self, data):
        job = self.some(data, "delayed")
        self.order.remove(job.number, job.group)
        del self.plain.jobs[job.number]

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def pass_time(self, seconds):
        self.now += seconds
        self.order.wake(self.now)
        self.plain.wake(self.now)

    @rule(waiting=st.booleans(), delayed=st.booleans())
    def clear(self, waiting, delayed):
        gone = [*(self.plain.of("waiting") if waiting else ()), *(self.plain.of("delayed") if delayed else ())]
        assert sorted(self.order.clear(waiting, delayed)) == sorted(job.number for job in gone)
        for job in gone:
            del self.plain.jobs[job.number]

    @rule()
    def turn(self):
        other: Order = StandardOrder() if self.plain.ordered else GroupedOrder()
        other.adopt(self.order)
        self.order = other
        self.plain.turn()

    @invariant()
    def same(self):
        if not hasattr(self, "order"):
            return
        plain, order = self.plain, self.order
        assert order.peek() == plain.next()
        waiting, delayed = plain.of("waiting"), plain.of("delayed")
        assert order.waiting == len(waiting)
        assert len(order) == len(plain.jobs)
        assert {number: order.state(number) for number in plain.jobs} == {
            job.number: STATES[job.state] for job in plain.jobs.values()
        }
        assert order.next_due() == min((job.due for job in delayed), default=None)
        by_time = [job.number for job in sorted(delayed, key=lambda one: (one.due, one.number))]
        assert list(order.by_time(100)) == by_time
        assert sorted(order.in_line()) == sorted(job.number for job in waiting)
        if not plain.ordered:
            assert list(order.in_line()) == plain.in_line()
        oldest = order.oldest()
        assert oldest in {job.number for job in waiting} or (oldest is None and (plain.ordered or not waiting))
        ahead = order.ahead(1_000)
        assert len(ahead) == len(set(ahead))
        assert set(ahead) <= {job.number for job in waiting}
        assert (order.peek() is None) or order.peek() in order.ahead(1) or plain.ordered


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBooks = Books.TestCase
