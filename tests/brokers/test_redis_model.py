"""A broker in Redis beside one in memory: whatever is done to both, both deliver, count and list the same."""

import itertools
import queue

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from iii_actors.brokers.job import Failure, Job, JobState, QueueSpec, Selection
from iii_actors.brokers.local import LocalBroker
from iii_actors.brokers.memory import MemoryJournal
from iii_actors.brokers.redis_broker import RedisBroker
from iii_actors.clock import ManualClock
from tests.brokers.redis_lab import result
from tests.support.redis import redis_server

Q, OTHER = "__fn_queue::orders", "topic"
STEP_MS = 125  # a binary fraction of a second, so that no sum of them is rounded
DELAYS_MS = st.sampled_from([0, 0, STEP_MS, 2 * STEP_MS, 8 * STEP_MS])
LISTED = [JobState.WAITING, JobState.DELAYED, JobState.DEAD]


class Side:
    """One of the two."""

    def __init__(self, broker):
        self.broker = broker
        self.came = queue.SimpleQueue()
        self.out = []
        """Deliveries, in the order in which they came."""
        self.expired_ids = []

    def deliver(self, deliveries):
        for delivery in deliveries:
            self.came.put(delivery)

    def expired(self, delivery):
        self.expired_ids.append(delivery.job.id)

    def settled(self):
        """Let everything that has begun be over; returns what came."""
        for _ in range(3):
            result(self.broker.counts, Q)
        new = []
        while not self.came.empty():
            new.append(self.came.get())
        self.out += new
        return [(one.job, one.redelivered) for one in new]


