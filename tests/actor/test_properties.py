"""What holds of light actors whatever the threads do: hypothesis makes the plans, the scheduler the races."""

import sys
import threading
import time
from collections import defaultdict
from typing import NamedTuple
from unittest import mock

import pykka
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from iii_actors import limits
from iii_actors.actor import LightActor, Round, ThreadedActor, ask, handles, launch, stats

WAIT_S = 30


@pytest.fixture(params=[None, 1e-6], ids=["usual", "hasty"], scope="module", autouse=True)
def _switch_interval(request):
    """Everything twice: as usual, and with threads that change as often as the interpreter can."""
    usual = sys.getswitchinterval()
    if request.param is not None:
        sys.setswitchinterval(request.param)
    yield
    sys.setswitchinterval(usual)


class Latch:
    """Counts down to zero, from any thread."""

    def __init__(self, count):
        self._left = count
        self._lock = threading.Lock()
        self.zero = threading.Event()
        if not count:
            self.zero.set()

    def down(self):
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.zero.set()


class Hop(NamedTuple):
    """A message on its way: the sender's number and count, and the actors still to visit."""

    sender: int
    number: int
    came_from: int | None
    route: tuple[int, ...]


class Stop(LightActor):
    """A station of a hop's way; notes what it sees and whether it is ever run twice at a time."""

    def __init__(self, index, latch):
        super().__init__()
        self.index = index
        self.latch = latch
        self.stops = []
        self.seen = []
        self.overlaps = 0
        self.inside = False

    @handles(Hop)
    def pass_on(self, hop):
        if self.inside:
            self.overlaps += 1
        self.inside = True
        self.seen.append(hop)
        if hop.route:
            there, *rest = hop.route
            self.stops[there].actor_ref.tell(Hop(hop.sender, hop.number, self.index, tuple(rest)))
        self.inside = False
        self.latch.down()
        return len(self.seen)


class LastStop(Stop):
    last_in_round = True


class Batch(NamedTuple):
    """What a sender does in one go: told one by one or within a round, or asked."""

    way: str
    routes: list[list[int]]


class Plan(NamedTuple):
    actors: list[type[Stop]]
    senders: list[list[Batch]]
    actor_batch: int
    thread_batch: int
    depth: int


@st.composite
def plans(draw):
    count = draw(st.integers(1, 4))
    route = st.lists(st.integers(0, count - 1), min_size=1, max_size=5)
    batch = st.builds(Batch, st.sampled_from(["tell", "round", "ask", "ask in a round"]), st.lists(route, max_size=12))
    return Plan(
        draw(st.lists(st.sampled_from([Stop, LastStop]), min_size=count, max_size=count)),
        draw(st.lists(st.lists(batch, max_size=5), min_size=1, max_size=4)),
        draw(st.sampled_from([1, 4, 512])),
        draw(st.sampled_from([1, 5, 8192])),
        draw(st.sampled_from([1, 5, 100_000])),
    )


def send(stops, sender, batches, ready, errors):
    numbers = iter(range(10**6))

    def deliver(route, how):
        first, *rest = route
        return how(stops[first].actor_ref, Hop(sender, next(numbers), None, tuple(rest)))

    def tell(ref, hop):
        ref.tell(hop)

    ready.wait(WAIT_S)
    try:
        for batch in batches:
            if batch.way == "round":
                with Round():
                    for route in batch.routes:
                        deliver(route, tell)
            elif batch.way == "ask in a round":
                with Round():
                    for index, route in enumerate(batch.routes):
                        deliver(route, ask if index % 3 == 2 else tell)
            else:
                for route in batch.routes:
                    deliver(route, tell if batch.way == "tell" else ask)
    except BaseException as error:
        errors.append(error)


def carry_out(plan):
    hops = [route for batches in plan.senders for batch in batches for route in batch.routes]
    latch = Latch(sum(map(len, hops)))
    stops = [kind(index, latch) for index, kind in enumerate(plan.actors)]
    for stop in stops:
        stop.stops = stops
        launch(stop)
    ready, errors = threading.Barrier(len(plan.senders)), []
    threads = [
        threading.Thread(target=send, args=(stops, index, batches, ready, errors), daemon=True)
        for index, batches in enumerate(plan.senders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert errors == []
    assert latch.zero.wait(WAIT_S), [stats(stop.actor_ref) for stop in stops]
    for stop in stops:
        stop.actor_ref.stop(timeout=WAIT_S)
    return stops


STALL_S = 3.0
"""The deadline of a thread that waits to help an overfull actor: whoever reaches it was stuck."""


# Without shrinking: another run of the same plan is another race.
@settings(max_examples=120, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(plan=plans())
def test_messages_arrive_once_in_order_and_one_at_a_time(plan):
    batches = {"ACTOR_BATCH": plan.actor_batch, "THREAD_BATCH": plan.thread_batch}
    began = time.monotonic()
    with mock.patch.multiple(limits, MAILBOX_DEPTH=plan.depth, ASK_TIMEOUT_S=STALL_S, **batches):
        stops = carry_out(plan)
    assert time.monotonic() - began < STALL_S
    assert [stop.overlaps for stop in stops] == [0] * len(stops)
    expected = defaultdict(int)
    for sender, batches in enumerate(plan.senders):
        for number, route in enumerate(route for batch in batches for route in batch.routes):
            for place in range(len(route)):
                expected[sender, number, route[place], len(route) - place - 1] += 1
    handled = defaultdict(int)
    for stop in stops:
        for hop in stop.seen:
            handled[hop.sender, hop.number, stop.index, len(hop.route)] += 1
    assert handled == expected
    for stop in stops:
        assert stop.handled == len(stop.seen) + 1
        for sender in range(len(plan.senders)):
            direct = [hop.number for hop in stop.seen if hop.came_from is None and hop.sender == sender]
            assert direct == sorted(direct)
        for before in stops:
            sent_on = [
                (hop.sender, hop.number, hop.route[1:])
                for hop in before.seen
                if hop.route and hop.route[0] == stop.index
            ]
            came = [(hop.sender, hop.number, hop.route) for hop in stop.seen if hop.came_from == before.index]
            assert came == sent_on


class Tick(NamedTuple):
    pass


class Counter(LightActor):
    def __init__(self):
        super().__init__()
        self.deepest = 0
        self.count = 0

    @handles(Tick)
    def tick(self, _):
        self.count += 1
        self.deepest = max(self.deepest, len(self.actor_inbox.queue))
        return self.count


@pytest.mark.parametrize("senders", [1, 2, 6])
def test_senders_outside_actors_never_overfill_a_mailbox(senders):
    bound, each = 10, 2000
    counter = Counter()
    ref = launch(counter)
    start = threading.Barrier(senders)

    def flood():
        start.wait(WAIT_S)
        for _ in range(each):
            ref.tell(Tick())

    with mock.patch.object(limits, "MAILBOX_DEPTH", bound):
        threads = [threading.Thread(target=flood, daemon=True) for _ in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
    assert ask(ref, Tick()) == senders * each + 1
    # Each sender may have put one message in before it looks.
    assert counter.deepest <= bound + senders
    ref.stop()


class Answering(ThreadedActor):
    @handles(Tick)
    def tick(self, _):
        return "answered"


class AnsweringLight(LightActor):
    @handles(Tick)
    def tick(self, _):
        return "answered"


@pytest.mark.parametrize("kind", [AnsweringLight, Answering])
def test_an_ask_that_races_a_stop_always_ends(kind):
    rounds, askers = 150, 3
    endings = defaultdict(int)
    lock = threading.Lock()
    for _ in range(rounds):
        assert endings["never"] == 0
        ref = kind.start()
        start = threading.Barrier(askers + 1)

        def race(ref=ref, start=start):
            start.wait(WAIT_S)
            while True:
                try:
                    ending = ask(ref, Tick(), timeout=0.5)
                except pykka.ActorDeadError:
                    ending = "dead"
                except pykka.Timeout:
                    ending = "never"
                with lock:
                    endings[ending] += 1
                if ending != "answered":
                    return

        threads = [threading.Thread(target=race, daemon=True) for _ in range(askers)]
        for thread in threads:
            thread.start()
        start.wait(WAIT_S)
        ref.stop(timeout=WAIT_S)
        for thread in threads:
            thread.join(WAIT_S)
    assert endings["never"] == 0
    assert endings["dead"] == rounds * askers


def test_a_tell_that_races_a_stop_raises_or_is_handled_before_it():
    for _ in range(100):
        counter = Counter()
        ref = launch(counter)
        start, told = threading.Barrier(3), []

        def race(ref=ref, start=start, told=told):
            start.wait(WAIT_S)
            deadline = time.monotonic() + WAIT_S
            while time.monotonic() < deadline:
                try:
                    ref.tell(Tick())
                except pykka.ActorDeadError:
                    return
                told.append(1)
            told.append("never stopped")

        threads = [threading.Thread(target=race, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        start.wait(WAIT_S)
        ref.stop(timeout=WAIT_S)
        at_the_end = counter.count
        for thread in threads:
            thread.join(WAIT_S)
        assert "never stopped" not in told
        # Up to the stop everything was handled; what crossed it was dropped, nothing was handled after.
        assert at_the_end == counter.count <= len(told) + 2