def machine(server):
    class Both(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            with server.client() as client:
                client.flushall()
            self.clock = ManualClock()
            self.sides = [
                Side(LocalBroker(MemoryJournal(), self.clock)),
                Side(RedisBroker(server.url, self.clock)),
            ]
            for side in self.sides:
                side.broker.open()
            self.numbers = itertools.count()
            self.jobs = []

        def teardown(self):
            for side in self.sides:
                side.broker.close()

        def both(self, do):
            """Do the same to both; what comes of it must be the same."""
            answers = [do(side) for side in self.sides]
            assert answers[0] == answers[1]
            came = [side.settled() for side in self.sides]
            assert came[0] == came[1]

        def now_ms(self):
            return round(self.clock.now() * 1000)

        @initialize(
            ordered=st.booleans(),
            max_priority=st.sampled_from([None, 1]),
            visibility_ms=st.sampled_from([None, None, 6 * STEP_MS]),
            max_jobs=st.sampled_from([0, 0, 6]),
            changes=st.booleans(),
        )
        def declare(self, changes, **spec):
            self.changes = changes
            self.spec = QueueSpec(idempotency_ms=2000, **spec)
            self.both(lambda side: result(side.broker.declare, Q, self.spec))
            other = QueueSpec(idempotency_ms=2000, max_priority=self.spec.max_priority)
            self.both(lambda side: result(side.broker.declare, OTHER, other))
            self.both(lambda side: side.broker.consume(Q, side))

        # --- producing -----------------------------------------------------------------------------------------------

        def put(self, name, rows):
            jobs = []
            for group, priority, delay_ms, key in rows:
                n = next(self.numbers)
                jobs.append(
                    Job(
                        id=f"id-{n:04}",
                        receipt=f"receipt-{n:04}" if n % 2 else f"id-{n:04}",
                        queue=name,
                        function_id="f",
                        namespace="default",
                        data=str(n).encode(),
                        created_at_ms=self.now_ms(),
                        due_at_ms=self.now_ms() + delay_ms if delay_ms else 0,
                        group=group,
                        # In memory, a queue that was ordered for a while has lost the priorities.
                        priority=0 if self.changes else priority,
                        # In memory, what turns out to be a duplicate counts for `max_jobs` until then.
                        idempotency_key=None if self.spec.max_jobs else key,
                    )
                )
            self.jobs += jobs

            def do(side):
                try:
                    return result(side.broker.put, jobs)
                except Exception as error:
                    return type(error), str(error)

            self.both(do)

        rows = st.lists(
            st.tuples(
                st.sampled_from([None, "a", "b"]),
                st.integers(0, 2),
                DELAYS_MS,
                st.sampled_from([None, None, "k", "l"]),
            ),
            min_size=1,
            max_size=4,
        )

        @rule(rows=rows)
        def put_here(self, rows):
            self.put(Q, rows)

        @rule(rows=rows)
        def put_there(self, rows):
            self.put(OTHER, rows)

        @rule()
        def move(self):
            self.both(lambda side: result(side.broker.move, OTHER, Q, "g", "there"))

        # --- consuming -----------------------------------------------------------------------------------------------

        @rule(credit=st.integers(-2, 5))
        def grant(self, credit):
            self.both(lambda side: side.broker.grant(Q, credit))

        @precondition(lambda self: self.sides[0].out)
        @rule(place=st.integers(0, 50))
        def ack(self, place):
            self.both(lambda side: result(side.broker.ack, side.out.pop(place % len(side.out))))

        @precondition(lambda self: self.sides[0].out)
        @rule(place=st.integers(0, 50), delay_ms=DELAYS_MS)
        def retry(self, place, delay_ms):
            failure, due = Failure("c", "m", self.now_ms()), self.now_ms() + delay_ms
            self.both(lambda side: result(side.broker.retry, side.out.pop(place % len(side.out)), failure, due))

        @precondition(lambda self: self.sides[0].out)
        @rule(place=st.integers(0, 50))
        def bury(self, place):
            failure = Failure("c", "m", self.now_ms(), "s")
            self.both(lambda side: result(side.broker.bury, side.out.pop(place % len(side.out)), failure))

        @precondition(lambda self: self.sides[0].out)
        @rule(place=st.integers(0, 50))
        def release(self, place):
            self.both(lambda side: result(side.broker.release, side.out.pop(place % len(side.out))))

        @rule(steps=st.sampled_from([1, 1, 2, 8]))
        def time_passes(self, steps):
            for _ in range(steps):
                self.clock.advance(STEP_MS / 1000)
                self.both(lambda side: None)
                assert self.sides[0].expired_ids == self.sides[1].expired_ids

        # --- operating -----------------------------------------------------------------------------------------------

        @rule(paused=st.booleans())
        def pause(self, paused):
            self.both(lambda side: result(side.broker.pause, Q, paused))

        @rule(everything=st.booleans(), place=st.integers(0, 50))
        def redrive(self, everything, place):
            chosen = None if everything or not self.jobs else self.jobs[place % len(self.jobs)].receipt
            self.both(lambda side: result(side.broker.redrive, Q, chosen))

        @rule(states=st.frozensets(st.sampled_from(list(JobState)), min_size=1), place=st.integers(0, 300))
        def remove(self, states, place):
            chosen = self.jobs[place].id if place < len(self.jobs) else None
            if chosen is None and place % 4:
                return
            self.both(lambda side: result(side.broker.remove, Q, Selection(states, chosen)))

        @precondition(lambda self: self.jobs)
        @rule(place=st.integers(0, 50), max_retries=st.sampled_from([None, 7]))
        def edit(self, place, max_retries):
            chosen = self.jobs[place % len(self.jobs)].id
            self.both(lambda side: result(side.broker.edit, Q, chosen, b"edited", max_retries))

        @precondition(lambda self: self.changes)
        @rule()
        def another_kind_of_queue(self):
            if not result(self.sides[0].broker.counts, Q).in_flight:
                self.spec = replace(self.spec, ordered=not self.spec.ordered)
                self.both(lambda side: result(side.broker.declare, Q, self.spec))

        # --- looking -------------------------------------------------------------------------------------------------

        @invariant()
        def both_know_the_same(self):
            one, two = (side.broker for side in self.sides)
            for name in (Q, OTHER):
                if name in result(one.queues):
                    counts = result(one.counts, name)
                    assert counts == result(two.counts, name)
                    parts = counts.done + counts.dead + counts.removed + counts.waiting + counts.delayed
                    assert counts.enqueued == parts + counts.in_flight
                    for state in LISTED:
                        listed = [
                            [(row.job, row.state) for row in result(x.list, name, state, 0, 50)] for x in (one, two)
                        ]
                        assert listed[0] == listed[1], state

    return Both


def test_redis_does_what_memory_does():
    with redis_server() as server:
        run_state_machine_as_test(
            machine(server),
            settings=settings(
                max_examples=30,
                stateful_step_count=20,
                deadline=None,
                # Not shrunk: on a server and with threads, that would take minutes.
                phases=(Phase.explicit, Phase.reuse, Phase.generate),
                suppress_health_check=list(HealthCheck),
            ),
        )
